// collapse.cpp -- from tensors of any rank to rows x columns.
#include "runtime/launch/collapse.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/launch/shapes.hpp"
#include "swage/error.hpp"

namespace swage::launch {

namespace {

/// The dimensions that all tensors share, with the strides of each; outermost first.
struct Dimensions {
  int count = 0;
  std::int64_t shape[kMaxRank];
  std::int64_t strides[ir::kMaxParams][kMaxRank];
};

void spread_columns(const Tensor& tensor, const Tensor& full, std::int64_t* strides) {
  std::fill(strides, strides + kMaxRank, 0);
  if (full.rank > 0)
    strides[full.rank - 1] = tensor.rank > 0 ? tensor.strides[tensor.rank - 1] : 1;
}

Dimensions gather(const Signature& signature, const Tensor* const* views) {
  Dimensions dims;
  const Tensor& full = *views[signature.shape_of];
  dims.count = full.rank;
  std::copy(full.shape, full.shape + full.rank, dims.shape);
  for (std::size_t t = 0; t < signature.tensors.size(); ++t) {
    const std::uint8_t param = signature.tensors[t];
    switch (signature.params[param].broadcast) {
    case ir::Broadcast::none:
      std::copy(views[t]->strides, views[t]->strides + full.rank, dims.strides[t]);
      break;
    case ir::Broadcast::per_column: spread_columns(*views[t], full, dims.strides[t]); break;
    case ir::Broadcast::per_row:
    case ir::Broadcast::per_group: // have dimensions of their own, see below
    case ir::Broadcast::per_column_group:
    case ir::Broadcast::per_tensor:
    case ir::Broadcast::table: // has no rows and columns
      std::fill(dims.strides[t], dims.strides[t] + kMaxRank, 0);
      break;
    }
  }
  return dims;
}

void move_dimension(Dimensions& dims, std::size_t tensors, int from, int to) {
  dims.shape[to] = dims.shape[from];
  for (std::size_t t = 0; t < tensors; ++t)
    dims.strides[t][to] = dims.strides[t][from];
}

/// Drops dimensions of size 1, the last one excepted where it is the columns of a broadcast.
void drop_ones(Dimensions& dims, std::size_t tensors, bool keep_last) {
  int kept = 0;
  for (int i = 0; i < dims.count; ++i)
    if (dims.shape[i] != 1 || (keep_last && i == dims.count - 1))
      move_dimension(dims, tensors, i, kept++);
  dims.count = kept;
}

/// Orders dimensions by the strides of tensor `by`, largest first; stable, so that row-major views
/// stay as they are. The order of elements means nothing to a kernel without broadcasts.
void order_by_strides(Dimensions& dims, std::size_t tensors, std::size_t by) {
  const auto magnitude = [&](int i) {
    const std::int64_t stride = dims.strides[by][i];
    return stride < 0 ? ~static_cast<std::uint64_t>(stride) + 1
                      : static_cast<std::uint64_t>(stride);
  };
  for (int i = 1; i < dims.count; ++i)
    for (int j = i; j > 0 && magnitude(j - 1) < magnitude(j); --j) {
      std::swap(dims.shape[j - 1], dims.shape[j]);
      for (std::size_t t = 0; t < tensors; ++t)
        std::swap(dims.strides[t][j - 1], dims.strides[t][j]);
    }
}

/// The first tensor in which dimension `outer` does not continue dimension `inner`; none: they can
/// merge.
std::size_t first_gap(const Dimensions& dims, std::size_t tensors, int outer, int inner) {
  for (std::size_t t = 0; t < tensors; ++t) {
    std::int64_t step;
    if (__builtin_mul_overflow(dims.strides[t][inner], dims.shape[inner], &step) ||
        dims.strides[t][outer] != step)
      return t;
  }
  return tensors;
}

/// Merges neighbours among the first `count` dimensions; returns how many are left, in place.
int merge(Dimensions& dims, std::size_t tensors, int count) {
  int last = 0; // the group being grown
  for (int i = 1; i < count; ++i) {
    if (first_gap(dims, tensors, last, i) == tensors) {
      const std::int64_t grown = dims.shape[last] * dims.shape[i];
      move_dimension(dims, tensors, i, last);
      dims.shape[last] = grown;
    } else {
      move_dimension(dims, tensors, i, ++last);
    }
  }
  return std::min(count, last + 1);
}

[[noreturn]] void refuse_rank(const Signature& signature, const Tensor* const* views,
                              const Dimensions& dims) {
  const std::size_t tensor =
      std::min(first_gap(dims, signature.tensors.size(), 0, 1), signature.tensors.size() - 1);
  const Tensor& view = *views[tensor];
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format(
          "tensor '{}' of shape [{}] and strides [{}] leaves {} dimensions that cannot be "
          "merged, at most 2 (rows and columns) are possible; make it contiguous, or launch "
          "once for each index of the outer dimension",
          signature.names[signature.tensors[tensor]],
          fmt::join(view.shape, view.shape + view.rank, ", "),
          fmt::join(view.strides, view.strides + view.rank, ", "), dims.count));
}

[[noreturn]] void refuse_dims(const std::string& name, const ViewDims& dims, bool groups) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("tensor '{}' is a view of {} dimensions of rows{} that cannot be merged, "
                          "at most {} are possible; make it contiguous",
                          name, dims.rows,
                          groups ? fmt::format(" and {} of groups", dims.groups) : "",
                          codegen::kMaxViewDims));
}

[[noreturn]] void refuse_spreads(const Signature& signature) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("kernel '{}' was given more than {} tensors whose rows or groups are "
                          "spread over several dimensions; make some contiguous",
                          signature.kernel_name, kMaxSpread));
}

/// How many leading dimensions of a [row], [group n] or [col group n] tensor, of so many rows and
/// groups, are rows.
int own_row_dims(const ParamInfo& info, const Tensor& view, const Tensor& full, std::int64_t rows,
                 std::int64_t groups) {
  if (info.broadcast == ir::Broadcast::per_row)
    return view.rank;
  if (info.broadcast == ir::Broadcast::per_group && view.rank == full.rank &&
      std::equal(full.shape, full.shape + full.rank - 1, view.shape))
    return full.rank - 1;
  if (info.broadcast == ir::Broadcast::per_column_group && has_usual_rows(view, full, info.group))
    return view.rank - 1;
  return leading_row_dims(view, rows, groups);
}

/// The strides of a [row], [group n] or [col group n] tensor.
void set_own_strides(const Signature& signature, std::size_t t, const Tensor& view,
                     const Tensor& full, const Extent& extent, Call& call) {
  const ParamInfo& info = signature.params[signature.tensors[t]];
  const bool by_group = ir::has_groups(info.broadcast);
  const bool of_rows = info.broadcast == ir::Broadcast::per_column_group;
  // Of groups of rows what is said here of rows and groups is said of their groups and of columns.
  const std::int64_t rows = of_rows ? extent.rows / info.group : extent.rows;
  const std::int64_t groups = of_rows ? extent.columns : by_group ? extent.columns / info.group : 1;
  TensorCall& tensor = call.tensors[t];
  // The usual shapes: [rows] and [rows, groups] where the call has [rows, columns].
  if (full.rank == 2 && view.rank == 1 + int{by_group} && !of_rows &&
      view.shape[0] == full.shape[0]) [[likely]] {
    tensor.row_stride = rows > 1 ? view.strides[0] : 0;
    tensor.column_stride = groups > 1 ? view.strides[1] : 0;
    return;
  }
  ViewDims dims;
  if (!gather_dims(view, own_row_dims(info, view, full, rows, groups), dims)) [[unlikely]]
    refuse_dims(signature.names[signature.tensors[t]], dims, by_group);
  const std::int64_t group_stride = dims.dims[dims.rows].stride;
  // What there is one of has no dimensions.
  if (groups <= 1)
    dims.groups = 1;
  if (rows <= 1 && dims.rows > 1) {
    std::copy(dims.dims + dims.rows, dims.dims + dims.count(), dims.dims + 1);
    dims.rows = 1;
  }
  tensor.row_stride = rows > 1 ? dims.dims[0].stride : 0;
  tensor.column_stride = groups > 1 ? group_stride : 0;
  if (dims.count() == 2)
    return;
  if (call.spreads == kMaxSpread) [[unlikely]]
    refuse_spreads(signature);
  tensor.spread = call.spreads;
  call.spread[call.spreads++] = dims;
}

} // namespace

Extent collapse(const Signature& signature, const Tensor* const* views, bool by_rows, Call& call) {
  const std::size_t tensors = signature.tensors.size();
  Dimensions dims = gather(signature, views);
  drop_ones(dims, tensors, by_rows);
  if (by_rows) {
    // Columns stay what they are: only the dimensions before them merge.
    const int leading = std::max(dims.count - 1, 0);
    const int merged = merge(dims, tensors, leading);
    if (dims.count > 0)
      move_dimension(dims, tensors, leading, merged);
    dims.count = dims.count > 0 ? merged + 1 : 0;
  } else {
    order_by_strides(dims, tensors, signature.written);
    dims.count = merge(dims, tensors, dims.count);
  }
  if (dims.count > 2)
    refuse_rank(signature, views, dims);

  Extent extent;
  extent.one_run = !by_rows && dims.count < 2;
  extent.columns = dims.count > 0 ? dims.shape[dims.count - 1] : 1;
  extent.rows = dims.count > 1 ? dims.shape[0] : 1;
  for (std::size_t t = 0; t < tensors; ++t) {
    const std::int64_t* strides = dims.strides[t];
    call.tensors[t].column_stride = extent.columns > 1 ? strides[dims.count - 1] : 0;
    call.tensors[t].row_stride = extent.rows > 1 ? strides[0] : 0;
    const ir::Broadcast broadcast = signature.params[signature.tensors[t]].broadcast;
    if (broadcast == ir::Broadcast::per_row || ir::has_groups(broadcast))
      set_own_strides(signature, t, *views[t], *views[signature.shape_of], extent, call);
    if (broadcast == ir::Broadcast::table) {
      call.tensors[t].length = views[t]->shape[0];
      call.tensors[t].column_stride = views[t]->shape[0] > 1 ? views[t]->strides[0] : 1;
    }
  }
  return extent;
}

} // namespace swage::launch
