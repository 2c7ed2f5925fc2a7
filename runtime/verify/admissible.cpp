// admissible.cpp -- the results that rounding allows a kernel to give for one element.
#include "runtime/verify/admissible.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/verify/compare.hpp"
#include "runtime/verify/value_set.hpp"

namespace swage::verify {

namespace {

using ir::Op;
using ir::Scalar;

/// The operation of `node` as a kernel of its own, on scalars of its operands' compute types.
ir::Kernel single_operation(const ir::Kernel& kernel, const ir::Node& node) {
  const int arity = ir::info(node.op).arity;
  std::vector<ir::Param> params;
  for (int i = 0; i < arity; ++i)
    params.push_back({std::string(1, static_cast<char>('a' + i)), ir::ParamKind::scalar,
                      kernel.node(node.args[i]).type, ir::Broadcast::none});
  params.push_back({"result", ir::ParamKind::out, node.type, ir::Broadcast::none});

  ir::KernelBuilder builder("operation", kernel.math(), params);
  std::array<ir::NodeId, 3> args{};
  for (int i = 0; i < arity; ++i)
    args[i] = builder.scalar(static_cast<std::uint32_t>(i));
  const ir::NodeId value =
      node.op == Op::cast
          ? builder.cast(node.storage, args[0])
          : builder.make(node.op, std::span(args.data(), static_cast<std::size_t>(arity)));
  builder.store(static_cast<std::uint32_t>(arity), value);
  return std::move(builder).build();
}

bool is_leaf(Op op) noexcept {
  return op == Op::load || op == Op::scalar || op == Op::constant;
}

std::uint8_t bit(Reason reason) noexcept {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(reason));
}

bool is_narrowing(const ir::Node& node) noexcept {
  return node.op == Op::cast && is_float(node.storage);
}

/// What of `set` an operation has made worth telling, given that its operands told `inherited`.
std::uint8_t reasons_of(const ir::Node& node, const ValueSet& set, std::uint8_t inherited,
                        bool on_jump) {
  std::uint8_t reasons = inherited;
  const bool settled = is_exactly(set, node.type);
  if (on_jump && !settled)
    reasons |= bit(Reason::jump);
  if (is_narrowing(node) && !settled)
    reasons |= bit(Reason::rounding_point);
  if (is_float(node.type) && std::isfinite(set.exact.real)) {
    if (set.exact.real != 0 && std::abs(set.exact.real) < lowest_normal(node.type))
      reasons |= bit(Reason::underflow);
    for (const Piece& piece : set.pieces)
      if (std::isinf(piece.low.real) || std::isinf(piece.high.real))
        reasons |= bit(Reason::overflow);
  }
  return reasons;
}

} // namespace

std::string_view name_of(Reason reason) noexcept {
  switch (reason) {
  case Reason::jump: return "jump";
  case Reason::overflow: return "overflow";
  case Reason::rounding_point: return "rounding point";
  case Reason::underflow: return "underflow";
  case Reason::cancellation: break;
  }
  return "cancellation";
}

AdmissibleResults::AdmissibleResults(const ir::Kernel& kernel)
    : kernel_(kernel), accuracies_(ir::accuracies(kernel)) {
  for (const ir::Node& node : kernel.nodes()) {
    single_.emplace_back();
    if (!is_leaf(node.op))
      single_.back().emplace(single_operation(kernel, node));
  }
}

ValueSet AdmissibleResults::evaluate(ir::NodeId id, std::span<const ValueSet> known,
                                     ir::Evaluator::Workspace& workspace) const {
  const ir::Node& node = kernel_.node(id);
  const std::size_t arity = static_cast<std::size_t>(ir::info(node.op).arity);
  Operation operation{.node = node, .operands = {}, .types = {}, .evaluate = {}};
  std::array<Scalar, 4> exact;
  std::uint8_t inherited = 0;
  for (std::size_t i = 0; i < arity; ++i) {
    operation.operands[i] = &known[node.args[i]];
    operation.types[i] = kernel_.node(node.args[i]).type;
    exact[i] = known[node.args[i]].exact;
    inherited |= known[node.args[i]].reasons;
  }
  operation.evaluate = [&](std::span<const Scalar> operands) {
    std::array<Scalar, 4> arguments; // the operands, then the result
    std::copy(operands.begin(), operands.end(), arguments.begin());
    Scalar value;
    (*single_[id])(std::span(arguments.data(), arity + 1), std::span(&value, 1), workspace);
    return value;
  };
  ValueSet result = image(operation);
  result.exact = operation.evaluate(std::span(exact.data(), arity));
  if (is_float(node.type))
    round(result, node, *operation.operands[0], kernel_.math(), accuracies_[id]);
  bool on_jump = node.op == Op::cast && !is_float(node.type);
  for (std::size_t i = 0; i < arity; ++i)
    on_jump |= is_float(operation.types[i]) && ir::jumps(node.op, static_cast<int>(i));
  result.reasons = reasons_of(node, result, inherited, on_jump);
  return result;
}

std::vector<ValueSet> AdmissibleResults::sets(std::span<const std::uint64_t> arguments) const {
  ir::Evaluator::Workspace workspace;
  std::vector<ValueSet> known;
  known.reserve(kernel_.nodes().size());
  for (ir::NodeId id = 0; id < kernel_.nodes().size(); ++id) {
    const ir::Node& node = kernel_.node(id);
    if (node.op == Op::constant) {
      known.push_back(exactly(node.type, is_float(node.type)
                                             ? Scalar{.real = node.real(), .integer = 0}
                                             : Scalar{.real = 0, .integer = node.integer()}));
    } else if (is_leaf(node.op)) {
      const DType type = kernel_.params()[node.param].dtype;
      known.push_back(exactly(node.type, ir::decode(type, arguments[node.param])));
    } else {
      known.push_back(evaluate(id, known, workspace));
    }
  }
  return known;
}

std::optional<Reason> AdmissibleResults::check(std::size_t store, std::uint64_t got,
                                               std::span<const std::uint64_t> arguments) const {
  const ir::Store& stored = kernel_.stores()[store];
  const DType type = kernel_.params()[stored.param].dtype;
  const ValueSet set = sets(arguments)[stored.node];
  const Scalar value = ir::decode(type, got);
  if (is_float(type) && std::isfinite(set.exact.real)) {
    if (!std::isfinite(value.real) && std::isinf(ir::ulp_error(type, value.real, set.exact.real)))
      return std::nullopt;
    if ((set.reasons & bit(Reason::overflow)) != 0 && std::isfinite(value.real) &&
        ir::ulp_error(type, value.real, set.exact.real) > default_max_ulp(type) &&
        std::abs(value.real - set.exact.real) > lowest_normal(kernel_.node(stored.node).type))
      return std::nullopt;
  }
  if (is_float(type) && std::isnan(value.real) ? !set.nan : !holds_stored(set, type, value))
    return std::nullopt;
  for (int i = 0; i < kReasonCount; ++i)
    if ((set.reasons >> i & 1) != 0)
      return static_cast<Reason>(i);
  return Reason::cancellation;
}

} // namespace swage::verify
