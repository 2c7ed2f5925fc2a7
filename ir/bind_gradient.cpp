// bind_gradient.cpp -- binds the forward kernel of a gradient and differentiates it.
#include "ir/bind_gradient.hpp"

#include <fmt/format.h>

#include "ir/bind.hpp"
#include "ir/differentiate.hpp"
#include "ir/nearest.hpp"
#include "ir/passes.hpp"

namespace swage::ir {

namespace {

std::optional<Kernel> derive(const Kernel& forward, const GradDecl& gradient,
                             Diagnostics& diagnostics) {
  GradRequest request{.name = std::string(gradient.name.text), .items = {}};
  for (const GradItem& item : gradient.items)
    request.items.push_back(
        {std::string(item.what.text), item.into ? std::string(item.into->text) : std::string()});
  try {
    Kernel derived = differentiate(simplify(forward), request);
    if (derived.nodes().size() <= kMaxNodes)
      return derived;
    diagnostics.error(gradient.name.span,
                      fmt::format("the gradient has {} operations, more than {}",
                                  derived.nodes().size(), kMaxNodes));
  } catch (const GradError& error) {
    Span span = gradient.forward.span;
    std::string help;
    if (error.item < gradient.items.size()) {
      const GradItem& item = gradient.items[error.item];
      span = error.in_buffer && item.into ? item.into->span : item.what.span;
      std::vector<std::string_view> names;
      for (const Param& param : forward.params())
        names.push_back(param.name);
      if (error.unknown)
        help = did_you_mean(item.what.text, names);
    }
    diagnostics.error(span, error.message).help(std::move(help));
  }
  return std::nullopt;
}

int order_of(const Program& program, const GradDecl& gradient) {
  int order = 1;
  for (const GradDecl* at = &gradient; at->of_gradient; at = &program.gradients[*at->target])
    ++order;
  return order;
}

} // namespace

const KernelDecl& base_kernel(const Program& program, const GradDecl& gradient) {
  const GradDecl* at = &gradient;
  while (at->of_gradient)
    at = &program.gradients[*at->target];
  return program.kernels[*at->target];
}

std::optional<Kernel> bind_gradient(const Program& program, const GradDecl& gradient,
                                    const std::vector<Binding>& bindings,
                                    std::optional<MathMode> math, Diagnostics& diagnostics,
                                    std::vector<Constant>* constants) {
  if (!gradient.target)
    return std::nullopt;
  if (order_of(program, gradient) > kMaxGradientOrder) {
    diagnostics.error(gradient.name.span,
                      fmt::format("a gradient of order {}, more than {}",
                                  order_of(program, gradient), kMaxGradientOrder));
    return std::nullopt;
  }
  if (!math)
    math = gradient.math;
  if (gradient.of_gradient) {
    const auto forward = bind_gradient(program, program.gradients[*gradient.target], bindings, math,
                                       diagnostics, constants);
    return forward ? derive(*forward, gradient, diagnostics) : std::nullopt;
  }
  const auto forward = bind_kernel(program, program.kernels[*gradient.target], bindings, math,
                                   diagnostics, constants);
  return forward ? derive(recognise(simplify(*forward)), gradient, diagnostics) : std::nullopt;
}

} // namespace swage::ir
