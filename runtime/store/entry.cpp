// entry.cpp -- the bytes of an entry, and the checks that make hostile ones harmless.
#include "runtime/store/entry.hpp"

#include <fmt/format.h>

#include "runtime/store/bytes.hpp"
#include "runtime/store/envelope.hpp"

namespace swage::store {
namespace {

// As in PNG: a byte above 127, both line ends and a control-Z, so that transfers as text show.
constexpr Envelope kEnvelope{
    {"\x89SWGK\r\n\x1a", 8}, kCacheFormatVersion, "an entry", "a cache entry of Swage"};

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

constexpr unsigned kWaits = 1, kTotals = 2, kSingleRow = 4; // flags

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
  entry.stores_single_row = (flags & kSingleRow) != 0;
  entry.created = static_cast<std::int64_t>(in.u64());
  entry.compile_microseconds = static_cast<std::int64_t>(in.u64());
  for (std::string* section : {&entry.ptx, &entry.cubin, &entry.object})
    *section = in.string();
  return in.ok() && in.at_end() && flags <= (kWaits | kTotals | kSingleRow);
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
                                   (entry.has_totals ? kTotals : 0) |
                                   (entry.stores_single_row ? kSingleRow : 0)));
  out.u64(static_cast<std::uint64_t>(entry.created));
  out.u64(static_cast<std::uint64_t>(entry.compile_microseconds));
  for (const std::string* section : {&entry.ptx, &entry.cubin, &entry.object})
    out.string(*section);

  return seal(kEnvelope, body);
}

Decoded decode(std::string_view bytes) {
  const Unsealed opened = unseal(kEnvelope, bytes);
  if (opened.other_number)
    return defect(fmt::format("format version {} where {} is known", *opened.other_number,
                              kCacheFormatVersion));
  if (!opened.defect.empty())
    return defect(opened.defect);
  CacheEntry entry;
  if (!read_body(opened.fields, entry))
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
