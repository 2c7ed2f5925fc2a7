// c_arguments.hpp -- arguments of the C ABI as those of the C++ API.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <vector>

#include "ir/kernel.hpp"
#include "swage/swage.h"
#include "swage/swage.hpp"

namespace swage::api {

/// Arguments on the stack: a launch allocates nothing.
class Arguments {
public:
  /// Throws Error(invalid_argument).
  Arguments(const swage_arg* args, std::size_t count, const DeviceInfo& device);
  std::span<const Arg> span() const noexcept {
    return {std::launder(reinterpret_cast<const Arg*>(args_)), count_};
  }

private:
  void add(const swage_arg& arg, std::size_t i, const DeviceInfo& device);

  // Raw storage, for an Arg has no empty value. It is trivially destructible.
  alignas(Arg) std::byte args_[ir::kMaxParams * sizeof(Arg)];
  std::size_t count_;
};

/// What the specs describe for a kernel with these parameters. The specs lie `size` bytes apart, as
/// the caller compiled them. Throws Error(invalid_argument).
std::vector<ArgSpec> to_specs(std::span<const Parameter> parameters, const swage_arg_spec* specs,
                              std::size_t count);

} // namespace swage::api
