// kept_values.hpp -- which values of elements are kept from one pass over a row to the next.
#pragma once

#include <vector>

#include "codegen/row_plan.hpp"

namespace swage::codegen {

/// On the host: at most four, in the order of nodes; takes the stages of `plan`. None for kernels
/// with groups, whose passes go group by group.
std::vector<KeptValue> kept_values(const ir::Kernel& kernel, const RowPlan& plan);

/// By CUDA threads that hold the bits of their columns: values that take no more registers than the
/// bits that later passes would compute them from, h of a gated activation in place of gate and up.
/// At most four, by pass.
std::vector<KeptValue> kept_in_registers(const ir::Kernel& kernel, const RowPlan& plan);

/// Bytes of registers that a thread has of each element while its row is loaded, or between passes
/// with `kept`: of what is read its bits, or its values, of four bytes at least.
int held_bytes(const ir::Kernel& kernel, const RowPlan& plan, const std::vector<KeptValue>& kept,
               bool as_values);

/// Bytes of a register or a part of one that `node`, of elements, is kept in: two of what is
/// rounded to 16 bits.
int kept_bytes(const ir::Node& node) noexcept;

} // namespace swage::codegen
