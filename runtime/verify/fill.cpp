// fill.cpp -- reproducible random values for a kernel's inputs.
#include "runtime/verify/fill.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ir/number.hpp"
#include "runtime/base/parallel.hpp"
#include "runtime/verify/random_bits.hpp"

namespace swage::verify {

namespace {

constexpr std::int64_t kGrain = 1 << 16;

/// A counter-based generator: any element's bits without those before it.
class Bits {
public:
  explicit Bits(const FillOptions& options)
      : key_(mix(options.seed + kGolden) ^ mix(options.stream * 2 + 0x632be59bd9b4e019)) {}
  std::uint64_t operator()(std::int64_t i) const noexcept {
    return mix(key_ + static_cast<std::uint64_t>(i) * kGolden);
  }
  std::uint64_t more(std::int64_t i) const noexcept {
    return mix((key_ ^ 0xd6e8feb86659fd93) + static_cast<std::uint64_t>(i) * kGolden);
  }

private:
  std::uint64_t key_;
};

constexpr std::uint32_t kSums = 4 * 0xffff + 1;

/// The sum of the four 16-bit parts.
constexpr std::uint32_t sum_of_four(std::uint64_t bits) noexcept {
  const std::uint64_t pairs = (bits & 0x0000ffff0000ffff) + ((bits >> 16) & 0x0000ffff0000ffff);
  return static_cast<std::uint32_t>(pairs + (pairs >> 32)) & 0x7ffff;
}

/// Centred and scaled to deviation 1: a uniform 16-bit number has variance 2^32 / 12.
constexpr double normal(double sum) noexcept {
  return (sum - 131070.0) * (1.7320508075688772 / 65536);
}

template <class T, class Value>
void store_all(std::span<std::byte> bytes, const Value& value) {
  std::byte* data = bytes.data();
  base::parallel_ranges(static_cast<std::int64_t>(bytes.size() / sizeof(T)), kGrain,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t i = begin; i < end; ++i) {
                            const T element = value(i);
                            std::memcpy(data + static_cast<std::size_t>(i) * sizeof(T), &element,
                                        sizeof(T));
                          }
                        });
}

/// Narrow floats come from a table of every sum, rounded once. Powers of two have no sign.
template <class Word>
void fill_narrow(DType type, std::span<std::byte> bytes, const Bits& random) {
  std::vector<Word> table(kSums);
  for (std::uint32_t sum = 0; sum < kSums; ++sum) {
    const double value = type == DType::e8m0 ? std::abs(normal(sum)) : normal(sum);
    table[sum] = static_cast<Word>(ir::encode(type, {.real = value, .integer = 0}));
  }
  store_all<Word>(bytes, [&](std::int64_t i) { return table[sum_of_four(random(i))]; });
}

/// Wider floats get low bits too: a uniform fraction is added to the sum.
template <class T>
void fill_wide(std::span<std::byte> bytes, const Bits& random) {
  store_all<T>(bytes, [&](std::int64_t i) {
    const double fraction = static_cast<double>(random.more(i) >> 11) * 0x1p-53;
    return static_cast<T>(normal(static_cast<double>(sum_of_four(random(i))) + fraction - 0.5));
  });
}

template <class T>
void fill_integers(std::span<std::byte> bytes, const Bits& random) {
  constexpr int low = std::numeric_limits<T>::is_signed ? -8 : 0;
  store_all<T>(bytes, [&](std::int64_t i) {
    return static_cast<T>(static_cast<int>(random(i) >> 60) + low);
  });
}

void fill_ordinary(DType type, std::span<std::byte> bytes, const Bits& random) {
  switch (type) {
  case DType::f64: return fill_wide<double>(bytes, random);
  case DType::f32: return fill_wide<float>(bytes, random);
  case DType::f16:
  case DType::bf16: return fill_narrow<std::uint16_t>(type, bytes, random);
  case DType::f8e4m3:
  case DType::f8e5m2:
  case DType::f8e4m3fnuz:
  case DType::f8e5m2fnuz:
  case DType::e8m0:
  case DType::f4e2m1: return fill_narrow<std::uint8_t>(type, bytes, random);
  case DType::i8: return fill_integers<std::int8_t>(bytes, random);
  case DType::u8: return fill_integers<std::uint8_t>(bytes, random);
  case DType::i16: return fill_integers<std::int16_t>(bytes, random);
  case DType::i32: return fill_integers<std::int32_t>(bytes, random);
  case DType::i64: return fill_integers<std::int64_t>(bytes, random);
  case DType::boolean:
    return store_all<std::uint8_t>(
        bytes, [&](std::int64_t i) { return static_cast<std::uint8_t>(random(i) >> 63); });
  }
}

/// Zeros, ones, infinities, NaN, the smallest subnormal and normal, the largest; of integers the
/// bounds and what lies around zero.
std::vector<std::uint64_t> special_bits(DType type) {
  const int width = 8 * size_of(type);
  if (type == DType::boolean)
    return {0, 1};
  const std::uint64_t sign = std::uint64_t{1} << (width - 1);
  if (!is_float(type))
    return {0, 1, ~std::uint64_t{0}, sign, sign - 1};
  if (type == DType::f4e2m1)
    return {0, 1, 2, 7, 8, 9, 10, 15};
  if (is_byte_float(type)) // the largest codes are infinity and NaN, or are next to them
    return {0, 1, 4, 8, 0x38, 0x7b, 0x7c, 0x7e, 0x7f, 0x80, 0x81, 0xb8, 0xfb, 0xfc, 0xfe, 0xff};
  const int mantissa = type == DType::f64   ? 52
                       : type == DType::f32 ? 23
                       : type == DType::f16 ? 10
                                            : 7;
  const std::uint64_t infinity = (sign - 1) & ~((std::uint64_t{1} << mantissa) - 1);
  const std::uint64_t one = ir::encode(type, {.real = 1, .integer = 0});
  std::vector<std::uint64_t> bits = {0,       1, std::uint64_t{1} << mantissa, one, infinity - 1,
                                     infinity};
  for (std::size_t i = 0, count = bits.size(); i < count; ++i)
    bits.push_back(bits[i] | sign);
  bits.push_back(infinity | (std::uint64_t{1} << (mantissa - 1)));
  return bits;
}

void scatter_specials(DType type, std::span<std::byte> bytes, const Bits& random) {
  const std::vector<std::uint64_t> specials = special_bits(type);
  const std::size_t size = static_cast<std::size_t>(size_of(type));
  base::parallel_ranges(static_cast<std::int64_t>(bytes.size() / size), kGrain,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t i = begin; i < end; ++i) {
                            const std::uint64_t bits = random.more(i);
                            if (bits % 32 == 0)
                              ir::store_bits(type,
                                             bytes.data() + static_cast<std::size_t>(i) * size,
                                             specials[(bits >> 32) % specials.size()]);
                          }
                        });
}

} // namespace

void fill_random(DType type, std::span<std::byte> bytes, const FillOptions& options) {
  const Bits random(options);
  fill_ordinary(type, bytes, random);
  if (options.specials)
    scatter_specials(type, bytes, random);
}

} // namespace swage::verify
