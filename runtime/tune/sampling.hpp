// sampling.hpp -- the time of one launch, on the device's own clock.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/cuda/objects.hpp"
#include "runtime/tune/input.hpp"

namespace swage::tune {

/// Seconds of one launch with its tensors in memory, and in the cache; equal where there is one
/// kind of sample alone.
struct Sample {
  double in_memory = 0, in_cache = 0;
  double mean() const noexcept { return (in_memory + in_cache) / 2; }
};

/// Times plans over the sets of a pool.
///
/// CUDA: each sample is one launch of a graph of many kernels between two events, each kernel on
/// the next set; all plans use the same sets, for where tensors lie moves their time. Before each
/// sample twice the cache is streamed through memory, so that none finds its tensors in cache, and
/// what kernels update in place gets ordinary values again. Other sets are then launched on,
/// untimed, until they have filled it, if 64 launches do: else a schedule that leaves more
/// of what it writes to the cache, which somebody has to write to memory later, looks the faster
/// one. Where some sets fit a quarter of the cache a second graph of half as many goes round those:
/// a program finds the inputs of a small call in the cache or not, and the winner has to hold in
/// either. CPU: each sample is as many launches as fill a few hundred microseconds, by the steady
/// clock. A call that fits the cache has one set and so is timed in it: there, what comes before a
/// kernel has just written its inputs.
class Sampler {
public:
  /// `stream` is for CUDA alone.
  Sampler(const KernelState& kernel, ArgumentPool& pool, cuda::StreamHandle stream);

  /// Adds a plan; its number is the count of those before. `seconds` is about what it takes.
  std::size_t add(launch::LaunchPlan plan, double seconds);

  /// `meanwhile` is done while a GPU works on the sample; it may add and prepare others.
  Sample sample(std::size_t plan, const std::function<void()>& meanwhile = {});
  /// Makes the graphs that a sample needs, if it has none: the host takes a millisecond for 200
  /// launches.
  void prepare(std::size_t plan);
  /// Whether samples of it launch it before they time it, on other sets.
  bool warms_up(std::size_t plan) const noexcept { return entries_[plan].before_sets > 0; }
  /// All plans get other places for their sets: which of two orders launches settle in that wait
  /// behind each other, for one, follows where the tensors of all of them lie. The sets that
  /// are timed in the cache stay, and the CPU's samples go from set to set anyway.
  void place_anew();
  /// About the seconds of one launch, from a few.
  double estimate(const launch::LaunchPlan& plan);

  /// How many sets the samples in the cache go round; 0: there are none.
  std::size_t cached_sets() const noexcept { return cached_sets_; }

private:
  struct Entry {
    launch::LaunchPlan plan;
    int launches = 1, cached_launches = 1;
    std::size_t timed = 1, before_sets = 0; ///< sets of the graph, and of the launches before it
    cuda::OwnedGraphExec before, graph, cached; ///< none yet; two of them may stay so
  };
  struct Interval {
    cuda::OwnedEvent begin, end;
  };

  void enqueue(const cuda::OwnedGraphExec& graph, const Interval& interval);
  static double seconds_of(const Interval& interval);
  Sample sample_cuda(std::size_t plan, const std::function<void()>& meanwhile);
  void capture_all(Entry& entry);
  double time_host(const launch::LaunchPlan& plan, std::size_t first_set, int launches);
  /// Launches of set `first` and those after it, round `sets`.
  cuda::OwnedGraphExec capture(const launch::LaunchPlan& plan, int launches, std::size_t sets,
                               std::size_t first = 0);
  void drain();

  const KernelState& kernel_;
  ArgumentPool& pool_;
  cuda::StreamHandle stream_;
  Interval in_memory_, in_cache_; ///< of the launches timed there
  std::size_t cached_sets_ = 0;
  Buffer from_, to_;         ///< what drain() copies
  std::size_t next_set_ = 0; ///< of the CPU's samples
  std::vector<Entry> entries_;
};

} // namespace swage::tune
