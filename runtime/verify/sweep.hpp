// sweep.hpp -- running over many inputs of a kernel, launch by launch.
#pragma once

#include <cstdint>
#include <functional>

#include "runtime/verify/operands.hpp"
#include "runtime/verify/row_inputs.hpp"
#include "runtime/verify/test_inputs.hpp"

namespace swage::verify {

/// Elements of one launch at most.
inline constexpr std::int64_t kMaxSweepLaunch = std::int64_t{1} << 21;

/// Calls `step` with operands that hold the next inputs as entry values, not uploaded yet, until
/// all have been. `wanted` is a pattern: its shape is chosen here. `done(n)` hears after each step
/// how many inputs that makes; it may be empty.
void sweep(const Device& device, const ir::Kernel& kernel, const TestInputs& inputs,
           OperandOptions wanted, const std::function<void(Operands&, const Shape&)>& step,
           const std::function<void(std::int64_t)>& done = {});
/// The same over whole rows; each step has the shape of its own.
void sweep(const Device& device, const ir::Kernel& kernel, const RowInputs& inputs,
           OperandOptions wanted, const std::function<void(Operands&, const Shape&)>& step,
           const std::function<void(std::int64_t)>& done = {});

} // namespace swage::verify
