// races.hpp -- which accesses to memory nothing orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace swage::emulator {

/// One access to a byte, as later ones are compared with it.
struct Access {
  std::uint32_t epoch = 0; ///< of its warp, counted from 1; 0: there was none
  std::uint32_t index = 0; ///< of the instruction in its kernel
  std::uint16_t warp = 0;  ///< in the cluster; or a column of an mbarrier, of what is sent
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
///
/// An mbarrier has three columns beside those of the warps, as if they were warps that never know
/// anything. What st.async stores is of the column `sent`, in the epoch of the phase that it counts
/// for: nobody knows of it, not even the sender, who has not waited for that phase. `sent_far` is
/// the same of other blocks' threads, whom an acquire at the scope of the block does not reach. Of
/// the column `made` is the initialisation, as fence.mbarrier_init releases it and nothing else.
///
/// The complete-tx of st.async is a release at the scope of the cluster. It passes on what the
/// sender had been told when it sent, by barriers and by waits: of accesses of others, and of its
/// own as far as the last barrier that it passed. It does not pass on what the sender did since.
/// The reason: of asynchronous operations PTX says (8.9.1.1) that they are ordered after what the
/// thread did before, and of the complete-tx of bulk copies that it orders nothing but that copy.
/// Of st.async it says neither; so no store is taken as released for which no barrier stands, and
/// what one thread reads, then a barrier, then another sends, is over for who gets what is sent.
/// Without the latter no block could ever send to the same place twice.
class Clocks {
public:
  explicit Clocks(std::size_t warps);

  std::size_t warps() const { return warps_; }
  std::uint32_t epoch(std::size_t column) const { return epochs_[column]; }
  /// By warp, and by column of mbarriers.
  const std::uint32_t* known(std::size_t warp) const { return &known_[warp * columns()]; }

  void start();                                              ///< other blocks: all before is over
  void block_barrier(const std::vector<std::size_t>& warps); ///< all of these wait, and pass
  void warp_barrier(std::size_t warp);
  void fence(std::size_t warp); ///< of the cluster or wider
  void arrive(std::size_t warp, bool relaxed);
  void cluster_barrier(const std::vector<std::size_t>& warps);
  /// Before and after a strong operation, on what is at `place`.
  void acquire_at(std::size_t warp, std::uint64_t place);
  void release_at(std::size_t warp, std::uint64_t place);

  /// The first column of the mbarrier at `place`: `made`, then `sent`, then `sent_far`.
  std::size_t mbarrier(std::uint64_t place);
  void fence_made(std::size_t warp, std::size_t mbarrier); ///< fence.mbarrier_init
  /// `warp`, of the mbarrier's block, arrives and releases; or sends, from there or from `far`.
  void arrive_at(std::size_t warp, std::size_t mbarrier);
  void send_to(std::size_t warp, std::size_t mbarrier, bool far);
  void complete(std::size_t mbarrier); ///< its phase
  /// `warp` has seen the last phase complete; what came from afar it acquires with `cluster`.
  void acquire_from(std::size_t warp, std::size_t mbarrier, bool cluster);

private:
  using Clock = std::vector<std::uint32_t>;
  struct Phases {
    Clock gathered[2];  ///< what has been released: near, far
    Clock completed[2]; ///< the same, as it was when the last phase was complete
  };
  static constexpr std::size_t kColumns = 3; ///< of an mbarrier

  std::size_t columns() const { return epochs_.size(); }
  std::uint32_t* row(std::size_t warp) { return &known_[warp * columns()]; }
  void release(std::size_t warp, std::uint32_t* to);
  void acquire(std::size_t warp, const std::uint32_t* from);
  Phases& phases(std::size_t mbarrier) { return phases_[(mbarrier - warps_) / kColumns]; }
  void add_columns();

  std::size_t warps_;
  Clock epochs_;  ///< of warps, then of columns of mbarriers
  Clock known_;   ///< a row a warp
  Clock fenced_;  ///< the same, as the warp's last fence found it
  Clock arrived_; ///< what those gave who wait at the barrier of the cluster
  std::map<std::uint64_t, Clock> places_;
  std::map<std::uint64_t, std::size_t> mbarriers_; ///< first columns, by place
  std::vector<Phases> phases_;
};

/// What has been done to one byte or, while all have touched it as a whole, to a word of four: then
/// the first byte's stands for it. Those of memory are all of its words'.
struct TouchedByte {
  Access writer;
  Access reader;             ///< unless there are `readers`
  Access earlier;            ///< a reader of blocks that ran before, of global memory
  std::uint32_t readers = 0; ///< a row of Races, counted from 1, where warps read at once
  bool split = false;        ///< of a word's first: the four bytes have their own
};
constexpr unsigned kWord = 4;

/// The accesses of a cluster of blocks to memory.
class Races {
public:
  explicit Races(std::size_t warps) : clocks_(warps), started_(warps) {}

  /// Notes an access to whole words of shared memory, if it is a simple one, as most are: no race,
  /// no warp more that reads at once. Else `access` has to.
  bool note(std::uint32_t index, std::size_t warp, unsigned lane, bool stores, TouchedByte* word,
            unsigned bytes) {
    const std::uint32_t* const known = clocks_.known(warp);
    const std::uint32_t epoch = clocks_.epoch(warp);
    for (; bytes != 0; bytes -= kWord, word += kWord) {
      Access& reader = word->readers != 0 ? row(word->readers)[warp] : word->reader;
      const bool is_read = reader.epoch > known[reader.warp]; // in no order with this access
      if (word->split || word->writer.epoch > known[word->writer.warp] ||
          (stores ? is_read || word->readers != 0 : is_read && reader.warp != warp))
        return false;
      const bool many = is_read && (reader.many || reader.lane != lane);
      Access& noted = stores ? word->writer : reader;
      noted.epoch = epoch; // one by one: a copy of the whole would wait for these stores
      noted.index = index;
      noted.warp = static_cast<std::uint16_t>(warp);
      noted.lane = static_cast<std::uint8_t>(lane);
      noted.many = many;
    }
    return true;
  }

  void start(); ///< other blocks
  Clocks& clocks() { return clocks_; }
  const Clocks& clocks() const { return clocks_; }

  /// Notes an access of instruction `index` to `bytes` bytes from `offset` of what `memory` is of.
  /// Gives the access that it races with, and which of the bytes they meet at, until the next call;
  /// null if there is none. With `of_grid` the memory is global: what blocks did that ran before is
  /// in no order with it.
  struct Race {
    Access other;
    unsigned byte;
    bool earlier; ///< of such a block
  };
  const Race* access(std::uint32_t index, std::size_t warp, unsigned lane, bool stores,
                     TouchedByte* memory, std::uint64_t offset, unsigned bytes, bool of_grid);
  /// The same of a value that is sent to shared memory and counts for the mbarrier's phase.
  const Race* send(std::uint32_t index, std::size_t warp, unsigned lane, std::size_t mbarrier,
                   bool far, TouchedByte* memory, std::uint64_t offset, unsigned bytes);
  /// Whether an access of that thread, now, comes after `before`, of shared memory.
  bool is_after(const Access& before, std::size_t warp, unsigned lane) const;

private:
  void split(TouchedByte* word);
  /// `access` by a thread; a store is kept as `noted`.
  const Race* touch(const Access& access, const Access& noted, bool stores, TouchedByte* memory,
                    std::uint64_t offset, unsigned bytes, bool of_grid);
  const Access* read(TouchedByte& byte, const Access& access, bool of_grid);
  const Access* write(TouchedByte& byte, const Access& access, const Access& noted, bool of_grid);
  bool is_earlier(const Access& access) const { return access.epoch <= started_[access.warp]; }
  bool is_unordered(const Access& before, const Access& access, bool of_grid) const;
  Access* row(std::uint32_t readers) { return &readers_[(readers - 1) * clocks_.warps()]; }
  std::uint32_t new_row();

  Clocks clocks_;
  std::vector<std::uint32_t> started_; ///< by warp: the last epoch of the blocks before
  std::vector<Access> readers_;        ///< a row for each byte that has several, by warp
  std::vector<std::uint32_t> free_rows_;
  Race found_{};
};

} // namespace swage::emulator
