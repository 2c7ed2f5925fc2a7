// environment.cpp -- keeps tests away from the user's cache, unless they are told of one, and gives
// them a CUDA device on the double of the driver, whose allocations fail as those of a driver do.
#include <cstdlib>

namespace {

[[maybe_unused]] const bool configured = [] {
  setenv("SWAGE_CACHE_DIR", "", 0);
  setenv("SWAGE_LIBCUDA_PATH", SWAGE_FAKE_CUDA_LIBRARY, 1); // which has the memory of the test, too
  // Nobody reads what the tuner times: of its grids the double runs one block.
  setenv("SWAGE_FAKE_CUDA_BUDGET", "1000", 0);
  return true;
}();

} // namespace
