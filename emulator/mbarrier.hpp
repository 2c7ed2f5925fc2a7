// mbarrier.hpp -- the state of an mbarrier object, and the phases that warps wait for.
#pragma once

#include "emulator/races.hpp"
#include "emulator/warp.hpp"

#include <cstdint>
#include <string>

namespace swage::emulator {

/// An mbarrier object in the shared memory of a block. Its eight bytes are opaque in PTX; here they
/// hold nothing, and the state is beside memory.
class Mbarrier {
public:
  static constexpr unsigned kBytes = 8;
  /// The largest count of arrivals; and of bytes that a phase may have to wait for, or that came
  /// before they were expected (PTX ISA, size and valid range of mbarrier objects).
  static constexpr std::int64_t kMost = (1 << 20) - 1;

  /// The thread that initialised it, or sent to it.
  struct Origin {
    const Warp* warp = nullptr;
    const Step* step = nullptr;
    unsigned lane = 0;
    std::uint64_t address = 0;
  };

  Mbarrier() = default;
  explicit Mbarrier(std::uint32_t count) : count_(count), pending_(count) {}

  /// Each says what is wrong, and nothing if that is defined; then, whether the phase is complete.
  std::string expect(std::uint32_t bytes);
  std::string arrive(std::uint32_t count);
  std::string complete_bytes(std::uint32_t bytes, const Origin& from);
  bool completes(); ///< goes on to the next phase, if so

  /// Phases that are complete.
  std::uint32_t phase() const { return phase_; }
  bool is_complete(std::uint64_t parity) const { return (phase_ & 1) != parity; }
  void see_complete() { seen_ = phase_; } ///< some thread of the block has
  /// The last that sent to a phase which no thread has seen complete; null if there is none.
  const Origin* unseen() const { return sent_ > seen_ ? &sender_ : nullptr; }
  std::string missing() const; ///< of the phase, for messages

  Access made;            ///< its initialisation
  std::size_t column = 0; ///< the first of Clocks, where races are looked for

private:
  std::uint32_t count_ = 0;
  std::uint32_t pending_ = 0;
  std::int64_t bytes_ = 0;
  std::uint32_t phase_ = 0;
  std::uint32_t sent_ = 0; ///< the last phase that something was sent to, counted from 1
  std::uint32_t seen_ = 0;
  Origin sender_;
};

/// mbarrier.try_wait: sets the lanes' predicates. Gives the lanes whose phase is not complete; they
/// wait for it, and go on with a predicate that is false, as if the limit of time had passed just
/// before: who does not try again is found out. A phase that nothing completes is a deadlock,
/// though PTX lets such a wait end, for no kernel would make progress by it.
std::uint32_t try_wait(Warp& warp, const Step& step);

/// The suspended lanes whose phase is complete by now.
std::uint32_t awoken(const Warp& warp);

} // namespace swage::emulator
