// kernel.cpp -- the public C++ API: what a Kernel does.
#include "runtime/launch/kernel.hpp"

#include "codegen/own_stack.hpp"
#include "ir/passes.hpp"
#include "runtime/device/context_scope.hpp"

namespace swage {

using runtime::Call;

void Kernel::launch(Stream stream, std::span<const Arg> arguments) const {
  Call call;
  state_->classify(arguments, call);
  if (call.elements() != 0)
    state_->launch(call, arguments, static_cast<cuda::StreamHandle>(stream.handle));
}

void Kernel::prepare(std::span<const Arg> arguments) const {
  Call call;
  state_->classify(arguments, call);
  if (call.elements() == 0)
    return;
  const DeviceState& device = *state_->device;
  const auto plan = [&] {
    state_->plan_of(call, arguments, runtime::context_for(device, nullptr), nullptr);
  };
  if (device.is_cuda())
    runtime::with_live_context(device, plan);
  else
    plan();
}

const std::string& Kernel::name() const noexcept {
  return state_->name;
}

std::string Kernel::text() const {
  std::string text;
  codegen::with_stack(codegen::kTextStackBytes, [&] { text = ir::print(state_->graph); });
  return text;
}

Device Kernel::device() const {
  return DeviceAccess::make(state_->device);
}

} // namespace swage
