// build_names.hpp -- what the headers of `swage build` call what they declare.
#pragma once

#include <string>
#include <string_view>

namespace swage::cli {

/// A letter or '_', then letters, digits and '_': from the last part of a path.
std::string identifier_of(std::string_view path);

/// The same of what `-o` gives, of which the namespace and the names in C are made. Throws
/// Error(invalid_argument) where no header of that name would compile, or what is meant is a path
/// with its end.
std::string output_identifier(std::string_view path);

// A name of the kernel text that C or C++ keeps for itself, or the headers have, gets an
// underscore, and so does one that ends in an underscore: no two become the same, and names of the
// headers that end in one are their own.

/// A parameter, type or constant, for both headers.
std::string parameter_name(const std::string& name);
/// A kernel, for its class.
std::string class_name(const std::string& name);

} // namespace swage::cli
