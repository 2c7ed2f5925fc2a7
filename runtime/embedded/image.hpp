// image.hpp -- compiled kernels as a program carries them: what is in an image, and its bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace swage::embedded {

/// One compiled function.
struct ImageCode {
  std::string_view target; ///< "sm_90", or the name of a codegen::HostLevel
  std::string_view entry_symbol;
  bool waits_for_dependencies = false; ///< see codegen::Artifact
  bool has_totals = false;             ///< likewise
  bool stores_single_row = false;      ///< likewise
  std::string_view ptx;                ///< text: serves its architecture and every later one
  std::string_view cubin;              ///< may be empty
  std::string_view object;             ///< of a host level
};

struct ImageKernel {
  std::string_view name;
  std::string_view line; ///< ir::canonical
};

/// Which calls of a kernel run which code, laid onto the machine how.
struct ImageVariant {
  std::uint32_t kernel = 0, code = 0;         ///< by number
  std::uint8_t first_size = 0, last_size = 0; ///< size classes, both included
  std::string_view specialization;            ///< codegen::canonical
  std::string_view schedule;                  ///< codegen::canonical
};

/// Views into bytes that outlive it.
struct Image {
  std::vector<ImageKernel> kernels;
  std::vector<ImageCode> codes;
  std::vector<ImageVariant> variants;
};

/// magic, calling convention, size of all, the lists with their lengths before them, checksum of
/// all before it. Equal images give equal bytes.
std::string encode(const Image& image);

/// Either the image or what is wrong with the bytes. Never reads outside `bytes`, and gives no
/// image whose variants name kernels or code that it does not hold.
struct Decoded {
  std::optional<Image> image;
  std::string defect; ///< empty if there is an image
};
Decoded decode(std::string_view bytes);

} // namespace swage::embedded
