// shapes.hpp -- what a result is shaped like.
#pragma once

#include <cstdint>

namespace swage::torch {

constexpr int kMostDims = 64;

/// Whether a value of `space` (a swage_space) is one for several columns, or rows.
bool has_groups(int space);

/// Whether rows that do not count are left out of a result of `space`.
bool is_of_rows(int space);

/// Turns the `rank` sizes of the elements into those of a result of `space` (a swage_space), and
/// gives its rank. `is_packed`: the result holds two kernel outputs side by side; `group`: columns,
/// or rows, of one.
std::int64_t shape_result(int space, bool is_packed, std::int64_t group, std::int64_t rank,
                          std::int64_t* sizes);

/// From sizes of a tensor whose elements are two each to those of elements: the last dimension
/// counts pairs, or, of a transposed matrix, the one before it.
void double_pairs(std::int64_t rank, const std::int64_t* strides, std::int64_t* sizes);

/// Strides of a contiguous tensor.
void contiguous_strides(std::int64_t rank, const std::int64_t* sizes, std::int64_t* strides);

} // namespace swage::torch
