// step_calls.hpp -- a call of a kernel that is computed in steps, as the calls of these.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "codegen/steps.hpp"
#include "runtime/launch/argument_list.hpp"
#include "runtime/launch/kernel.hpp"

namespace swage::launch {

/// `call` is `arguments` and `valid_rows` as `kernel`, which has steps, classifies them.
struct WholeCall {
  const KernelState& kernel;
  const Call& call;
  std::span<const Arg> arguments;
  const Tensor* valid_rows; ///< null: all rows
  void* memory = nullptr;   ///< step_bytes of it; null: addresses that nobody reads
};

/// The call of one step. Refers to the step's kernel.
struct StepCall {
  /// Allocates nothing. Throws Error as classify does.
  StepCall(const WholeCall& whole, std::size_t number);

  /// `schedule` if it is one that this call may have, else the one that its launches have.
  codegen::Schedule schedule_like(const codegen::Schedule& schedule) const;

  const KernelState& kernel;
  ArgumentList arguments;
  Call call;
};

/// All of them. Refers to the kernel.
class StepCalls {
public:
  /// Throws Error as classify does.
  explicit StepCalls(const WholeCall& whole);

  /// In the order in which they are launched.
  std::span<const std::unique_ptr<const StepCall>> all() const noexcept { return calls_; }
  /// That of Steps::leading.
  const StepCall& leading() const noexcept { return *calls_[leading_]; }

private:
  std::vector<std::unique_ptr<const StepCall>> calls_;
  std::size_t leading_;
};

/// Device memory that a call of a kernel with steps takes beside its tensors: what steps leave
/// each other, and what sums over rows take within a step. On the CPU the first alone.
std::int64_t step_bytes(const KernelState& kernel, const Call& call) noexcept;

} // namespace swage::launch
