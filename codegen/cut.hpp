// cut.hpp -- in which order a large body is computed, where it is cut, and what lives across cuts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "codegen/schedule.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

// LLVM's instruction selection, scheduling and register allocation take more than linear time in
// the length of a basic block: 30 times as long for 10 times the operations from 1,000 on. Larger
// bodies are cut into functions on CPUs, which hand values on in memory as spills would.
inline constexpr std::size_t kWholeBodyNodes = 1024;

/// Above so many `instructions`, functions of the language are called on CPUs instead of emitted
/// where they are used.
inline constexpr std::size_t kInlineInstructions = 4096;
/// From so many on an operation is such a function.
inline constexpr std::size_t kFunctionInstructions = 16;

/// The nodes that the stores need, operands before users, and of several operands first the one
/// that needs the most values at once (Sethi and Ullman, The generation of optimal code for
/// arithmetic expressions, 1970): in the order of the text, a chain of choices would have all of
/// its conditions and values live at once.
std::vector<ir::NodeId> emission_order(const ir::Kernel& kernel);

/// A large body in pieces of about equal size, with a place in scratch memory for each value that
/// outlives its piece.
class Cut {
public:
  explicit Cut(const ir::Kernel& kernel);

  std::size_t pieces() const { return begins_.size() - 1; }
  std::span<const ir::NodeId> piece(std::size_t index) const {
    return std::span(order_).subspan(begins_[index], begins_[index + 1] - begins_[index]);
  }
  /// Bytes a lane from the start of the scratch memory, a multiple of the value's size; none for a
  /// value that does not leave its piece.
  std::optional<std::int64_t> place(ir::NodeId id) const;
  std::int64_t scratch_bytes_a_lane() const { return bytes_; }

private:
  void find_pieces();
  void find_places();

  const ir::Kernel& kernel_;
  std::vector<ir::NodeId> order_;
  std::vector<std::size_t> begins_; ///< of pieces in the order, and its end
  std::vector<std::int64_t> place_; ///< by node; negative for none
  std::int64_t bytes_ = 0;
};

/// Bytes that a value of `type` takes a lane of scratch memory.
int scratch_size(DType type);

/// Of stack, for scratch memory of vectors. Where that is not enough they are taken in halves.
inline constexpr std::int64_t kScratchBytes = 64 << 10;

/// Stack that a thread needs to run the host code of `kernel`; 0 for what every thread has.
std::size_t host_stack_bytes(const ir::Kernel& kernel, const HostSchedule& schedule);

} // namespace swage::codegen
