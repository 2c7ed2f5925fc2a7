// cache_entry_test.cpp -- the bytes of a cache entry, good ones and every kind of bad ones.
#include <cstring>

#include "runtime/store/bytes.hpp"
#include "runtime/store/entry.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

// Size and checksum made right again, so that the checks behind them are reached.
std::string with_checksum(std::string bytes) {
  std::string size;
  ByteWriter(size).u64(bytes.size());
  bytes.replace(12, 8, size);
  const auto covered = bytes.size() - sizeof(Digest);
  const Digest sum = checksum(std::string_view(bytes).substr(0, covered));
  std::memcpy(bytes.data() + covered, sum.data(), sum.size());
  return bytes;
}

} // namespace

TEST_CASE("an entry comes back from its bytes as it was") {
  CacheEntry entry = sample_entry(sample_key());
  entry.ptx = ".version 8.0";
  entry.cubin = std::string("\x7f"
                            "ELF\0\0\xff",
                            7);
  const Decoded decoded = decode(encode(entry), entry.key);
  INFO(decoded.defect);
  REQUIRE(decoded.entry);
  CHECK(*decoded.entry == entry);
  CHECK(*decode(encode(CacheEntry{})).entry == CacheEntry{});
}

TEST_CASE("the bytes of an entry are little-endian and do not change between releases") {
  const std::string bytes = encode(CacheEntry{});
  CHECK(bytes.substr(0, 20) == std::string("\x89SWGK\r\n\x1a"
                                           "\1\0\0\0"
                                           "\x8d\0\0\0\0\0\0\0",
                                           20));
  CHECK(to_hex(digest_of(sample_key())) == "482962e5a2d088d6b1ef1edefdbd6872");
}

TEST_CASE("an entry with any byte changed to any other value is refused") {
  const CacheEntry entry = sample_entry(sample_key(), 8);
  const std::string good = encode(entry);
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int change = 1; change < 256; ++change) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      const Decoded decoded = decode(bad, entry.key);
      if (decoded.entry || decoded.defect.empty())
        FAIL("byte " << at << " xor " << change << " is accepted");
    }
}

TEST_CASE("an entry of any other length is refused") {
  const CacheEntry entry = sample_entry(sample_key(), 8);
  const std::string good = encode(entry);
  for (std::size_t size = 0; size < good.size(); ++size) {
    // A copy of the exact size, so that the sanitizer sees a read past its end.
    const std::vector<char> bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(decode({bad.data(), bad.size()}).entry);
  }
  CHECK_FALSE(decode(good + '\0').entry);
  CHECK_FALSE(decode(good + good).entry);
}

TEST_CASE("lengths that point outside are refused even under a right checksum") {
  const CacheEntry entry = sample_entry(sample_key(), 8);
  const std::string good = encode(entry);
  const std::string huge[] = {std::string(8, '\xff'), std::string("\0\0\0\0\0\0\0\x80", 8),
                              std::string("\xff\xff\xff\x7f\0\0\0\0", 8)};
  for (std::size_t at = 20; at + 8 + sizeof(Digest) <= good.size(); ++at)
    for (const auto& value : huge) {
      std::string bad = good;
      bad.replace(at, 8, value);
      const Decoded decoded = decode(with_checksum(bad));
      if (decoded.entry)
        CHECK_FALSE(*decoded.entry == entry);
    }
}

TEST_CASE("an entry whose fields end early or late is refused even under a right checksum") {
  const std::string good = encode(sample_entry(sample_key(), 8));
  REQUIRE(decode(with_checksum(good)).entry);
  const std::size_t body = good.size() - sizeof(Digest);
  const std::string sum = good.substr(body);
  for (std::size_t end = 20; end < body; ++end)
    CHECK_FALSE(decode(with_checksum(good.substr(0, end) + sum)).entry);
  CHECK_FALSE(decode(with_checksum(good.substr(0, body) + '\0' + sum)).entry);
}

TEST_CASE("an entry of another key is refused, however similar") {
  const CacheEntry entry = sample_entry(sample_key());
  const std::string bytes = encode(entry);
  for (std::string EntryKey::*field :
       {&EntryKey::toolchain, &EntryKey::kernel, &EntryKey::specialization, &EntryKey::schedule,
        &EntryKey::target, &EntryKey::driver}) {
    EntryKey other = entry.key;
    other.*field += "x";
    CHECK_FALSE(decode(bytes, other).entry);
    CHECK(digest_of(other) != digest_of(entry.key));
  }
}

TEST_CASE("a digest depends on where one field ends and the next begins") {
  EntryKey a = sample_key(), b = sample_key();
  a.specialization = "ab";
  a.schedule = "c";
  b.specialization = "a";
  b.schedule = "bc";
  CHECK(digest_of(a) != digest_of(b));
}

TEST_CASE("digests are read back from their digits and from nothing else") {
  const Digest digest = digest_of(sample_key());
  const std::string text = to_hex(digest);
  CHECK(digest_from_hex(text) == digest);
  CHECK_FALSE(digest_from_hex(text.substr(1)));
  CHECK_FALSE(digest_from_hex(text + "0"));
  CHECK_FALSE(digest_from_hex(std::string(32, 'G')));
  CHECK_FALSE(digest_from_hex(std::string(32, 'A')));
}
