// collapse.hpp -- from tensors of any rank to rows x columns.
#pragma once

#include <cstdint>

#include "runtime/launch/classify.hpp"

namespace swage::launch {

/// Rows x columns, with the strides of each tensor written to `Call::tensors`.
struct Extent {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  /// A row follows where the one before ends, for every tensor: rows is 1 and columns counts all.
  bool one_run = true;
};

/// Collapses the shape of `views` (by tensor; shapes are checked and hold at least one element) and
/// sets the strides of every tensor of `call`. Throws Error(invalid_argument) naming a tensor when
/// more dimensions are left than it may have. `by_rows`: the last dimension stays what it is, and
/// so does the order of those before it.
Extent collapse(const Signature& signature, const Tensor* const* views, bool by_rows, Call& call);

} // namespace swage::launch
