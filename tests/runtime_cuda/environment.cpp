// environment.cpp -- every test here runs on the test double of the driver, with two devices.
#include <cstdlib>

namespace {

[[maybe_unused]] const int configured = [] {
  setenv("SWAGE_LIBCUDA_PATH", SWAGE_FAKE_CUDA_LIBRARY, 1);
  setenv("SWAGE_FAKE_CUDA_DEVICES", "2", 1);
  setenv("SWAGE_CACHE_DIR", "", 1);
  return 0;
}();

} // namespace
