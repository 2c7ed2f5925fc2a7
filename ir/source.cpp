// source.cpp -- the way from text to a bound kernel, and to one that is ready to compile.
#include "ir/source.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "ir/bind.hpp"
#include "ir/bind_gradient.hpp"
#include "ir/float_environment.hpp"
#include "ir/nearest.hpp"
#include "ir/parser.hpp"
#include "ir/passes.hpp"
#include "ir/resolve.hpp"
#include "swage/error.hpp"

namespace swage::ir {

namespace {

std::string_view trimmed(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r\n");
  if (first == line.npos)
    return {};
  return line.substr(first, line.find_last_not_of(" \t\r\n") - first + 1);
}

// The `//` lines right above what begins its line at `offset`.
std::string comment_above(std::string_view text, std::size_t offset) {
  std::vector<std::string_view> lines;
  while (offset > 0 && (text[offset - 1] == ' ' || text[offset - 1] == '\t'))
    --offset;
  if (offset == 0 || !ends_line(text, offset - 1))
    return {};
  for (std::size_t end = offset; end > 0;) {
    const std::size_t begin = begin_of_line(text, end - 1);
    std::string_view line = trimmed(text.substr(begin, end - begin));
    if (!line.starts_with("//"))
      break;
    line.remove_prefix(std::min(line.find_first_not_of('/'), line.size()));
    lines.push_back(line.starts_with(' ') ? line.substr(1) : line);
    end = begin;
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
  result.text = program.text_of({kernel.begin, kernel.end});
  return result;
}

// A gradient has the generics and constants of the kernel it is derived from.
KernelDeclaration describe(const Program& program, const GradDecl& gradient) {
  KernelDeclaration result = describe(program, base_kernel(program, gradient));
  result.name = gradient.name.text;
  result.comment = comment_above(program.text, gradient.begin);
  result.text = program.text_of({gradient.begin, gradient.end});
  result.gradient_of = gradient.forward.text;
  for (const GradItem& item : gradient.items)
    result.gradient_items.push_back(
        {std::string(item.what.text), item.into ? std::string(item.into->text) : std::string()});
  return result;
}

/// A kernel or a gradient of a program.
struct Declared {
  std::string_view name;
  std::uint32_t begin;
  const KernelDecl* kernel;
  const GradDecl* gradient;
};

/// All of them in the order of the text.
std::vector<Declared> declared(const Program& program) {
  std::vector<Declared> result;
  for (const KernelDecl& kernel : program.kernels)
    result.push_back({kernel.name.text, kernel.name.span.begin, &kernel, nullptr});
  for (const GradDecl& gradient : program.gradients)
    result.push_back({gradient.name.text, gradient.name.span.begin, nullptr, &gradient});
  std::sort(result.begin(), result.end(),
            [](const Declared& a, const Declared& b) { return a.begin < b.begin; });
  return result;
}

std::string listed(std::span<const std::string_view> names) {
  constexpr std::size_t kShown = 20;
  return fmt::format("{}{}", fmt::join(names.first(std::min(names.size(), kShown)), ", "),
                     names.size() > kShown ? ", ..." : "");
}

std::optional<Declared> pick(const Program& program, std::string_view name,
                             Diagnostics& diagnostics) {
  const std::vector<Declared> all = declared(program);
  std::vector<std::string_view> names;
  for (const Declared& one : all) {
    if (one.name == name || (name.empty() && all.size() == 1))
      return one;
    names.push_back(one.name);
  }
  // After a syntax error the kernel may be there and have no name; and which one is meant can wait
  // until the text is right.
  if (program.incomplete || (name.empty() && !diagnostics.empty()))
    return std::nullopt;
  if (all.empty()) {
    diagnostics.error(kNoPlace, "the text declares no kernel")
        .help("write kernel name(x: in f32, y: out f32) { y = x; }");
  } else if (name.empty()) {
    diagnostics
        .error(kNoPlace,
               fmt::format("the text declares {} kernels: name the one that is meant", all.size()))
        .help(fmt::format("it has {}", listed(names)));
  } else {
    std::string help = did_you_mean(name, names);
    diagnostics.error(kNoPlace, fmt::format("the text declares no kernel '{}'", name))
        .help(help.empty() ? fmt::format("it has {}", listed(names)) : std::move(help));
  }
  return std::nullopt;
}

} // namespace

std::vector<KernelDeclaration> list_kernels(const SourceText& source) {
  const DefaultFloatEnvironment environment;
  Diagnostics diagnostics;
  std::vector<KernelDeclaration> result;
  try {
    Program program = parse(source.text, diagnostics);
    resolve(program, diagnostics);
    int line = 1;
    std::size_t counted = 0; // kernels come in the order of the text
    for (const Declared& one : declared(program)) {
      if (one.gradient && !one.gradient->target)
        continue; // reported
      const std::size_t at = one.begin;
      line += line_of(source.text.substr(counted, at - counted), at) - 1;
      counted = at;
      result.push_back(one.kernel ? describe(program, *one.kernel)
                                  : describe(program, *one.gradient));
      result.back().line = line;
    }
  } catch (const Stop&) {
  }
  throw_if_any(source, diagnostics);
  return result;
}

Kernel parse_kernel(const SourceText& source, std::string_view name,
                    const std::vector<Binding>& bindings, std::optional<MathMode> math,
                    std::vector<Constant>* constants) {
  const DefaultFloatEnvironment environment;
  Diagnostics diagnostics;
  std::optional<Kernel> result;
  try {
    Program program = parse(source.text, diagnostics);
    resolve(program, diagnostics);
    if (const auto picked = pick(program, name, diagnostics))
      result =
          picked->kernel
              ? bind_kernel(program, *picked->kernel, bindings, math, diagnostics, constants)
              : bind_gradient(program, *picked->gradient, bindings, math, diagnostics, constants);
  } catch (const Stop&) {
  }
  throw_if_any(source, diagnostics);
  if (!result)
    throw Error(ErrorCode::internal, "no kernel and no diagnostic for it: please report this text");
  return *std::move(result);
}

Kernel load_kernel(const SourceText& source, std::string_view name,
                   const std::vector<Binding>& bindings, std::optional<MathMode> math,
                   std::vector<Constant>* constants) {
  const Kernel parsed = parse_kernel(source, name, bindings, math, constants);
  verify(parsed);
  return contract(simplify(recognise(simplify(parsed))));
}

} // namespace swage::ir
