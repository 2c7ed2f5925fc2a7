// refusal.hpp -- what an error says.
#pragma once

#include <functional>
#include <string>

#include "swage/error.hpp"

namespace swage::test {

/// The message of the Error that `call` throws; "" if it throws none.
inline std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

} // namespace swage::test
