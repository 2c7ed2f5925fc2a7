// c_embed.cpp -- images of kernels enter and leave: swage/embed.h.
#include "swage/embed.h"

#include "codegen/calling_convention.hpp"
#include "runtime/embedded/registry.hpp"

extern "C" {

void swage_register_kernels(swage_kernel_image* image) {
  if (image)
    swage::embedded::add(*image);
}

void swage_unregister_kernels(swage_kernel_image* image) {
  if (image)
    swage::embedded::remove(*image);
}

unsigned swage_calling_convention(void) {
  return swage::codegen::kCallingConvention;
}

} // extern "C"
