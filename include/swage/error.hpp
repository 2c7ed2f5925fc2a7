// error.hpp -- the one exception type that Swage throws.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "swage/export.h"

namespace swage {

/// What kind of thing went wrong. Values are part of the C ABI: never renumber.
enum class ErrorCode : int {
  invalid_kernel = 1,   ///< the kernel text, its name or its bindings are wrong
  invalid_argument = 2, ///< a tensor, scalar, shape, schedule or option does not fit
  unsupported = 3,      ///< legal, but not on this device, target or math mode
  no_device = 4,        ///< the device asked for is not there
  driver = 5,           ///< the CUDA driver reported a failure
  out_of_memory = 6,    ///< host or device memory ran out
  io = 7,               ///< a file could not be read or written
  not_prepared = 8,     ///< a launch under stream capture would have had to compile
  internal = 9,         ///< a defect in Swage: please report it
};

/// Thrown by every function of the C++ API that fails. `what()` is the message: lower case, says
/// what was found, what was expected and what to do. For kernel text it holds every diagnostic,
/// each with file, line, column and caret.
class SWAGE_EXPORT Error : public std::runtime_error {
public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Error(ErrorCode code, const std::string& message, std::string build_log, int driver_result = 0)
      : std::runtime_error(message), code_(code), driver_result_(driver_result),
        build_log_(std::move(build_log)) {}

  ErrorCode code() const noexcept { return code_; }
  /// What the CUDA driver returned (a CUresult), 0 where it had no part in the failure.
  int driver_result() const noexcept { return driver_result_; }
  /// The CUDA driver's own log of a failed module load; empty for other errors.
  const std::string& build_log() const noexcept { return build_log_; }

private:
  ErrorCode code_;
  int driver_result_ = 0;
  std::string build_log_;
};

} // namespace swage
