// resolve_gradients.cpp -- which kernel each `grad` is taken of.
#include "ir/resolve_gradients.hpp"

#include <fmt/format.h>

#include "ir/nearest.hpp"

namespace swage::ir {

namespace {

template <class Decls>
std::optional<std::uint32_t> find(const Decls& decls, std::string_view name) {
  for (std::uint32_t i = 0; i < decls.size(); ++i)
    if (decls[i].name.text == name)
      return i;
  return std::nullopt;
}

void unknown_forward(const Program& program, const GradDecl& decl, Diagnostics& diagnostics) {
  if (program.incomplete)
    return; // its declaration may be what could not be read
  std::vector<std::string_view> names;
  for (const KernelDecl& kernel : program.kernels)
    names.push_back(kernel.name.text);
  for (const GradDecl& gradient : program.gradients)
    names.push_back(gradient.name.text);
  diagnostics
      .error(decl.forward.span,
             fmt::format("unknown kernel '{}', expected a kernel of this text", decl.forward.text))
      .help(did_you_mean(decl.forward.text, names));
}

/// Whether the chain of forward kernels from `start` comes back to it.
bool is_circular(const Program& program, std::uint32_t start) {
  std::uint32_t at = start;
  for (std::size_t steps = 0; steps <= program.gradients.size(); ++steps) {
    const GradDecl& decl = program.gradients[at];
    if (!decl.of_gradient || !decl.target)
      return false;
    at = *decl.target;
    if (at == start)
      return true;
  }
  return false; // it runs into a circle that it is no part of
}

} // namespace

void resolve_gradients(Program& program, Diagnostics& diagnostics) {
  for (GradDecl& decl : program.gradients) {
    decl.target = find(program.kernels, decl.forward.text);
    if (decl.target)
      continue;
    decl.target = find(program.gradients, decl.forward.text);
    decl.of_gradient = decl.target.has_value();
    if (!decl.target)
      unknown_forward(program, decl, diagnostics);
  }
  std::vector<std::uint32_t> circular;
  for (std::uint32_t i = 0; i < program.gradients.size(); ++i)
    if (is_circular(program, i))
      circular.push_back(i);
  for (const std::uint32_t i : circular) {
    GradDecl& decl = program.gradients[i];
    diagnostics.error(decl.forward.span,
                      fmt::format("'{}' is a gradient of itself", decl.name.text));
    decl.target.reset();
  }
  // What leads into something without a forward kernel has none either; no second error for it.
  for (bool changed = true; changed;) {
    changed = false;
    for (GradDecl& decl : program.gradients)
      if (decl.of_gradient && decl.target && !program.gradients[*decl.target].target) {
        decl.target.reset();
        changed = true;
      }
  }
}

} // namespace swage::ir
