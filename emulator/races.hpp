// races.hpp -- which accesses to shared memory nothing orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace swage::emulator {

/// One access to a byte, as later ones are compared with it.
struct Access {
  std::uint32_t epoch = 0; ///< of its warp, counted from 1; 0: there was none
  std::uint32_t index = 0; ///< of the instruction in its kernel
  std::uint16_t warp = 0;  ///< in the cluster
  std::uint8_t lane = 0;
  bool many = false; ///< other lanes of the warp did as much since they last met
};

/// Who knows of whose accesses, among the warps of a cluster of blocks: vector clocks. A warp's
/// epoch moves on wherever others may learn of what it did; row w of the matrix holds the last
/// epoch of each warp that is ordered before what w does next. Its own entry is of its lanes: up to
/// there they know of each other.
///
/// Order comes from PTX's memory model: barriers of the block, bar.warp.sync, barriers of the
/// cluster (by .relaxed only what a fence went before), and atomics and other strong operations,
/// which order all whose address is the same. For the last two, and where some lanes of a warp do
/// what others do not, that is more than PTX promises: no race is reported that is none.
class Clocks {
public:
  explicit Clocks(std::size_t warps);

  std::size_t warps() const { return epochs_.size(); }
  std::uint32_t epoch(std::size_t warp) const { return epochs_[warp]; }
  /// By warp.
  const std::uint32_t* known(std::size_t warp) const { return &known_[warp * warps()]; }

  void start();                                              ///< other blocks: all before is over
  void block_barrier(const std::vector<std::size_t>& warps); ///< all of these wait, and pass
  void warp_barrier(std::size_t warp);
  void fence(std::size_t warp); ///< of the cluster or wider
  void arrive(std::size_t warp, bool relaxed);
  void cluster_barrier(const std::vector<std::size_t>& warps);
  /// Before and after a strong operation, on what is at `place`.
  void acquire_at(std::size_t warp, std::uint64_t place);
  void release_at(std::size_t warp, std::uint64_t place);

private:
  using Clock = std::vector<std::uint32_t>;
  std::uint32_t* row(std::size_t warp) { return &known_[warp * warps()]; }
  void release(std::size_t warp, std::uint32_t* to);
  void acquire(std::size_t warp, const std::uint32_t* from);

  Clock epochs_;
  Clock known_;   ///< a row a warp
  Clock fenced_;  ///< the same, as the warp's last fence found it
  Clock arrived_; ///< what those gave who wait at the barrier of the cluster
  std::map<std::uint64_t, Clock> places_;
};

/// The accesses to the shared memory of a cluster of blocks.
class SharedRaces {
public:
  /// `warps` and `bytes` are of a block.
  SharedRaces(std::size_t blocks, std::size_t warps, std::size_t bytes)
      : clocks(blocks * warps), bytes_(bytes), touched_(blocks * bytes) {}

  /// Notes an access to `bytes` bytes from `offset` of the memory of block `block`, of this epoch.
  /// Gives the access that it races with, and the offset of their byte.
  struct Race {
    Access other;
    std::uint64_t offset;
  };
  std::optional<Race> access(Access access, bool stores, std::size_t block, std::uint64_t offset,
                             unsigned bytes);

  Clocks clocks;

private:
  struct Byte {
    Access writer;
    Access reader;             ///< unless there are `readers`
    std::uint32_t readers = 0; ///< row of readers_, counted from 1, where warps read at once
  };

  const Access* read(Byte& byte, const Access& access);
  const Access* write(Byte& byte, const Access& access);
  Access* row(std::uint32_t readers) { return &readers_[(readers - 1) * clocks.warps()]; }
  std::uint32_t new_row();

  std::size_t bytes_;
  std::vector<Byte> touched_;
  std::vector<Access> readers_; ///< a row for each byte that has several, by warp
  std::vector<std::uint32_t> free_rows_;
};

} // namespace swage::emulator
