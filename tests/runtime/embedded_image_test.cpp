// embedded_image_test.cpp -- images of kernels: whatever the bytes, an image or a reason.
#include <cstring>
#include <string>

#include "codegen/calling_convention.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/embedded/image.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::embedded;
using Catch::Matchers::ContainsSubstring;

namespace {

Image small() {
  Image image;
  image.kernels = {{"k", "kernel k(x: in f32, y: out f32) { y = x; }"}};
  image.codes = {{"sm_90", "swage_k", true, true, true, "ptx", "cubin", ""},
                 {"x86-64-v3", "swage_k", false, false, false, "", "", "object"}};
  image.variants = {{0, 0, 0, 40, "flat i32 x=unit@16 y=unit@16", "threads=256"},
                    {0, 1, 3, 9, "flat i32 x=unit@4 y=unit@4", "lanes=16"}};
  return image;
}

/// `bytes` with a checksum that holds, and a size that does.
std::string resealed(std::string bytes) {
  bytes.resize(bytes.size() - sizeof(base::Digest));
  const std::uint64_t size = bytes.size() + sizeof(base::Digest);
  std::memcpy(bytes.data() + 12, &size, sizeof size);
  const base::Digest sum = base::checksum(bytes);
  return bytes.append(reinterpret_cast<const char*>(sum.data()), sum.size());
}

std::string with_number(std::string bytes, std::size_t at, std::uint32_t number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
  return resealed(std::move(bytes));
}

} // namespace

TEST_CASE("an image of kernels is read back, and encodes to the same bytes") {
  const std::string bytes = encode(small());
  const Decoded decoded = decode(bytes);
  REQUIRE(decoded.image);
  CHECK(decoded.image->codes[0].cubin == "cubin");
  CHECK(decoded.image->codes[0].stores_single_row);
  CHECK_FALSE(decoded.image->codes[1].stores_single_row);
  CHECK(decoded.image->variants[1].last_size == 9);
  CHECK(encode(*decoded.image) == bytes);
}

TEST_CASE("an image that is cut off anywhere, or has a flipped bit, is refused") {
  const std::string bytes = encode(small());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const Decoded decoded = decode(std::string_view(bytes).substr(0, length));
    CHECK_FALSE(decoded.image);
    CHECK_FALSE(decoded.defect.empty());
  }
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(decode(flipped).image);
  }
}

TEST_CASE("an image of another calling convention is refused by its number") {
  for (const std::uint32_t other :
       {codegen::kCallingConvention + 1, codegen::kCallingConvention - 1}) {
    const Decoded decoded = decode(with_number(encode(small()), 8, other));
    CHECK_FALSE(decoded.image);
    CHECK_THAT(decoded.defect, ContainsSubstring("calling convention " + std::to_string(other)) &&
                                   ContainsSubstring("build them with the 'swage' command"));
  }
}

TEST_CASE("an image whose counts and numbers lie is refused, its checksum being right") {
  const std::string bytes = encode(small());
  for (std::size_t at = 20; at + 4 + sizeof(base::Digest) <= bytes.size(); ++at)
    for (const std::uint32_t lie : {0u, 2u, 0x7fffffffu, 0xffffffffu}) {
      const std::string changed = with_number(bytes, at, lie);
      const Decoded decoded = decode(changed);
      if (decoded.image)
        CHECK(encode(*decoded.image) == changed); // some lie about text alone
      else
        CHECK_FALSE(decoded.defect.empty());
    }
  Image image = small();
  image.variants[0].code = 2;
  CHECK_FALSE(decode(encode(image)).image);
  image = small();
  image.variants[0].kernel = 1;
  CHECK_FALSE(decode(encode(image)).image);
}
