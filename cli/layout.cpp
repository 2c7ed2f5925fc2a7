// layout.cpp -- a specialization as it is written on the command line.
#include "cli/layout.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "codegen/tile_plan.hpp"
#include "swage/error.hpp"

namespace swage::cli {

namespace {

using codegen::Layout;

std::uint8_t parse_alignment(std::string_view word) {
  unsigned bytes = 0;
  const std::string_view digits = word.substr(word.find('=') + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bytes);
  if (error == std::errc{} && end == digits.data() + digits.size())
    for (std::uint8_t log2 = 0; log2 <= 6; ++log2)
      if (bytes == 1u << log2)
        return log2;
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("'{}' in --layout is no alignment; it takes 1, 2, 4, 8, 16, 32 or 64", word));
}

std::int64_t parse_columns(std::string_view word) {
  std::int64_t columns = 0;
  const std::string_view digits = word.substr(word.find('=') + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), columns);
  if (error != std::errc{} || end != digits.data() + digits.size() || columns < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' in --layout is no number of columns; it takes 1 and more", word));
  return columns;
}

codegen::ValidRows parse_valid_rows(std::string_view word, bool& counts64) {
  const std::string_view counts = word.substr(word.find('=') + 1);
  counts64 = counts.ends_with(":i64");
  if (counts == "one:i32" || counts == "one:i64")
    return codegen::ValidRows::one;
  if (counts == "per_batch:i32" || counts == "per_batch:i64")
    return codegen::ValidRows::per_batch;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("'{}' in --layout names no counts; it takes one:i32, one:i64, "
                          "per_batch:i32 or per_batch:i64",
                          word));
}

std::uint8_t parse_dims(std::string_view digits, std::string_view word) {
  unsigned dims = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), dims);
  if (error == std::errc{} && end == digits.data() + digits.size() && dims >= 1 &&
      dims <= unsigned{codegen::kMaxViewDims})
    return static_cast<std::uint8_t>(dims);
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("'{}' in --layout names no dimensions; it takes row=R and group=RxG, R of "
                  "the rows and G of the groups, {} together",
                  word, codegen::kMaxViewDims));
}

/// "row=3" of all [row] tensors, "group=3x2" of all [group n] ones.
void set_dims(std::string_view word, codegen::Specialization& result) {
  const bool groups = word.starts_with("group=");
  const std::string_view dims = word.substr(word.find('=') + 1);
  const std::size_t by = groups ? std::min(dims.find('x'), dims.size()) : dims.size();
  const std::uint8_t of_rows = parse_dims(dims.substr(0, by), word);
  const std::uint8_t of_groups =
      groups ? parse_dims(dims.substr(std::min(by + 1, dims.size())), word) : std::uint8_t{1};
  for (codegen::TensorSpec& tensor : result.tensors)
    if (tensor.layout == (groups ? Layout::per_group : Layout::per_row)) {
      tensor.row_dims = of_rows;
      tensor.group_dims = of_groups;
    }
}

void set_layouts(codegen::Specialization& result, const ir::Kernel& kernel, bool strided) {
  result.flat = false;
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    Layout& layout = result.tensors[tensor++].layout;
    if (param.broadcast == ir::Broadcast::none) // two elements that share a byte are neighbours
      layout = strided && !is_packed(param.dtype) ? Layout::strided : Layout::unit;
    else if (param.broadcast == ir::Broadcast::per_column && strided)
      layout = Layout::per_column_strided;
    else if (param.broadcast == ir::Broadcast::per_column_group && strided)
      layout = Layout::per_column_group_strided;
  }
}

void set_aliased(codegen::Specialization& result, const ir::Kernel& kernel) {
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor())
      result.tensors[tensor++].aliased = param.kind == ir::ParamKind::in;
}

/// The tensor `name` of a kernel with groups of rows lies column by column.
void set_transposed(std::string_view name, codegen::Specialization& result,
                    const ir::Kernel& kernel) {
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    Layout& layout = result.tensors[tensor++].layout;
    if (param.name != name)
      continue;
    if (param.broadcast != ir::Broadcast::none || codegen::rows_of_groups(kernel) == 0)
      break;
    layout = Layout::column_major;
    return;
  }
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("'{}' in --layout is no tensor of elements of a kernel with groups of rows",
                  name));
}

void apply(std::string_view word, codegen::Specialization& result, const ir::Kernel& kernel) {
  if (word == "rows" || word == "strided")
    set_layouts(result, kernel, word == "strided");
  else if (word == "index64")
    result.index64 = true;
  else if (word == "exact")
    result.exact = true;
  else if (word == "aliased")
    set_aliased(result, kernel);
  else if (word.starts_with("align="))
    for (codegen::TensorSpec& tensor : result.tensors)
      tensor.align_log2 = parse_alignment(word);
  else if (word.starts_with("columns="))
    codegen::set_columns(result, parse_columns(word));
  else if (word.starts_with("columns<=")) {
    codegen::set_columns(result, parse_columns(word));
    result.columns_known = false;
  } else if (word.starts_with("row=") || word.starts_with("group="))
    set_dims(word, result);
  else if (word.starts_with("transposed="))
    set_transposed(word.substr(word.find('=') + 1), result, kernel);
  else if (word.starts_with("valid_rows="))
    result.valid_rows = parse_valid_rows(word, result.counts64);
  else if (word != "flat")
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format(
            "'{}' is not a word of --layout; there are flat, rows, strided, align=N, "
            "index64, exact, aliased, columns=N, columns<=N, row=R, group=RxG, transposed=NAME and "
            "valid_rows=COUNTS",
            word));
}

} // namespace

codegen::Specialization parse_layout(std::string_view text, const ir::Kernel& kernel) {
  codegen::Specialization result = codegen::contiguous(kernel);
  for (std::size_t at = text.find_first_not_of(" ,"); at != text.npos;
       at = text.find_first_not_of(" ,", at)) {
    const std::size_t end = std::min(text.find_first_of(" ,", at), text.size());
    apply(text.substr(at, end - at), result, kernel);
    at = end;
  }
  codegen::check_specialization(result, kernel);
  return result;
}

std::string layout_of_step(std::string_view text, const codegen::Step& step) {
  const auto concerns = [&](std::string_view word) {
    constexpr std::string_view kTransposed = "transposed=";
    if (word.starts_with(kTransposed))
      return std::ranges::any_of(step.kernel.params(), [&](const ir::Param& param) {
        return param.name == word.substr(kTransposed.size());
      });
    return !step.of_columns || !(word.starts_with("valid_rows=") || word.starts_with("row=") ||
                                 word.starts_with("group="));
  };
  std::string kept;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" ,;", at), text.size());
    if (concerns(text.substr(at, end - at)))
      kept += text.substr(at, end - at);
    if (end < text.size())
      kept += text[end];
    at = end + 1;
  }
  return kept;
}

} // namespace swage::cli
