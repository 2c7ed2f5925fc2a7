// entry.cpp -- the bytes of an entry, and the checks that make hostile ones harmless.
#include "runtime/store/entry.hpp"

#include <cstring>

#include <fmt/format.h>

#include "runtime/store/bytes.hpp"

namespace swage::store {
namespace {

// As in PNG: a byte above 127, both line ends and a control-Z, so that transfers as text show.
constexpr std::string_view kMagic("\x89SWGK\r\n\x1a", 8);
constexpr std::size_t kHeaderBytes = 8 + 4 + 8;
constexpr std::size_t kChecksumBytes = sizeof(base::Digest);

void write_key(ByteWriter& out, const EntryKey& key) {
  for (const std::string* field :
       {&key.toolchain, &key.kernel, &key.specialization, &key.schedule, &key.target, &key.driver})
    out.string(*field);
}

EntryKey read_key(ByteReader& in) {
  EntryKey key;
  for (std::string* field :
       {&key.toolchain, &key.kernel, &key.specialization, &key.schedule, &key.target, &key.driver})
    *field = in.string();
  return key;
}

constexpr unsigned kWaits = 1, kTotals = 2; // flags

Decoded defect(std::string message) {
  return {std::nullopt, std::move(message)};
}

// Fills `entry` from the bytes between header and checksum.
bool read_body(std::string_view body, CacheEntry& entry) {
  ByteReader in(body);
  entry.key = read_key(in);
  entry.kernel_name = in.string();
  entry.entry_symbol = in.string();
  const std::uint8_t flags = in.u8();
  entry.waits_for_dependencies = (flags & kWaits) != 0;
  entry.has_totals = (flags & kTotals) != 0;
  entry.created = static_cast<std::int64_t>(in.u64());
  entry.compile_microseconds = static_cast<std::int64_t>(in.u64());
  for (std::string* section : {&entry.ptx, &entry.cubin, &entry.object})
    *section = in.string();
  return in.ok() && in.at_end() && flags <= (kWaits | kTotals);
}

} // namespace

base::Digest digest_of(const EntryKey& key) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u32(kCacheFormatVersion);
  write_key(out, key);
  return base::checksum(bytes);
}

std::string encode(const CacheEntry& entry) {
  std::string body;
  ByteWriter out(body);
  write_key(out, entry.key);
  out.string(entry.kernel_name);
  out.string(entry.entry_symbol);
  out.u8(static_cast<std::uint8_t>((entry.waits_for_dependencies ? kWaits : 0) |
                                   (entry.has_totals ? kTotals : 0)));
  out.u64(static_cast<std::uint64_t>(entry.created));
  out.u64(static_cast<std::uint64_t>(entry.compile_microseconds));
  for (const std::string* section : {&entry.ptx, &entry.cubin, &entry.object})
    out.string(*section);

  std::string bytes;
  bytes.reserve(kHeaderBytes + body.size() + kChecksumBytes);
  ByteWriter file(bytes);
  file.bytes(kMagic);
  file.u32(kCacheFormatVersion);
  file.u64(kHeaderBytes + body.size() + kChecksumBytes);
  file.bytes(body);
  const base::Digest sum = base::checksum(bytes);
  file.bytes({reinterpret_cast<const char*>(sum.data()), sum.size()});
  return bytes;
}

Decoded decode(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kChecksumBytes)
    return defect(fmt::format("{} bytes are too few for an entry", bytes.size()));
  ByteReader header(bytes);
  if (header.bytes(kMagic.size()) != kMagic)
    return defect("this is not a cache entry of Swage");
  if (const auto version = header.u32(); version != kCacheFormatVersion)
    return defect(fmt::format("format version {} where {} is known", version, kCacheFormatVersion));
  if (const auto size = header.u64(); size != bytes.size())
    return defect(fmt::format("{} bytes of {}", bytes.size(), size));

  const auto covered = bytes.substr(0, bytes.size() - kChecksumBytes);
  const base::Digest sum = base::checksum(covered);
  if (std::memcmp(sum.data(), bytes.data() + covered.size(), sum.size()) != 0)
    return defect("the checksum does not match");

  CacheEntry entry;
  if (!read_body(covered.substr(kHeaderBytes), entry))
    return defect("the fields do not fill the entry");
  return {std::move(entry), {}};
}

Decoded decode(std::string_view bytes, const EntryKey& key) {
  Decoded decoded = decode(bytes);
  if (decoded.entry && !(decoded.entry->key == key))
    return defect("it holds another key");
  return decoded;
}

} // namespace swage::store
