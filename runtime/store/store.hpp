// store.hpp -- reading one entry of the directory, and publishing one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/store/directory.hpp"
#include "runtime/store/usage.hpp"

namespace swage::store {

struct EntryRead {
  enum class Status {
    absent,
    found,
    defect,    ///< the content is wrong: it has been removed
    untrusted, ///< somebody may have written it whom the directory does not vouch for
    io_error,  ///< nothing is known about the content: it stays
  };
  Status status = Status::absent;
  std::optional<CacheEntry> entry; ///< with Status::found
  std::string reason;              ///< with the last three
  std::uint64_t bytes = 0;
};

/// Reads the file once, checks all of it, and marks it as used.
EntryRead read_entry(const CacheDirectory& directory, const EntryKey& key);
/// As above, for tools: any entry by its file's name, key unchecked, nothing removed or marked.
EntryRead inspect_entry(const CacheDirectory& directory, const std::string& name);

/// Which file an entry is, good or not; changes when it is replaced. All zero: there is none.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0;
  std::int64_t changed_s = 0, changed_ns = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity entry_identity(const CacheDirectory& directory, const base::Digest& digest);

/// Removes the entry of `key`, found wrong by whoever used it.
void remove_entry(const CacheDirectory& directory, const EntryKey& key);

struct Published {
  bool done = false;
  int error = 0;         ///< errno of the step that failed
  const char* step = ""; ///< and its name: "create", "write", "sync", "rename"
  std::uint64_t bytes = 0;
  bool booked = false; ///< see book()
  Swept swept;
};

/// Writes a private temporary file in the directory, syncs it, and renames it into place: readers
/// see no entry or a whole one, also after a power cut. Replaces an entry of the same key.
Published publish_entry(const CacheDirectory& directory, const CacheEntry& entry,
                        std::uint64_t limit);

/// Called by publish_entry before each of its steps with the step's name; null outside tests, which
/// kill the process there.
extern void (*publish_step)(const char* step);

} // namespace swage::store
