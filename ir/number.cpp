// number.cpp -- storage formats by dtype, over the templates of float_format.hpp.
#include "ir/number.hpp"

#include <cstring>
#include <limits>

#include "ir/float_environment.hpp"
#include "ir/float_format.hpp"

namespace swage::ir {

std::uint64_t encode(DType type, const Scalar& value) noexcept {
  const auto wrapped = static_cast<std::uint64_t>(value.integer);
  switch (type) {
  case DType::boolean: return value.integer != 0;
  case DType::i8:
  case DType::u8: return wrapped & 0xff;
  case DType::i16: return wrapped & 0xffff;
  case DType::i32: return wrapped & 0xffffffff;
  case DType::i64: return wrapped;
  default:
    return with_float(type, [&]<DType format>() { return encode_float<format>(value.real); });
  }
}

Scalar decode(DType type, std::uint64_t bits) noexcept {
  switch (type) {
  case DType::boolean: return {.integer = (bits & 0xff) != 0};
  case DType::i8: return {.integer = static_cast<std::int8_t>(bits)};
  case DType::u8: return {.integer = static_cast<std::uint8_t>(bits)};
  case DType::i16: return {.integer = static_cast<std::int16_t>(bits)};
  case DType::i32: return {.integer = static_cast<std::int32_t>(bits)};
  case DType::i64: return {.integer = static_cast<std::int64_t>(bits)};
  default:
    return with_float(type, [&]<DType format>() {
      using Traits = FloatTraits<format>;
      constexpr bool has_sign = Traits::kEncoding != Encoding::power;
      constexpr std::uint64_t mask = (has_sign ? Traits::kSign : 0) | (Traits::kSign - 1);
      return Scalar{.real = decode_float<format, long double>(bits & mask)};
    });
  }
}

long double round_to(DType type, long double real) noexcept {
  return with_float(type, [&]<DType format>() { return round_float<format, long double>(real); });
}

long double ulp(DType type, long double exact) noexcept {
  const DefaultFloatEnvironment environment;
  if (std::isnan(exact) || std::isinf(exact))
    return std::numeric_limits<long double>::quiet_NaN();
  return with_float(type, [&]<DType format>() {
    return power_of_two<long double>(spacing_exponent<format>(parts_of(exact)));
  });
}

long double ulp_error(DType type, long double got, long double exact) noexcept {
  const DefaultFloatEnvironment environment;
  return with_float(type, [&]<DType format>() { return ulp_distance<format>(got, exact); });
}

std::uint64_t load_bits(DType type, const void* data) noexcept {
  const auto read = [data]<class Word>(Word word) -> std::uint64_t {
    std::memcpy(&word, data, sizeof word);
    return word;
  };
  switch (size_of(type)) {
  case 1: return read(std::uint8_t{});
  case 2: return read(std::uint16_t{});
  case 4: return read(std::uint32_t{});
  default: return read(std::uint64_t{});
  }
}

void store_bits(DType type, void* data, std::uint64_t bits) noexcept {
  const auto write = [data](auto word) { std::memcpy(data, &word, sizeof word); };
  switch (size_of(type)) {
  case 1: return write(static_cast<std::uint8_t>(bits));
  case 2: return write(static_cast<std::uint16_t>(bits));
  case 4: return write(static_cast<std::uint32_t>(bits));
  default: return write(bits);
  }
}

} // namespace swage::ir
