// usage.hpp -- how full the directory is, which entries were used last, and who has to go.
//
// Entries carry their recency in their modification time, but not as any clock tells it: the file
// "usage" holds the last time handed out, and the next one is the local clock or one more than
// that, whichever is later. So times grow in the order of publishing on all machines that share
// the directory, right or wrong as their clocks may be.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/store/directory.hpp"

namespace swage::store {

/// What the file "usage" says. Only ever a hint: it may be lost at any time.
struct Usage {
  std::uint64_t stamp = 0;     ///< nanoseconds; the last one handed out
  std::uint64_t era_stamp = 0; ///< entries used since then need no new stamp
  std::uint64_t era_bytes = 0; ///< published since then
  std::uint64_t total = 0;     ///< bytes of all entries, or more
};

/// Without a lock: a torn read fails its checksum and counts as lost.
std::optional<Usage> read_usage(const CacheDirectory& directory);

struct Swept {
  std::uint64_t bytes = 0; ///< of the entries that are left
  std::uint64_t newest = 0;
  int evicted = 0;
  int leftovers = 0; ///< files of dead processes removed
};

/// Removes what dead processes left; then, if the entries pass `limit`, the least recently used
/// ones until they are an eighth below it, so that this is rare. Readers are not disturbed: a
/// removed file lives on for those who have it open.
Swept sweep(const CacheDirectory& directory, std::uint64_t limit);

/// Removes the temporary files of dead processes that were publishing `digest`.
void remove_leftovers_of(const CacheDirectory& directory, const base::Digest& digest);

/// Books an entry just published and open as `fd`: stamps it as the most recently used, and evicts
/// if the directory is now too full. One publish in 64 counts everything afresh, which corrects
/// what dead processes failed to book. False if the books could not be locked.
bool book(const CacheDirectory& directory, int fd, std::uint64_t bytes, std::uint64_t limit,
          Swept& swept);

/// Marks the entry open as `fd` as used now. Mostly free: an entry is stamped anew only when 1/32
/// of the limit has been published since the last time. Entries of other users stay as they are.
void mark_used(const CacheDirectory& directory, int fd, const struct stat& status);

} // namespace swage::store
