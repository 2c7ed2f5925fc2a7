// valid_rows.hpp -- the counts of rows that a launch is given, against the shape of its call.
#pragma once

#include <cstdint>

#include "codegen/specialization.hpp"
#include "runtime/launch/signature.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

struct RowCounts {
  codegen::ValidRows kind = codegen::ValidRows::all;
  std::int64_t count = 0;      ///< how many counts
  std::int64_t batch_rows = 0; ///< rows that each is for
};

/// `full` is the tensor that has the shape of the call. Throws Error(invalid_argument).
RowCounts check_valid_rows(const Signature& signature, const Tensor& counts, const Tensor& full);

[[noreturn]] void refuse_counts_written(const Signature& signature, int param);

} // namespace swage::launch
