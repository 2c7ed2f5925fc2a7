// test_inputs.cpp -- the inputs that a kernel's errors are measured on.
#include "runtime/verify/test_inputs.hpp"

#include <array>

#include <fmt/format.h>

#include "ir/float_format.hpp"
#include "ir/number.hpp"
#include "runtime/base/parallel.hpp"
#include "runtime/verify/random_bits.hpp"
#include "swage/error.hpp"

namespace swage::verify {

namespace {

constexpr std::int64_t kGrain = 1 << 15;
constexpr int kMaxBits = 32; ///< of one exhaustive index

/// Zero, the smallest subnormal, the largest, the smallest normal, the largest finite number,
/// infinity and NaN, with the sign of bit 3.
template <DType type>
std::uint64_t special(std::uint64_t which) noexcept {
  using Traits = ir::FloatTraits<type>;
  constexpr std::uint64_t normal = std::uint64_t{1} << Traits::kMantissa;
  constexpr std::array<std::uint64_t, 8> values = {
      0, 1, normal - 1, normal, Traits::kLargest, Traits::kInfinity, Traits::kQuietNan, normal + 1};
  if constexpr (Traits::kEncoding == ir::Encoding::power)
    return values[which & 7];
  return values[which & 7] | (which & 8 ? Traits::kSign : 0);
}

template <DType type>
std::uint64_t random_float(std::uint64_t random) noexcept {
  using Traits = ir::FloatTraits<type>;
  constexpr std::uint64_t all = Traits::kSign | (Traits::kSign - 1);
  const std::uint64_t bits = mix(random ^ kGolden);
  switch (random & 7) {
  case 0: return special<type>(random >> 3);
  case 1:
  case 2:
  case 3: {
    if constexpr (Traits::kEncoding == ir::Encoding::power)
      return static_cast<std::uint64_t>(Traits::kBias) - 8 + (random >> 3 & 15);
    if constexpr (is_byte_float(type)) // any of them
      return bits & all;
    const std::uint64_t exponent = Traits::kBias - 8 + ((random >> 3) & 15);
    const std::uint64_t fraction = (std::uint64_t{1} << Traits::kMantissa) - 1;
    return (bits & (Traits::kSign | fraction)) | exponent << Traits::kMantissa;
  }
  default: return bits & all;
  }
}

std::uint64_t random_element(DType type, std::uint64_t random) noexcept {
  if (type == DType::boolean)
    return random & 1;
  if (!is_float(type))
    return mix(random);
  return ir::with_float(type, [&]<DType format>() { return random_float<format>(random); });
}

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

} // namespace

TestInputs::TestInputs(const ir::Kernel& kernel, const InputOptions& options)
    : options_(options), fields_(kernel.params().size()), count_(options.samples) {
  for (std::size_t p = 0; p < fields_.size(); ++p)
    fields_[p].dtype = kernel.params()[p].dtype;
  if (options.pairs && !options.exhaustive)
    refuse("pairs thin out exhaustive inputs; ask for both, or for random samples");
  if (options.exhaustive)
    plan_exhaustive(kernel);
  if (ir::has_packed_tensors(kernel)) // rows are even
    count_ += count_ % 2;
}

void TestInputs::plan_exhaustive(const ir::Kernel& kernel) {
  int total = 0, tensors = 0;
  for (std::size_t p = fields_.size(); p-- > 0;) {
    const ir::Param& param = kernel.params()[p];
    if (!param.is_tensor() || !param.is_read())
      continue;
    if (param.broadcast != ir::Broadcast::none)
      refuse(fmt::format(
          "'{}' is broadcast, which exhaustive inputs cannot cover; take random samples",
          param.name));
    if (++tensors == 1 && options_.pairs)
      random_ = p;
    else
      fields_[p] = {param.dtype, total,
                    param.dtype == DType::boolean ? 1
                    : is_packed(param.dtype)      ? 4
                                                  : 8 * size_of(param.dtype)};
    total += fields_[p].bits;
  }
  if (options_.pairs && tensors != 2)
    refuse(fmt::format("pairs are for kernels that read two tensors, '{}' reads {}", kernel.name(),
                       tensors));
  if (total > kMaxBits)
    refuse(fmt::format("the tensors that '{}' reads have {} bits together, exhaustive inputs "
                       "cover at most {}; take random samples",
                       kernel.name(), total, kMaxBits));
  count_ = std::int64_t{1} << total;
  if (!options_.pairs)
    return;
  if (*options_.pairs > (std::int64_t{1} << 62) / count_)
    refuse(fmt::format("{} values of the second tensor for each of the first are too many",
                       *options_.pairs));
  count_ *= *options_.pairs;
}

std::uint64_t TestInputs::element(std::size_t param, std::int64_t index) const noexcept {
  const Field& field = fields_[param];
  if (!options_.exhaustive || random_ == param) {
    const std::uint64_t key = mix(options_.seed + kGolden * (param + 1));
    const std::uint64_t random = mix(key + static_cast<std::uint64_t>(index) * kGolden);
    // Any bits are as likely as others: of a 16-bit float that is every exponent alike.
    if (options_.exhaustive && field.dtype != DType::boolean)
      return mix(random);
    return random_element(field.dtype, random);
  }
  const auto combination = static_cast<std::uint64_t>(index / options_.pairs.value_or(1));
  return combination >> field.shift & ((std::uint64_t{1} << field.bits) - 1);
}

void TestInputs::fill(std::size_t param, std::int64_t first, std::span<std::byte> bytes) const {
  const DType type = fields_[param].dtype;
  const std::int64_t size = size_of(type);
  base::parallel_ranges(static_cast<std::int64_t>(bytes.size()) / size, kGrain,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t i = begin; i < end; ++i)
                            ir::store_bits(type, bytes.data() + i * size,
                                           element(param, first + i));
                        });
}

} // namespace swage::verify
