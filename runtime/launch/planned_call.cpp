// planned_call.cpp -- arguments of calls that are still to come, at addresses that nobody reads.
#include "runtime/launch/planned_call.hpp"

#include <bit>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::launch {

namespace {

/// Tensors begin so far apart that none reaches the next: 2^57 bytes hold 64 of them.
constexpr int kApartLog2 = 57;

[[noreturn]] void refuse(const Signature& signature, std::size_t param, std::string_view what) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("parameter '{}': {}", signature.names[param], what));
}

/// An address with this alignment and no higher one. Views with negative strides reach below it.
void* address_of(std::size_t tensor, std::int64_t alignment) {
  const std::uint64_t base = (std::uint64_t{tensor} << kApartLog2) + (std::uint64_t{1} << 56);
  const auto offset = static_cast<std::uint64_t>(alignment < kMaxAlignment ? alignment : 0);
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(base + offset));
}

Tensor planned_tensor(const Signature& signature, std::size_t param, const ArgSpec& spec) {
  if (spec.alignment < 1 || !std::has_single_bit(static_cast<std::uint64_t>(spec.alignment)))
    refuse(signature, param, fmt::format("an alignment of {} is no power of two", spec.alignment));
  if (!spec.strides.empty() && spec.strides.size() != spec.shape.size())
    refuse(signature, param,
           fmt::format("{} strides for {} dimensions", spec.strides.size(), spec.shape.size()));
  Tensor tensor(address_of(signature.params[param].tensor, spec.alignment), spec.dtype,
                std::span<const std::int64_t>(spec.shape));
  if (tensor.rank <= kMaxRank)
    for (std::size_t i = 0; i < spec.strides.size(); ++i)
      tensor.strides[i] = spec.strides[i];
  return tensor;
}

} // namespace

std::vector<Arg> planned_arguments(const Signature& signature, std::span<const ArgSpec> specs) {
  if (specs.size() != signature.params.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("kernel '{}' takes {} arguments, {} were described",
                            signature.kernel_name, signature.params.size(), specs.size()));
  std::vector<Arg> arguments;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const int same = specs[i].same_as;
    if (!signature.params[i].is_tensor)
      arguments.emplace_back(1);
    else if (same == -1)
      arguments.emplace_back(planned_tensor(signature, i, specs[i]));
    else if (same >= 0 && static_cast<std::size_t>(same) < i &&
             signature.params[static_cast<std::size_t>(same)].is_tensor)
      arguments.emplace_back(arguments[static_cast<std::size_t>(same)].tensor());
    else
      refuse(signature, i,
             fmt::format("it is said to be the same as argument {}, which is no tensor before it",
                         same));
  }
  return arguments;
}

void* planned_address() {
  return reinterpret_cast<void*>(std::uintptr_t{1} << 55); // below that of the first tensor
}

void* planned_memory() {
  return reinterpret_cast<void*>((std::uintptr_t{1} << 55) + (std::uintptr_t{1} << 51));
}

} // namespace swage::launch
