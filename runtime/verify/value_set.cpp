// value_set.cpp -- arithmetic on sets of values: what one operation may give for what it may take.
#include "runtime/verify/value_set.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace swage::verify {

namespace {

using ir::Op;
using ir::Scalar;

constexpr std::size_t kMaxPieces = 8;
constexpr int kMaxSteps = 8; ///< values told apart on the steps of floor and the like
constexpr long double kInfinity = std::numeric_limits<long double>::infinity();

bool less(DType type, const Scalar& a, const Scalar& b) noexcept {
  return is_float(type) ? a.real < b.real : a.integer < b.integer;
}

bool is_nan(DType type, const Scalar& value) noexcept {
  return is_float(type) && std::isnan(value.real);
}

Scalar real(long double value) noexcept {
  return {.real = value, .integer = 0};
}

long double largest(DType compute) noexcept {
  return compute == DType::f64 ? static_cast<long double>(std::numeric_limits<double>::max())
                               : static_cast<long double>(std::numeric_limits<float>::max());
}

/// Ascending and apart; where there are too many, those next to each other become one.
void tidy(ValueSet& set, DType type) {
  std::vector<Piece>& pieces = set.pieces;
  std::sort(pieces.begin(), pieces.end(),
            [&](const Piece& a, const Piece& b) { return less(type, a.low, b.low); });
  std::vector<Piece> apart;
  for (const Piece& piece : pieces) {
    if (apart.empty() || less(type, apart.back().high, piece.low))
      apart.push_back(piece);
    else if (less(type, apart.back().high, piece.high))
      apart.back().high = piece.high;
  }
  const auto gap = [&](std::size_t i) {
    return is_float(type) ? apart[i + 1].low.real - apart[i].high.real
                          : static_cast<long double>(apart[i + 1].low.integer) -
                                static_cast<long double>(apart[i].high.integer);
  };
  while (apart.size() > kMaxPieces) {
    std::size_t narrowest = 0;
    for (std::size_t i = 1; i + 1 < apart.size(); ++i)
      if (gap(i) < gap(narrowest))
        narrowest = i;
    apart[narrowest].high = apart[narrowest + 1].high;
    apart.erase(apart.begin() + static_cast<std::ptrdiff_t>(narrowest) + 1);
  }
  pieces = std::move(apart);
}

/// The pieces of one operand, each on one side of zero, and NaN as a piece of its own.
std::vector<Piece> split(const ValueSet& set, DType type) {
  std::vector<Piece> pieces;
  for (const Piece& piece : set.pieces) {
    if (is_float(type) && piece.low.real < 0 && piece.high.real > 0) {
      pieces.push_back({piece.low, real(-0.0L)});
      pieces.push_back({real(0.0L), piece.high});
    } else {
      pieces.push_back(piece);
    }
  }
  if (set.nan) {
    const Scalar nan = real(std::numeric_limits<long double>::quiet_NaN());
    pieces.push_back({nan, nan});
  }
  return pieces;
}

/// Adds the value at which an operation is not monotone, if it is inside a piece.
void add_inner(std::vector<Piece>& pieces, long double value) {
  for (std::size_t i = 0, count = pieces.size(); i < count; ++i)
    if (pieces[i].low.real < value && value < pieces[i].high.real)
      pieces.push_back({real(value), real(value)});
}

void add_truth(ValueSet& set, bool value) {
  const Scalar truth = {.real = 0, .integer = value};
  set.pieces.push_back({truth, truth});
}

/// Adds what comparing anything of `a` with anything of `b` may give.
void compare(ValueSet& set, Op op, DType type, const Piece& a, const Piece& b, bool same) {
  const auto possible = [&](bool yes, bool no) {
    if (yes)
      add_truth(set, true);
    if (no)
      add_truth(set, false);
  };
  if (is_nan(type, a.low) || is_nan(type, b.low))
    return add_truth(set, op == Op::ne);
  if (same)
    return add_truth(set, op == Op::eq || op == Op::le || op == Op::ge);
  const bool below = less(type, a.low, b.high); // some a < some b
  const bool above = less(type, b.low, a.high); // some a > some b
  const bool overlap = !less(type, a.high, b.low) && !less(type, b.high, a.low);
  const bool apart = below || above;
  switch (op) {
  case Op::eq: return possible(overlap, apart);
  case Op::ne: return possible(apart, overlap);
  case Op::lt: return possible(below, overlap || above);
  case Op::le: return possible(below || overlap, above);
  case Op::gt: return possible(above, overlap || below);
  default: return possible(above || overlap, below);
  }
}

/// Values that are few and far apart: of floor and its like, and of casts to integers.
bool is_step(const ir::Node& node) noexcept {
  const bool rounds = ir::info(node.op).rule == ir::TypeRule::real && ir::jumps(node.op, 0);
  return rounds || (node.op == Op::cast && !is_float(node.type));
}

ValueSet choose(const Operation& operation) {
  ValueSet result;
  for (const Piece& condition : operation.operands[0]->pieces)
    for (const bool truth : {false, true})
      if ((condition.low.integer != 0) == truth || (condition.high.integer != 0) == truth) {
        const ValueSet& arm = *operation.operands[truth ? 1 : 2];
        result.pieces.insert(result.pieces.end(), arm.pieces.begin(), arm.pieces.end());
        result.nan |= arm.nan;
      }
  return result;
}

/// The integers from `low` to `high`, if they are few, else all that is between.
void add_steps(ValueSet& set, DType type, const Scalar& low, const Scalar& high) {
  if (is_float(type)) {
    const bool few = high.real - low.real <= kMaxSteps && std::abs(low.real) < 0x1p60L;
    if (!few || low.real == high.real)
      return set.pieces.push_back({low, high});
    for (long double step = low.real; step <= high.real; step += 1)
      set.pieces.push_back({real(step), real(step)});
    if (high.real != low.real)
      set.pieces.push_back({high, high});
    return;
  }
  const auto width =
      static_cast<std::uint64_t>(high.integer) - static_cast<std::uint64_t>(low.integer);
  if (width > kMaxSteps)
    return set.pieces.push_back({low, high});
  for (std::uint64_t i = 0; i <= width; ++i) {
    const Scalar step = {.real = 0, .integer = low.integer + static_cast<std::int64_t>(i)};
    set.pieces.push_back({step, step});
  }
}

/// Evaluates at every end of one piece an operand, and adds what lies between the results.
void add_hull(ValueSet& set, const Operation& operation, std::span<const Piece> at) {
  const ir::Node& node = operation.node;
  std::optional<Piece> hull;
  std::array<Scalar, 3> arguments;
  for (unsigned ends = 0; ends < 1u << at.size(); ++ends) {
    bool skip = false;
    for (std::size_t i = 0; i < at.size(); ++i) {
      arguments[i] = (ends >> i & 1) != 0 ? at[i].high : at[i].low;
      for (std::size_t j = 0; j < i; ++j) // one value used twice is at one end
        skip |= node.args[i] == node.args[j] && (ends >> i & 1) != (ends >> j & 1);
    }
    if (skip)
      continue;
    const Scalar value = operation.evaluate(std::span(arguments.data(), at.size()));
    if (is_nan(node.type, value))
      set.nan = true;
    else if (!hull)
      hull = {value, value};
    else if (less(node.type, value, hull->low))
      hull->low = value;
    else if (less(node.type, hull->high, value))
      hull->high = value;
  }
  if (!hull)
    return;
  if (is_step(node))
    return add_steps(set, node.type, hull->low, hull->high);
  const bool wave = node.op == Op::sin || node.op == Op::cos;
  if (wave && at[0].high.real - at[0].low.real > 0.5L)
    hull = {real(-1), real(1)};
  // Between neighbours of a storage type there is nothing.
  if (node.op == Op::cast && is_float(node.type) && hull->low.real != hull->high.real &&
      hull->high.real - hull->low.real <=
          ir::ulp(node.storage, std::max(std::abs(hull->low.real), std::abs(hull->high.real)))) {
    set.pieces.push_back({hull->low, hull->low});
    hull->low = hull->high;
  }
  set.pieces.push_back(*hull);
}

/// Relative error of an approximation that owes half accuracy, besides one ulp.
long double half_error(Op op, const ValueSet& argument) {
  const ir::HalfBound& half = ir::info(op).half;
  const bool is_far = std::ranges::any_of(argument.pieces, [&](const Piece& piece) {
    return std::max(std::abs(piece.low.real), std::abs(piece.high.real)) > half.far;
  });
  return is_far ? half.far_error : half.error;
}

/// How far one function may be off `exact`, its operands taken as exact.
long double error_of(const ir::Node& node, long double exact, const ValueSet& argument,
                     ir::MathMode math, ir::Accuracy accuracy) {
  const long double unit = ir::ulp(node.type, exact);
  const long double full = static_cast<long double>(ir::full_error_ulps(node.op, node.type)) * unit;
  if (!ir::is_approximate(node.op) || node.type == DType::f64)
    return full;
  // Triton's exp is ex2.approx of a rounded product: the product's half ulp is worth up to
  // 128 * ln(2) / 2 = 45 ulp of the result, to which ex2.approx and div.full add 2 each. Both modes
  // may flush subnormals; tanh.approx is off by 2^-11.
  if (math != ir::MathMode::accurate) {
    const bool coarse = math == ir::MathMode::fast && node.op == Op::tanh;
    const long double flushed = std::abs(exact) < 2 * lowest_normal(node.type) //
                                    ? lowest_normal(node.type)
                                    : 0;
    return (coarse ? 0x1p13L : 64) * unit + flushed;
  }
  const long double half = half_error(node.op, argument);
  return accuracy == ir::Accuracy::half && half > 0 ? half * std::abs(exact) + unit : full;
}

} // namespace

long double lowest_normal(DType compute) noexcept {
  return compute == DType::f64 ? 0x1p-1022L : 0x1p-126L;
}

ValueSet exactly(DType type, const Scalar& value) {
  ValueSet set;
  set.exact = value;
  set.nan = is_nan(type, value);
  if (!set.nan)
    set.pieces.push_back({value, value});
  return set;
}

ValueSet image(const Operation& operation) {
  const ir::Node& node = operation.node;
  ValueSet result;
  if (node.op == Op::select) {
    result = choose(operation);
    tidy(result, node.type);
    return result;
  }
  const std::size_t arity = static_cast<std::size_t>(ir::info(node.op).arity);
  std::array<std::vector<Piece>, 3> pieces;
  for (std::size_t i = 0; i < arity; ++i)
    pieces[i] = split(*operation.operands[i], operation.types[i]);
  if (node.op == Op::log1p)
    add_inner(pieces[0], -1);
  if (node.op == Op::pow)
    for (const Piece& piece : operation.operands[1]->pieces)
      add_inner(pieces[1], std::nearbyint((piece.low.real + piece.high.real) / 2));
  std::array<std::size_t, 3> sizes = {1, 1, 1}, at{};
  for (std::size_t i = 0; i < arity; ++i)
    sizes[i] = pieces[i].size();
  const bool same = arity > 1 && node.args[0] == node.args[1];
  for (at[0] = 0; at[0] < sizes[0]; ++at[0])
    for (at[1] = 0; at[1] < sizes[1]; ++at[1])
      for (at[2] = 0; at[2] < sizes[2]; ++at[2]) {
        if (same && at[0] != at[1])
          continue;
        std::array<Piece, 3> chosen;
        for (std::size_t i = 0; i < arity; ++i)
          chosen[i] = pieces[i][at[i]];
        if (ir::is_comparison(node.op))
          compare(result, node.op, operation.types[0], chosen[0], chosen[1], same);
        else
          add_hull(result, operation, std::span(chosen.data(), arity));
      }
  tidy(result, node.type);
  return result;
}

void round(ValueSet& set, const ir::Node& node, const ValueSet& argument, ir::MathMode math,
           ir::Accuracy accuracy) {
  const DType type = node.type;
  const ir::Range& range = ir::info(node.op).range; // what no error of a function leaves
  const auto moved = [&](long double exact, int direction) {
    if (!std::isfinite(exact))
      return exact;
    const long double error = error_of(node, exact, argument, math, accuracy);
    if (error == 0)
      return exact;
    const bool correct = error == 0.5L * ir::ulp(type, exact);
    long double end = correct ? ir::round_to(type, exact) : exact + direction * error;
    // Wide products do not round to a subnormal number on the way.
    if (correct && std::abs(exact) < lowest_normal(type) && (end < exact) == (direction > 0))
      end = exact;
    return std::clamp<long double>(end, range.low, range.high);
  };
  std::vector<Piece> rounded;
  for (const Piece& piece : set.pieces) {
    long double low = moved(piece.low.real, -1), high = moved(piece.high.real, 1);
    // Beyond the largest number is infinity alone.
    const long double most = largest(type);
    if (low < -most) {
      rounded.push_back({real(-kInfinity), real(-kInfinity)});
      low = -most;
    }
    if (high > most) {
      rounded.push_back({real(kInfinity), real(kInfinity)});
      high = most;
    }
    if (low <= high)
      rounded.push_back({real(low), real(high)});
  }
  set.pieces = std::move(rounded);
  tidy(set, type);
}

bool is_exactly(const ValueSet& set, DType type) noexcept {
  if (is_nan(type, set.exact))
    return set.pieces.empty();
  if (set.nan || set.pieces.size() != 1)
    return false;
  const Piece& piece = set.pieces.front();
  return !less(type, piece.low, set.exact) && !less(type, set.exact, piece.high);
}

bool holds_stored(const ValueSet& set, DType type, const Scalar& value) noexcept {
  // Rounding is monotone: what lies between may round to anything between the rounded ends. A value
  // with an error may be a tie by accident, and those may go either way (docs/numbers.md).
  const bool is_half = is_float(type) && size_of(type) <= 2;
  return std::any_of(set.pieces.begin(), set.pieces.end(), [&](const Piece& piece) {
    Scalar least = piece.low, most = piece.high;
    if (is_half && least.real < most.real) {
      least.real = std::nextafter(least.real, -kInfinity);
      most.real = std::nextafter(most.real, kInfinity);
    }
    const Scalar low = ir::decode(type, ir::encode(type, least));
    const Scalar high = ir::decode(type, ir::encode(type, most));
    return !less(type, value, low) && !less(type, high, value);
  });
}

} // namespace swage::verify
