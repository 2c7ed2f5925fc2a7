// timing.cpp -- how long launches take, on the device and on the host.
#include "runtime/measure/timing.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "runtime/base/clock.hpp"
#include "runtime/base/statistics.hpp"
#include "runtime/cuda/objects.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/step_calls.hpp"
#include "runtime/launch/workspace.hpp"
#include "swage/error.hpp"

namespace swage::measure {

namespace {

/// Calls that are classified and compiled, launched one after another, round and round; each one
/// launch, or one for each step.
class Rotation {
public:
  Rotation(const Kernel& kernel, std::span<const std::vector<Arg>> argument_sets,
           const codegen::Schedule* schedule)
      : state_(KernelAccess::state(kernel)) {
    for (const std::vector<Arg>& arguments : argument_sets) {
      auto call = std::make_unique<launch::Call>();
      state_.classify(arguments, *call);
      if (call->empty)
        throw Error(ErrorCode::invalid_argument,
                    "a call without elements takes no time; pass at least one element");
      std::vector<Launch>& launches = sets_.emplace_back();
      if (state_.has_steps())
        add_steps(launches, *call, arguments, schedule);
      else
        add(launches, state_, std::move(call), schedule);
    }
    if (sets_.empty())
      throw Error(ErrorCode::invalid_argument, "there is nothing to time; pass arguments");
  }

  /// Gives all calls, which come one after another, one workspace, so that taking memory is no
  /// part of their time. In the context of the calls.
  cuda::OwnedMemory take_workspace() {
    std::int64_t bytes = 0;
    for_each([&](Launch& each) {
      bytes = std::max(bytes, launch::workspace_bytes(each.plan, *each.call));
    });
    if (bytes == 0 || state_.has_steps())
      return {};
    cuda::OwnedMemory workspace = cuda::allocate(static_cast<std::size_t>(bytes));
    for_each([&](Launch& each) { each.call->workspace = address_of(workspace); });
    return workspace;
  }

  std::size_t size() const { return sets_.size(); }
  const DeviceState& device() const { return *state_.device; }
  void launch(int count, cuda::StreamHandle stream) {
    for (int i = 0; i < count; ++i) {
      for (const Launch& each : sets_[next_])
        each.kernel.launch(each.plan, *each.call, stream);
      next_ = (next_ + 1) % sets_.size();
    }
  }
  void launch_bare(int count, cuda::StreamHandle stream) {
    const int steps = static_cast<int>(sets_[0].size());
    for (int i = 0; i < (steps == 1 ? 1 : count); ++i)
      for (const Launch& each : sets_[0])
        launch::launch_cuda_bare(each.plan, each.kernel.signature, *each.call, stream,
                                 steps == 1 ? count : 1);
  }
  void run_bare(int count) {
    for (int i = 0; i < count; ++i)
      for (const Launch& each : sets_[0])
        launch::launch_host(each.plan, each.kernel.signature, *each.call);
  }

private:
  struct Launch {
    const KernelState& kernel;
    std::unique_ptr<launch::Call> call;
    launch::LaunchPlan plan;
  };

  static void* address_of(const cuda::OwnedMemory& memory) {
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(memory.get()));
  }

  template <typename Visit>
  void for_each(const Visit& visit) {
    for (std::vector<Launch>& set : sets_)
      for (Launch& each : set)
        visit(each);
  }

  /// `schedule` null: the one that launches have.
  static void add(std::vector<Launch>& launches, const KernelState& kernel,
                  std::unique_ptr<launch::Call> call, const codegen::Schedule* schedule) {
    if (schedule)
      codegen::check_schedule(*schedule, kernel.graph, kernel.specialization_of(*call),
                              kernel.device->target);
    launch::LaunchPlan plan = kernel.plan_with(schedule ? *schedule : kernel.schedule_of(*call),
                                               *call, device::context_for(*kernel.device, nullptr));
    launches.push_back({kernel, std::move(call), std::move(plan)});
  }

  void add_steps(std::vector<Launch>& launches, const launch::Call& call,
                 std::span<const Arg> arguments, const codegen::Schedule* schedule) {
    const launch::StepCalls steps({state_, call, arguments, nullptr, step_memory(call)});
    for (const auto& step : steps.all()) {
      if (step->call.empty)
        continue;
      const auto own = schedule ? std::optional(step->schedule_like(*schedule)) : std::nullopt;
      add(launches, step->kernel, std::make_unique<launch::Call>(step->call),
          own ? &*own : nullptr);
    }
  }

  /// All calls, which come one after another, have the same where it is large enough.
  void* step_memory(const launch::Call& call) {
    const std::int64_t bytes = launch::step_bytes(state_, call);
    if (!state_.device->is_cuda())
      return host_memory_.emplace_back(bytes).data();
    if (bytes > step_bytes_) {
      const device::ContextScope scope(*state_.device);
      step_memory_.push_back(cuda::allocate(static_cast<std::size_t>(bytes)));
      step_bytes_ = bytes;
    }
    return address_of(step_memory_.back());
  }

  const KernelState& state_;
  std::vector<std::vector<Launch>> sets_;
  std::vector<cuda::OwnedMemory> step_memory_; ///< the last one is the largest
  std::int64_t step_bytes_ = 0;
  std::vector<launch::HostWorkspace> host_memory_;
  std::size_t next_ = 0;
};

/// Launches that fill a round, whole rotations, when one launch takes `seconds`.
int launches_of_round(double seconds, const Rotation& rotation, const TimingOptions& options) {
  const auto sets = static_cast<double>(rotation.size());
  const double wanted = options.round_seconds / std::max(seconds, 1e-9);
  return static_cast<int>(std::clamp(std::ceil(wanted / sets), 1.0, std::max(1.0, 4000 / sets)) *
                          sets);
}

LaunchTime launch_time(const std::vector<double>& seconds, int launches) {
  const base::Summary summary = base::summarise(seconds);
  return {summary.median, summary.low, summary.high, summary.count, launches};
}

LaunchTime time_host(Rotation& rotation, const TimingOptions& options) {
  const int warm = static_cast<int>(rotation.size());
  rotation.launch(warm, nullptr);
  auto start = base::Clock::now();
  rotation.launch(warm, nullptr);
  const int launches = launches_of_round(base::seconds_since(start) / warm, rotation, options);
  std::vector<double> rounds;
  for (int round = 0; round < options.rounds; ++round) {
    start = base::Clock::now();
    rotation.launch(launches, nullptr);
    rounds.push_back(base::seconds_since(start) / launches);
  }
  return launch_time(rounds, launches);
}

LaunchTime time_cuda(Rotation& rotation, const TimingOptions& options) {
  const device::ContextScope scope(rotation.device());
  const cuda::Driver& driver = cuda::driver();
  const cuda::OwnedMemory workspace = rotation.take_workspace();
  const cuda::OwnedStream stream = cuda::make_stream();
  const cuda::OwnedEvent begin = cuda::make_event(), end = cuda::make_event();
  const auto time_graph = [&](const cuda::OwnedGraphExec& graph) {
    driver.cuEventRecord(begin.get(), stream.get());
    driver.cuGraphLaunch(graph.get(), stream.get());
    driver.cuEventRecord(end.get(), stream.get());
    driver.cuEventSynchronize(end.get());
    float milliseconds = 0;
    driver.cuEventElapsedTime(&milliseconds, begin.get(), end.get());
    return 1e-3 * static_cast<double>(milliseconds);
  };
  const auto graph_of = [&](int launches) {
    return cuda::capture(stream.get(), [&] { rotation.launch(launches, stream.get()); });
  };
  // The first launch of a graph uploads it; the second one tells.
  const int warm = static_cast<int>(rotation.size()) * 4;
  const cuda::OwnedGraphExec trial = graph_of(warm);
  time_graph(trial);
  const int launches = launches_of_round(time_graph(trial) / warm, rotation, options);
  const cuda::OwnedGraphExec graph = graph_of(launches);
  time_graph(graph);
  std::vector<double> rounds;
  for (int round = 0; round < options.rounds; ++round)
    rounds.push_back(time_graph(graph) / launches);
  return launch_time(rounds, launches);
}

/// Medians over rounds in which the two, which launch as often as they are told, take turns.
template <typename Launch, typename Bare, typename Wait>
LaunchOverhead alternate(const Launch& launch, const Bare& bare, const Wait& wait) {
  launch(1);
  wait();
  const auto first = base::Clock::now();
  launch(1);
  wait();
  const OverheadRounds sizes = overhead_rounds(base::seconds_since(first));
  const auto time = [&](const auto& body) {
    const auto start = base::Clock::now();
    body(sizes.launches);
    const double seconds = base::seconds_since(start) / sizes.launches;
    wait();
    return seconds;
  };
  std::vector<double> ours, theirs;
  for (int round = 0; round < sizes.rounds; ++round) {
    ours.push_back(time(launch));
    theirs.push_back(time(bare));
  }
  return {base::summarise(ours).median, base::summarise(theirs).median};
}

} // namespace

LaunchTime time_launches(const Kernel& kernel, std::span<const std::vector<Arg>> argument_sets,
                         const TimingOptions& options) {
  Rotation rotation(kernel, argument_sets, options.schedule);
  return rotation.device().is_cuda() ? time_cuda(rotation, options) : time_host(rotation, options);
}

OverheadRounds overhead_rounds(double seconds) {
  // The driver's queue holds 1024 launches and more; a full one would make the host wait.
  constexpr int kLaunches = 200, kRounds = 101, kFewestRounds = 3;
  constexpr double kRound = 0.01, kAll = 2; // seconds
  const double time = std::max(seconds, 1e-9);
  const auto launches = static_cast<int>(std::clamp(kRound / time, 1.0, double{kLaunches}));
  const double both = 2 * launches * time;
  return {launches,
          static_cast<int>(std::clamp(kAll / both, double{kFewestRounds}, double{kRounds}))};
}

LaunchOverhead time_launch_overhead(const Kernel& kernel, std::span<const Arg> arguments) {
  const std::vector<Arg> set(arguments.begin(), arguments.end());
  Rotation rotation(kernel, {&set, 1}, nullptr);
  kernel.prepare(arguments);
  const auto launch = [&](int launches, cuda::StreamHandle stream) {
    for (int i = 0; i < launches; ++i)
      kernel.launch(Stream(stream), arguments);
  };
  if (!rotation.device().is_cuda())
    return alternate([&](int launches) { launch(launches, nullptr); },
                     [&](int launches) { rotation.run_bare(launches); }, [] {});
  const device::ContextScope scope(rotation.device());
  const cuda::OwnedMemory workspace = rotation.take_workspace();
  const cuda::OwnedStream stream = cuda::make_stream();
  return alternate([&](int launches) { launch(launches, stream.get()); },
                   [&](int launches) { rotation.launch_bare(launches, stream.get()); },
                   [&] { cuda::driver().cuStreamSynchronize(stream.get()); });
}

} // namespace swage::measure
