// assemble.cpp -- PTX to machine code on a device.
#include "runtime/device/assemble.hpp"

#include "runtime/cuda/module.hpp"
#include "runtime/device/context_scope.hpp"
#include "swage/error.hpp"

namespace swage::device {

std::string assemble(const Device& device, const std::string& ptx) {
  const DeviceState& state = *DeviceAccess::state(device);
  if (!state.is_cuda())
    throw Error(ErrorCode::invalid_argument,
                "the CPU has no driver that assembles PTX; pass a CUDA device");
  const ContextScope scope(state);
  return cuda::assemble(ptx);
}

} // namespace swage::device
