// cache_entry.cpp -- whatever the bytes, a cache entry is refused or encodes to the same bytes.
#include <cstdlib>
#include <string>

#include "runtime/store/entry.hpp"
#include "tests/fuzz/sealed.hpp"

namespace {

using namespace swage::store;

void check(const std::string& bytes) {
  const Decoded decoded = decode(bytes);
  if (decoded.entry ? encode(*decoded.entry) != bytes : decoded.defect.empty())
    std::abort();
}

} // namespace

// The input is the file as it is, and again as the fields of one.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  check(sealed(encode(CacheEntry{}), bytes));
  return 0;
}
