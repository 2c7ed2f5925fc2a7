// kernel_image.cpp -- whatever the bytes, an image of kernels is refused or encodes to the same
// bytes.
#include <cstdlib>
#include <string>

#include "runtime/embedded/image.hpp"
#include "tests/fuzz/sealed.hpp"

namespace {

using namespace swage::embedded;

void check(const std::string& bytes) {
  const Decoded decoded = decode(bytes);
  if (decoded.image ? encode(*decoded.image) != bytes : decoded.defect.empty())
    std::abort();
}

} // namespace

// The input is the image as it is, and again as the fields of one.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  check(sealed(encode(Image{}), bytes));
  return 0;
}
