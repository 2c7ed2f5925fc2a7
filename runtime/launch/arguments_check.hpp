// arguments_check.hpp -- the arguments of a call against the parameters of its kernel.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/launch/signature.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

/// Checks count, kinds, types and shapes. Sets `views` by tensor and `scalars` by parameter, each
/// in the bits of its storage type. Returns the number of elements of the call. Throws
/// Error(invalid_argument) that names the parameter.
std::int64_t check_arguments(const Signature& signature, std::span<const Arg> arguments,
                             const Tensor** views, std::uint64_t* scalars);

// What else may be wrong with a tensor once its layout is known.
[[noreturn]] void refuse_address(const Signature& signature, int param, std::uint64_t address);
[[noreturn]] void refuse_range(const Signature& signature, int param);
[[noreturn]] void refuse_self_overlap(const Signature& signature, int param, const Tensor& view);
[[noreturn]] void refuse_overlap(const Signature& signature, int written, int other);
[[noreturn]] void refuse_row_overwritten(const Signature& signature, int written, int other);

} // namespace swage::launch
