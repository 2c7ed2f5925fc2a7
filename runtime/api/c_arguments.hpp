// c_arguments.hpp -- arguments of the C ABI as those of the C++ API.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/launch/argument_list.hpp"
#include "swage/swage.h"
#include "swage/swage.hpp"

namespace swage::api {

/// Arguments on the stack: a launch allocates nothing.
class Arguments {
public:
  /// Throws Error(invalid_argument).
  Arguments(const swage_arg* args, std::size_t count, const DeviceInfo& device);
  std::span<const Arg> span() const noexcept { return list_.span(); }

private:
  launch::ArgumentList list_;
};

/// What the specs describe for a kernel with these parameters. The specs lie `size` bytes apart, as
/// the caller compiled them. Throws Error(invalid_argument).
std::vector<ArgSpec> to_specs(std::span<const Parameter> parameters, const swage_arg_spec* specs,
                              std::size_t count);

} // namespace swage::api
