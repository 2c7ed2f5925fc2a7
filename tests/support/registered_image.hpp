// registered_image.hpp -- an image of kernels that this process carries for a while.
#pragma once

#include <string>
#include <utility>

#include "swage/embed.h"

namespace swage::test {

/// Owns the bytes of an image (runtime/embedded/image.hpp), registered while it lives.
class RegisteredImage {
public:
  explicit RegisteredImage(std::string bytes) : bytes_(std::move(bytes)) {
    image_ = {bytes_.data(), bytes_.size(), nullptr};
    swage_register_kernels(&image_);
  }
  RegisteredImage(const RegisteredImage&) = delete;
  RegisteredImage& operator=(const RegisteredImage&) = delete;
  ~RegisteredImage() { swage_unregister_kernels(&image_); }

  std::string& bytes() { return bytes_; }
  void again() { swage_register_kernels(&image_); }

private:
  std::string bytes_;
  swage_kernel_image image_{};
};

} // namespace swage::test
