// c_objects.hpp -- what the opaque pointers of the C ABI point to.
#pragma once

#include <string>
#include <vector>

#include "swage/swage.h"
#include "swage/swage.hpp"

struct swage_device {
  swage::Device device;
};

struct swage_kernel {
  swage::Kernel kernel;
  swage::Device device;
  std::string text;
  std::vector<swage::Parameter> parameters;
  std::vector<swage::Constant> constants;
};

namespace swage::api {

inline const char* text_or(const char* text, const char* otherwise) noexcept {
  return text ? text : otherwise;
}

} // namespace swage::api
