// bundle.hpp -- many entries in one read-only file, to ship with a program.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/file.hpp"
#include "runtime/store/entry.hpp"

namespace swage::store {

/// Of the file; its entries have a version of their own.
inline constexpr std::uint32_t kBundleFormatVersion = 2;

/// An open bundle: magic, version, calling convention, entry count, index of (digest, offset, size)
/// in digest order, checksum of all that, then the entries just as they are in the directory. Only
/// the index is kept in memory. Thread safe.
class Bundle {
public:
  /// Null if it cannot be used: `reason` says why. Naming the file is what makes it trusted, but
  /// one that everybody may write to is refused, and so is one of another calling convention.
  static std::unique_ptr<Bundle> open(const std::string& path, std::uint32_t convention,
                                      std::string& reason);

  const std::string& path() const noexcept { return path_; }
  std::size_t size() const noexcept { return index_.size(); }

  struct Found {
    std::optional<CacheEntry> entry;
    std::string defect; ///< why the bundle's entry of that key or number is unusable
    std::uint64_t bytes = 0;
  };
  /// Whoever's compiler made it: all of the key but the toolchain is looked for, and the entry
  /// names its own.
  Found find(const EntryKey& key) const;
  /// By number from 0 to size(), in digest order.
  Found entry(std::size_t number) const;

private:
  struct Place {
    base::Digest digest;
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  Found read(const Place& place) const;

  base::FileDescriptor fd_;
  std::string path_;
  std::vector<Place> index_;
};

/// Writes a bundle of `entries`, all of the calling convention, to `path`, whole or not at all; of
/// entries with one key but for the toolchain the last wins. Throws Error(io).
void write_bundle(const std::string& path, std::uint32_t convention,
                  const std::vector<CacheEntry>& entries);

} // namespace swage::store
