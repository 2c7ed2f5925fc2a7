// named_arguments.cpp -- arguments given by name, in the order of a kernel's parameters.
#include "runtime/api/named_arguments.hpp"

#include <algorithm>
#include <cstdint>
#include <new>
#include <string>
#include <type_traits>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::api {

static_assert(std::is_trivially_destructible_v<Arg>);

namespace {

std::string list_of(const launch::Signature& signature) {
  std::string list;
  for (const std::string& name : signature.names)
    list += (list.empty() ? "" : ", ") + name;
  return list;
}

[[noreturn]] void refuse(const launch::Signature& signature, std::string_view what) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("kernel '{}': {}; its parameters are {}", signature.kernel_name, what,
                          list_of(signature)));
}

} // namespace

NamedArguments::NamedArguments(const launch::Signature& signature,
                               std::span<const NamedArg> arguments)
    : count_(signature.names.size()) {
  std::uint64_t given = 0; // a bit a parameter; there are at most 64
  for (const NamedArg& argument : arguments) {
    const auto found = std::find(signature.names.begin(), signature.names.end(), argument.name);
    if (found == signature.names.end())
      refuse(signature, fmt::format("there is no parameter '{}'", argument.name));
    const auto place = static_cast<std::size_t>(found - signature.names.begin());
    if ((given >> place & 1) != 0)
      refuse(signature, fmt::format("parameter '{}' was given twice", argument.name));
    given |= std::uint64_t{1} << place;
    new (args_ + place * sizeof(Arg)) Arg(argument.value);
  }
  for (std::size_t i = 0; i < count_; ++i)
    if ((given >> i & 1) == 0)
      refuse(signature, fmt::format("parameter '{}' was not given", signature.names[i]));
}

std::span<const Arg> NamedArguments::span() const noexcept {
  return {std::launder(reinterpret_cast<const Arg*>(args_)), count_};
}

} // namespace swage::api
