// environment.cpp -- every test here runs on the test double of the driver, with two devices.
#include <cstdlib>

namespace {

[[maybe_unused]] const int configured = [] {
  setenv("SWAGE_CACHE_DIR", "", 1);
  // Set in the processes that driver_test.cpp starts with a driver of their own.
  if (std::getenv("SWAGE_TEST_KEEP_DRIVER"))
    return 0;
  setenv("SWAGE_LIBCUDA_PATH", SWAGE_FAKE_CUDA_LIBRARY, 1);
  setenv("SWAGE_FAKE_CUDA_DEVICES", "2", 1);
  return 0;
}();

} // namespace
