// serves.cpp -- which calls code serves that was made for another.
#include "codegen/serves.hpp"

namespace swage::codegen {

namespace {

bool serves(const TensorSpec& made, const TensorSpec& call) {
  // What may be written meanwhile is not read ahead of the writes; the other way round is harmless.
  if (made.align_log2 > call.align_log2 || (call.aliased && !made.aliased))
    return false;
  if (made.row_dims != call.row_dims || made.group_dims != call.group_dims)
    return false;
  if (made.layout == call.layout)
    return !is_interleaved(made.layout) || made.partner == call.partner;
  // Strides are passed to code that has them for whatever they are.
  switch (made.layout) {
  case Layout::strided:
    return call.layout == Layout::unit || is_interleaved(call.layout) ||
           call.layout == Layout::column_major;
  case Layout::per_column_strided: return call.layout == Layout::per_column;
  case Layout::per_column_group_strided: return call.layout == Layout::per_column_group;
  default: return false;
  }
}

} // namespace

bool serves(const Specialization& made, const Specialization& call) {
  if ((made.flat && !call.flat) || (call.index64 && !made.index64) || (made.exact && !call.exact))
    return false;
  if (made.columns_at_most != 0 &&
      (made.columns_at_most != call.columns_at_most || (made.columns_known && !call.columns_known)))
    return false;
  if (made.valid_rows != call.valid_rows || made.counts64 != call.counts64 ||
      made.tensors.size() != call.tensors.size())
    return false;
  for (std::size_t i = 0; i < made.tensors.size(); ++i)
    if (!serves(made.tensors[i], call.tensors[i]))
      return false;
  return true;
}

int knowledge(const Specialization& made) {
  // How elements are accessed comes first, then how their addresses are found, then what is spared.
  int tensors = 0;
  for (const TensorSpec& tensor : made.tensors) {
    const bool any_stride = tensor.layout == Layout::strided ||
                            tensor.layout == Layout::per_column_strided ||
                            tensor.layout == Layout::per_column_group_strided;
    tensors += (any_stride ? 0 : 16) + 2 * tensor.align_log2 + (tensor.aliased ? 0 : 1);
  }
  return 32 * tensors + (made.columns_at_most != 0 ? 16 : 0) + (made.flat ? 8 : 0) +
         (made.index64 ? 0 : 4) + (made.exact ? 2 : 0) + (made.columns_known ? 1 : 0);
}

} // namespace swage::codegen
