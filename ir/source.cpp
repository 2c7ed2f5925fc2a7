// source.cpp -- list_kernels and parse_kernel: the way from text to a bound kernel.
#include "ir/source.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "ir/bind.hpp"
#include "ir/nearest.hpp"
#include "ir/parser.hpp"
#include "ir/resolve.hpp"
#include "swage/error.hpp"

namespace swage::ir {

namespace {

std::string_view trimmed(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == line.npos)
    return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// The `//` lines right above what begins its line at `offset`.
std::string comment_above(std::string_view text, std::size_t offset) {
  std::vector<std::string_view> lines;
  while (offset > 0 && (text[offset - 1] == ' ' || text[offset - 1] == '\t'))
    --offset;
  if (offset == 0 || text[offset - 1] != '\n')
    return {};
  for (std::size_t end = offset - 1; end != text.npos;) {
    const std::size_t before = end == 0 ? text.npos : text.rfind('\n', end - 1);
    const std::size_t begin = before == text.npos ? 0 : before + 1;
    std::string_view line = trimmed(text.substr(begin, end - begin));
    if (!line.starts_with("//"))
      break;
    line.remove_prefix(std::min(line.find_first_not_of('/'), line.size()));
    lines.push_back(line.starts_with(' ') ? line.substr(1) : line);
    end = before;
  }
  std::reverse(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

KernelDeclaration describe(const Program& program, const KernelDecl& kernel) {
  KernelDeclaration result;
  result.name = kernel.name.text;
  for (const Name& generic : kernel.generics)
    result.generics.emplace_back(generic.text);
  for (const ParamDecl& param : kernel.params) {
    if (!param.is_const)
      continue;
    const bool generic = param.type.generic >= 0;
    result.constants.push_back({std::string(param.name.text), param.type.dtype.value_or(DType::f32),
                                param.default_value.has_value(),
                                generic ? std::string(param.type.name.text) : std::string()});
  }
  result.comment = comment_above(program.text, kernel.begin);
  return result;
}

std::string listed(const Program& program) {
  constexpr std::size_t kShown = 20;
  std::vector<std::string_view> names;
  for (const KernelDecl& kernel : program.kernels)
    if (names.size() < kShown)
      names.push_back(kernel.name.text);
  return fmt::format("{}{}", fmt::join(names, ", "),
                     program.kernels.size() > kShown ? ", ..." : "");
}

const KernelDecl* pick(const Program& program, std::string_view name, Diagnostics& diagnostics) {
  const auto is_it = [&](const KernelDecl& kernel) { return kernel.name.text == name; };
  const auto found = std::find_if(program.kernels.begin(), program.kernels.end(), is_it);
  if (found != program.kernels.end())
    return &*found;
  if (name.empty() && program.kernels.size() == 1)
    return &program.kernels[0];
  // After a syntax error the kernel may be there and have no name; and which one is meant can wait
  // until the text is right.
  if (program.incomplete || (name.empty() && !diagnostics.empty()))
    return nullptr;
  if (program.kernels.empty()) {
    if (program.gradients.empty())
      diagnostics.error(kNoPlace, "the text declares no kernel")
          .help("write kernel name(x: in f32, y: out f32) { y = x; }");
  } else if (name.empty()) {
    diagnostics
        .error(kNoPlace, fmt::format("the text declares {} kernels: name the one that is meant",
                                     program.kernels.size()))
        .help(fmt::format("it has {}", listed(program)));
  } else {
    std::vector<std::string_view> names;
    for (const KernelDecl& kernel : program.kernels)
      names.push_back(kernel.name.text);
    std::string help = did_you_mean(name, names);
    diagnostics.error(kNoPlace, fmt::format("the text declares no kernel '{}'", name))
        .help(help.empty() ? fmt::format("it has {}", listed(program)) : std::move(help));
  }
  return nullptr;
}

} // namespace

std::vector<KernelDeclaration> list_kernels(const SourceText& source) {
  Diagnostics diagnostics;
  std::vector<KernelDeclaration> result;
  try {
    Program program = parse(source.text, diagnostics);
    resolve(program, diagnostics);
    int line = 1;
    std::size_t counted = 0; // kernels come in the order of the text
    for (const KernelDecl& kernel : program.kernels) {
      const std::size_t at = kernel.name.span.begin;
      line += line_of(source.text.substr(counted, at - counted), at) - 1;
      counted = at;
      result.push_back(describe(program, kernel));
      result.back().line = line;
    }
  } catch (const Stop&) {
  }
  throw_if_any(source, diagnostics);
  return result;
}

Kernel parse_kernel(const SourceText& source, std::string_view name,
                    const std::vector<Binding>& bindings, std::optional<MathMode> math) {
  Diagnostics diagnostics;
  std::optional<Kernel> result;
  try {
    Program program = parse(source.text, diagnostics);
    resolve(program, diagnostics);
    if (const KernelDecl* kernel = pick(program, name, diagnostics))
      result = bind_kernel(program, *kernel, bindings, math, diagnostics);
  } catch (const Stop&) {
  }
  throw_if_any(source, diagnostics);
  if (!result)
    throw Error(ErrorCode::internal, "no kernel and no diagnostic for it: please report this text");
  return *std::move(result);
}

} // namespace swage::ir
