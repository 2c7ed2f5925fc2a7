// driver.hpp -- the CUDA driver library, opened at run time.
#pragma once

#include <string>

#include "runtime/cuda/types.hpp"

namespace swage::cuda {

inline constexpr int kMinimumDriver = 12000;
/// Launches with the programmatic-dependent-launch attribute can be captured from here on.
inline constexpr int kDependentCaptureDriver = 12030;

/// Throws Error(driver), or Error(out_of_memory), with the function, the code's number, its name
/// and its text.
[[noreturn]] void fail(const char* function, Result result);
/// "CUDA_ERROR_INVALID_VALUE: invalid argument (1)".
std::string describe(Result result);

/// One function of the driver. Calling it throws on failure; `raw` returns the code.
template <typename... Args>
struct DriverFunction {
  const char* name;
  Result (*raw)(Args...) = nullptr;

  explicit operator bool() const noexcept { return raw != nullptr; }
  void operator()(Args... args) const {
    if (const Result result = raw(args...); result != Result::success) [[unlikely]]
      fail(name, result);
  }
};

template <typename>
struct DriverFunctionOf;
template <typename... Args>
struct DriverFunctionOf<void(Args...)> {
  using type = DriverFunction<Args...>;
};

struct Driver {
  int version = 0; ///< 12040 is CUDA 12.4
#define SWAGE_CUDA(symbol, since, parameters)                                                      \
  DriverFunctionOf<void parameters>::type symbol{#symbol};
#include "runtime/cuda/driver.def"
};

/// The driver, or null if there is none that serves; `why_no_driver` then says why. Opened once,
/// on first use: $SWAGE_LIBCUDA_PATH, else libcuda.so.1.
const Driver* find_driver();
const std::string& why_no_driver();

/// The driver of a process that is known to have one: whoever holds a CUDA device.
extern const Driver* loaded_driver;
inline const Driver& driver() noexcept {
  return *loaded_driver;
}

} // namespace swage::cuda
