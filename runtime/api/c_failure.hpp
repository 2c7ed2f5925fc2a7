// c_failure.hpp -- what is thrown becomes a status: nothing that throws crosses the C ABI.
#pragma once

#include <exception>
#include <new>

#include "swage/error.hpp"
#include "swage/swage.h"

namespace swage::api {

/// Keeps what went wrong as this thread's last error, and returns `status`.
swage_status fail(swage_status status, const char* message, const char* build_log = "",
                  int driver_result = 0) noexcept;

/// Runs `body`; what it throws becomes a status and this thread's last error.
template <typename Body>
swage_status guarded(const Body& body) noexcept {
  try {
    body();
    return SWAGE_OK;
  } catch (const Error& error) {
    return fail(static_cast<swage_status>(error.code()), error.what(), error.build_log().c_str(),
                error.driver_result());
  } catch (const std::bad_alloc&) {
    return fail(SWAGE_OUT_OF_MEMORY, "host memory ran out");
  } catch (const std::exception& error) {
    return fail(SWAGE_INTERNAL, error.what());
  } catch (...) {
    return fail(SWAGE_INTERNAL, "an exception of unknown type");
  }
}

} // namespace swage::api
