// shapes.cpp -- results from the shape of the elements.
#include "shapes.hpp"

#include <algorithm>

#include "swage/swage.h"

namespace swage::torch {

bool has_groups(int space) {
  return space == SWAGE_GROUP || space == SWAGE_COLUMN_GROUP;
}

bool is_of_rows(int space) {
  return space != SWAGE_TENSOR && space != SWAGE_COLUMN;
}

std::int64_t shape_result(int space, bool is_packed, std::int64_t group, std::int64_t rank,
                          std::int64_t* sizes) {
  if (is_packed && rank > 0)
    sizes[rank - 1] *= 2;
  const std::int64_t columns = rank == 0 ? 1 : sizes[rank - 1];
  if (space == SWAGE_TENSOR)
    return 0;
  if (space == SWAGE_COLUMN) {
    sizes[0] = columns;
    return 1;
  }
  if (rank == 0)
    return 0;
  if (space == SWAGE_ROW)
    return rank - 1;
  if (space == SWAGE_GROUP)
    sizes[rank - 1] = columns / group;
  if (space == SWAGE_COLUMN_GROUP && rank > 1)
    sizes[rank - 2] /= group;
  return rank;
}

void double_pairs(std::int64_t rank, const std::int64_t* strides, std::int64_t* sizes) {
  const std::int64_t last = rank - 1;
  if (last < 0)
    return;
  const bool transposed = last > 0 && sizes[last] != 1 && strides[last] != 1 &&
                          strides[last - 1] == 1 &&
                          std::find(sizes, sizes + rank, 0) == sizes + rank;
  sizes[transposed ? last - 1 : last] *= 2;
}

void contiguous_strides(std::int64_t rank, const std::int64_t* sizes, std::int64_t* strides) {
  std::int64_t stride = 1;
  for (std::int64_t i = rank; i-- > 0; stride *= std::max<std::int64_t>(sizes[i], 1))
    strides[i] = stride;
}

} // namespace swage::torch
