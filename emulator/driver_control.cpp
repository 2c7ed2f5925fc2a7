// driver_control.cpp -- look-up of entry points, and what tests ask of the fake driver.
#include "emulator/driver_state.hpp"
#include "emulator/fake_cuda.h"

#include <dlfcn.h>

#include <algorithm>
#include <string_view>

using namespace swage;
using namespace swage::fake;

namespace {

/// This library, wherever it was loaded from.
void* self() {
  Dl_info info{};
  dladdr(reinterpret_cast<void*>(&self), &info);
  return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
}

void* find_symbol(const std::string& name) {
  static void* const library = self();
  return library != nullptr ? dlsym(library, name.c_str()) : nullptr;
}

/// The newest form of `name` that a caller built for `version` expects.
void* find_entry(const std::string& name, int version) {
  if (version >= 13000)
    if (void* const found = find_symbol(name + "_v4"))
      return found;
  for (const char* const suffix : {"_v2", ""}) {
    if (version < 12080 && name == "cuEventElapsedTime" && *suffix != '\0')
      continue;
    if (void* const found = find_symbol(name + suffix))
      return found;
  }
  return nullptr;
}

void get_proc_address(const char* name, void** function, int version, int* status) {
  constexpr int kFound = 0, kNotFound = 1;
  require(name != nullptr && function != nullptr);
  *function = find_entry(name, version);
  if (status != nullptr)
    *status = *function != nullptr ? kFound : kNotFound;
  require(*function != nullptr, Result::not_found);
}

} // namespace

FAKE_CUDA_EXPORT int cuGetProcAddress_v2(const char* name, void** function, int version,
                                         unsigned long long, int* status) {
  return call("cuGetProcAddress_v2", kNothing,
              [&] { get_proc_address(name, function, version, status); });
}

FAKE_CUDA_EXPORT int cuGetProcAddress(const char* name, void** function, int version,
                                      unsigned long long) {
  return call("cuGetProcAddress", kNothing,
              [&] { get_proc_address(name, function, version, nullptr); });
}

swage_fake_cuda_count swage_fake_cuda_calls(const char* name) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  swage_fake_cuda_count total = 0;
  for (const auto& [called, count] : s.calls)
    total += name == nullptr || called == name ? count : 0;
  return total;
}

size_t swage_fake_cuda_counters(swage_fake_cuda_counter* counters, size_t capacity) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  size_t found = 0;
  for (const auto& [name, count] : s.calls) {
    if (count == 0)
      continue;
    if (found < capacity)
      counters[found] = {name.c_str(), count};
    ++found;
  }
  return found;
}

swage_fake_cuda_count swage_fake_cuda_executed(const char* prefix) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return s.statistics.count(prefix != nullptr ? prefix : "");
}

swage_fake_cuda_count swage_fake_cuda_live(const char* kind) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const std::string_view what = kind;
  if (what == "context")
    return static_cast<swage_fake_cuda_count>(
        std::count_if(s.contexts.begin(), s.contexts.end(),
                      [](const auto& context) { return !context->destroyed; }));
  return what == "module"       ? s.modules.size()
         : what == "allocation" ? s.blocks.size()
         : what == "stream"     ? s.streams.size()
         : what == "event"      ? s.events.size()
         : what == "graph"      ? s.graphs.size() + s.executables.size()
         : what == "linker"     ? s.linkers.size()
                                : 0;
}

void swage_fake_cuda_fail(const char* name, int result, int times) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.injections[name] = {result, times};
}

void swage_fake_cuda_set_approximation(int worst_case, unsigned long long seed) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.approximation =
      worst_case != 0 ? emulator::Approximation::worst_case : emulator::Approximation::nearest;
  s.seed = seed;
}

void swage_fake_cuda_set_budget(unsigned long long instructions) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.budget = instructions;
}

void swage_fake_cuda_set_jitter(double share) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.jitter = share;
  s.jitter_state = kFirstJitter; // the same delays whatever was timed before
}

const char* swage_fake_cuda_last_fault(void) {
  return state().last_fault.c_str();
}

void swage_fake_cuda_reset(void) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  for (auto& [name, count] : s.calls) // the names stay: callers may hold them
    count = 0;
  s.injections.clear();
  s.statistics = {};
  s.approximation = emulator::Approximation::nearest;
  s.seed = 0;
  s.last_fault.clear();
  for (const auto& context : s.contexts)
    context->fault = Result::success;
}
