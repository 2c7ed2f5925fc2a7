// grid.hpp -- one launch while it runs: memory as the threads see it, and its bookkeeping.
#pragma once

#include "emulator/decoder.hpp"
#include "emulator/mbarrier.hpp"
#include "emulator/races.hpp"

#include <map>
#include <memory>
#include <optional>

namespace swage::emulator {

/// How a grid has touched one byte of global memory. Threads are counted from 1.
struct Touch {
  static constexpr std::uint32_t kMany = UINT32_MAX;

  std::uint32_t writer = 0; ///< the thread that stored to it
  std::uint32_t reader = 0; ///< the thread that loaded it, or kMany
  bool read_only = false;   ///< some load was through .nc
};

/// Where in the shared memory of a cluster.
struct SharedPlace {
  std::size_t block = 0;
  std::uint64_t offset = 0;

  std::uint64_t number() const { return kSharedWindow + block * kClusterWindow + offset; }
};

struct Grid {
  Grid(const Program& program, const LaunchConfig& config, Memory& memory);

  /// Where `bytes` bytes at `address` of the step's space are; throws Fault.
  std::byte* locate(Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                    unsigned bytes);
  /// The same of shared memory, and no access to it yet.
  SharedPlace shared_place(const Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                           unsigned bytes) const {
    const std::uint64_t base = step.space == Space::shared ? 0 : kSharedWindow;
    const std::uint64_t named = (address - base) / kClusterWindow;
    const std::uint64_t offset = address % kClusterWindow;
    // Sizes are powers of two, and addresses of other spaces are further from the base.
    if ((address & (bytes - 1)) != 0 || named > shared.size() ||
        offset + bytes > shared[0].size() ||
        (step.space != Space::shared && step.space != Space::generic))
      refuse_shared(warp, step, lane, address, bytes);
    // What mapa gives names its block.
    return {named == 0 ? warp.block : named - 1, offset};
  }
  /// Faults where an mbarrier is.
  void check_ordinary(const Warp& warp, const Step& step, unsigned lane, const SharedPlace& place,
                      unsigned bytes) const;
  /// A value is sent there.
  void check_sent(const Warp& warp, const Step& step, unsigned lane, std::size_t mbarrier, bool far,
                  const SharedPlace& to);
  [[noreturn]] void report(const Races::Race& race, const Warp& warp, const Step& step,
                           unsigned lane, std::uint64_t place, bool of_grid) const;
  [[noreturn]] void fault(FaultKind kind, const Warp& warp, const Step& step, unsigned lane,
                          std::uint64_t address, const std::string& message) const;
  /// A fault unless the byte at `address` of global memory is somebody's.
  void check_allocated(Warp& warp, const Step& step, unsigned lane, std::uint64_t address);
  std::size_t warp_number(const Warp& warp) const { ///< in the cluster
    return warp.block * warps + warp.first_thread / kLanes;
  }

  const Program& program;
  const LaunchConfig& config;
  Memory& memory;
  std::vector<std::vector<std::byte>> shared;  ///< of the blocks that run, a cluster
  std::map<std::uint64_t, Mbarrier> mbarriers; ///< in it, by SharedPlace::number
  std::array<unsigned, 3> block_index{};       ///< of the first of them
  std::size_t warps = 0;                       ///< of a block
  std::optional<Races> races;                  ///< if they are looked for
  std::uint64_t executed = 0;
  std::vector<std::uint64_t> counts; ///< of each step, summed over threads

private:
  struct Release {
    void operator()(void* touches) const { std::free(touches); }
  };
  // What each step touched last, so that the registry is asked rarely.
  struct Recent {
    Allocation allocation;
    Touch* touches = nullptr;     ///< null: not followed
    TouchedByte* bytes = nullptr; ///< the same, where threads wait for one another
  };

  std::byte* locate_global(Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                           unsigned bytes);
  std::byte* inside(Warp& warp, const Step& step, unsigned lane, std::byte* base, std::size_t size,
                    std::uint64_t offset, unsigned bytes, const char* what) const;
  void check_aligned(const Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                     unsigned bytes) const;
  void check_race(const Warp& warp, const Step& step, unsigned lane, TouchedByte* touched,
                  std::uint64_t offset, std::uint64_t place, unsigned bytes, bool of_grid);
  [[noreturn]] void refuse_shared(const Warp& warp, const Step& step, unsigned lane,
                                  std::uint64_t address, unsigned bytes) const;
  std::string originator(const Races::Race& race) const;
  std::string thread(unsigned number) const;
  void recall(Recent& recent, std::uint64_t address);
  void touch(const Warp& warp, const Step& step, unsigned lane, const Recent& recent,
             std::uint64_t address, unsigned bytes) const;
  std::uint32_t thread_number(const Warp& warp, unsigned lane) const;

  bool check_read_only_ = false;
  bool check_races_ = false;    // where no thread waits for another
  bool follows_global_ = false; // where they do
  std::vector<Recent> recent_;  // by step
  std::map<std::uint64_t, std::unique_ptr<Touch, Release>> touches_;
  std::map<std::uint64_t, std::unique_ptr<TouchedByte, Release>> bytes_;
  std::vector<std::vector<TouchedByte>> shared_bytes_; // of the blocks that run
};

} // namespace swage::emulator
