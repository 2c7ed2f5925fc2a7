// named_arguments.hpp -- arguments given by name, in the order of a kernel's parameters.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/launch/signature.hpp"
#include "swage/swage.hpp"

namespace swage::api {

/// On the stack: a launch by name allocates nothing either. Throws Error(invalid_argument) for a
/// name that no parameter has, one given twice, and a parameter without an argument.
class NamedArguments {
public:
  NamedArguments(const launch::Signature& signature, std::span<const NamedArg> arguments);
  NamedArguments(const launch::Signature& signature, std::initializer_list<NamedArg> arguments)
      : NamedArguments(signature, std::span<const NamedArg>(arguments.begin(), arguments.size())) {}

  std::span<const Arg> span() const noexcept;

private:
  std::size_t count_;
  alignas(Arg) std::byte args_[ir::kMaxParams * sizeof(Arg)]; ///< an Arg has no empty value
};

} // namespace swage::api
