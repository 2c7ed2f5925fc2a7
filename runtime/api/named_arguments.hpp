// named_arguments.hpp -- arguments given by name, in the order of a kernel's parameters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

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

  std::span<const Arg> span() const noexcept;

private:
  void take(const launch::Signature& signature, std::string_view name, const Arg& argument);
  void check_all_given(const launch::Signature& signature) const;

  std::size_t count_;
  std::uint64_t given_ = 0; ///< a bit a parameter; there are at most 64
  alignas(Arg) std::byte args_[ir::kMaxParams * sizeof(Arg)]; ///< an Arg has no empty value
};

} // namespace swage::api
