// c_abi_calls.hpp -- every function of the C ABI as a step that can be taken again.
#pragma once

#include <span>
#include <string_view>

#include "swage/swage.h"

namespace swage::test {

/// What the steps work on. Freed by the steps themselves, or by `clear`.
struct Program {
  const char* device_id = "cpu";
  /// Distinguishes the kernel texts of programs in one process, so that each is compiled.
  int number = 0;
  swage_device* device = nullptr;
  swage_kernel* kernel = nullptr;
  swage_kernel* listed = nullptr;
  float* memory = nullptr; ///< of the double of the driver, kept until the process ends
  float* sums = nullptr;   ///< likewise

  void clear();
  ~Program() { clear(); }
};

/// `run` returns what the call returned, and SWAGE_INTERNAL if it returned success with a wrong
/// result. `expected` is what it returns when there is memory.
struct Step {
  std::string_view name;
  swage_status (*run)(Program&);
  swage_status expected = SWAGE_OK;
  bool is_slow = false; ///< left out where it is not the one that is tried
};

/// In an order in which a program may take them: later ones use what earlier ones made.
std::span<const Step> steps();

} // namespace swage::test
