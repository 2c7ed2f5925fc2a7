// input.hpp -- what tuning launches work on: sets of buffers laid out as the caller's are.
#pragma once

#include <memory>
#include <random>
#include <span>
#include <vector>

#include "runtime/launch/kernel.hpp"

namespace swage::tune {

/// How much memory the sets take together.
struct PoolSize {
  std::int64_t wanted = 0; ///< bytes that all sets touch together, at least
  std::int64_t limit = 0;  ///< bytes, never more, unless one set needs it
};

/// Argument sets that agree with `arguments` in everything a launch depends on: shapes, strides,
/// alignment within a page, and which tensors share memory. The caller's memory is not touched.
/// Inputs hold ordinary random numbers; every set has outputs of its own.
class ArgumentPool {
public:
  /// Filled when `stream` has done its work.
  ArgumentPool(const KernelState& kernel, std::span<const Arg> arguments, PoolSize size,
               cuda::StreamHandle stream);

  std::size_t sets() const noexcept { return calls_.size(); }
  /// How many of them, one after the other, share no memory.
  std::size_t apart() const noexcept { return apart_; }
  std::size_t bytes_of_set() const noexcept;
  const launch::Call& call(std::size_t set) const noexcept { return *calls_[set % calls_.size()]; }
  bool in_place() const noexcept { return in_place_; }

  /// Other places in the same memory for all sets but the first `kept`: what `call` gave for them
  /// no longer holds. Nothing may be at work on them.
  void place_anew(std::size_t kept = 0);

  /// Gives tensors of the first `count` sets, or of one, that are read and written ordinary values
  /// again. Asynchronous on `stream`; the CPU ignores it.
  void seed_first(std::size_t count, cuda::StreamHandle stream) const;
  void seed(std::size_t set, cuda::StreamHandle stream) const;

private:
  /// Tensors that share memory are one group; a slab holds one group of every set.
  struct Group {
    std::uint64_t low = 0, high = 0; ///< addresses in the caller's memory
    DType dtype = DType::f32;
    bool mixed = false; ///< several types: filled by bytes
    bool read = false, written = false;
    bool updated() const noexcept { return read && written; }
    std::size_t offset = 0, stride = 0;
    /// Where in the slab each set begins, by distances that differ from group to group: how far
    /// apart the tensors of a call lie moves its time, by 9 % in one case seen on an H100, and a
    /// winner has to win wherever the caller's lie.
    std::vector<std::size_t> places{};
    Buffer slab, tile; ///< what the slab is filled with, over and over
  };

  void find_groups(std::span<const Arg> arguments, const launch::Call& call);
  void allocate(PoolSize size, std::int64_t bytes_of_set);
  void draw_places(std::size_t kept);
  void fill(const Group& group, std::byte* to, std::size_t bytes, cuda::StreamHandle stream) const;
  std::uint64_t moved(std::uint64_t address, std::size_t set) const;

  const KernelState& kernel_;
  launch::Call call_;       ///< the caller's
  std::minstd_rand random_; ///< the same for every search
  std::vector<Group> groups_;
  std::size_t count_ = 0, apart_ = 0;
  bool in_place_ = false;
  std::vector<std::unique_ptr<launch::Call>> calls_; ///< by set
};

/// Copies within memory of `device`: asynchronous on CUDA, on all threads on the CPU.
void copy_on_device(const DeviceState& device, void* to, const void* from, std::size_t bytes,
                    cuda::StreamHandle stream);

} // namespace swage::tune
