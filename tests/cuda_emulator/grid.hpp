// grid.hpp -- one launch while it runs: memory as the threads see it, and its bookkeeping.
#pragma once

#include "tests/cuda_emulator/decoder.hpp"

#include <map>
#include <memory>

namespace swage::emulator {

/// One byte for each byte of an allocation: how this grid has touched it.
enum Touch : std::uint8_t { kReadOnly = 1, kStored = 2 };

struct Grid {
  Grid(const Program& program, const LaunchConfig& config, Memory& memory);

  /// Where `bytes` bytes at `address` of the step's space are; throws Fault.
  std::byte* locate(Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                    unsigned bytes);
  [[noreturn]] void fault(FaultKind kind, const Warp& warp, const Step& step, unsigned lane,
                          std::uint64_t address, const std::string& message) const;

  const Program& program;
  const LaunchConfig& config;
  Memory& memory;
  std::vector<std::byte> shared; ///< of the block that runs
  std::array<unsigned, 3> block_index{};
  std::uint64_t executed = 0;
  std::vector<std::uint64_t> counts; ///< of each step, summed over threads

private:
  struct Touches {
    void operator()(std::uint8_t* bytes) const { std::free(bytes); }
  };
  // What each step touched last, so that the registry is asked rarely.
  struct Recent {
    Allocation allocation;
    std::uint8_t* touches = nullptr;
  };

  std::byte* locate_global(Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
                           unsigned bytes);
  std::byte* inside(Warp& warp, const Step& step, unsigned lane, std::byte* base, std::size_t size,
                    std::uint64_t offset, unsigned bytes, const char* what) const;
  void recall(Recent& recent, std::uint64_t address);
  void touch(const Warp& warp, const Step& step, unsigned lane, const Recent& recent,
             std::uint64_t address, unsigned bytes) const;

  bool track_read_only_ = false;
  std::vector<Recent> recent_; // by step
  std::map<std::uint64_t, std::unique_ptr<std::uint8_t, Touches>> touches_;
};

} // namespace swage::emulator
