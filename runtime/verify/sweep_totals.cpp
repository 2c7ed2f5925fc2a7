// sweep_totals.cpp -- what comparing found about one output, over all launches of a sweep.
#include "runtime/verify/sweep_totals.hpp"

#include <algorithm>

namespace swage::verify {

void add(SweptOutput& total, OutputComparison&& found, std::size_t keep) {
  total.param = found.param;
  total.limit = found.limit;
  total.checked += found.checked;
  total.max_error = std::max(total.max_error, found.max_error);
  total.misrounded += found.misrounded;
  total.admitted += found.admitted;
  total.wrong += found.wrong;
  for (std::size_t i = 0; i < total.admitted_by.size(); ++i)
    total.admitted_by[i] += found.admitted_by[i];
  if (found.worst_admitted &&
      (!total.worst_admitted || found.worst_admitted->error > total.worst_admitted->error))
    total.worst_admitted = std::move(found.worst_admitted);
  total.histogram.merge(found.histogram);
  if (!found.worst)
    return;
  total.worst.push_back({*std::move(found.worst), found.wrong > 0});
  std::stable_sort(total.worst.begin(), total.worst.end(), [](const auto& a, const auto& b) {
    return a.wrong != b.wrong ? a.wrong : a.element.error > b.element.error;
  });
  total.worst.resize(std::min(total.worst.size(), keep));
}

} // namespace swage::verify
