// valid_rows.cpp -- the counts of rows that a launch is given.
#include "runtime/launch/valid_rows.hpp"

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/launch/shapes.hpp"
#include "swage/error.hpp"

namespace swage::launch {

namespace {

[[noreturn]] void refuse(std::string message) {
  throw Error(ErrorCode::invalid_argument, std::move(message));
}

/// One for each batch: the dimensions of `full` before its rows, or their product.
bool fits_batches(const Tensor& counts, const Tensor& full) {
  const int leading = full.rank - 2;
  if (leading < 1)
    return false;
  bool same = counts.rank == leading;
  for (int i = 0; same && i < leading; ++i)
    same = counts.shape[i] == full.shape[i];
  return same || (counts.rank == 1 && counts.shape[0] == product(full, leading));
}

bool is_contiguous(const Tensor& counts) {
  std::int64_t stride = 1;
  for (int i = counts.rank - 1; i >= 0; --i) {
    if (counts.shape[i] != 1 && counts.strides[i] != stride)
      return false;
    stride *= counts.shape[i];
  }
  return true;
}

[[noreturn]] void refuse_shape(const Signature& signature, const Tensor& counts,
                               const Tensor& full) {
  const std::string& reference = signature.names[signature.tensors[signature.shape_of]];
  const std::string batches =
      full.rank > 2 ? fmt::format(", or one for each batch: {}", shape_text(full, full.rank - 2))
                    : "";
  refuse(fmt::format("valid_rows has shape {}, but '{}' has {}; expected one count for all rows, "
                     "[] or [1]{}",
                     shape_text(counts), reference, shape_text(full), batches));
}

void check_address(const Tensor& counts) {
  const auto address = reinterpret_cast<std::uintptr_t>(counts.data);
  if (address == 0)
    refuse("valid_rows has a null data pointer; pass the address of the counts");
  const auto size = static_cast<std::uintptr_t>(size_of(counts.dtype));
  if (address % size != 0)
    refuse(fmt::format("valid_rows is at address {:#x}, expected a multiple of {}, the size of {}",
                       address, size, name_of(counts.dtype)));
}

} // namespace

RowCounts check_valid_rows(const Signature& signature, const Tensor& counts, const Tensor& full) {
  if (counts.dtype != DType::i32 && counts.dtype != DType::i64) {
    const bool known = static_cast<int>(counts.dtype) < kDTypeCount;
    refuse(fmt::format("valid_rows holds {}, expected i32 or i64",
                       known ? name_of(counts.dtype) : "an unknown type"));
  }
  if (counts.rank < 0 || counts.rank > kMaxRank)
    refuse(fmt::format("valid_rows has rank {} or strides that do not fit its shape, expected one "
                       "count, or one for each batch",
                       counts.rank));
  if (full.rank < 2)
    refuse(fmt::format("valid_rows counts rows, and '{}' has shape {}, which has none; pass "
                       "tensors of shape [rows, columns]",
                       signature.names[signature.tensors[signature.shape_of]], shape_text(full)));
  const bool one = has_one_value(counts);
  if (!one && !fits_batches(counts, full))
    refuse_shape(signature, counts, full);
  if (!is_contiguous(counts))
    refuse(fmt::format("valid_rows has strides [{}], expected contiguous counts",
                       fmt::join(counts.strides, counts.strides + counts.rank, ", ")));
  RowCounts found{codegen::ValidRows::one, 1, 0};
  if (!one)
    found = {codegen::ValidRows::per_batch, product(full, full.rank - 2),
             full.shape[full.rank - 2]};
  if (found.count > 0) // else nobody reads there
    check_address(counts);
  return found;
}

void refuse_counts_written(const Signature& signature, int param) {
  refuse(fmt::format("tensor '{}' is written and shares memory with valid_rows; give the counts "
                     "memory of their own",
                     signature.names[static_cast<std::size_t>(param)]));
}

} // namespace swage::launch
