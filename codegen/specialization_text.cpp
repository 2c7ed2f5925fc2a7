// specialization_text.cpp -- a specialization from its canonical line.
#include "codegen/specialization_text.hpp"

#include <algorithm>
#include <charconv>

#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// Takes words off the front of a line.
class Words {
public:
  explicit Words(std::string_view line) : rest_(line) {}

  std::string_view next() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }
  /// Takes the next word if it is, or begins with, `prefix`; gives what follows that.
  std::optional<std::string_view> next_if(std::string_view prefix) {
    Words ahead = *this;
    const std::string_view word = ahead.next();
    if (!word.starts_with(prefix))
      return std::nullopt;
    *this = ahead;
    return word.substr(prefix.size());
  }

private:
  std::string_view rest_;
};

/// 0 for what is no number.
std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

std::optional<Layout> layout_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Layout::column_major); ++i)
    if (name_of(static_cast<Layout>(i)) == name)
      return static_cast<Layout>(i);
  return std::nullopt;
}

/// "3" or "3x2" of one tensor.
void parse_dims(std::string_view text, TensorSpec& spec) {
  const std::size_t by = std::min(text.find('x'), text.size());
  const auto dims = [](std::string_view digits) {
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(number(digits), 0, 255));
  };
  spec.row_dims = dims(text.substr(0, by));
  if (by < text.size())
    spec.group_dims = dims(text.substr(by + 1));
}

/// "even(up)@16" or "group(3x2)@1" of one tensor. What is wrong comes out when the line is printed
/// again.
TensorSpec parse_tensor(std::string_view text, const ir::Kernel& kernel) {
  TensorSpec spec;
  const std::size_t at = std::min(text.find('@'), text.size());
  std::string_view layout = text.substr(0, at);
  if (const std::size_t open = layout.find('('); open != layout.npos && layout.ends_with(')')) {
    const std::string_view inside = layout.substr(open + 1, layout.size() - open - 2);
    layout = layout.substr(0, open);
    spec.layout = layout_named(layout).value_or(Layout::unit);
    for (std::size_t p = 0; p < kernel.params().size() && is_interleaved(spec.layout); ++p)
      if (kernel.params()[p].name == inside)
        spec.partner = static_cast<std::uint8_t>(p);
    if (!is_interleaved(spec.layout))
      parse_dims(inside, spec);
  }
  spec.layout = layout_named(layout).value_or(Layout::unit);
  const std::int64_t bytes = at < text.size() ? number(text.substr(at + 1)) : 0;
  spec.align_log2 = 0;
  while (spec.align_log2 < 7 && (std::int64_t{1} << spec.align_log2) < bytes)
    ++spec.align_log2;
  return spec;
}

} // namespace

std::optional<Specialization> parse_specialization(std::string_view line,
                                                   const ir::Kernel& kernel) {
  Words words(line);
  Specialization result;
  result.flat = words.next() == "flat";
  result.index64 = words.next() == "i64";
  result.exact = words.next_if("exact").has_value();
  if (const auto columns = words.next_if("columns<="))
    result.columns_at_most = number(*columns);
  else if (const auto known = words.next_if("columns=")) {
    result.columns_at_most = number(*known);
    result.columns_known = true;
  }
  if (const auto counts = words.next_if("valid_rows=")) {
    result.valid_rows = counts->starts_with("one") ? ValidRows::one : ValidRows::per_batch;
    result.counts64 = counts->ends_with("i64");
  }
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    const auto text = words.next_if(std::string(param.name) + '=');
    if (!text)
      return std::nullopt;
    result.tensors.push_back(parse_tensor(*text, kernel));
    result.tensors.back().aliased = words.next_if("aliased").has_value();
  }
  try {
    check_specialization(result, kernel);
  } catch (const Error&) {
    return std::nullopt;
  }
  // One line for one specialization: whatever was skipped or misread above shows here.
  if (canonical(result, kernel) != line)
    return std::nullopt;
  return result;
}

} // namespace swage::codegen
