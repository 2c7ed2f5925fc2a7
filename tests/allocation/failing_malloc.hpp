// failing_malloc.hpp -- the C allocator of the test program, which fails where it is told to.
#pragma once

#include <cstdint>

namespace swage::test {

/// From here on the allocation number `n` of this process (1 is the next one, of any thread) finds
/// no memory, and those after it as many as `count` says. 0: none fails; they are counted all the
/// same.
void fail_allocation(std::int64_t n, std::int64_t count = 1);

/// Ends it. Returns how many allocations there were since.
std::int64_t end_failing();

/// In its scope this thread's allocations neither fail nor count.
class NeverFailing {
public:
  NeverFailing();
  ~NeverFailing();
  NeverFailing(const NeverFailing&) = delete;
  NeverFailing& operator=(const NeverFailing&) = delete;
};

/// Allocations not yet freed, of all threads; meaningful as a difference.
std::int64_t live_allocations();

} // namespace swage::test
