// reach.hpp -- whether tensors lie in memory that the device of a kernel can reach.
#pragma once

#include "runtime/cuda/context.hpp"
#include "runtime/device/device.hpp"
#include "runtime/launch/classify.hpp"

namespace swage::launch {

/// Refuses tensors that kernels of `device` cannot reach: memory of another GPU without peer
/// access, host memory that CUDA does not know. Asks the driver, so it is not done on warm calls.
void check_reachable(const DeviceState& device, const cuda::ContextRef& context,
                     const Signature& signature, const Call& call);

} // namespace swage::launch
