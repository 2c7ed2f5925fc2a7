// session.hpp -- what the command-line tool and the tuner need beyond the public API: the values a
// call is made of, launches with a schedule of their own, and the time that stages take.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/compile.hpp"
#include "codegen/schedule.hpp"
#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"
#include "swage/swage.hpp"

namespace swage::runtime {

/// The bound graph behind a kernel, and the target that a device compiles for.
const ir::Kernel& ir_kernel(const Kernel& kernel);
const codegen::Target& target(const Device& device);

/// A kernel from a graph; `options.math` and `options.file` are not used.
Kernel make_kernel(const Device& device, ir::Kernel graph, const KernelOptions& options = {});

/// How a launch of `arguments` is carried out.
struct CallPlan {
  codegen::Specialization specialization;
  codegen::Schedule schedule; ///< what `Kernel::launch` uses
  std::int64_t rows = 0;      ///< 1 when flat
  std::int64_t columns = 0;   ///< the element count when flat
  std::int64_t bytes = 0;     ///< read and written by one launch, each tensor counted once a use
  std::int64_t elements() const noexcept { return rows * columns; }
};
/// Throws Error(invalid_argument) as `Kernel::launch` does. Compiles nothing.
CallPlan plan(const Kernel& kernel, std::span<const Arg> arguments);

/// Kernel::launch, and Kernel::prepare, with an explicit schedule: compiled on first use and cached
/// like any other, but by the slow path. Throws Error(invalid_argument) for an illegal one.
void launch_with(const Kernel& kernel, const codegen::Schedule& schedule, Stream stream,
                 std::span<const Arg> arguments);
void prepare_with(const Kernel& kernel, const codegen::Schedule& schedule,
                  std::span<const Arg> arguments);

/// Host time of a first call, cold, by stage, in seconds. On the CPU `assemble` is 0; on CUDA it is
/// the driver's way from PTX to machine code, `load` the rest of the module's loading.
struct FirstCallTimes {
  double parse = 0, lower = 0, optimise = 0, emit = 0, assemble = 0, load = 0, launch = 0;
};
/// Parses, compiles, loads and launches once past every cache of Swage's own.
FirstCallTimes time_first_call(const Device& device, std::string_view source, std::string_view name,
                               const std::vector<Binding>& bindings, const KernelOptions& options,
                               std::span<const Arg> arguments);

/// Host time of a first call whose code lies in a disk cache, by stage, in seconds: `read` opens
/// the directory, reads the entry and checks it.
struct WarmCallTimes {
  double parse = 0, read = 0, load = 0, launch = 0;
};
/// Puts the code into a temporary cache directory of its own, and from there reads, loads and
/// launches it once with a new kernel. Nothing where there can be no such directory.
std::optional<WarmCallTimes> time_warm_call(const Device& device, std::string_view source,
                                            std::string_view name,
                                            const std::vector<Binding>& bindings,
                                            const KernelOptions& options,
                                            std::span<const Arg> arguments);

/// PTX to machine code by the driver of a CUDA device. Throws Error(invalid_argument) for the CPU,
/// Error(driver) with the assembler's messages as its build log.
std::string assemble(const Device& device, const std::string& ptx);

/// Seconds of one launch.
struct LaunchTime {
  double median = 0;
  double low = 0; ///< quartiles over the rounds
  double high = 0;
  int rounds = 0;
  int launches = 0; ///< a round
};
struct TimingOptions {
  const codegen::Schedule* schedule = nullptr; ///< null: the one `Kernel::launch` uses
  int rounds = 11;
  double round_seconds = 0.005; ///< each round holds as many launches as fill this
};
/// Times launches that go round through `argument_sets`: give sets that are together larger than
/// the last-level cache to time memory, one small set to time the cache. CUDA: each round is one
/// graph launch between events on a stream of its own. CPU: the steady clock. One round warms up.
LaunchTime time_launches(const Kernel& kernel, std::span<const std::vector<Arg>> argument_sets,
                         const TimingOptions& options = {});

/// Host seconds of one warm `Kernel::launch`, and on CUDA of a bare cuLaunchKernel of the same
/// function with the same arguments: the median over rounds of launches kept short of the queue.
struct LaunchOverhead {
  double launch = 0;
  double bare = 0; ///< CPU: a direct call of the compiled code
};
LaunchOverhead time_launch_overhead(const Kernel& kernel, std::span<const Arg> arguments);

/// Bytes a second of a[i] = b[i] + s * c[i] in f32 on all threads, with streaming stores where
/// `streaming`, counting two reads and one write of `elements` each; the best of several passes.
double host_triad(std::int64_t elements, bool streaming);

} // namespace swage::runtime
