// build_source.hpp -- an image of kernels as C source, and the typed headers beside it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/kernel_text.hpp"
#include "ir/kernel.hpp"

namespace swage::cli {

/// C (and C++) source that needs no header: it registers the image before main.
std::string image_source(std::string_view image, const std::string& name);

/// One kernel of the header: its text, and every set of bindings that it is built with.
struct BuiltKernel {
  KernelText text; ///< with the bindings of the first
  std::vector<std::vector<Binding>> bindings;
  ir::Kernel kernel; ///< bound as the first
};

/// A C++ header with namespace `name` and in it a class for each kernel, made of a device and
/// called with a stream and the kernel's arguments by their types.
std::string image_header(const std::vector<BuiltKernel>& kernels, const std::string& name);

/// The same for C99: a type NAME_KERNEL for each kernel, with functions that create, launch and
/// destroy it.
std::string image_c_header(const std::vector<BuiltKernel>& kernels, const std::string& name);

/// Of both headers: the values that each binding takes over all sets, in the order that they come
/// in.
std::vector<std::vector<Binding>> choices_of(const BuiltKernel& kernel);

} // namespace swage::cli
