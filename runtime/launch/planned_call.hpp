// planned_call.hpp -- arguments of calls that are still to come, at addresses that nobody reads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/launch/signature.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

/// More than this is not told apart: a page, which is what drivers align allocations to at least.
inline constexpr std::int64_t kMaxAlignment = 4096;

/// Arguments that classify as those of a call will that `specs` describe, one for each parameter.
/// Tensors lie far apart unless one is `same_as` another. Throws Error(invalid_argument) that names
/// the parameter.
std::vector<Arg> planned_arguments(const Signature& signature, std::span<const ArgSpec> specs);

/// An address for what a call has beside its arguments, apart from theirs, and another for memory
/// that it works in.
void* planned_address();
void* planned_memory();

} // namespace swage::launch
