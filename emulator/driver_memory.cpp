// driver_memory.cpp -- entry points: allocation, copies, sets and pointer queries.
#include "emulator/driver_state.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

using namespace swage;
using namespace swage::fake;

namespace {

constexpr std::size_t kPage = 2U << 20; // the device's; each allocation has its own pages
constexpr std::size_t kPoisonLimit = 64U << 20;

/// Bytes of addresses that an allocation takes up, the gap behind it included.
std::size_t pages_of(std::size_t bytes) {
  return (bytes + 2 * kPage - 1) / kPage * kPage;
}

DevicePointer take_addresses(std::size_t bytes) {
  State& s = state();
  const auto spare = std::find_if(s.spare_addresses.rbegin(), s.spare_addresses.rend(),
                                  [&](const auto& each) { return each.second == pages_of(bytes); });
  if (spare != s.spare_addresses.rend()) {
    const DevicePointer address = spare->first;
    s.spare_addresses.erase(std::next(spare).base());
    return address;
  }
  const DevicePointer address = s.next_address;
  s.next_address += pages_of(bytes);
  return address;
}

// Fresh device memory holds what was there before.
std::byte* reserve(std::size_t bytes) {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    throw std::bad_alloc();
  std::memset(data, 0xa5, std::min(bytes, kPoisonLimit));
  return static_cast<std::byte*>(data);
}

void release(const Block& block) {
  Device& device = *block.context->device;
  if (block.host) {
    for (const auto& each : state().devices)
      each->memory.remove(block.allocation.base);
  } else {
    device.memory.remove(block.allocation.base);
    device.used_memory -= block.allocation.size;
  }
  munmap(block.allocation.host, block.allocation.size);
}

/// Device memory, or nothing where the host has no room to remember it.
Block take(Context& context, std::size_t bytes, bool of_graph) {
  Device& device = *context.device;
  require(bytes <= device.total_memory - device.used_memory, Result::out_of_memory);
  Block block{{take_addresses(bytes), bytes, reserve(bytes)}, &context, false};
  block.of_graph = of_graph;
  auto& blocks = state().blocks;
  try {
    blocks.emplace(block.allocation.base, block);
    device.memory.add(block.allocation);
  } catch (...) {
    blocks.erase(block.allocation.base);
    munmap(block.allocation.host, bytes);
    throw;
  }
  device.used_memory += bytes;
  return block;
}

const Block* find_block(DevicePointer address) {
  const auto& blocks = state().blocks;
  const auto after = blocks.upper_bound(address);
  if (after == blocks.begin() || !std::prev(after)->second.allocation.contains(address, 1))
    return nullptr;
  return &std::prev(after)->second;
}

std::byte* host_side(const void* data, std::size_t bytes) {
  require(data != nullptr || bytes == 0);
  return const_cast<std::byte*>(static_cast<const std::byte*>(data));
}

std::byte* device_side(DevicePointer address, std::size_t bytes) {
  const Block* const block = find_block(address);
  // A module's variables are device memory too.
  if (block == nullptr) {
    const auto found = current_context().device->memory.find(address);
    require(found && found->contains(address, bytes));
    return found->host + (address - found->base);
  }
  require(block->allocation.contains(address, bytes));
  return block->allocation.host + (address - block->allocation.base);
}

void copy_in(Stream& stream, std::byte* to, const std::byte* from, std::size_t bytes) {
  submit(stream, [=] {
    std::memmove(to, from, bytes);
    state().clock_ns += 1000 + static_cast<double>(bytes) / 50;
  });
}

void copy_now(std::byte* to, const std::byte* from, std::size_t bytes) {
  copy_in(find_stream(nullptr), to, from, bytes);
}

template <class T>
void set(Stream& stream, DevicePointer to, T value, std::size_t count) {
  require(to % sizeof(T) == 0);
  if (count == 0)
    return;
  std::byte* const data = device_side(to, count * sizeof(T));
  submit(stream, [=] {
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(data + i * sizeof(T), &value, sizeof(T));
    state().clock_ns += 1000;
  });
}

void pointer_attribute(void* value, int id, DevicePointer pointer) {
  constexpr unsigned kHost = 1, kDevice = 2;
  const Block* const block = find_block(pointer);
  require(value != nullptr && block != nullptr);
  const auto put = [&](auto answer) { std::memcpy(value, &answer, sizeof(answer)); };
  switch (id) {
  case 1: return put(block->context);
  case 2: return put(block->host ? kHost : kDevice);
  case 3: return put(pointer);
  case 4: require(block->host); return put(std::bit_cast<void*>(pointer));
  case 7: return put(static_cast<unsigned long long>(block->allocation.base));
  case 8: return put(false);
  case 9: return put(block->context->device->ordinal);
  case 11: return put(static_cast<DevicePointer>(block->allocation.base));
  case 12: return put(static_cast<std::size_t>(block->allocation.size));
  case 13: return put(true);
  default: throw Refused{Result::not_supported};
  }
}

} // namespace

namespace swage::fake {

std::byte* host_address(DevicePointer address, std::size_t bytes) {
  // Unified addressing: what is no device memory is taken to be the host's.
  return find_block(address) != nullptr ? device_side(address, bytes)
                                        : std::bit_cast<std::byte*>(address);
}

void free_blocks(const Context& context) {
  std::erase_if(state().blocks, [&](const auto& entry) {
    if (entry.second.context != &context)
      return false;
    if (!entry.second.host)
      state().spare_addresses.emplace_back(entry.first, pages_of(entry.second.allocation.size));
    release(entry.second);
    return true;
  });
}

} // namespace swage::fake

FAKE_CUDA_EXPORT int cuMemAlloc_v2(DevicePointer* pointer, std::size_t bytes) {
  return call("cuMemAlloc_v2", kContext | kUnsafe, [&] {
    require(pointer != nullptr && bytes != 0);
    *pointer = take(current_context(), bytes, false).allocation.base;
  });
}

FAKE_CUDA_EXPORT int cuMemFree_v2(DevicePointer pointer) {
  return call("cuMemFree_v2", kContext | kUnsafe, [&] {
    if (pointer == 0)
      return;
    const auto found = state().blocks.find(pointer);
    require(found != state().blocks.end() && !found->second.host);
    land();
    release(found->second);
    state().blocks.erase(found);
  });
}

// Work runs when it is enqueued, so memory in the order of a stream is taken and given back at
// once. Memory of a graph lives as long as what was made of its capture; giving it back poisons it,
// so that whoever reads it later reads nonsense.
FAKE_CUDA_EXPORT int cuMemAllocAsync(DevicePointer* pointer, std::size_t bytes,
                                     Stream* stream_handle) {
  return call("cuMemAllocAsync", kContext, [&] {
    require(pointer != nullptr && bytes != 0);
    require(state().memory_pools, Result::not_supported);
    Stream& stream = find_stream(stream_handle);
    const Block block = take(*stream.context, bytes, stream.capture != nullptr);
    *pointer = block.allocation.base;
    if (!block.of_graph)
      return;
    const std::shared_ptr<void> owner(nullptr, [base = block.allocation.base](void*) {
      const auto found = state().blocks.find(base);
      if (found == state().blocks.end() || !found->second.of_graph)
        return;
      release(found->second);
      state().blocks.erase(found);
    });
    submit(stream, [owner] {});
  });
}

FAKE_CUDA_EXPORT int cuMemFreeAsync(DevicePointer pointer, Stream* stream_handle) {
  return call("cuMemFreeAsync", kContext, [&] {
    Stream& stream = find_stream(stream_handle);
    const auto found = state().blocks.find(pointer);
    require(found != state().blocks.end() && !found->second.host);
    const Block block = found->second;
    require(block.of_graph == (stream.capture != nullptr));
    if (block.of_graph) {
      submit(stream, [block] {
        std::memset(block.allocation.host, 0xa5,
                    std::min<std::size_t>(block.allocation.size, kPoisonLimit));
      });
      return;
    }
    land();
    release(block);
    state().blocks.erase(found);
    state().spare_addresses.emplace_back(pointer, pages_of(block.allocation.size));
  });
}

FAKE_CUDA_EXPORT int cuMemAllocHost_v2(void** pointer, std::size_t bytes) {
  return call("cuMemAllocHost_v2", kContext | kUnsafe, [&] {
    require(pointer != nullptr && bytes != 0);
    std::byte* const data = reserve(bytes);
    const auto base = std::bit_cast<std::uint64_t>(data);
    state().blocks.emplace(base, Block{{base, bytes, data}, &current_context(), true});
    for (const auto& device : state().devices)
      device->memory.add(data, bytes);
    *pointer = data;
  });
}

FAKE_CUDA_EXPORT int cuMemFreeHost(void* pointer) {
  return call("cuMemFreeHost", kContext | kUnsafe, [&] {
    const auto found = state().blocks.find(std::bit_cast<std::uint64_t>(pointer));
    require(found != state().blocks.end() && found->second.host);
    release(found->second);
    state().blocks.erase(found);
  });
}

FAKE_CUDA_EXPORT int cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return call("cuMemGetInfo_v2", kContext, [&] {
    const Device& device = *current_context().device;
    *free = device.total_memory - device.used_memory;
    *total = device.total_memory;
  });
}

FAKE_CUDA_EXPORT int cuMemGetAddressRange_v2(DevicePointer* base, std::size_t* bytes,
                                             DevicePointer pointer) {
  return call("cuMemGetAddressRange_v2", kContext, [&] {
    const Block* const block = find_block(pointer);
    require(block != nullptr, Result::not_found);
    if (base != nullptr)
      *base = block->allocation.base;
    if (bytes != nullptr)
      *bytes = block->allocation.size;
  });
}

FAKE_CUDA_EXPORT int cuMemcpyHtoD_v2(DevicePointer to, const void* from, std::size_t bytes) {
  return call("cuMemcpyHtoD_v2", kContext | kUnsafe, [&] {
    std::byte* const there = device_side(to, bytes);
    const std::byte* const here = host_side(from, bytes);
    submit(find_stream(nullptr), [there, staged = std::vector(here, here + bytes)] {
      state().landing.push_back([there, staged] { std::ranges::copy(staged, there); });
    });
  });
}

FAKE_CUDA_EXPORT int cuMemcpyDtoH_v2(void* to, DevicePointer from, std::size_t bytes) {
  return call("cuMemcpyDtoH_v2", kContext | kUnsafe,
              [&] { copy_now(host_side(to, bytes), device_side(from, bytes), bytes); });
}

FAKE_CUDA_EXPORT int cuMemcpyDtoD_v2(DevicePointer to, DevicePointer from, std::size_t bytes) {
  return call("cuMemcpyDtoD_v2", kContext | kUnsafe,
              [&] { copy_now(device_side(to, bytes), device_side(from, bytes), bytes); });
}

FAKE_CUDA_EXPORT int cuMemcpy(DevicePointer to, DevicePointer from, std::size_t bytes) {
  return call("cuMemcpy", kContext | kUnsafe,
              [&] { copy_now(host_address(to, bytes), host_address(from, bytes), bytes); });
}

FAKE_CUDA_EXPORT int cuMemcpyHtoDAsync_v2(DevicePointer to, const void* from, std::size_t bytes,
                                          Stream* stream) {
  return call("cuMemcpyHtoDAsync_v2", kContext, [&] {
    copy_in(find_stream(stream), device_side(to, bytes), host_side(from, bytes), bytes);
  });
}

FAKE_CUDA_EXPORT int cuMemcpyDtoHAsync_v2(void* to, DevicePointer from, std::size_t bytes,
                                          Stream* stream) {
  return call("cuMemcpyDtoHAsync_v2", kContext, [&] {
    copy_in(find_stream(stream), host_side(to, bytes), device_side(from, bytes), bytes);
  });
}

FAKE_CUDA_EXPORT int cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, std::size_t bytes,
                                          Stream* stream) {
  return call("cuMemcpyDtoDAsync_v2", kContext, [&] {
    copy_in(find_stream(stream), device_side(to, bytes), device_side(from, bytes), bytes);
  });
}

FAKE_CUDA_EXPORT int cuMemcpyAsync(DevicePointer to, DevicePointer from, std::size_t bytes,
                                   Stream* stream) {
  return call("cuMemcpyAsync", kContext, [&] {
    copy_in(find_stream(stream), host_address(to, bytes), host_address(from, bytes), bytes);
  });
}

FAKE_CUDA_EXPORT int cuMemsetD8_v2(DevicePointer to, unsigned char value, std::size_t count) {
  return call("cuMemsetD8_v2", kContext, [&] { set(find_stream(nullptr), to, value, count); });
}

FAKE_CUDA_EXPORT int cuMemsetD16_v2(DevicePointer to, unsigned short value, std::size_t count) {
  return call("cuMemsetD16_v2", kContext, [&] { set(find_stream(nullptr), to, value, count); });
}

FAKE_CUDA_EXPORT int cuMemsetD32_v2(DevicePointer to, unsigned value, std::size_t count) {
  return call("cuMemsetD32_v2", kContext, [&] { set(find_stream(nullptr), to, value, count); });
}

FAKE_CUDA_EXPORT int cuMemsetD8Async(DevicePointer to, unsigned char value, std::size_t count,
                                     Stream* stream) {
  return call("cuMemsetD8Async", kContext, [&] { set(find_stream(stream), to, value, count); });
}

FAKE_CUDA_EXPORT int cuMemsetD32Async(DevicePointer to, unsigned value, std::size_t count,
                                      Stream* stream) {
  return call("cuMemsetD32Async", kContext, [&] { set(find_stream(stream), to, value, count); });
}

FAKE_CUDA_EXPORT int cuPointerGetAttribute(void* value, int id, DevicePointer pointer) {
  return call("cuPointerGetAttribute", kInitialized,
              [&] { pointer_attribute(value, id, pointer); });
}

FAKE_CUDA_EXPORT int cuPointerGetAttributes(unsigned count, int* ids, void** values,
                                            DevicePointer pointer) {
  return call("cuPointerGetAttributes", kInitialized, [&] {
    for (unsigned i = 0; i < count; ++i)
      pointer_attribute(values[i], ids[i], pointer);
  });
}
