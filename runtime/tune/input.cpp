// input.cpp -- what tuning launches work on: sets of buffers laid out as the caller's are.
#include "runtime/tune/input.hpp"

#include <algorithm>
#include <cstring>

#include "ir/number.hpp"
#include "runtime/base/parallel.hpp"
#include "swage/error.hpp"

namespace swage::tune {

namespace {

/// Addresses keep their place within a page: whether loads and stores collide there is part of what
/// is measured.
constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kMaxSets = 4096;
/// Sets of large calls share memory, shifted: two distances between tensors would be too few to
/// judge by, and when memory comes round the cache has long held others.
constexpr std::size_t kLeastSets = 16;

/// Bytes that a set may lie further on than the one before it ends: about a quarter of it, so that
/// the distances of a call's tensors have all remainders, and memory between sets, which is filled
/// too, is little.
std::size_t most_gap(std::size_t stride) {
  return std::min(stride / 4 / kPage + 1, std::size_t{256}) * kPage;
}

/// A multiple of every element's size, and of no size that caches are indexed by.
constexpr std::size_t kTileBytes = 3 * 5 * 7 * 4096;

/// One value between -2 and 2, spread like a sum of two dice; small whole numbers, or 0 and 1.
std::uint64_t value_bits(DType type, std::uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  const double dice =
      static_cast<double>(state >> 48) / 32768 + static_cast<double>(state >> 32 & 0xffff) / 32768;
  if (type == DType::boolean)
    return state >> 63;
  return ir::encode(type, {dice - 2, static_cast<std::int64_t>(state >> 61)});
}

std::vector<std::byte> random_tile(DType type, bool mixed) {
  // The byte 0x3c repeated is numbers of ordinary size in every type, positive but for e2m1's.
  std::vector<std::byte> tile(kTileBytes, std::byte{0x3c});
  const auto element = static_cast<std::size_t>(size_of(type));
  std::uint64_t state = 1;
  if (!mixed)
    for (std::size_t i = 0; i < tile.size(); i += element)
      ir::store_bits(type, tile.data() + i, value_bits(type, state));
  return tile;
}

/// The first page that begins in a slab; allocators align to less.
std::uint64_t base_of(const Buffer& slab) {
  return (reinterpret_cast<std::uint64_t>(slab.data()) + kPage - 1) / kPage * kPage;
}

} // namespace

void copy_on_device(const DeviceState& device, void* to, const void* from, std::size_t bytes,
                    cuda::StreamHandle stream) {
  if (device.is_cuda()) {
    cuda::driver().cuMemcpyDtoDAsync_v2(reinterpret_cast<cuda::DevicePointer>(to),
                                        reinterpret_cast<cuda::DevicePointer>(from), bytes, stream);
    return;
  }
  constexpr std::int64_t kGrain = 1 << 18;
  base::parallel_ranges(
      static_cast<std::int64_t>(bytes), kGrain, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                    static_cast<std::size_t>(end - begin));
      });
}

ArgumentPool::ArgumentPool(const KernelState& kernel, std::span<const Arg> arguments, PoolSize size,
                           cuda::StreamHandle stream)
    : kernel_(kernel) {
  kernel.classify(arguments, call_);
  find_groups(arguments, call_);
  allocate(size, static_cast<std::int64_t>(bytes_of_set()));
  for (Group& group : groups_) {
    const std::vector<std::byte> tile = random_tile(group.dtype, group.mixed);
    group.tile = DeviceAccess::make(kernel.device).allocate(tile.size());
    group.tile.write(tile.data(), tile.size());
    fill(group, static_cast<std::byte*>(group.slab.data()), group.slab.size(), stream);
  }
  for (std::size_t set = 0; set < count_; ++set)
    calls_.push_back(std::make_unique<launch::Call>(call_));
  place_anew();
}

void ArgumentPool::place_anew(std::size_t kept) {
  draw_places(kept);
  for (std::size_t set = kept; set < count_; ++set)
    for (std::size_t t = 0; t < kernel_.signature.tensors.size(); ++t)
      calls_[set]->tensors[t].data = reinterpret_cast<void*>(
          moved(reinterpret_cast<std::uint64_t>(call_.tensors[t].data), set));
}

std::size_t ArgumentPool::bytes_of_set() const noexcept {
  std::size_t bytes = 0;
  for (const Group& group : groups_)
    bytes += group.stride;
  return bytes;
}

void ArgumentPool::find_groups(std::span<const Arg> arguments, const launch::Call& call) {
  const launch::Signature& signature = kernel_.signature;
  for (const std::uint8_t param : signature.tensors) {
    const launch::ParamInfo& info = signature.params[param];
    const Tensor& tensor = arguments[param].tensor();
    Group group;
    group.dtype = info.dtype;
    group.read = info.is_read;
    group.written = info.is_written;
    const auto base = reinterpret_cast<std::uint64_t>(call.tensors[info.tensor].data);
    group.low = base;
    group.high = base + static_cast<std::uint64_t>(size_of(info.dtype));
    for (int d = 0; d < tensor.rank; ++d) {
      const std::int64_t elements = (tensor.shape[d] - 1) * tensor.strides[d];
      const std::int64_t reach =
          is_packed(info.dtype) ? elements / 2 : elements * size_of(info.dtype);
      (reach < 0 ? group.low : group.high) += static_cast<std::uint64_t>(reach);
    }
    groups_.push_back(std::move(group));
  }
  std::sort(groups_.begin(), groups_.end(),
            [](const Group& a, const Group& b) { return a.low < b.low; });
  std::vector<Group> merged;
  for (Group& group : groups_) {
    if (merged.empty() || group.low >= merged.back().high) {
      merged.push_back(std::move(group));
      continue;
    }
    Group& last = merged.back();
    last.high = std::max(last.high, group.high);
    last.mixed |= last.dtype != group.dtype;
    last.read |= group.read;
    last.written |= group.written;
  }
  groups_ = std::move(merged);
  for (Group& group : groups_) {
    group.offset = group.low % kPage;
    group.stride = (group.high - group.low + group.offset + kPage - 1) / kPage * kPage;
    in_place_ |= group.updated();
  }
}

void ArgumentPool::allocate(PoolSize size, std::int64_t bytes_of_set) {
  std::int64_t gaps = 0;
  for (const Group& group : groups_)
    gaps += static_cast<std::int64_t>(most_gap(group.stride));
  const std::int64_t wanted = (size.wanted + bytes_of_set - 1) / bytes_of_set;
  const std::int64_t possible = std::max<std::int64_t>(size.limit / (bytes_of_set + gaps), 1);
  apart_ = static_cast<std::size_t>(
      std::clamp<std::int64_t>(std::min(wanted, possible), 1, std::int64_t{kMaxSets}));
  // In whole rounds, so that the last set and the first, which follows it, share no memory.
  count_ = apart_ == 1 ? 1 : (kLeastSets + apart_ - 1) / apart_ * apart_;
  const Device device = DeviceAccess::make(kernel_.device);
  for (Group& group : groups_)
    group.slab = device.allocate(apart_ * (group.stride + most_gap(group.stride)) + kPage);
}

void ArgumentPool::draw_places(std::size_t kept) {
  for (Group& group : groups_) {
    const std::size_t gap = most_gap(group.stride), pitch = group.stride + gap;
    if (group.places.empty())
      for (std::size_t set = 0; set < count_; ++set)
        group.places.push_back(set % apart_ * pitch);
    const auto first = group.places.begin() + static_cast<std::ptrdiff_t>(kept);
    // One set right behind the other is found by the memory faster than a program's tensors are;
    // sets that share memory must not follow each other.
    if (count_ == apart_)
      std::shuffle(first, group.places.end(), random_);
    std::for_each(first, group.places.end(), [&](std::size_t& place) {
      place = place / pitch * pitch + random_() % (gap / kPage + 1) * kPage;
    });
  }
}

void ArgumentPool::fill(const Group& group, std::byte* to, std::size_t bytes,
                        cuda::StreamHandle stream) const {
  // So much at a time that copies are few, and so little that large caches have it.
  constexpr std::size_t kMostAtOnce = std::size_t{32} << 20;
  std::size_t filled = std::min(group.tile.size(), bytes);
  copy_on_device(*kernel_.device, to, group.tile.data(), filled, stream);
  while (filled < bytes) {
    const std::size_t at_once = std::min(filled, kMostAtOnce / kTileBytes * kTileBytes);
    const std::size_t more = std::min(at_once, bytes - filled);
    copy_on_device(*kernel_.device, to + filled, to, more, stream);
    filled += more;
  }
}

std::uint64_t ArgumentPool::moved(std::uint64_t address, std::size_t set) const {
  for (const Group& group : groups_)
    if (address >= group.low && address < group.high)
      return base_of(group.slab) + group.places[set] + group.offset + (address - group.low);
  throw Error(ErrorCode::internal, "a tensor lies outside the memory that tuning made for it");
}

void ArgumentPool::seed(std::size_t set, cuda::StreamHandle stream) const {
  for (const Group& group : groups_)
    if (group.updated())
      fill(group, reinterpret_cast<std::byte*>(base_of(group.slab) + group.places[set % count_]),
           group.stride, stream);
}

void ArgumentPool::seed_first(std::size_t count, cuda::StreamHandle stream) const {
  // Copies of many sets take the host longer than the GPU takes to fill all of the memory.
  constexpr std::size_t kFew = 8;
  if (count <= std::min(kFew, count_ / 2)) {
    for (std::size_t set = 0; set < count; ++set)
      seed(set, stream);
    return;
  }
  for (const Group& group : groups_)
    if (group.updated())
      fill(group, static_cast<std::byte*>(group.slab.data()), group.slab.size(), stream);
}

} // namespace swage::tune
