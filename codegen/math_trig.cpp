// math_trig.cpp -- sin and cos for every finite argument.
//
// |x| * 2 / pi modulo 4 is computed in integers: the mantissa times those bits of 2 / pi that its
// exponent makes count, chosen from a table of constants by selects, so there is no memory access.
// What lies before the quadrant's two bits is a multiple of 4 and is never looked at.
#include <algorithm>
#include <bit>
#include <limits>

#include "codegen/math_functions.hpp"

namespace swage::codegen::math {
namespace {

using namespace emit;

/// sin r = r + r^3 (c[0] + r^2 c[1] + ...), |r| <= pi / 4
constexpr double kSinF32[] = {-0x1.555546p-3, 0x1.11077cp-7, -0x1.9955b6p-13};
constexpr double kSinF64[] = {-0x1.5555555555549p-3, 0x1.111111110f8a4p-7,   -0x1.a01a019c15b33p-13,
                              0x1.71de357aab9b5p-19, -0x1.ae5e68392c9c9p-26, 0x1.5d9383aad9073p-33};
/// cos r = 1 - r^2 / 2 + r^4 (c[0] + r^2 c[1] + ...)
constexpr double kCosF32[] = {0x1.55554ap-5, -0x1.6c0c1ap-10, 0x1.99e0ecp-16};
constexpr double kCosF64[] = {0x1.555555555554cp-5,  -0x1.6c16c16c1521dp-10,
                              0x1.a01a019cbf0d4p-16, -0x1.27e4f81265395p-22,
                              0x1.1ee9f11095efep-29, -0x1.8fb10a1b4ebb2p-37};

/// 2 / pi behind 64 zero bits, most significant word first.
constexpr std::uint32_t kTwoOverPi[] = {
    0,          0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041,
    0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e,
    0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b,
    0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d,
    0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046};

using Words = llvm::SmallVector<Bits, 40>;

/// `count` words of 32 bits from bit `from` of `table` on. Each bit of the word index, from the
/// highest down, moves the words down by its weight or not.
Words bits_from(std::span<const std::uint32_t> table, Bits from, std::size_t count) {
  Words words;
  for (const std::uint32_t word : table)
    words.push_back(from.constant(word));
  const Bits index = from >> 5;
  for (std::size_t step = std::bit_floor(table.size() - count - 1); step > 0; step /= 2) {
    const Mask stay = (index & step) == 0;
    // Smaller steps reach step - 1 words further, and one word more gives its bits to the last.
    Words chosen;
    for (std::size_t i = 0; i < std::min(count + step, words.size()); ++i)
      chosen.push_back(i + step < words.size() ? select(stay, words[i], words[i + step])
                                               : words[i]);
    words = chosen;
  }
  const Bits amount = from & 31;
  Words aligned;
  for (std::size_t i = 0; i < count; ++i)
    aligned.push_back(funnel_shift_left(words[i], words[i + 1], amount));
  return aligned;
}

/// |x| = n pi / 2 + (r.high + r.low), n modulo 4 in `quadrant`, of x's integer type.
struct Reduced {
  Pair r;
  Bits quadrant;
};

/// The quadrant nearest to a fraction of a turn of which `top` holds the first 64 bits.
Bits nearest_quadrant(Bits top) {
  return (top + (std::uint64_t{1} << 61)) >> 62;
}

Reduced reduce_f32(Real a) {
  const Bits x = a.bits();
  // x = m 2^(exponent - 150); the window starts at bit exponent - 152 of 2 / pi, 32 zeros before.
  const Bits m = (x & 0x7fffff) | 0x800000;
  const Words f = bits_from(std::span(kTwoOverPi).subspan(1, 8), (x >> 23) - 120, 3);
  const Bits wide = m.widened(64);
  const Bits top =
      ((m * f[0]).widened(64) << 32) + wide * f[1].widened(64) + ((wide * f[2].widened(64)) >> 32);
  const Real fraction = to_real(top << 2, 64);
  const Real r = narrowed(fraction * (0x1.921fb54442d18p+0 * 0x1p-64));
  return {{r, r.constant(0)}, nearest_quadrant(top).narrowed(32)};
}

/// The first 128 bits of m times 0.f[0]f[1]..., modulo 1, for a 53-bit m.
struct Turn {
  Bits high, low;
};
Turn multiply(Bits m, const Words& f) {
  const Bits low = m & 0xffffffff;
  const Bits high = m >> 32;
  // column[i] gathers what belongs to the i-th word after the point; column 4 for its carry alone.
  llvm::SmallVector<Bits, 5> column(5, m.constant(0));
  const auto add = [&](std::size_t last, Bits product) {
    if (last < column.size())
      column[last] = column[last] + (product & 0xffffffff);
    if (last > 0)
      column[last - 1] = column[last - 1] + (product >> 32);
  };
  for (std::size_t i = 0; i < f.size(); ++i) {
    const Bits word = f[i].widened(64);
    add(i, low * word);
    if (i > 0)
      add(i - 1, high * word);
  }
  for (std::size_t i = 4; i > 0; --i)
    column[i - 1] = column[i - 1] + (column[i] >> 32);
  return {(column[0] << 32) | (column[1] & 0xffffffff),
          (column[2] << 32) | (column[3] & 0xffffffff)};
}

Reduced reduce_f64(Real a) {
  const Bits x = a.bits();
  // x = m 2^(exponent - 1075); the window starts at bit exponent - 1077 of 2 / pi, 64 zeros before.
  const Bits m = (x & 0xfffffffffffffull) | 0x10000000000000ull;
  const Words f = bits_from(kTwoOverPi, ((x >> 52) - 1013).narrowed(32), 6);
  const Turn turn = multiply(m, f);
  const Bits high = (turn.high << 2) | (turn.low >> 62);
  const Bits low = turn.low << 2;
  // 53 bits and the next 63, so that both convert exactly or with one rounding.
  const Real first = to_real(high & ~std::uint64_t{0x7ff}, 64);
  const Real rest = to_real(((high & 0x7ff) << 52) | (low >> 12), 64) * 0x1p-52;
  const Pair fraction = fast_two_sum(first, rest);
  constexpr double kScaleHigh = 0x1.921fb54442d18p+0 * 0x1p-64;
  constexpr double kScaleLow = 0x1.1a62633145c07p-54 * 0x1p-64;
  const Real product = fraction.high * kScaleHigh;
  const Real error = fma(fraction.high, kScaleHigh, -product);
  return {{product, fma(fraction.high, kScaleLow, fma(fraction.low, kScaleHigh, error))},
          nearest_quadrant(turn.high)};
}

Real sin_reduced(Pair r) {
  const Real z = r.high * r.high;
  if (!z.is_double())
    return fma(r.high * z, polynomial(z, kSinF32), r.high);
  const Real tail = fma(z * -0.5, r.low, r.low);
  return r.high + fma(r.high * z, polynomial(z, kSinF64), tail);
}

Real cos_reduced(Pair r) {
  const Real z = r.high * r.high;
  if (!z.is_double())
    return fma(z, fma(z, polynomial(z, kCosF32), -0.5), 1.0);
  const Real half = z * 0.5;
  const Real most = 1.0 - half;
  const Real lost = (1.0 - most) - half;
  return most + (fma(z * z, polynomial(z, kCosF64), lost) - r.high * r.low);
}

/// sin(|x| + turn pi / 2).
Real sin_of_quadrant(Real x, std::uint64_t turn) {
  const Real a = abs(x);
  Reduced reduced = x.is_double() ? reduce_f64(a) : reduce_f32(a);
  const Mask small = a < 0.785;
  const Pair r = {select(small, a, reduced.r.high), select(small, a.constant(0), reduced.r.low)};
  const Bits zero = reduced.quadrant.constant(0);
  const Bits quadrant = select(small, zero, reduced.quadrant) + turn;

  const Real value = select((quadrant & 1) == 0, sin_reduced(r), cos_reduced(r));
  const Bits sign = (quadrant & 2) << (x.width() - 2);
  const Real result = (value.bits() ^ sign).real();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return select(a < kInfinity, result, std::numeric_limits<double>::quiet_NaN());
}

} // namespace

Real sin(Real x) {
  const std::uint64_t sign = std::uint64_t{1} << (x.width() - 1);
  return (sin_of_quadrant(x, 0).bits() ^ (x.bits() & sign)).real();
}

Real cos(Real x) {
  return sin_of_quadrant(x, 1);
}

} // namespace swage::codegen::math
