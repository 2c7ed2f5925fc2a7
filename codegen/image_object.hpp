// image_object.hpp -- an object file that carries an image of kernels into the program it is linked
// into.
#pragma once

#include <string>
#include <string_view>

#include "codegen/host_level.hpp"

namespace swage::codegen {

/// A relocatable object for the architecture of `level`: the bytes of an image, registered
/// with the library before main and forgotten after it (swage/embed.h), and a constant char named
/// `anchor` for others to refer to. Equal arguments give equal bytes.
std::string image_object(std::string_view image, const std::string& anchor, const HostLevel& level);

} // namespace swage::codegen
