// soak.cpp -- SECONDS [DEVICE]: eight threads make, launch, tune and drop kernels until the time is
// over; memory, descriptors and loaded code have to stay flat. scripts/soak.sh runs it.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <unistd.h>

#include "swage/swage.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kThreads = 8;

/// Of the double of the driver: of grids past its budget one block runs, as is right for a search
/// and for nothing else. Null for a driver.
void (*set_budget)(unsigned long long) = nullptr;

void find_double() {
  const char* const path = std::getenv("SWAGE_LIBCUDA_PATH");
  if (void* const library = path && *path ? dlopen(path, RTLD_NOW) : nullptr)
    set_budget =
        reinterpret_cast<decltype(set_budget)>(dlsym(library, "swage_fake_cuda_set_budget"));
}
constexpr int kTexts = 48; // kernels to choose from: caches fill up early and then turn over

struct State {
  swage::Device device;
  Clock::time_point end;
  std::shared_mutex working{}; ///< shared by threads that launch, alone for who counts
  std::atomic<std::uint64_t> launches{0}, kernels{0}, tunings{0}, wrong{0};
  std::atomic<bool> failed{false};
  std::atomic<bool> counting{false}; ///< threads wait: a lock alone would starve who counts
};

/// y = x * (i + 2) + i in one of several forms.
std::string text_of(int i) {
  std::string sum = "x * " + std::to_string(i + 2) + " + " + std::to_string(i);
  for (int k = 0; k < i % 5; ++k)
    sum = "max(" + sum + ", x)"; // x is never negative here: the same value
  return "kernel k(x: in f32, y: out f32) { y = " + sum + "; }";
}

class Worker {
public:
  Worker(State& state, int seed)
      : state_(state), random_(static_cast<unsigned>(seed)), host_(kMost), back_(kMost) {
    for (std::size_t i = 0; i < host_.size(); ++i)
      host_[i] = static_cast<float>(i % 1000);
  }

  void run() {
    while (Clock::now() < state_.end && !state_.failed) {
      while (state_.counting)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (set_budget && random_() % 100 == 0)
        tune_alone();
      const std::shared_lock at_work(state_.working);
      turn();
    }
  }

private:
  static constexpr std::size_t kMost = 1 << 15;

  /// While nobody reads what the double computes.
  void tune_alone() {
    const std::unique_lock alone(state_.working);
    const swage::Kernel kernel =
        state_.device.kernel(text_of(static_cast<int>(random_() % kTexts)), "k");
    const swage::Buffer buffer = state_.device.allocate(2 * kMost * sizeof(float));
    const swage::Tensor x(buffer.data(), swage::f32, {kMost});
    const swage::Tensor y(static_cast<float*>(buffer.data()) + kMost, swage::f32, {kMost});
    state_.device.synchronize();
    set_budget(1000);
    kernel.tune({x, y}, {.budget_seconds = 0.01, .force = true, .record = random_() % 2 == 0});
    state_.device.synchronize();
    set_budget(~0ULL);
    ++state_.tunings;
  }

  void turn() {
    const int which = static_cast<int>(random_() % kTexts);
    const auto rows = static_cast<std::int64_t>(1 + random_() % 31);
    const auto columns = static_cast<std::int64_t>(1 + random_() % 1000);
    const auto count = static_cast<std::size_t>(rows * columns);
    const swage::Kernel kernel = state_.device.kernel(text_of(which), "k");
    ++state_.kernels;
    swage::Buffer in = state_.device.allocate(count * sizeof(float));
    swage::Buffer out = state_.device.allocate(count * sizeof(float));
    in.write(host_.data(), count * sizeof(float));
    const swage::Tensor x(in.data(), swage::f32, {rows, columns});
    const swage::Tensor y(out.data(), swage::f32, {rows, columns});
    for (int i = 0; i < 8; ++i, ++state_.launches)
      kernel.launch(nullptr, {x, y});
    if (!set_budget && random_() % 400 == 0) {
      kernel.tune({x, y}, {.budget_seconds = 0.01, .force = true, .record = random_() % 2 == 0});
      ++state_.tunings;
      kernel.launch(nullptr, {x, y});
    }
    state_.device.synchronize();
    out.read(back_.data(), count * sizeof(float));
    for (std::size_t i = 0; i < count; ++i)
      if (back_[i] != host_[i] * static_cast<float>(which + 2) + static_cast<float>(which))
        ++state_.wrong;
  }

  State& state_;
  std::mt19937 random_;
  std::vector<float> host_, back_;
};

/// Memory in use on a CUDA device, by this process and others, as its driver says; 0 for a CPU.
class DeviceMemory {
public:
  explicit DeviceMemory(const swage::Device& device) {
    if (device.info().kind != swage::DeviceKind::cuda)
      return;
    const char* const path = std::getenv("SWAGE_LIBCUDA_PATH");
    void* const library = dlopen(path && *path ? path : "libcuda.so.1", RTLD_NOW);
    if (!library)
      return;
    const auto retain =
        reinterpret_cast<int (*)(void**, int)>(dlsym(library, "cuDevicePrimaryCtxRetain"));
    push_ = reinterpret_cast<Push>(dlsym(library, "cuCtxPushCurrent_v2"));
    pop_ = reinterpret_cast<Pop>(dlsym(library, "cuCtxPopCurrent_v2"));
    ask_ = reinterpret_cast<Ask>(dlsym(library, "cuMemGetInfo_v2"));
    if (!retain || !push_ || !pop_ || retain(&context_, device.info().index) != 0)
      ask_ = nullptr;
  }
  long used_kib() const {
    std::size_t free = 0, total = 0;
    void* popped = nullptr;
    if (!ask_ || push_(context_) != 0)
      return 0;
    if (ask_(&free, &total) != 0)
      free = total = 0;
    pop_(&popped);
    return static_cast<long>((total - free) / 1024);
  }

private:
  using Push = int (*)(void*);
  using Pop = int (*)(void**);
  using Ask = int (*)(std::size_t*, std::size_t*);
  void* context_ = nullptr;
  Push push_ = nullptr;
  Pop pop_ = nullptr;
  Ask ask_ = nullptr;
};

struct Counts {
  long resident_kib = 0, device_kib = 0;
  int descriptors = 0;
  std::uint64_t functions = 0, cache_bytes = 0;
};

std::uint64_t folder_bytes(const char* folder) {
  std::uint64_t bytes = 0;
  std::error_code ignored; // entries come and go
  if (folder && *folder)
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, ignored))
      if (entry.is_regular_file(ignored))
        bytes += entry.file_size(ignored);
  return bytes;
}

Counts count(State& state, const DeviceMemory& memory) {
  state.counting = true;
  const std::unique_lock alone(state.working);
  state.counting = false; // they wait for the lock now
  state.device.synchronize();
  swage::unload_unused();
  malloc_trim(0);
  Counts counts;
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  counts.resident_kib = resident * (sysconf(_SC_PAGESIZE) / 1024);
  counts.device_kib = memory.used_kib();
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++counts.descriptors;
  counts.functions = swage::cache_statistics().functions_loaded;
  counts.cache_bytes = folder_bytes(std::getenv("SWAGE_CACHE_DIR"));
  return counts;
}

/// Whether `late` is no more than `early`, noise apart.
bool flat(const Counts& early, const Counts& late) {
  return late.resident_kib <= early.resident_kib + early.resident_kib / 10 + 16 * 1024 &&
         late.device_kib <= early.device_kib + 32 * 1024 &&
         late.descriptors <= early.descriptors + 2 && late.functions <= early.functions + kTexts &&
         late.cache_bytes <= early.cache_bytes + early.cache_bytes / 2 + (1 << 20);
}

int watch(State& state, double seconds) {
  const auto begin = Clock::now();
  const DeviceMemory memory(state.device);
  Counts early, late;
  std::printf("seconds  kernels  launches  tunings  resident KiB  device KiB  descriptors  "
              "functions  cache bytes\n");
  for (double next = 0; next < seconds && !state.failed; next += std::max(1.0, seconds / 60)) {
    std::this_thread::sleep_until(
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(next)));
    late = count(state, memory);
    if (next < seconds / 3)
      early = late; // the last of the first third: everything has been met by then
    std::printf("%7.0f %8llu %9llu %8llu %13ld %11ld %12d %10llu %12llu\n", next,
                static_cast<unsigned long long>(state.kernels),
                static_cast<unsigned long long>(state.launches),
                static_cast<unsigned long long>(state.tunings), late.resident_kib, late.device_kib,
                late.descriptors, static_cast<unsigned long long>(late.functions),
                static_cast<unsigned long long>(late.cache_bytes));
    std::fflush(stdout);
  }
  if (state.wrong != 0)
    std::printf("%llu elements were wrong\n", static_cast<unsigned long long>(state.wrong));
  if (!flat(early, late))
    std::printf("not flat after the first third\n");
  return state.wrong == 0 && !state.failed && flat(early, late) ? 0 : 1;
}

} // namespace

int main(int count, char** arguments) {
  const double seconds = count > 1 ? std::atof(arguments[1]) : 60;
  find_double();
  State state{.device = swage::Device::open(count > 2 ? arguments[2] : ""),
              .end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds))};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&state, i] {
      try {
        Worker(state, i).run();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "thread %d: %s\n", i, error.what());
        state.failed = true;
      }
    });
  const int status = watch(state, seconds);
  for (std::thread& thread : threads)
    thread.join();
  std::printf(status == 0 ? "flat, all elements right\n" : "failed\n");
  return state.failed ? 1 : status;
}
