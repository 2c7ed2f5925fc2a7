// kernel_image.cpp -- whatever the bytes, an image of kernels is refused or encodes to the same
// bytes.
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/base/digest.hpp"
#include "runtime/embedded/image.hpp"

namespace {

using namespace swage::base;
using namespace swage::embedded;

void check(const std::string& bytes) {
  const Decoded decoded = decode(bytes);
  if (decoded.image ? encode(*decoded.image) != bytes : decoded.defect.empty())
    std::abort();
}

} // namespace

// The input is the image as it is, and again as the fields of one whose header and checksum are
// right, which a mutation never gets by itself.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  check(body);
  const std::string frame = encode(Image{});
  constexpr std::size_t kHeader = 20; // magic, calling convention, size
  std::string image = frame.substr(0, kHeader) + body;
  const std::uint64_t total = image.size() + sizeof(Digest);
  std::memcpy(image.data() + 12, &total, sizeof total);
  const Digest sum = checksum(image);
  image.append(reinterpret_cast<const char*>(sum.data()), sum.size());
  check(image);
  return 0;
}
