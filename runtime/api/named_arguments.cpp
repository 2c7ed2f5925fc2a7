// named_arguments.cpp -- arguments given by name, in the order of a kernel's parameters.
#include "runtime/api/named_arguments.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::api {

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
    : list_(signature.names.size()) {
  for (const NamedArg& argument : arguments)
    take(signature, argument.name, argument.value);
  check_all_given(signature);
}

NamedArguments::NamedArguments(const launch::Signature& signature, const char* const* names,
                               std::span<const Arg> arguments)
    : list_(signature.names.size()) {
  for (std::size_t i = 0; i < arguments.size(); ++i)
    take(signature, names[i], arguments[i]);
  check_all_given(signature);
}

void NamedArguments::take(const launch::Signature& signature, std::string_view name,
                          const Arg& argument) {
  const auto found = std::find(signature.names.begin(), signature.names.end(), name);
  if (found == signature.names.end())
    refuse(signature, fmt::format("there is no parameter '{}'", name));
  const auto place = static_cast<std::size_t>(found - signature.names.begin());
  if ((given_ >> place & 1) != 0)
    refuse(signature, fmt::format("parameter '{}' was given twice", name));
  given_ |= std::uint64_t{1} << place;
  list_.put(place, argument);
}

void NamedArguments::check_all_given(const launch::Signature& signature) const {
  for (std::size_t i = 0; i < signature.names.size(); ++i)
    if ((given_ >> i & 1) == 0)
      refuse(signature, fmt::format("parameter '{}' was not given", signature.names[i]));
}

} // namespace swage::api
