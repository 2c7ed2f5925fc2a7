// overlap.hpp -- whether two strided views of memory share bytes.
#pragma once

#include <cstdint>

#include "runtime/launch/view_dims.hpp"

namespace swage::launch {

/// The bytes of elements (r, c) at `base + r * row_stride + c * column_stride`, strides in bytes.
/// A stride along a size of 1 is 0. `low` and `high` bound the bytes: [low, high).
struct Region {
  std::uint64_t base;
  std::int64_t row_stride, column_stride;
  std::int64_t rows, columns;
  std::int64_t element_bytes;
  std::uint64_t low, high;
  /// Of a view with more dimensions, in elements: where they are, in place of the strides. Null:
  /// none.
  const ViewDims* spread;
};

enum class Relation {
  disjoint,
  identical,   ///< element (r, c) of both is the same memory, for every r and c
  overlapping, ///< they share bytes, or could not be shown to be disjoint
};

/// Whether the views share no byte because their ranges do not meet: the usual case.
inline bool are_apart(const Region& a, const Region& b) noexcept {
  return a.high <= b.low || b.high <= a.low;
}

/// Exact for identical views; of those with more dimensions all else that shares a range counts as
/// overlapping. Proves disjoint what does not share a range, column slices of one
/// buffer (packed halves) and views that interleave with a common period, over all or in each row.
Relation relation(const Region& a, const Region& b) noexcept;

/// Whether two elements of one view share memory. Exact for strides that are multiples of the
/// element's size; of a view with more dimensions, each has to step over all smaller steps.
bool overlaps_itself(const Region& region) noexcept;

} // namespace swage::launch
