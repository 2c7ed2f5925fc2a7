// directory.hpp -- where the cache lies, and whose files in it are believed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "runtime/base/file.hpp"
#include "runtime/store/entry.hpp"

namespace swage::store {

struct CacheSettings {
  std::string directory; ///< empty: nowhere to put one
  std::string bundle;    ///< path of a bundle to look into first; empty: none
  /// codegen::kCallingConvention: which bundles serve. The environment has no say in it.
  std::uint32_t convention = 0;
  std::uint64_t max_bytes = std::uint64_t{1} << 30; ///< of entries; 0: keep nothing on disk
  /// How long one process waits for another that compiles the same kernel. Well above the slowest
  /// compile seen, and short enough that a stuck file server delays a start, not prevents it.
  std::chrono::milliseconds wait{10000};
};

/// From SWAGE_CACHE_DIR, where an empty value asks for memory alone, else $XDG_CACHE_HOME/swage,
/// else $HOME/.cache/swage; SWAGE_CACHE_MAX_SIZE; SWAGE_CACHE_BUNDLE. A value that cannot be
/// understood is named in `complaints` and has no effect.
CacheSettings cache_settings_from_environment(std::vector<std::string>* complaints = nullptr);

/// "1073741824", "512M", "1 GiB", "2G": units of 1024.
std::optional<std::uint64_t> parse_byte_count(std::string_view text) noexcept;

/// An open directory. Everything is done relative to its descriptor, so neither a change of the
/// working directory nor a new directory under the old name can mislead it.
class CacheDirectory {
public:
  /// Opens `path`, creating it and its parents with mode 0700 if `create`. On failure `reason`
  /// says why: absent, not a directory, or owned by another user.
  static std::optional<CacheDirectory> open(const std::string& path, bool create,
                                            std::string& reason);

  int fd() const noexcept { return fd_.get(); }
  const std::string& path() const noexcept { return path_; }
  std::string path_of(std::string_view name) const;

  /// Whether a file may be believed:
  /// - directory writable by its owner alone: files of the owner, of this user and of root;
  /// - also by its group: files of everybody, for only the group could put them there;
  /// - by everybody: files of this user and of root, as in /tmp.
  /// A file that others than these may write to is never believed.
  bool trusts(const struct stat& file) const noexcept;

  /// Entries may be read by whom the directory may be read by.
  mode_t entry_mode() const noexcept { return 0600 | (status_.st_mode & 0044); }
  /// Lock files may be locked by whom the directory may be written by.
  mode_t lock_mode() const noexcept { return 0600 | (status_.st_mode & 0066); }

  /// Whether it still has a name.
  bool exists() const noexcept;

private:
  base::FileDescriptor fd_;
  std::string path_;
  struct stat status_ {};
};

/// "<digest>.swgk".
std::string entry_name(const base::Digest& digest);
std::string lock_name(const base::Digest& digest);
/// Names by kind; the digest that a directory entry of this name belongs to.
std::optional<base::Digest> digest_of_entry_name(std::string_view name) noexcept;
bool is_lock_name(std::string_view name) noexcept;
bool is_temporary_name(std::string_view name) noexcept;
/// A name that no other process uses: "<digest>.<random>.tmp".
std::string temporary_name(const base::Digest& digest);

/// The file that counts what the directory holds, see usage.hpp.
inline constexpr const char* kUsageName = "usage";

} // namespace swage::store
