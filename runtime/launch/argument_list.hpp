// argument_list.hpp -- the arguments of a call on the stack, so that a launch allocates nothing.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <type_traits>

#include "ir/kernel.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

static_assert(std::is_trivially_destructible_v<Arg> && std::is_trivially_copyable_v<Arg>);

/// Room for the arguments of any kernel. Raw, for an Arg has no empty value.
class ArgumentList {
public:
  /// Of `count` arguments, ir::kMaxParams at most, each of which is to be put.
  explicit ArgumentList(std::size_t count) noexcept : count_(count) {}

  /// `place` is less than the count.
  void put(std::size_t place, const Arg& argument) noexcept {
    new (args_ + place * sizeof(Arg)) Arg(argument);
  }
  std::span<const Arg> span() const noexcept {
    return {std::launder(reinterpret_cast<const Arg*>(args_)), count_};
  }

private:
  std::size_t count_;
  alignas(Arg) std::byte args_[ir::kMaxParams * sizeof(Arg)];
};

} // namespace swage::launch
