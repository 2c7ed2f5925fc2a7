// cpu_info.cpp -- what the CPU is: name, processors allowed, caches, memory.
#include "runtime/host/cpu_info.hpp"

#include <algorithm>
#include <fstream>
#include <string>

#include <sched.h>
#include <unistd.h>

namespace swage::host {

namespace {

/// The first "model name" of the kernel's list; ARM kernels give none.
std::string model_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const std::size_t at = line.find(": "); at != std::string::npos)
        return line.substr(at + 2);
  return "CPU";
}

/// "32768K" to bytes; 0 where the file is not there.
std::int64_t read_size(const std::string& path) {
  std::ifstream file(path);
  std::int64_t size = 0;
  char unit = 0;
  if (!(file >> size))
    return 0;
  file >> unit;
  return size * (unit == 'K' ? 1024 : unit == 'M' ? 1024 * 1024 : 1);
}

/// The largest cache that processor 0 sees: on parts with several core complexes, that of one.
std::int64_t last_level_cache() {
  std::int64_t largest = 0;
  for (int i = 0; i < 8; ++i)
    largest = std::max(largest, read_size("/sys/devices/system/cpu/cpu0/cache/index" +
                                          std::to_string(i) + "/size"));
  if (largest == 0)
    largest = std::max<std::int64_t>(sysconf(_SC_LEVEL3_CACHE_SIZE), 0);
  return largest;
}

} // namespace

int allowed_processors() {
  // Grows until the kernel's mask fits: machines with more than 1024 processors exist.
  for (std::size_t count = 1024; count <= (1u << 18); count *= 2) {
    cpu_set_t* set = CPU_ALLOC(count);
    const std::size_t bytes = CPU_ALLOC_SIZE(count);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int allowed = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (allowed > 0)
      return allowed;
  }
  return 1;
}

DeviceInfo describe_cpu() {
  DeviceInfo info;
  info.kind = DeviceKind::cpu;
  info.id = "cpu";
  info.name = model_name();
  info.compute_units = allowed_processors();
  info.memory_bytes = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  info.cache_bytes = last_level_cache();
  return info;
}

} // namespace swage::host
