// gradient_check.cpp -- a derived gradient against differences of the kernel that it is taken of.
#include "runtime/verify/gradient_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "ir/evaluate.hpp"

namespace swage::verify {

namespace {

using ir::Op;
using ir::Scalar;

constexpr int kPoints = 4096;

/// The function that `kernel` rounds: its floats all f64, which the evaluator computes in long
/// double, without casts between them.
ir::Kernel unrounded(const ir::Kernel& kernel) {
  std::vector<ir::Param> params(kernel.params().begin(), kernel.params().end());
  for (ir::Param& param : params)
    if (is_float(param.dtype))
      param.dtype = DType::f64;
  ir::KernelBuilder builder(kernel.name(), ir::MathMode::accurate, params);
  std::vector<ir::NodeId> made;
  for (const ir::Node& node : kernel.nodes()) {
    std::array<ir::NodeId, 3> args{};
    const auto arity = static_cast<std::size_t>(ir::info(node.op).arity);
    for (std::size_t i = 0; i < arity; ++i)
      args[i] = made[node.args[i]];
    const bool to_float = is_float(node.type);
    switch (node.op) {
    case Op::load: made.push_back(builder.load(node.param)); break;
    case Op::scalar: made.push_back(builder.scalar(node.param)); break;
    case Op::constant:
      made.push_back(to_float ? builder.real(DType::f64, node.real())
                              : builder.integer(node.type, node.integer()));
      break;
    case Op::cast:
      if (!to_float)
        made.push_back(builder.cast(node.storage, args[0]));
      else
        made.push_back(
            is_float(kernel.node(node.args[0]).type) ? args[0] : builder.cast(DType::f64, args[0]));
      break;
    default: made.push_back(builder.make(node.op, std::span(args.data(), arity)));
    }
  }
  for (const ir::Store& store : kernel.stores())
    builder.store(store.param, made[store.node]);
  return std::move(builder).build();
}

/// Values that functions bend at, of ordinary size and of many sizes.
Scalar random_value(std::mt19937_64& random, DType type) {
  static constexpr double kSpecial[] = {0, 1, -1, 0.5, -0.5, 2, -2, 20, -20, 100, -100, 10000};
  const std::uint64_t bits = random();
  if (!is_float(type))
    return {.real = 0,
            .integer = type == DType::boolean ? static_cast<std::int64_t>(bits & 1)
                                              : static_cast<std::int64_t>(bits % 9) - 2};
  const double unit = static_cast<double>(bits >> 11) * 0x1p-52 - 1; // [-1, 1)
  double value = 0;
  switch (bits & 7) {
  case 0: value = kSpecial[(bits >> 3) % std::size(kSpecial)]; break;
  case 1: value = std::ldexp(unit, static_cast<int>((bits >> 3) % 40) - 20); break;
  default: value = 4 * unit;
  }
  return ir::decode(type, ir::encode(type, {.real = value, .integer = 0}));
}

class Checker {
public:
  Checker(const ir::Kernel& forward, const ir::Kernel& derived)
      : forward_(unrounded(forward)), derived_(unrounded(derived)),
        from_(forward.params().size(), 0), outputs_(forward.stores().size()),
        gradients_(derived.stores().size()) {
    // First what arrives, an output each, then what the forward kernel reads.
    std::size_t next = forward.stores().size();
    for (std::size_t p = 0; p < forward.params().size(); ++p)
      if (!forward.params()[p].is_written())
        from_[p] = next++;
  }

  void check(const std::vector<Scalar>& at, std::size_t variable, std::size_t store,
             GradientCheck& result) {
    const long double x = at[from_[variable]].real;
    const long double step = x == 0 ? 0x1p-26L : std::fabs(x) * 0x1p-20L;
    const auto value = [&](long double offset) { return sum(at, variable, x + offset); };
    const long double near = (value(step) - value(-step)) / (2 * step);
    const long double far = (value(4 * step) - value(-4 * step)) / (8 * step);
    const long double left = (value(0) - value(-step)) / step;
    const long double right = (value(step) - value(0)) / step;
    derived_(at, gradients_, workspace_);
    const long double got = gradients_[store].real;
    // What the terms of the slope may be, where they cancel.
    const long double size = std::fabs(near) + 0.1L * magnitude_ / std::max(std::fabs(x), step);
    const long double doubt = 4 * std::fabs(near - far) + 1e-5L * size;
    const bool smooth = std::fabs(left - right) <= 1e-3L * size;
    // Where nothing arrives, an infinite slope is as good as any.
    const bool arrives = std::any_of(at.begin(), at.begin() + static_cast<long>(outputs_.size()),
                                     [](const Scalar& d) { return d.real != 0; });
    if (!arrives || !std::isfinite(near + far + left + right) || !smooth || doubt > 1e-3L * size) {
      ++result.unclear;
      return;
    }
    ++result.checked;
    if (std::fabs(got - near) <= doubt)
      return;
    ++result.wrong;
    if (result.first)
      return;
    result.first = {derived_.kernel().params()[from_[variable]].name,
                    {},
                    static_cast<double>(got),
                    static_cast<double>(near)};
    for (std::size_t p = 0; p < at.size(); ++p) {
      const bool is_real = is_float(derived_.kernel().params()[p].dtype);
      result.first->inputs.push_back(is_real ? static_cast<double>(at[p].real)
                                             : static_cast<double>(at[p].integer));
    }
  }

private:
  /// The forward kernel's outputs, each times what arrives for it.
  long double sum(const std::vector<Scalar>& at, std::size_t variable, long double x) {
    std::vector<Scalar> arguments(from_.size());
    for (std::size_t p = 0; p < from_.size(); ++p)
      if (!forward_.kernel().params()[p].is_written())
        arguments[p] = at[from_[p]];
    arguments[variable].real = x;
    forward_(arguments, outputs_, workspace_);
    long double total = 0;
    magnitude_ = 0;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      total += at[i].real * outputs_[i].real;
      magnitude_ += std::fabs(at[i].real * outputs_[i].real);
    }
    return total;
  }

  ir::Evaluator forward_, derived_;
  ir::Evaluator::Workspace workspace_;
  std::vector<std::size_t>
      from_; ///< by parameter of the forward kernel that it reads: the derived's
  std::vector<Scalar> outputs_, gradients_;
  long double magnitude_ = 0; ///< of the terms of the last sum
};

/// The store of the derived kernel that gives `item`.
std::size_t store_of(const ir::Kernel& derived, const ir::KernelDeclaration::GradientItem& item) {
  const std::string name = item.into.empty() ? "d_" + item.what : item.into;
  std::size_t store = 0;
  while (derived.params()[derived.stores()[store].param].name != name)
    ++store;
  return store;
}

} // namespace

GradientCheck check_gradient(const ir::Kernel& forward, const ir::Kernel& derived,
                             std::span<const ir::KernelDeclaration::GradientItem> items) {
  GradientCheck result{.forward = forward.name()};
  Checker checker(forward, derived);
  std::mt19937_64 random(1);
  std::vector<Scalar> at(derived.params().size());
  for (int point = 0; point < kPoints; ++point) {
    for (std::size_t p = 0; p < at.size(); ++p)
      at[p] = random_value(random, derived.params()[p].dtype);
    for (const auto& item : items)
      for (std::size_t p = 0; p < forward.params().size(); ++p)
        if (const ir::Param& param = forward.params()[p];
            param.name == item.what && !param.is_written())
          checker.check(at, p, store_of(derived, item), result);
  }
  return result;
}

} // namespace swage::verify
