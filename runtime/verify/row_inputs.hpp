// row_inputs.hpp -- the rows that the errors of a kernel along its rows are measured on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::verify {

struct RowInputOptions {
  /// Lengths of rows, taken in turn; rounded up to whole groups where the kernel has groups.
  std::vector<std::int64_t> columns{64, 1000, 4096};
  std::int64_t samples = std::int64_t{1} << 20; ///< elements, about as many of each length
  std::uint64_t seed = 0;
};

/// Rows of random numbers. Of eight rows four hold numbers near 1 of both signs; one such numbers
/// times a power of two within 2^24 (of f16 2^8), whose squares and whose exponentials along a row
/// do not leave f32 where the formula does not; one a number and little besides, where differences
/// cancel; one equal numbers; and one has a zero, an infinity, NaN or a subnormal number somewhere.
/// Scalars and integers are small.
class RowInputs {
public:
  /// Throws Error(invalid_argument) for a length below 1.
  RowInputs(const ir::Kernel& kernel, const RowInputOptions& options);

  /// One launch of rows of one length.
  struct Step {
    std::int64_t columns = 0, rows = 0;
    std::int64_t first = 0; ///< rows of this length before it
  };
  std::span<const Step> steps() const noexcept { return steps_; }
  std::int64_t count() const noexcept { return count_; } ///< elements of all steps

  /// Writes what parameter `param` holds in `step` to `bytes`, on all cores.
  void fill(std::size_t param, const Step& step, std::span<std::byte> bytes) const;

private:
  std::vector<ir::Param> params_;
  std::uint64_t seed_;
  std::vector<Step> steps_;
  std::int64_t count_ = 0;
};

} // namespace swage::verify
