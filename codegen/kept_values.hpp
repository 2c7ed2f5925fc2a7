// kept_values.hpp -- which values of elements the host keeps from one pass over a row to the next.
#pragma once

#include <vector>

#include "codegen/row_plan.hpp"

namespace swage::codegen {

/// At most four, in the order of nodes; takes the stages of `plan`. None for kernels with groups,
/// whose passes go group by group.
std::vector<KeptValue> kept_values(const ir::Kernel& kernel, const RowPlan& plan);

} // namespace swage::codegen
