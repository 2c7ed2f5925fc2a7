// entry.hpp -- one cached compile: its key, what is known about it, its code; and its bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/digest.hpp"

namespace swage::store {

/// Part of every digest, so entries of different formats never share a file name.
inline constexpr std::uint32_t kCacheFormatVersion = 1;

/// Larger files are refused unread.
inline constexpr std::uint64_t kMaxEntryBytes = std::uint64_t{256} << 20;

/// Everything that may influence the bytes of an entry, each as its canonical line.
struct EntryKey {
  std::string toolchain;      ///< codegen::toolchain_identity()
  std::string kernel;         ///< the bound kernel's canonical line
  std::string specialization; ///< codegen::canonical
  std::string schedule;       ///< codegen::code_line
  std::string target;         ///< codegen::canonical, with the features of a host
  /// Empty for what the compiler made. For a cubin the driver and the device that linked it:
  /// "driver 13000 sm_90".
  std::string driver;

  friend bool operator==(const EntryKey&, const EntryKey&) = default;
};

/// Over the format version and the length-prefixed fields: moving a byte from one field to the
/// next changes the digest. XXH3-128, which is no defence against people: who may write the
/// directory is decided by CacheDirectory.
base::Digest digest_of(const EntryKey& key);

/// A compile as it is kept.
struct CacheEntry {
  EntryKey key;

  std::string kernel_name;
  std::string entry_symbol;
  bool waits_for_dependencies = false; ///< see codegen::Artifact
  bool has_totals = false;             ///< likewise
  bool stores_single_row = false;      ///< likewise
  std::int64_t created = 0;            ///< seconds since 1970, by the clock of the maker
  std::int64_t compile_microseconds = 0;

  std::string ptx;    ///< text
  std::string cubin;  ///< device code as the driver's linker made it
  std::string object; ///< relocatable object file for the host

  friend bool operator==(const CacheEntry&, const CacheEntry&) = default;
};

/// magic, version, size of all, key, facts, payloads, checksum of all before it.
std::string encode(const CacheEntry& entry);

/// Either the entry or what is wrong with the bytes. Never reads outside `bytes`.
struct Decoded {
  std::optional<CacheEntry> entry;
  std::string defect; ///< "checksum does not match", empty if there is an entry
};
Decoded decode(std::string_view bytes);

/// As decode, and the key must equal `key` in every byte.
Decoded decode(std::string_view bytes, const EntryKey& key);

} // namespace swage::store
