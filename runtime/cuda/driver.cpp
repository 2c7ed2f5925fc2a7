// driver.cpp -- opens the CUDA driver library and resolves the table of its functions.
#include "runtime/cuda/driver.hpp"

#include <cerrno>
#include <memory>
#include <new>

#include <dlfcn.h>

#include <fmt/format.h>

#include "runtime/base/settings.hpp"
#include "swage/error.hpp"

namespace swage::cuda {

// Set once by find_driver, before any CUDA device exists, so that the launch path reads it plainly.
const Driver* loaded_driver = nullptr;

namespace {

struct Opened {
  Driver driver;
  std::string problem; ///< empty: the driver serves
};

/// Resolves every function; returns the first required one that is missing.
const char* resolve(void* library, Driver& driver) {
#define SWAGE_CUDA(symbol, since, parameters)                                                      \
  driver.symbol.raw = reinterpret_cast<decltype(driver.symbol.raw)>(dlsym(library, #symbol));      \
  if (!driver.symbol && since <= kMinimumDriver)                                                   \
    return #symbol;
#include "runtime/cuda/driver.def"
  return nullptr;
}

/// Memory that runs out says nothing about the driver: thrown, not remembered, so that the next
/// call looks again. An absent driver is remembered.
void expect_memory(const char* function, Result result) {
  if (result == Result::out_of_memory)
    throw Error(
        ErrorCode::out_of_memory,
        fmt::format("{} failed for lack of host memory ({}); the device 'cpu' can be opened "
                    "without the driver",
                    function, static_cast<int>(result)),
        {}, static_cast<int>(result));
}

std::string open_driver(Driver& driver) {
  const std::string path = base::value(base::Setting::libcuda_path).value_or("libcuda.so.1");
  if (path.empty())
    return "SWAGE_LIBCUDA_PATH is empty, so CUDA is off";
  // Never closed: the driver's own threads may outlive every static object.
  errno = 0;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library && errno == ENOMEM)
    throw std::bad_alloc();
  if (!library)
    return fmt::format("the CUDA driver library was not opened: {}", dlerror());

  const char* missing = resolve(library, driver);
  if (driver.cuDriverGetVersion)
    expect_memory("cuDriverGetVersion", driver.cuDriverGetVersion.raw(&driver.version));
  if (missing || driver.version < kMinimumDriver)
    return fmt::format("the CUDA driver at {} is of version {}.{}{}; Swage needs 12.0 or later",
                       path, driver.version / 1000, driver.version % 1000 / 10,
                       missing ? fmt::format(" and lacks {}", missing) : "");
  if (const Result result = driver.cuInit.raw(0); result != Result::success) {
    expect_memory("cuInit", result);
    const char* name = nullptr;
    driver.cuGetErrorName.raw(result, &name);
    return fmt::format("cuInit failed with {} ({})", name ? name : "an unknown error",
                       static_cast<int>(result));
  }
  return {};
}

const Opened& opened() {
  // Leaked, as the library is: objects with static lifetime may still free modules at exit.
  static const Opened* const instance = [] {
    auto result = std::make_unique<Opened>();
    result->problem = open_driver(result->driver);
    if (result->problem.empty())
      loaded_driver = &result->driver;
    return result.release();
  }();
  return *instance;
}

} // namespace

const Driver* find_driver() {
  const Opened& result = opened();
  return result.problem.empty() ? &result.driver : nullptr;
}

const std::string& why_no_driver() {
  return opened().problem;
}

std::string describe(Result result) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (const Driver* driver = loaded_driver) {
    driver->cuGetErrorName.raw(result, &name);
    driver->cuGetErrorString.raw(result, &text);
  }
  return fmt::format("{}: {} ({})", name ? name : "unknown CUDA error",
                     text ? text : "the driver has no text for it", static_cast<int>(result));
}

void fail(const char* function, Result result) {
  const ErrorCode code =
      result == Result::out_of_memory ? ErrorCode::out_of_memory : ErrorCode::driver;
  const char* advice =
      result == Result::invalid_cluster_size
          ? "; this device has no room for clusters of so many blocks: make the kernel with a "
            "schedule of fewer (grid=8, or grid=once for none)"
          : "";
  throw Error(code, fmt::format("{} failed: {}{}", function, describe(result), advice), {},
              static_cast<int>(result));
}

} // namespace swage::cuda
