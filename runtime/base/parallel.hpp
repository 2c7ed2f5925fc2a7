// parallel.hpp -- loops over element ranges on all cores.
#pragma once

#include <cstdint>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

namespace swage::base {

/// Calls `body(begin, end)` on disjoint ranges that cover [0, count), each of at most about
/// `grain`.
template <class Body>
void parallel_ranges(std::int64_t count, std::int64_t grain, const Body& body) {
  tbb::parallel_for(tbb::blocked_range<std::int64_t>(0, count, static_cast<std::size_t>(grain)),
                    [&](const auto& range) { body(range.begin(), range.end()); });
}

} // namespace swage::base
