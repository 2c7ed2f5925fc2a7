// admissible.cpp -- the results that rounding allows a kernel to give for one element.
#include "cli/admissible.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace swage::cli {

namespace {

using ir::Op;
using ir::Scalar;

constexpr std::size_t kMaxPoints = 4; // low, high, zero between them, NaN

/// Whether every storage of a float in the kernel is a 16-bit one: then functions owe their results
/// 2^-19, else 4 ulp.
bool stores_halves_only(const ir::Kernel& kernel) {
  return std::all_of(kernel.stores().begin(), kernel.stores().end(), [&](const ir::Store& store) {
    const DType type = kernel.params()[store.param].dtype;
    return !is_float(type) || size_of(type) == 2;
  });
}

/// Error bound of one operation in ulp of its compute type, operands taken as exact.
double bound_of(const ir::Node& node, ir::MathMode math, bool halves) {
  switch (node.op) {
  case Op::load:
  case Op::scalar:
  case Op::constant:
  case Op::cast: // rounds exactly
  case Op::neg:
  case Op::abs:
  case Op::min:
  case Op::max:
  case Op::clamp:
  case Op::relu:
  case Op::select:
  case Op::copysign:
  case Op::floor:
  case Op::ceil:
  case Op::round:
  case Op::trunc: return 0;
  case Op::add:
  case Op::sub:
  case Op::mul:
  case Op::fma: return 0.5;
  default: break;
  }
  // Triton's exp is ex2.approx of a rounded product: the product's half ulp is worth up to
  // 128 * ln(2) / 2 = 45 ulp of the result, to which ex2.approx and div.full add 2 each.
  if (math != ir::MathMode::accurate)
    return 64;
  return halves ? 32 : 4; // 2^-19 is 16 to 32 ulp of f32
}

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

bool has_real(DType compute) noexcept {
  return is_float(compute);
}

bool is_nan(DType type, const Scalar& value) noexcept {
  return has_real(type) && std::isnan(value.real);
}

bool less(DType type, const Scalar& a, const Scalar& b) noexcept {
  return has_real(type) ? a.real < b.real : a.integer < b.integer;
}

void include(ValueRange& range, DType type, const Scalar& value) noexcept {
  if (is_nan(type, value)) {
    range.nan = true;
  } else if (!range.ordered) {
    range.low = range.high = value;
    range.ordered = true;
  } else if (less(type, value, range.low)) {
    range.low = value;
  } else if (less(type, range.high, value)) {
    range.high = value;
  }
}

ValueRange exactly(DType type, const Scalar& value) {
  ValueRange range;
  include(range, type, value);
  return range;
}

/// Where an operation is evaluated on one operand's range. Ranges are narrow, so that operations
/// are as good as monotone between these points.
std::size_t points_of(DType type, const ValueRange& range,
                      std::array<Scalar, kMaxPoints>& points) noexcept {
  std::size_t count = 0;
  if (range.ordered) {
    points[count++] = range.low;
    if (less(type, range.low, range.high))
      points[count++] = range.high;
    if (less(type, range.low, Scalar{}) && less(type, Scalar{}, range.high))
      points[count++] = Scalar{};
  }
  if (range.nan)
    points[count++] = {.real = std::numeric_limits<long double>::quiet_NaN(), .integer = 0};
  return count;
}

/// `value` moved by `ulps` in the given direction, with the compute type's overflow to infinity;
/// modes other than accurate may flush subnormals.
long double widened(DType type, long double value, double ulps, int direction, bool flushes) {
  if (!std::isfinite(value))
    return value;
  const long double lowest_normal = type == DType::f64 ? 0x1p-1022L : 0x1p-126L;
  long double result = value + direction * static_cast<long double>(ulps) * ir::ulp(type, value);
  if (flushes && std::abs(value) < 2 * lowest_normal)
    result += direction * lowest_normal;
  const long double largest = type == DType::f64
                                  ? static_cast<long double>(std::numeric_limits<double>::max())
                                  : static_cast<long double>(std::numeric_limits<float>::max());
  if (std::abs(result) > largest && (direction > 0) == (result > 0))
    return std::copysign(std::numeric_limits<long double>::infinity(), result);
  return result;
}

} // namespace

AdmissibleResults::AdmissibleResults(const ir::Kernel& kernel) : kernel_(kernel) {
  const bool halves = stores_halves_only(kernel);
  for (const ir::Node& node : kernel.nodes()) {
    bound_ulps_.push_back(bound_of(node, kernel.math(), halves));
    single_.emplace_back();
    if (!is_leaf(node.op))
      single_.back().emplace(single_operation(kernel, node));
  }
}

ValueRange AdmissibleResults::evaluate(ir::NodeId id, std::span<const ValueRange> known,
                                       ir::Evaluator::Workspace& workspace) const {
  const ir::Node& node = kernel_.node(id);
  const std::size_t arity = static_cast<std::size_t>(ir::info(node.op).arity);
  std::array<std::array<Scalar, kMaxPoints>, 3> points;
  std::array<std::size_t, 3> counts = {1, 1, 1};
  for (std::size_t i = 0; i < arity; ++i)
    counts[i] = points_of(kernel_.node(node.args[i]).type, known[node.args[i]], points[i]);

  ValueRange result;
  std::array<Scalar, 4> arguments; // the operation's operands, then its result
  for (std::size_t a = 0; a < counts[0]; ++a)
    for (std::size_t b = 0; b < counts[1]; ++b)
      for (std::size_t c = 0; c < counts[2]; ++c) {
        const std::array<std::size_t, 3> at = {a, b, c};
        for (std::size_t i = 0; i < arity; ++i)
          arguments[i] = points[i][at[i]];
        Scalar value;
        (*single_[id])(std::span(arguments.data(), arity + 1), std::span(&value, 1), workspace);
        include(result, node.type, value);
      }
  if (result.ordered && has_real(node.type)) {
    const bool flushes = kernel_.math() != ir::MathMode::accurate;
    const double ulps = bound_ulps_[id];
    result.low.real = widened(node.type, result.low.real, ulps, -1, flushes);
    result.high.real = widened(node.type, result.high.real, ulps, 1, flushes);
  }
  return result;
}

std::vector<ValueRange> AdmissibleResults::ranges(std::span<const std::uint64_t> arguments) const {
  ir::Evaluator::Workspace workspace;
  std::vector<ValueRange> known;
  known.reserve(kernel_.nodes().size());
  for (ir::NodeId id = 0; id < kernel_.nodes().size(); ++id) {
    const ir::Node& node = kernel_.node(id);
    if (node.op == Op::constant) {
      known.push_back(exactly(node.type, has_real(node.type)
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

bool AdmissibleResults::check(std::size_t store, std::uint64_t got,
                              std::span<const std::uint64_t> arguments) const {
  const ir::Store& stored = kernel_.stores()[store];
  const DType type = kernel_.params()[stored.param].dtype;
  const ValueRange range = ranges(arguments)[stored.node];
  const Scalar value = ir::decode(type, got);
  if (is_nan(type, value))
    return range.nan;
  if (!range.ordered)
    return false;
  // Rounding is monotone: what lies between may round to anything between the rounded ends.
  const Scalar low = ir::decode(type, ir::encode(type, range.low));
  const Scalar high = ir::decode(type, ir::encode(type, range.high));
  return !less(type, value, low) && !less(type, high, value);
}

} // namespace swage::cli
