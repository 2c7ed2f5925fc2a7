// sampling.cpp -- the time of one launch, on the device's own clock.
#include "runtime/tune/sampling.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "runtime/base/clock.hpp"

namespace swage::tune {

namespace {

/// A sample fills this: a hundred times what starting a graph, or reading a clock, costs.
constexpr double kCudaSampleSeconds = 300e-6;
constexpr double kHostSampleSeconds = 300e-6;
/// Three at least, so that a launch meets the end of the one before it, as in a program; and up to
/// so many that those of few rows which wait are as many as they get to be. (With up to 100, half
/// of it in the cache, a schedule won on an H200 that takes 1.45 times as long in longer chains.
/// For each launch the host takes 5 us to make its node of a graph.)
constexpr double kMinCudaLaunches = 3, kMaxCudaLaunches = 256;
constexpr double kMaxHostLaunches = 2000;
constexpr std::size_t kLeastTimedSets = 3;
constexpr std::size_t kMostLaunchesBefore =
    64; ///< more write so little that it makes no difference
/// So few that nearly all launches of a graph find their set in the cache, and in a quarter of it:
/// the cache of a Hopper GPU has two halves, and a line may lie in both.
constexpr std::size_t kMaxCachedSets = 8;

std::size_t sets_in_cache(const ArgumentPool& pool, std::int64_t cache_bytes) {
  const std::size_t fit = static_cast<std::size_t>(std::max<std::int64_t>(cache_bytes, 0)) / 4 /
                          std::max<std::size_t>(pool.bytes_of_set(), 1);
  const std::size_t sets = std::min({fit, pool.sets(), kMaxCachedSets});
  return sets >= 2 ? sets : 0;
}

/// That fill the cache.
std::size_t launches_before(const ArgumentPool& pool, std::size_t cache_bytes) {
  const std::size_t bytes = std::max<std::size_t>(pool.bytes_of_set(), 1);
  return std::max<std::size_t>((cache_bytes + bytes - 1) / bytes, 1);
}

} // namespace

Sampler::Sampler(const KernelState& kernel, ArgumentPool& pool, cuda::StreamHandle stream)
    : kernel_(kernel), pool_(pool), stream_(stream) {
  if (!kernel.device->is_cuda())
    return;
  in_memory_ = {cuda::make_event(), cuda::make_event()};
  in_cache_ = {cuda::make_event(), cuda::make_event()};
  const Device device = DeviceAccess::make(kernel.device);
  const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(device.info().cache_bytes, 0));
  cached_sets_ = sets_in_cache(pool, device.info().cache_bytes);
  from_ = device.allocate(bytes);
  to_ = device.allocate(bytes);
}

void Sampler::drain() {
  if (from_.size() > 0)
    copy_on_device(*kernel_.device, to_.data(), from_.data(), from_.size(), stream_);
}

cuda::OwnedGraphExec Sampler::capture(const launch::LaunchPlan& plan, int launches,
                                      std::size_t sets, std::size_t first) {
  return cuda::capture(stream_, [&] {
    for (int i = 0; i < launches; ++i)
      kernel_.launch(plan, pool_.call((first + static_cast<std::size_t>(i)) % sets), stream_);
  });
}

void Sampler::enqueue(const cuda::OwnedGraphExec& graph, const Interval& interval) {
  const cuda::Driver& driver = cuda::driver();
  driver.cuEventRecord(interval.begin.get(), stream_);
  driver.cuGraphLaunch(graph.get(), stream_);
  driver.cuEventRecord(interval.end.get(), stream_);
}

double Sampler::seconds_of(const Interval& interval) {
  const cuda::Driver& driver = cuda::driver();
  driver.cuEventSynchronize(interval.end.get());
  float milliseconds = 0;
  driver.cuEventElapsedTime(&milliseconds, interval.begin.get(), interval.end.get());
  return 1e-3 * static_cast<double>(milliseconds);
}

void Sampler::place_anew() {
  if (!kernel_.device->is_cuda())
    return;
  pool_.place_anew(cached_sets_); // all plans use the same sets in the cache
  for (Entry& entry : entries_) {
    entry.graph = {};
    entry.before = {};
  }
}

void Sampler::capture_all(Entry& entry) {
  const auto capture_for = [&](int launches, std::size_t sets, std::size_t first = 0) {
    cuda::OwnedGraphExec graph = capture(entry.plan, launches, sets, first);
    cuda::driver().cuGraphUpload(graph.get(), stream_); // which its first launch would do
    return graph;
  };
  if (entry.before_sets > 0)
    entry.before = capture_for(static_cast<int>(entry.before_sets), pool_.sets(),
                               pool_.sets() - entry.before_sets);
  if (cached_sets_ > 0 && !entry.cached.get())
    entry.cached = capture_for(entry.cached_launches, cached_sets_);
  entry.graph = capture_for(entry.launches, entry.timed); // the last: it says that all are there
}

void Sampler::prepare(std::size_t plan) {
  Entry& entry = entries_[plan];
  if (kernel_.device->is_cuda() && !entry.graph.get())
    capture_all(entry);
}

Sample Sampler::sample_cuda(std::size_t plan, const std::function<void()>& meanwhile) {
  prepare(plan);
  const Entry& entry = entries_[plan];
  const int launches = entry.launches, cached_launches = entry.cached_launches;
  if (pool_.in_place())
    pool_.seed_first(static_cast<std::size_t>(launches), stream_);
  // All is queued at once, each timed graph behind other work: what the host takes to launch a
  // graph must not enter its time.
  drain();
  if (entry.before.get())
    cuda::driver().cuGraphLaunch(entry.before.get(), stream_);
  enqueue(entry.graph, in_memory_);
  if (cached_sets_ > 0) {
    // Brings the sets into the cache, and what the GPU reads of the graph itself: without, its
    // shortest launches take a quarter of a microsecond more.
    cuda::driver().cuGraphLaunch(entry.cached.get(), stream_);
    enqueue(entry.cached, in_cache_);
  }
  if (meanwhile)
    meanwhile(); // may add entries, so none is referred to after it
  const double seconds = seconds_of(in_memory_) / launches;
  if (cached_sets_ == 0)
    return {seconds, seconds};
  return {seconds, seconds_of(in_cache_) / cached_launches};
}

double Sampler::time_host(const launch::LaunchPlan& plan, std::size_t first_set, int launches) {
  const auto seconds = [](base::Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  if (pool_.in_place()) {
    base::Clock::duration total{};
    for (int i = 0; i < launches; ++i) {
      const std::size_t set = first_set + static_cast<std::size_t>(i);
      pool_.seed(set, nullptr);
      const auto start = base::Clock::now();
      launch::launch_host(plan, kernel_.signature, pool_.call(set));
      total += base::Clock::now() - start;
    }
    return seconds(total) / launches;
  }
  const auto start = base::Clock::now();
  for (int i = 0; i < launches; ++i)
    launch::launch_host(plan, kernel_.signature,
                        pool_.call(first_set + static_cast<std::size_t>(i)));
  return seconds(base::Clock::now() - start) / launches;
}

double Sampler::estimate(const launch::LaunchPlan& plan) {
  if (!kernel_.device->is_cuda()) {
    time_host(plan, 0, 1);
    return time_host(plan, 1, 2);
  }
  constexpr int kLaunches = 4;
  const cuda::OwnedGraphExec graph = capture(plan, kLaunches, pool_.sets());
  for (int i = 0; i < 2; ++i) // the first launch of a graph uploads it
    enqueue(graph, in_memory_);
  return seconds_of(in_memory_) / kLaunches;
}

std::size_t Sampler::add(launch::LaunchPlan plan, double seconds) {
  const bool is_cuda = kernel_.device->is_cuda();
  const double wanted =
      std::ceil((is_cuda ? kCudaSampleSeconds : kHostSampleSeconds) / std::max(seconds, 1e-9));
  Entry entry;
  entry.launches = static_cast<int>(is_cuda ? std::clamp(wanted, kMinCudaLaunches, kMaxCudaLaunches)
                                            : std::clamp(wanted, 1.0, kMaxHostLaunches));
  if (is_cuda) {
    const std::size_t sets = pool_.sets(), before = launches_before(pool_, from_.size());
    // What is timed finds none of its memory in the cache, whatever policy leaves it there: it uses
    // none twice, and launches before it use other.
    const bool spare = before <= kMostLaunchesBefore && before + kLeastTimedSets <= sets;
    const bool once = spare && before + kLeastTimedSets <= pool_.apart();
    const std::size_t timed = (once ? pool_.apart() : sets) - (spare ? before : 0);
    entry.timed = timed;
    entry.before_sets = spare ? before : 0;
    entry.launches = std::min(entry.launches, static_cast<int>(std::max(timed, kLeastTimedSets)));
    entry.cached_launches = (entry.launches + 1) / 2;
  }
  entry.plan = std::move(plan);
  if (is_cuda)
    capture_all(entry);
  entries_.push_back(std::move(entry));
  return entries_.size() - 1;
}

Sample Sampler::sample(std::size_t plan, const std::function<void()>& meanwhile) {
  if (kernel_.device->is_cuda())
    return sample_cuda(plan, meanwhile);
  const Entry& entry = entries_[plan];
  const std::size_t first_set = next_set_ % pool_.sets();
  next_set_ += static_cast<std::size_t>(entry.launches);
  const double seconds = time_host(entry.plan, first_set, entry.launches);
  if (meanwhile)
    meanwhile();
  return {seconds, seconds};
}

} // namespace swage::tune
