// timing.hpp -- how long launches take, on the device and on the host.
#pragma once

#include <span>
#include <vector>

#include "codegen/schedule.hpp"
#include "swage/swage.hpp"

namespace swage::measure {

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

/// Of how many launches each, and how many, its rounds are where a launch takes `seconds` until it
/// is done: about two seconds for all but the slowest kernels, which get three rounds of one.
struct OverheadRounds {
  int launches = 0;
  int rounds = 0;
};
OverheadRounds overhead_rounds(double seconds);

} // namespace swage::measure
