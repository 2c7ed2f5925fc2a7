// step_calls.hpp -- a call of a kernel that is computed in steps, as the calls of these.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "codegen/steps.hpp"
#include "runtime/launch/kernel.hpp"

namespace swage::launch {

/// The call of one step. Refers to the step's kernel.
struct StepCall {
  const KernelState& kernel;
  std::vector<Arg> arguments;
  const Tensor* valid_rows; ///< null: all rows
  Call call;

  /// `schedule` if it is one that this call may have, else the one that its launches have.
  codegen::Schedule schedule_like(const codegen::Schedule& schedule) const;
};

/// Refers to what it is made of.
class StepCalls {
public:
  /// `call` is `arguments` and `valid_rows` as `kernel`, which has steps, classifies them, and
  /// `memory` of workspace_bytes; null: addresses that nobody reads. Throws Error as classify does.
  StepCalls(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
            const Tensor* valid_rows, void* memory = nullptr);

  /// In the order in which they are launched.
  std::span<const std::unique_ptr<StepCall>> all() const noexcept { return calls_; }
  /// That of Steps::leading.
  const StepCall& leading() const noexcept { return *calls_[kernel_.steps.leading()]; }
  /// Throws Error(invalid_argument) for memory of the call that kernels cannot reach; looked at
  /// when a kind of call is new in `context`.
  void check_reachable(const cuda::ContextRef& context) const;

private:
  Arg argument(const codegen::Step& step, const codegen::StepSource& source) const;
  Arg shape_argument(const codegen::Step& step) const;
  Arg value_argument(const codegen::Step& step, std::size_t value) const;

  const KernelState& kernel_;
  const Call& call_;
  const std::span<const Arg> arguments_;
  std::byte* const memory_;
  std::vector<std::unique_ptr<StepCall>> calls_;
};

/// Device memory that a call of a kernel with steps takes beside its tensors: what steps leave
/// each other, and what sums over rows take within a step. On the CPU the first alone.
std::int64_t step_bytes(const KernelState& kernel, const Call& call) noexcept;

/// Launches the steps of a call, in its workspace or one that is taken for it: all or, where one of
/// them is refused, none. With `schedule` all
/// that it is legal for have it; throws Error(invalid_argument) where it is not for the leading
/// one.
void launch_steps(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                  const Tensor* valid_rows, cuda::StreamHandle stream,
                  const codegen::Schedule* schedule = nullptr);

/// Compiles, loads and tunes what launches of the call need; `has_memory`: its addresses are those
/// of tensors.
void prepare_steps(const KernelState& kernel, const Call& call, std::span<const Arg> arguments,
                   const Tensor* valid_rows, bool has_memory);

} // namespace swage::launch
