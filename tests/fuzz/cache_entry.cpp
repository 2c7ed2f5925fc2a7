// cache_entry.cpp -- whatever the bytes, a cache entry is refused or encodes to the same bytes.
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/store/entry.hpp"

namespace {

using namespace swage::base;
using namespace swage::store;

void check(const std::string& bytes) {
  const Decoded decoded = decode(bytes);
  if (decoded.entry ? encode(*decoded.entry) != bytes : decoded.defect.empty())
    std::abort();
}

} // namespace

// The input is the file as it is, and again as the fields of a file whose header and checksum are
// right, which a mutation never gets by itself.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  check(body);
  const std::string frame = encode(CacheEntry{});
  constexpr std::size_t kHeader = 20; // magic, version, size
  std::string file = frame.substr(0, kHeader) + body;
  const std::uint64_t total = file.size() + sizeof(Digest);
  std::memcpy(file.data() + 12, &total, sizeof total);
  const Digest sum = checksum(file);
  file.append(reinterpret_cast<const char*>(sum.data()), sum.size());
  check(file);
  return 0;
}
