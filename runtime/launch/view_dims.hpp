// view_dims.hpp -- views of [row] and [group n] tensors whose rows, or groups, are spread over
// several dimensions.
#pragma once

#include <cstdint>

#include "codegen/specialization.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

struct ViewDim {
  std::int64_t extent, stride; ///< elements
  friend bool operator==(const ViewDim&, const ViewDim&) = default;
};

/// The dimensions of a view: those of its rows, the innermost first, then those of its groups, the
/// innermost first; at least one of each, the extent of a single one is not looked at.
struct ViewDims {
  std::uint8_t rows, groups;
  ViewDim dims[codegen::kMaxViewDims + 1]; // a [row] tensor has a group, of size 1

  int count() const noexcept { return rows + groups; }
};

/// How many leading dimensions of `tensor` make up the rows of a call of `rows` rows, so that the
/// others make up `groups` values a row: the fewest that do. An extent before the others may be
/// rounded up, as that of tiles is: dimensions hold n values where one less of their first would
/// hold fewer. A single tile of rows has two dimensions within it, or there are two of groups; one
/// of groups has two, or at most four groups. 0: none do.
int leading_row_dims(const Tensor& tensor, std::int64_t rows, std::int64_t groups) noexcept;

/// Whether all dimensions of `tensor` hold `rows` values in that sense.
bool holds_rows(const Tensor& tensor, std::int64_t rows) noexcept;

/// The view whose first `row_dims` dimensions are rows, without those of size 1, neighbours merged.
/// Returns false where more than kMaxViewDims are left: `dims` has their numbers alone then.
bool gather_dims(const Tensor& tensor, int row_dims, ViewDims& dims) noexcept;

} // namespace swage::launch
