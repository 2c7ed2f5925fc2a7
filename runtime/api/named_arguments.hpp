// named_arguments.hpp -- arguments given by name, in the order of a kernel's parameters.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/launch/argument_list.hpp"
#include "runtime/launch/signature.hpp"
#include "swage/swage.hpp"

namespace swage::api {

/// On the stack: a launch by name allocates nothing either. Throws Error(invalid_argument) for a
/// name that no parameter has, one given twice, and a parameter without an argument.
class NamedArguments {
public:
  NamedArguments(const launch::Signature& signature, std::span<const NamedArg> arguments);
  /// `names[i]` is that of `arguments[i]`; none may be null.
  NamedArguments(const launch::Signature& signature, const char* const* names,
                 std::span<const Arg> arguments);

  std::span<const Arg> span() const noexcept { return list_.span(); }

private:
  void take(const launch::Signature& signature, std::string_view name, const Arg& argument);
  void check_all_given(const launch::Signature& signature) const;

  launch::ArgumentList list_;
  std::uint64_t given_ = 0; ///< a bit a parameter; there are at most 64
};

} // namespace swage::api
