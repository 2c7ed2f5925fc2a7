// classify.hpp -- from the arguments of a call to what is known about it.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/device/device.hpp"
#include "runtime/launch/signature.hpp"
#include "runtime/launch/specialization_key.hpp"
#include "runtime/launch/view_dims.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

/// One tensor of a call. Element (r, c) is at data + r * row_stride + c * column_stride, strides in
/// elements. Strides along a size of 1 are 0.
struct TensorCall {
  void* data;
  std::int64_t row_stride;
  std::int64_t column_stride;
  std::int64_t length; ///< of a [table]; its values are a column stride apart
  /// Which of Call::spread says where elements are, of a view with more dimensions; the strides
  /// are those of the innermost ones then. -1: none, as above.
  int spread;
};

/// Tensors of one call whose rows or groups are spread over several dimensions, at most.
inline constexpr int kMaxSpread = 8;

/// A call, classified. Lives on the stack of a launch; only what the kernel's signature names is
/// set.
struct Call {
  std::int64_t rows;    ///< 1 when flat
  std::int64_t columns; ///< the element count when flat
  bool empty;           ///< nothing is to be written: launch nothing
  SpecializationKey key;
  int spreads;                           ///< how many of `spread` there are
  ViewDims spread[kMaxSpread];           ///< see TensorCall::spread
  TensorCall tensors[ir::kMaxParams];    ///< by tensor
  std::uint64_t scalars[ir::kMaxParams]; ///< by parameter: bits in the storage type
  void* workspace =
      nullptr; ///< device memory for what is left to a second launch; null: none given
  /// Counts of rows, one for all or for every `batch_rows` rows, as the key says; null: none.
  const void* valid_rows = nullptr;
  std::int64_t batch_rows = 0;

  std::int64_t elements() const noexcept { return rows * columns; }
};

/// Classifies `arguments`, with the counts in `valid_rows` unless that is null: rows and columns
/// mean something then, as they do with a [row] tensor.
///
/// Shapes. Every tensor without a broadcast has the same shape, of rank 0 to 8. Columns are its
/// last dimension, rows the product of the others. A [row] tensor holds one value a row: its shape
/// is the leading dimensions, those and a last 1, or [rows]. A [group n] tensor holds one value for
/// n columns: its shape is the leading dimensions and [groups], or [rows, groups]. Either may be a
/// view of more dimensions, of which the leading ones make up the rows and the others the groups
/// (see view_dims.hpp), and with strides of its own. A [col group n] tensor holds one value for n
/// rows of a column: its shape is that of the elements with n times fewer rows, or [groups,
/// columns], or a view of more dimensions likewise. A [col] tensor holds one value a column: its
/// shape is [columns], or 1s and then columns. A [table] has one dimension of its own. The
/// dimensions are then collapsed to rows x columns: those of size 1 drop out, and neighbours merge
/// where every tensor but [row], [group n] and [col group n] ones allows it (stride[i] ==
/// stride[i+1] * shape[i+1]); of those each merges its own dimensions, and five may be left.
/// Without broadcasts the order of dimensions means nothing, so they are first ordered by the
/// strides of an output, and everything may merge into one flat run. More than two dimensions left
/// of the others is an error.
///
/// Refused, with Error(invalid_argument) that names the parameter: a wrong count, kind, dtype or
/// shape; an address that is null or no multiple of the element's size; sizes or offsets past 63
/// bits; an output with elements that share memory; an output that shares memory with another
/// tensor, except with an input that is the same view (same address, strides and element size) and
/// no [table].
void classify(const Signature& signature, std::span<const Arg> arguments,
              const device::ClassifyLimits& limits, Call& call, const Tensor* valid_rows = nullptr);

/// Bytes that one launch reads and writes: an inout tensor counts twice, a broadcast one by its own
/// size.
std::int64_t bytes_moved(const Signature& signature, const Call& call);

} // namespace swage::launch
