// approximate.cpp -- instructions with an error bound: the exact value, or the worst one allowed.
#include "emulator/grid.hpp"

#include <algorithm>
#include <numbers>

namespace swage::emulator {
namespace {

enum class Function : std::uint8_t { ex2, lg2, sin, cos, tanh, rsqrt, sqrt, rcp, div };

enum class Measure : std::uint8_t { ulps, relative, absolute };

/// The largest error that the PTX ISA allows. `amount` is in ulps of the result, or a fraction.
struct Bound {
  Measure measure;
  double amount;
};

// PTX ISA 9.0, "Floating Point Instructions", the paragraph on accuracy of each instruction.
Bound bound_f32(Function function, double a, double result) {
  const double size = std::fabs(a);
  switch (function) {
  case Function::ex2: return {Measure::ulps, 2};
  case Function::lg2: return {a > 0.5 && a < 2 ? Measure::absolute : Measure::relative, 0x1p-22};
  case Function::sin:
  case Function::cos:
    if (size > 100 * std::numbers::pi)
      return {Measure::absolute, 2 - std::min(1.0, std::fabs(result))}; // "best effort"
    return {Measure::absolute, std::exp2(size <= 2 * std::numbers::pi ? -20.5 : -14.7)};
  case Function::tanh: return {Measure::relative, 0x1p-11};
  case Function::rsqrt: return {Measure::relative, std::exp2(-22.9)};
  case Function::sqrt: return {Measure::relative, 0x1p-23};
  case Function::rcp: return {Measure::ulps, 1};
  case Function::div: return {Measure::ulps, 2};
  }
  return {Measure::ulps, 0};
}

double exact(Function function, double a) {
  switch (function) {
  case Function::ex2: return std::exp2(a);
  case Function::lg2: return std::log2(a);
  case Function::sin: return std::sin(a);
  case Function::cos: return std::cos(a);
  case Function::tanh: return std::tanh(a);
  case Function::rsqrt: return 1 / std::sqrt(a);
  case Function::sqrt: return std::sqrt(a);
  case Function::rcp: return 1 / a;
  case Function::div: break;
  }
  return 0;
}

std::uint64_t mix(std::uint64_t x) { // splitmix64, Vigna 2015
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

/// In [-1, 1], and at one of the ends for half of the arguments.
double displacement(std::uint64_t hash) {
  const double sign = (hash & 1) != 0 ? 1 : -1;
  return (hash & 2) != 0 ? sign : sign * static_cast<double>(hash >> 11) * 0x1p-53;
}

/// `value`, a magnitude encoded as F holds it, some steps away; never through zero or infinity.
std::uint64_t step_by(std::uint64_t bits, std::uint64_t sign_bit, std::uint64_t infinity,
                      double steps) {
  const auto magnitude = static_cast<std::int64_t>(bits & ~sign_bit);
  const auto moved = std::clamp<std::int64_t>(magnitude + std::llround(steps), 0,
                                              static_cast<std::int64_t>(infinity) - 1);
  return (bits & sign_bit) | static_cast<std::uint64_t>(moved);
}

template <class F>
struct Infinity;
template <>
struct Infinity<F32> {
  static constexpr std::uint64_t value = 0x7f800000;
};
template <>
struct Infinity<F16> {
  static constexpr std::uint64_t value = 0x7c00;
};
template <>
struct Infinity<BF16> {
  static constexpr std::uint64_t value = 0x7f80;
};

template <class F>
std::uint64_t perturb(double value, const Bound& bound, std::uint64_t hash) {
  const std::uint64_t nearest = F::put_rounded(value, Rounding::nearest_even);
  if (!std::isfinite(value) || (nearest & ~F::kSign) == Infinity<F>::value)
    return nearest;
  const double h = displacement(hash);
  if (bound.measure == Measure::ulps)
    return step_by(nearest, F::kSign, Infinity<F>::value, h * bound.amount);
  const double error =
      h * bound.amount * (bound.measure == Measure::relative ? std::fabs(value) : 1);
  // Round towards the exact value, so that rounding adds nothing to the error.
  const bool toward_minus = error > 0;
  return F::put_rounded(value + error,
                        toward_minus ? Rounding::toward_minus : Rounding::toward_plus);
}

template <class F>
Bound bound_of(Function function, double a, double result) {
  if constexpr (std::is_same_v<F, F16>)
    return function == Function::tanh ? Bound{Measure::absolute, std::exp2(-10.987)}
                                      : Bound{Measure::relative, std::exp2(-9.9)};
  else if constexpr (std::is_same_v<F, BF16>)
    return {Measure::relative, function == Function::tanh ? 0x1p-8 : 0x1p-7};
  else
    return bound_f32(function, a, result);
}

/// Results that the ISA's tables give exactly.
bool is_exact_case(Function function, double a) {
  return !std::isfinite(a) || a == 0 || (function == Function::lg2 && a < 0);
}

template <class F, Function Op, bool Ftz>
std::uint64_t approximate(const Grid& grid, std::uint64_t bits) {
  double a = F::get(bits);
  if (Ftz && std::fabs(a) < 0x1p-126)
    a = std::copysign(0.0, a);
  const double value = exact(Op, a);
  if (std::isnan(value))
    return F::kNaN;
  std::uint64_t result = 0;
  if (grid.config.approximation == Approximation::nearest || is_exact_case(Op, a))
    result = F::put_rounded(value, Rounding::nearest_even);
  else
    result = perturb<F>(value, bound_of<F>(Op, a, value),
                        mix(bits ^ mix(grid.config.seed + static_cast<std::uint64_t>(Op))));
  return Ftz && std::fabs(F::get(result)) < 0x1p-126 ? result & F::kSign : result;
}

template <class F, Function Op, bool Ftz, unsigned Halves>
void run(Warp& warp, const Step& step) {
  const Grid& grid = *warp.grid;
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  for_lanes(warp, [&](unsigned lane) {
    if constexpr (Halves == 1)
      d[lane] = approximate<F, Op, Ftz>(grid, a[lane]);
    else
      d[lane] = approximate<F, Op, Ftz>(grid, a[lane] & 0xffff) |
                approximate<F, Op, Ftz>(grid, a[lane] >> 16 & 0xffff) << 16;
  });
}

template <bool Full, bool Ftz>
std::uint64_t divide(const Grid& grid, std::uint64_t a_bits, std::uint64_t b_bits) {
  const float a = Ftz ? flush(F32::get(a_bits)) : F32::get(a_bits);
  const float b = Ftz ? flush(F32::get(b_bits)) : F32::get(b_bits);
  if (!Full && std::fabs(b) > 0x1p126F && std::isfinite(b))
    return std::isfinite(a) ? (a_bits ^ b_bits) & F32::kSign : F32::kNaN;
  const double value = static_cast<double>(a) / static_cast<double>(b);
  if (std::isnan(value))
    return F32::kNaN;
  std::uint64_t result = F32::put_rounded(value, Rounding::nearest_even);
  if (grid.config.approximation == Approximation::worst_case && a != 0 && std::isfinite(a) &&
      std::isfinite(b))
    result = perturb<F32>(value, bound_f32(Function::div, a, value),
                          mix(a_bits << 32 ^ b_bits ^ mix(grid.config.seed)));
  return Ftz && std::fabs(F32::get(result)) < 0x1p-126F ? result & F32::kSign : result;
}

template <bool Full, bool Ftz>
void run_divide(Warp& warp, const Step& step) {
  for_lanes(warp, [&](unsigned lane) {
    warp.row(step.d)[lane] =
        divide<Full, Ftz>(*warp.grid, warp.row(step.a)[lane], warp.row(step.b)[lane]);
  });
}

// rsqrt.approx.f64 has no stated bound: the nearest value, always.
struct ReciprocalRoot {
  static std::uint64_t eval(std::uint64_t a) { return F64::put(1 / std::sqrt(F64::get(a))); }
};

template <Function Op>
Handler pick(Decoder& d, Type type) {
  const bool ftz = d.take("ftz");
  if (type == Type::f32)
    return ftz ? run<F32, Op, true, 1> : run<F32, Op, false, 1>;
  if constexpr (Op == Function::ex2 || Op == Function::tanh) {
    switch (type) {
    case Type::f16: return run<F16, Op, false, 1>;
    case Type::f16x2: return run<F16, Op, false, 2>;
    case Type::bf16: return ftz ? run<BF16, Op, true, 1> : run<BF16, Op, false, 1>;
    case Type::bf16x2: return ftz ? run<BF16, Op, true, 2> : run<BF16, Op, false, 2>;
    default: break;
    }
  }
  d.fail("unsupported type ." + std::string(spelling(type)));
}

} // namespace

void decode_approximate(Decoder& d) {
  if (!d.take("approx"))
    d.fail("expected .approx");
  const Type type = d.take_type();
  const std::string& root = d.root();
  d.step.run = root == "rsqrt" && type == Type::f64 ? unary<ReciprocalRoot>
               : root == "ex2"                      ? pick<Function::ex2>(d, type)
               : root == "lg2"                      ? pick<Function::lg2>(d, type)
               : root == "sin"                      ? pick<Function::sin>(d, type)
               : root == "cos"                      ? pick<Function::cos>(d, type)
               : root == "tanh"                     ? pick<Function::tanh>(d, type)
                                                    : pick<Function::rsqrt>(d, type);
  d.same_type(1, type);
}

Handler approximate_rcp(Decoder& d) {
  return pick<Function::rcp>(d, Type::f32);
}
Handler approximate_sqrt(Decoder& d) {
  return pick<Function::sqrt>(d, Type::f32);
}

Handler approximate_div(Decoder& d, bool full_range) {
  const bool ftz = d.take("ftz");
  return full_range ? (ftz ? run_divide<true, true> : run_divide<true, false>)
                    : (ftz ? run_divide<false, true> : run_divide<false, false>);
}

} // namespace swage::emulator
