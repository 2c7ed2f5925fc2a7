// view_dims.cpp -- views whose rows, or groups, are spread over several dimensions.
#include "runtime/launch/view_dims.hpp"

#include <algorithm>
#include <cstdint>

namespace swage::launch {

namespace {

/// Groups of a tile, in every layout of scales there is.
constexpr std::int64_t kTileGroups = 4;

/// Whether dimensions [from, to) of `tensor` hold `count` values, and would not with one less of
/// the first. A single tile is padded as well, but then it has to look like one, for [1, 8] may be
/// meant for 8 columns: two dimensions within it, or `most_inner` values at most.
bool holds(const Tensor& tensor, int from, int to, std::int64_t count,
           std::int64_t most_inner) noexcept {
  std::int64_t inner = 1;
  for (int i = to - 1; i > from; --i)
    if (tensor.shape[i] < 1 || __builtin_mul_overflow(inner, tensor.shape[i], &inner))
      return false;
  const std::int64_t outer = from < to ? tensor.shape[from] : 1;
  if (count <= 0)
    return false;
  if (count % inner == 0) // without products that could overflow
    return outer == count / inner;
  const bool may_be_padded = outer > 1 || to - from >= 3 || inner <= most_inner;
  return may_be_padded && outer == count / inner + 1;
}

/// The dimensions [from, to), the innermost first; returns how many.
int gather(const Tensor& tensor, int from, int to, ViewDim* dims) noexcept {
  int count = 0;
  for (int i = to - 1; i >= from; --i) {
    if (tensor.shape[i] == 1)
      continue;
    ViewDim* last = count > 0 ? &dims[count - 1] : nullptr;
    std::int64_t step;
    if (last && !__builtin_mul_overflow(last->stride, last->extent, &step) &&
        step == tensor.strides[i])
      last->extent *= tensor.shape[i];
    else
      dims[count++] = {tensor.shape[i], tensor.strides[i]};
  }
  if (count == 0)
    dims[count++] = {1, 0};
  return count;
}

} // namespace

int leading_row_dims(const Tensor& tensor, std::int64_t rows, std::int64_t groups) noexcept {
  for (int dims = 1; dims < tensor.rank; ++dims) {
    const std::int64_t most_rows =
        tensor.rank - dims >= 2 ? INT64_MAX : 0; // beside tiles of groups
    if (holds(tensor, 0, dims, rows, most_rows) &&
        holds(tensor, dims, tensor.rank, groups, kTileGroups))
      return dims;
  }
  return 0;
}

bool holds_rows(const Tensor& tensor, std::int64_t rows) noexcept {
  return holds(tensor, 0, tensor.rank, rows, 0);
}

bool gather_dims(const Tensor& tensor, int row_dims, ViewDims& dims) noexcept {
  ViewDim all[2 * kMaxRank];
  const int rows = gather(tensor, 0, row_dims, all);
  const int groups = gather(tensor, row_dims, tensor.rank, all + rows);
  dims.rows = static_cast<std::uint8_t>(rows);
  dims.groups = static_cast<std::uint8_t>(groups);
  if (rows + (row_dims < tensor.rank ? groups : 0) > codegen::kMaxViewDims)
    return false;
  std::copy(all, all + rows + groups, dims.dims);
  return true;
}

} // namespace swage::launch
