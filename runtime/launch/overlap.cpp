// overlap.cpp -- whether two strided views of memory share bytes.
#include "runtime/launch/overlap.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace swage::launch {

namespace {

__extension__ using Wide = __int128;

std::int64_t magnitude(std::int64_t value) noexcept {
  return value < 0 ? -value : value;
}

/// Whether intervals [a, a + a_bytes) and [b, b + b_bytes), each repeated with `period`, never
/// meet.
bool apart_modulo(std::uint64_t a, std::int64_t a_bytes, std::uint64_t b, std::int64_t b_bytes,
                  std::int64_t period) noexcept {
  // Unsigned differences wrap, so take the residue of the non-negative one.
  const auto p = static_cast<std::uint64_t>(period);
  const std::uint64_t distance = b >= a ? (b - a) % p : (p - (a - b) % p) % p;
  return distance >= static_cast<std::uint64_t>(a_bytes) &&
         distance + static_cast<std::uint64_t>(b_bytes) <= p;
}

/// First byte of the row whose element (0, 0) is at `base`, and bytes from there to its end.
std::uint64_t row_low(const Region& r) noexcept {
  return r.base + static_cast<std::uint64_t>(r.column_stride < 0 ? r.column_stride * (r.columns - 1)
                                                                 : std::int64_t{0});
}
std::int64_t row_span(const Region& r) noexcept {
  return magnitude(r.column_stride) * (r.columns - 1) + r.element_bytes;
}

/// Rows of one buffer cut into column ranges: both repeat with a common period of rows.
bool apart_by_columns(const Region& a, const Region& b) noexcept {
  const std::int64_t period = std::gcd(a.row_stride, b.row_stride);
  return period != 0 && apart_modulo(row_low(a), row_span(a), row_low(b), row_span(b), period);
}

/// Elements that alternate: all bytes of each view keep to their own residues of a common period.
bool apart_by_elements(const Region& a, const Region& b) noexcept {
  const std::int64_t period =
      std::gcd(std::gcd(a.row_stride, b.row_stride), std::gcd(a.column_stride, b.column_stride));
  return period != 0 && apart_modulo(a.base, a.element_bytes, b.base, b.element_bytes, period);
}

/// The same where only the columns have a common period, as interleaved halves of rows with a pitch
/// of their own: no row reaches into the next one of either view.
bool apart_within_rows(const Region& a, const Region& b) noexcept {
  const std::int64_t period = std::gcd(a.column_stride, b.column_stride);
  if (a.row_stride != b.row_stride || period == 0)
    return false;
  const std::uint64_t low = std::min(row_low(a), row_low(b));
  const std::uint64_t high = std::max(row_low(a) + static_cast<std::uint64_t>(row_span(a)),
                                      row_low(b) + static_cast<std::uint64_t>(row_span(b)));
  return high - low <= static_cast<std::uint64_t>(magnitude(a.row_stride)) &&
         apart_modulo(a.base, a.element_bytes, b.base, b.element_bytes, period);
}

bool apart_by_rows(const Region& a, const Region& b) noexcept {
  return apart_by_columns(a, b) || apart_within_rows(a, b);
}

/// The same bytes, rows and columns exchanged: which are which is up to the order of the call's
/// dimensions.
Region transposed(Region region) noexcept {
  std::swap(region.row_stride, region.column_stride);
  std::swap(region.rows, region.columns);
  return region;
}

/// Of views of which at least one has more dimensions.
bool are_same(const Region& a, const Region& b) noexcept {
  if (!a.spread || !b.spread || a.base != b.base || a.element_bytes != b.element_bytes ||
      a.rows != b.rows || a.columns != b.columns || a.spread->rows != b.spread->rows ||
      a.spread->groups != b.spread->groups)
    return false;
  return std::equal(a.spread->dims, a.spread->dims + a.spread->count(), b.spread->dims);
}

/// Whether a step does not pass what all smaller ones reach together.
bool spread_overlaps_itself(const ViewDims& view) noexcept {
  for (int i = 0; i < view.count(); ++i) {
    const std::int64_t step = magnitude(view.dims[i].stride);
    Wide reach = 0;
    for (int j = 0; j < view.count(); ++j) {
      const std::int64_t other = magnitude(view.dims[j].stride);
      if (other < step || (other == step && j < i))
        reach += Wide{other} * (view.dims[j].extent - 1);
    }
    if (view.dims[i].extent > 1 && step <= reach)
      return true;
  }
  return false;
}

} // namespace

Relation relation(const Region& a, const Region& b) noexcept {
  if (are_apart(a, b))
    return Relation::disjoint;
  if (a.spread || b.spread) [[unlikely]]
    return are_same(a, b) ? Relation::identical : Relation::overlapping;
  if (a.base == b.base && a.row_stride == b.row_stride && a.column_stride == b.column_stride &&
      a.rows == b.rows && a.columns == b.columns && a.element_bytes == b.element_bytes)
    return Relation::identical;
  return apart_by_elements(a, b) || apart_by_rows(a, b) ||
                 apart_by_rows(transposed(a), transposed(b))
             ? Relation::disjoint
             : Relation::overlapping;
}

// Elements (r, c) and (r', c') coincide when (r - r') * R = (c' - c) * C. The smallest solution
// besides 0 is C / g rows and R / g columns, with g = gcd(R, C).
bool overlaps_itself(const Region& region) noexcept {
  if (region.spread) [[unlikely]]
    return spread_overlaps_itself(*region.spread);
  const std::int64_t row = magnitude(region.row_stride);
  const std::int64_t column = magnitude(region.column_stride);
  if ((region.rows > 1 && row == 0) || (region.columns > 1 && column == 0))
    return true;
  if (region.rows <= 1 || region.columns <= 1)
    return false;
  const std::int64_t g = std::gcd(row, column);
  return column / g <= region.rows - 1 && row / g <= region.columns - 1;
}

} // namespace swage::launch
