// convert_bytes.cpp -- 8-bit floats by their table of numbers: nearest is a search in it.
#include "emulator/convert_bytes.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "emulator/numbers.hpp"

namespace swage::emulator {
namespace {

/// The numbers of a format that are not negative, by code.
struct E4M3 {
  static constexpr unsigned kMantissa = 3, kLargest = 0x7e; // 448
  static constexpr int kBias = 7;
};
struct E5M2 {
  static constexpr unsigned kMantissa = 2, kLargest = 0x7b; // 57344
  static constexpr int kBias = 15;
};

template <class F>
double number(unsigned code) {
  const unsigned fraction = code & ((1U << F::kMantissa) - 1);
  const int exponent = static_cast<int>(code >> F::kMantissa);
  const double leading = exponent > 0 ? 1 : 0;
  return std::ldexp(leading + fraction / std::ldexp(1.0, F::kMantissa),
                    std::max(exponent, 1) - F::kBias);
}

template <class F>
const std::array<double, F::kLargest + 1>& numbers() {
  static const auto table = [] {
    std::array<double, F::kLargest + 1> made{};
    for (unsigned code = 0; code <= F::kLargest; ++code)
      made[code] = number<F>(code);
    return made;
  }();
  return table;
}

/// The PTX ISA: NaN gives 0x7f, what is beyond the largest number, infinity too, that number.
template <class F>
std::uint64_t nearest(float value) {
  if (std::isnan(value))
    return 0x7f;
  const auto& table = numbers<F>();
  const double size = std::fabs(static_cast<double>(value));
  const auto above = std::upper_bound(table.begin(), table.end(), size);
  auto code = static_cast<unsigned>(above - table.begin()) - 1; // the last that is not larger
  if (code < F::kLargest) {
    const double below = size - table[code], over = table[code + 1] - size;
    code += over < below || (over == below && (code & 1) != 0) ? 1 : 0;
  }
  return code | (std::signbit(value) ? 0x80 : 0);
}

template <class F>
std::uint64_t half_of(std::uint64_t byte) {
  const auto code = static_cast<unsigned>(byte & 0x7f);
  const std::uint64_t sign = (byte & 0x80) << 8;
  if (code == 0x7c && F::kMantissa == 2)
    return sign | 0x7c00;
  return code > F::kLargest ? 0x7fff
                            : sign | narrow(numbers<F>()[code], 10, 5, Rounding::nearest_even);
}

template <class F>
void pack(Warp& warp, const Step& step) {
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  const std::uint64_t* const b = warp.row(step.b);
  for_lanes(warp, [=](unsigned lane) {
    d[lane] = nearest<F>(F32::get(a[lane])) << 8 | nearest<F>(F32::get(b[lane]));
  });
}

template <class F>
void unpack(Warp& warp, const Step& step) {
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  for_lanes(warp, [=](unsigned lane) {
    d[lane] = half_of<F>(a[lane] >> 8 & 0xff) << 16 | half_of<F>(a[lane] & 0xff);
  });
}

} // namespace

void decode_cvt_bytes(Decoder& d, Type to, Type from) {
  if (from == Type::f32) {
    d.expect_operands(3);
    d.destination(Type::b16);
    d.step.a = d.source(1, from);
    d.step.b = d.source(2, from);
    d.step.run = to == Type::e4m3x2 ? pack<E4M3> : pack<E5M2>;
    return;
  }
  if (to != Type::f16x2)
    d.fail("two bytes are converted from .f32 or to .f16x2");
  d.expect_operands(2);
  d.destination(to);
  d.step.a = d.source(1, Type::b16);
  d.step.run = from == Type::e4m3x2 ? unpack<E4M3> : unpack<E5M2>;
}

} // namespace swage::emulator
