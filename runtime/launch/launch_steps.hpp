// launch_steps.hpp -- launches of kernels that are computed in steps.
#pragma once

#include <span>

#include "runtime/launch/kernel.hpp"

namespace swage::launch {

/// Launches the steps of a call, in its workspace or one that is taken for it: all or, where one of
/// them is refused, none. Where all were launched before there is a driver call a launch, and two
/// more where memory is taken: no lock, no heap, no query. On the CPU the heap gives that memory.
/// With `schedule`, all that it is legal for have it; throws Error(invalid_argument) where it is
/// not for the leading one.
void launch_steps(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                  const Tensor* valid_rows, cuda::StreamHandle stream,
                  const codegen::Schedule* schedule = nullptr);

/// Compiles, loads and tunes what launches of the call need; `has_memory`: its addresses are those
/// of tensors.
void prepare_steps(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                   const Tensor* valid_rows, bool has_memory);

} // namespace swage::launch
