// buffer.cpp -- memory of a device.
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include <fmt/format.h>

#include "runtime/device/context_scope.hpp"
#include "runtime/device/device.hpp"
#include "swage/error.hpp"

namespace swage {

namespace {

/// Keeps an allocation and what it takes to free it.
struct Allocation {
  const DeviceState* device = nullptr; ///< devices live as long as the process
  cuda::ContextRef context;
  void* data = nullptr;

  Allocation() = default;
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  ~Allocation() {
    if (!context) {
      std::free(data);
      return;
    }
    // A context that is gone took its memory along, and the address may be somebody else's now.
    if (const cuda::FormerContext former(context); former)
      cuda::driver().cuMemFree_v2.raw(reinterpret_cast<cuda::DevicePointer>(data));
  }
};

void allocate_host(Allocation& allocation, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  const std::size_t rounded = bytes + alignment - 1 >= bytes
                                  ? (bytes + alignment - 1) / alignment * alignment
                                  : bytes / alignment * alignment;
  allocation.data = std::aligned_alloc(alignment, rounded);
  if (!allocation.data)
    throw Error(ErrorCode::out_of_memory,
                fmt::format("{} bytes of host memory could not be allocated", bytes));
  // Advice alone: where it is not taken, memory is as usual.
  if (alignment == kHugePage)
    madvise(allocation.data, rounded, MADV_HUGEPAGE);
}

void allocate_cuda(Allocation& allocation, const DeviceState& device, std::size_t bytes) {
  device::with_live_context(device, [&] {
    const device::ContextScope scope(device);
    cuda::DevicePointer pointer = 0;
    const cuda::Result result = cuda::driver().cuMemAlloc_v2.raw(&pointer, bytes);
    if (result == cuda::Result::out_of_memory)
      throw Error(ErrorCode::out_of_memory,
                  fmt::format("{} bytes on {} could not be allocated", bytes, device.info.id), {},
                  static_cast<int>(result));
    if (result != cuda::Result::success)
      cuda::fail("cuMemAlloc_v2", result);
    allocation.context = scope.context();
    allocation.data = reinterpret_cast<void*>(pointer);
  });
}

void check_range(std::size_t size, std::size_t bytes, std::size_t offset) {
  if (offset > size || bytes > size - offset)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} bytes at offset {} reach past the end of a buffer of {}", bytes,
                            offset, size));
}

} // namespace

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
      owner_(std::move(other.owner_)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  std::swap(owner_, taken.owner_);
  return *this;
}

Buffer::~Buffer() = default;

void Buffer::write(const void* from, std::size_t bytes, std::size_t offset) {
  check_range(size_, bytes, offset);
  if (bytes == 0)
    return;
  char* to = static_cast<char*>(data_) + offset;
  const auto& allocation = *static_cast<const Allocation*>(owner_.get());
  if (!allocation.context) {
    std::memcpy(to, from, bytes);
    return;
  }
  const device::ContextScope scope(allocation.context);
  cuda::driver().cuMemcpyHtoD_v2(reinterpret_cast<cuda::DevicePointer>(to), from, bytes);
  // It returns once pageable memory has been staged, and streams that do not block would not wait
  // for the rest.
  cuda::driver().cuStreamSynchronize(nullptr);
}

void Buffer::read(void* to, std::size_t bytes, std::size_t offset) const {
  check_range(size_, bytes, offset);
  if (bytes == 0)
    return;
  const char* from = static_cast<const char*>(data_) + offset;
  const auto& allocation = *static_cast<const Allocation*>(owner_.get());
  if (!allocation.context) {
    std::memcpy(to, from, bytes);
    return;
  }
  const device::ContextScope scope(allocation.context);
  cuda::driver().cuMemcpyDtoH_v2(to, reinterpret_cast<cuda::DevicePointer>(from), bytes);
}

Buffer Device::allocate(std::size_t bytes) const {
  const std::shared_ptr<DeviceState>& state = DeviceAccess::state(*this);
  Buffer buffer;
  if (bytes == 0)
    return buffer;
  auto allocation = std::make_shared<Allocation>();
  allocation->device = state.get();
  if (state->is_cuda())
    allocate_cuda(*allocation, *state, bytes);
  else
    allocate_host(*allocation, bytes);
  buffer.data_ = allocation->data;
  buffer.size_ = bytes;
  buffer.owner_ = std::move(allocation);
  return buffer;
}

} // namespace swage
