// inspect.hpp -- what stands behind a public kernel and a call of it, and launches with a schedule
// of their own.
#pragma once

#include <cstdint>
#include <span>

#include "codegen/schedule.hpp"
#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

/// The bound graph behind a kernel, and the target that a device compiles for.
const ir::Kernel& ir_kernel(const Kernel& kernel);
const codegen::Target& target(const Device& device);

/// How a launch of `arguments` is carried out. Of a kernel that is computed in steps the leading
/// one is described, and the sizes are those of the call.
struct CallDescription {
  const ir::Kernel* code = nullptr; ///< what is compiled: the kernel, or its step
  codegen::Specialization specialization;
  codegen::Schedule schedule; ///< what `Kernel::launch` uses
  std::int64_t rows = 0;      ///< 1 when flat
  std::int64_t columns = 0;   ///< the element count when flat
  std::int64_t bytes = 0;     ///< read and written by one launch, each tensor counted once a use
  std::int64_t elements() const noexcept { return rows * columns; }
};
/// Throws Error(invalid_argument) as `Kernel::launch` does. Compiles nothing. `code` is the
/// kernel's, and null for a call without elements.
CallDescription describe(const Kernel& kernel, std::span<const Arg> arguments,
                         const Tensor* valid_rows = nullptr);

/// Kernel::launch with an explicit schedule: compiled on first use and cached like any other, but
/// by the slow path. Throws Error(invalid_argument) for an illegal one. Of a kernel that is
/// computed in steps all have it that it is legal for.
void launch_with(const Kernel& kernel, const codegen::Schedule& schedule, Stream stream,
                 std::span<const Arg> arguments, const Tensor* valid_rows = nullptr);

} // namespace swage::launch
