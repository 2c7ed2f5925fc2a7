// environment.cpp -- the test double of the driver shows two devices, unless told otherwise.
#include <cstdlib>

namespace {

[[maybe_unused]] const int no_cache = setenv("SWAGE_CACHE_DIR", "", 0);
[[maybe_unused]] const int two_devices = setenv("SWAGE_FAKE_CUDA_DEVICES", "2", 0);

} // namespace
