// memory.cpp -- the registry of device allocations.
#include "emulator/memory.hpp"

#include <algorithm>
#include <bit>
#include <mutex>

namespace swage::emulator {

void Memory::add(const Allocation& allocation) {
  const std::unique_lock lock(mutex_);
  allocations_[allocation.base] = allocation;
}

void Memory::add(void* data, std::size_t size) {
  add({std::bit_cast<std::uint64_t>(data), size, static_cast<std::byte*>(data)});
}

bool Memory::remove(std::uint64_t base) {
  const std::unique_lock lock(mutex_);
  return allocations_.erase(base) != 0;
}

std::optional<Allocation> Memory::find(std::uint64_t address) const {
  const std::shared_lock lock(mutex_);
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin())
    return std::nullopt;
  const Allocation& candidate = std::prev(after)->second;
  if (!candidate.contains(address, 1))
    return std::nullopt;
  return candidate;
}

std::string Memory::describe(std::uint64_t address) const {
  const std::shared_lock lock(mutex_);
  const auto after = allocations_.upper_bound(address);
  std::string best = "no allocation is near";
  std::uint64_t distance = UINT64_MAX;
  if (after != allocations_.begin()) {
    const Allocation& below = std::prev(after)->second;
    const std::uint64_t offset = address - below.base;
    distance = offset - std::min(offset, below.size); // past its end
    best = "offset " + std::to_string(offset) + " of an allocation of " +
           std::to_string(below.size) + " bytes";
  }
  if (after != allocations_.end() && after->first - address < distance)
    best = std::to_string(after->first - address) + " bytes before an allocation of " +
           std::to_string(after->second.size) + " bytes";
  return best;
}

} // namespace swage::emulator
