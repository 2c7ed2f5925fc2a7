// run.hpp -- runs compiled kernels: host objects through LLJIT, PTX in the emulator.
#pragma once

#include <cstdint>
#include <memory>

#include "tests/codegen/call.hpp"

namespace swage::codegen::test {

/// A host artifact in memory.
class HostFunction {
public:
  explicit HostFunction(const Artifact& artifact);
  ~HostFunction();
  HostFunction(HostFunction&&) noexcept;

  void operator()(const std::uint64_t* words, std::int64_t begin, std::int64_t end) const {
    entry_(words, begin, end);
  }
  /// Of a kernel that works row by row: rows [begin, end).
  void rows(const std::uint64_t* words, std::int64_t begin, std::int64_t end, void* scratch) const {
    const HostRowMemory memory{.scratch = scratch};
    rows_(words, begin, end, &memory);
  }

private:
  struct Jit;
  std::unique_ptr<Jit> jit_;
  void (*entry_)(const std::uint64_t*, std::int64_t, std::int64_t);
  void (*rows_)(const std::uint64_t*, std::int64_t, std::int64_t, const HostRowMemory*);
};

/// Compiles for this host and runs `call` in one or, with `pieces` above one, several ranges.
void run_on_host(const Call& call, const HostSchedule& schedule, int pieces = 1);

/// Runs a CUDA artifact in the emulator over `buffers`.
void emulate(const Artifact& artifact, const CudaSchedule& schedule, const LaunchShape& shape,
             std::vector<std::byte> parameters, const std::vector<Call::Bytes>& buffers);

/// Compiles for `target` and runs `call` in the emulator, which checks every access.
void run_in_emulator(const Call& call, const CudaSchedule& schedule, const Target& target);

} // namespace swage::codegen::test
