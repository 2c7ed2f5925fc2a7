// convert.cpp -- cvt: every pair of scalar types, and pairs of floats to packed 16-bit floats.
#include "emulator/convert_bytes.hpp"
#include "emulator/decoder.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace swage::emulator {
namespace {

/// How cvt.*i rounds a float to an integral value; `none` where it does not.
enum class Integral : std::uint8_t { nearest, zero, minus, plus, none };

struct Options {
  Rounding rounding;
  Integral integral;
  bool ftz, sat, relu, satfinite;
};

constexpr unsigned kFtz = 1, kSat = 2, kRelu = 4, kSatFinite = 8;

Options options_of(const Step& step) {
  return {static_cast<Rounding>(step.rounding),
          static_cast<Integral>(step.function & 7),
          (step.size & kFtz) != 0,
          (step.size & kSat) != 0,
          (step.size & kRelu) != 0,
          (step.size & kSatFinite) != 0};
}

double to_integral(double value, Integral how) {
  switch (how) {
  case Integral::nearest: return std::nearbyint(value);
  case Integral::zero: return std::trunc(value);
  case Integral::minus: return std::floor(value);
  case Integral::plus: return std::ceil(value);
  case Integral::none: break;
  }
  return value;
}

template <class T>
std::uint64_t keep(T value) {
  return static_cast<std::make_unsigned_t<T>>(value);
}

/// A 64-bit integer as a double, rounded to odd, so that the next rounding is the only one.
template <class T>
double integer_to_odd(T value) {
  if constexpr (sizeof(T) < 8) {
    return static_cast<double>(value);
  } else {
    const bool negative = value < 0;
    const std::uint64_t size =
        negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    const double result =
        size >> 53 == 0 ? static_cast<double>(size)
                        : static_cast<double>(size >> 11 | ((size & 0x7ff) != 0 ? 1 : 0)) * 0x1p11;
    return negative ? -result : result;
  }
}

/// NaN is 0 where neither type has 64 bits, else the value with the sign bit alone.
template <class F, class T>
std::uint64_t float_to_integer(double value) {
  if (std::isnan(value)) {
    if (!std::is_same_v<F, F64> && sizeof(T) < 8)
      return 0;
    return 1ULL << (sizeof(T) * 8 - 1);
  }
  constexpr auto kLeast = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double kBeyond = sizeof(T) == 8
                                 ? (std::is_signed_v<T> ? 0x1p63 : 0x1p64)
                                 : static_cast<double>(std::numeric_limits<T>::max()) + 1;
  if (value <= kLeast)
    return keep<T>(std::numeric_limits<T>::min());
  if (value >= kBeyond)
    return keep<T>(std::numeric_limits<T>::max());
  return keep<T>(static_cast<T>(value));
}

template <class F>
double clamp_result(double value, const Options& options) {
  if (options.sat)
    return value > 0 ? std::min(value, 1.0) : 0;
  if (options.relu)
    return value < 0 ? 0 : value;
  return value;
}

template <class F>
std::uint64_t finish_float(double value, const Options& options) {
  value = clamp_result<F>(value, options);
  std::uint64_t bits = F::put_rounded(value, options.rounding);
  if constexpr (std::is_same_v<F, F32>) {
    if (options.ftz)
      bits = F32::put(flush(F32::get(bits)));
  } else if constexpr (!std::is_same_v<F, F64>) {
    constexpr std::uint64_t kInfinity = std::is_same_v<F, F16> ? 0x7c00 : 0x7f80;
    if (options.satfinite && (bits & 0x7fff) == kInfinity)
      --bits;
  }
  return bits;
}

template <class From, class To>
std::uint64_t convert(std::uint64_t bits, const Options& options) {
  if constexpr (std::is_integral_v<From>) {
    const auto value = static_cast<From>(bits);
    if constexpr (!std::is_integral_v<To>) {
      if constexpr (std::is_same_v<To, F64>)
        return F64::put(static_cast<double>(value));
      else
        return finish_float<To>(integer_to_odd(value), options);
    } else {
      if (!options.sat)
        return keep<To>(static_cast<To>(value));
      if (std::cmp_less(value, std::numeric_limits<To>::min()))
        return keep<To>(std::numeric_limits<To>::min());
      if (std::cmp_greater(value, std::numeric_limits<To>::max()))
        return keep<To>(std::numeric_limits<To>::max());
      return keep<To>(static_cast<To>(value));
    }
  } else {
    double value = From::get(bits);
    if (std::is_same_v<From, F32> && options.ftz)
      value = flush(static_cast<float>(value));
    value = to_integral(value, options.integral);
    if constexpr (std::is_integral_v<To>)
      return float_to_integer<From, To>(value);
    else
      return finish_float<To>(value, options);
  }
}

template <class From, class To>
void run(Warp& warp, const Step& step) {
  const Options options = options_of(step);
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  [[maybe_unused]] const std::uint64_t mask = step.mask;
  for_lanes(warp, [=](unsigned lane) {
    std::uint64_t result = convert<From, To>(a[lane], options);
    if constexpr (std::is_integral_v<To> && std::is_signed_v<To>) // sign-extended in the register
      result = static_cast<std::uint64_t>(std::int64_t{static_cast<To>(result)}) & mask;
    d[lane] = result;
  });
}

// The first source goes to the upper half.
template <class To>
void pack(Warp& warp, const Step& step) {
  const Options options = options_of(step);
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  const std::uint64_t* const b = warp.row(step.b);
  for_lanes(warp, [=](unsigned lane) {
    d[lane] = convert<F32, To>(a[lane], options) << 16 | convert<F32, To>(b[lane], options);
  });
}

/// Two integers of 32 bits, saturated to bytes; the first goes above the second, and the third
/// source above both.
template <class To>
void pack_bytes(Warp& warp, const Step& step) {
  Options saturating{};
  saturating.sat = true;
  std::uint64_t* const d = warp.row(step.d);
  const std::uint64_t* const a = warp.row(step.a);
  const std::uint64_t* const b = warp.row(step.b);
  const std::uint64_t* const c = warp.row(step.c);
  const auto byte = [&](std::uint64_t bits) {
    return convert<std::int32_t, To>(bits, saturating) & 0xff;
  };
  for_lanes(warp, [=](unsigned lane) {
    d[lane] = (c[lane] << 16 | byte(a[lane]) << 8 | byte(b[lane])) & 0xffffffff;
  });
}

void decode_pack(Decoder& d) {
  if (!d.take("sat"))
    d.fail("cvt.pack needs .sat");
  const Type to = d.take_type(), from = d.take_type(), above = d.take_type();
  d.finish();
  if ((to != Type::s8 && to != Type::u8) || from != Type::s32 || above != Type::b32)
    d.fail("cvt.pack is of .s8.s32.b32 or .u8.s32.b32");
  d.expect_operands(4);
  d.destination(above);
  d.step.a = d.source(1, from);
  d.step.b = d.source(2, from);
  d.step.c = d.source(3, above);
  d.step.run = to == Type::s8 ? pack_bytes<std::int8_t> : pack_bytes<std::uint8_t>;
}

/// `choose.operator()<T>()` with an integer type or a float format.
template <class Choose>
Handler for_scalar(Decoder& d, Type type, Choose choose) {
  switch (type) {
  case Type::u8:
  case Type::b8: return choose.template operator()<std::uint8_t>();
  case Type::u16: return choose.template operator()<std::uint16_t>();
  case Type::u32: return choose.template operator()<std::uint32_t>();
  case Type::u64: return choose.template operator()<std::uint64_t>();
  case Type::s8: return choose.template operator()<std::int8_t>();
  case Type::s16: return choose.template operator()<std::int16_t>();
  case Type::s32: return choose.template operator()<std::int32_t>();
  case Type::s64: return choose.template operator()<std::int64_t>();
  case Type::f16: return choose.template operator()<F16>();
  case Type::bf16: return choose.template operator()<BF16>();
  case Type::f32: return choose.template operator()<F32>();
  case Type::f64: return choose.template operator()<F64>();
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

bool is_bytes(Type type) {
  return type == Type::e4m3x2 || type == Type::e5m2x2;
}

// PTX asks for a rounding exactly where one may happen.
void check_rounding(Decoder& d, Type to, Type from, bool rounds, Integral integral) {
  const bool to_float = is_float(to);
  const bool from_float = is_float(from);
  const bool loses =
      (to_float && !from_float) ||
      (to_float && from_float &&
       (size_of(to) < size_of(from) || (size_of(to) == size_of(from) && to != from)));
  if (from_float && !to_float && integral == Integral::none)
    d.fail("a conversion from float to integer needs .rni, .rzi, .rmi or .rpi");
  if (loses && !rounds)
    d.fail("this conversion needs a rounding modifier");
  if (rounds && !loses && from != Type::bf16) // the assembler lets it pass on bf16
    d.fail("this conversion takes no rounding modifier");
}

} // namespace

void decode_cvt(Decoder& d) {
  if (d.take("pack"))
    return decode_pack(d);
  const auto integral = static_cast<Integral>(d.take_one_of({"rni", "rzi", "rmi", "rpi"}, 4));
  const int rounding = d.take_one_of({"rn", "rz", "rm", "rp", "rna"}, -1);
  d.step.function = static_cast<std::uint8_t>(integral);
  d.step.rounding = static_cast<std::uint8_t>(std::max(rounding, 0));
  d.step.size = static_cast<std::uint8_t>((d.take("ftz") ? kFtz : 0) | (d.take("sat") ? kSat : 0) |
                                          (d.take("relu") ? kRelu : 0) |
                                          (d.take("satfinite") ? kSatFinite : 0));
  const Type to = d.take_type();
  const Type from = d.take_type();
  d.finish();
  if (is_bytes(to) || is_bytes(from)) {
    if (rounding != 0)
      d.fail("a conversion of two bytes rounds to nearest, .rn");
    if (is_bytes(to) && (d.step.size & kSatFinite) == 0)
      d.fail("a conversion to two bytes needs .satfinite");
    decode_cvt_bytes(d, to, from);
    return;
  }
  if (to == Type::f16x2 || to == Type::bf16x2) {
    if (from != Type::f32 || rounding < 0)
      d.fail("a packed conversion takes a rounding modifier and two .f32");
    d.expect_operands(3);
    d.destination(to);
    d.step.a = d.source(1, from);
    d.step.b = d.source(2, from);
    d.step.run = to == Type::f16x2 ? pack<F16> : pack<BF16>;
    return;
  }
  check_rounding(d, to, from, rounding >= 0, integral);
  if (to == Type::f64 && !is_float(from) && size_of(from) == 8 && rounding > 0)
    d.fail("64-bit integers convert to .f64 with .rn only");
  d.expect_operands(2);
  d.step.d = d.destination_row(d.operand(0), size_of(to), is_float(to));
  d.step.a = d.source(d.operand(1), from, is_float(from));
  d.step.run = for_scalar(d, to, [&]<class To>() {
    return for_scalar(d, from, []<class From>() -> Handler { return run<From, To>; });
  });
}

} // namespace swage::emulator
