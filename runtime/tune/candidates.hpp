// candidates.hpp -- which of all legal schedules are worth measuring.
#pragma once

#include <string>
#include <vector>

#include "codegen/schedule.hpp"

namespace swage::tune {

/// What the pruning knows of the call.
struct CandidateInput {
  const ir::Kernel& kernel;
  const codegen::Specialization& specialization;
  const codegen::Target& target;
  std::int64_t elements = 0;
  int compute_units = 0;
};

/// The schedules to measure: `by_default` first, then in the order in which they are likely to win,
/// so that a budget that runs out cuts the unlikely ones. Picked from all_schedules of the
/// compiler, which must be there; of those that launch alike for this size one is kept.
std::vector<codegen::Schedule> candidates(const CandidateInput& input,
                                          const codegen::Schedule& by_default);

} // namespace swage::tune
