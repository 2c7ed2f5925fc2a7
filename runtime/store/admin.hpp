// admin.hpp -- looking after the cache directory: what it holds, checking and pruning it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/store/directory.hpp"
#include "runtime/store/entry.hpp"

namespace swage::store {

/// One file of the cache directory that has the name of an entry.
struct StoredEntry {
  std::string path;
  std::uint64_t bytes = 0;
  std::int64_t last_used = 0; ///< seconds since 1970, in the order of use on all machines
  CacheEntry entry;           ///< without a defect
  std::string defect;         ///< why the file is of no use; empty: it is good
};

/// Reads and checks every entry, the most recently used first. Throws Error(io) if there is no
/// directory or it is not to be trusted.
std::vector<StoredEntry> list_entries(const CacheSettings& settings);

struct Removal {
  int entries = 0;
  int leftovers = 0; ///< files of dead processes
  std::uint64_t bytes = 0;
  std::uint64_t bytes_left = 0;
};

/// Removes the entries of `list` that have a defect, unless replaced since.
Removal remove_defective(const CacheSettings& settings, std::span<const StoredEntry> list);

/// Removes leftovers, and the least recently used entries until `limit` holds the rest. Processes
/// that use the cache are not disturbed. Throws as list_entries.
Removal prune(const CacheSettings& settings, std::uint64_t limit);

/// Removes every entry and every leftover, and nothing that is not the cache's.
Removal clear(const CacheSettings& settings);

/// Publishes the entries of a bundle in the directory; a defective one is an Error(io), and those
/// before it stay. Gives how many.
int import_bundle(const CacheSettings& settings, const std::string& bundle);

} // namespace swage::store
