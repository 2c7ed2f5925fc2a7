// disk_cache.hpp -- the cache below the memory of a process: a bundle, then a shared directory.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/store/bundle.hpp"
#include "runtime/store/directory.hpp"
#include "runtime/store/entry.hpp"
#include "runtime/store/lock.hpp"

namespace swage::store {

/// Where an entry came from.
enum class CacheSource : std::uint8_t { compiled, disk, bundle };

/// What a cache has done since the process began.
struct DiskCacheCounters {
  std::uint64_t hits_disk = 0;
  std::uint64_t hits_bundle = 0;
  std::uint64_t misses = 0;   ///< compiled here
  std::uint64_t waits = 0;    ///< hits after another process compiled it meanwhile
  std::uint64_t timeouts = 0; ///< compiled here after waiting for another in vain
  std::uint64_t publishes = 0;
  std::uint64_t publish_failures = 0;
  std::uint64_t evictions = 0; ///< by this process
  std::uint64_t defects = 0;   ///< entries found wrong or not trusted
  std::uint64_t io_errors = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
};

/// Never throws of itself, and nothing in a file can make it return what was not put in under the
/// same key by a trusted user: whatever is wrong is a miss and a warning. Thread safe; concurrent
/// callers with one key exclude each other, in one process and in many.
class DiskCache {
public:
  /// Takes one line, without a final full stop. Called from any thread.
  using Warn = std::function<void(std::string_view)>;

  /// Opens nothing yet.
  DiskCache(CacheSettings settings, Warn warn);

  /// The entry if it is there. One of a bundle names the toolchain that made it, which need not be
  /// that of `key`. No lock is taken; a directory that is absent is not created.
  std::optional<CacheEntry> find(const EntryKey& key, CacheSource* source = nullptr);

  /// The entry, found or else made by `make` and published. While one process makes it the others
  /// wait for it, at most settings().wait; then they make it themselves. `make` must return an
  /// entry of this key, but for the toolchain. What it throws passes through, and nothing is kept.
  CacheEntry find_or_make(const EntryKey& key, const std::function<CacheEntry()>& make,
                          CacheSource* source = nullptr);

  /// Puts an entry there. Failures are warned of, once.
  void publish(const CacheEntry& entry);

  /// Drops an entry whose code turned out to be unusable: "the driver refuses the cubin".
  void discard(const EntryKey& key, std::string_view reason);

  DiskCacheCounters counters() const noexcept;
  const CacheSettings& settings() const noexcept { return settings_; }

private:
  CacheDirectory* directory(bool create);
  const Bundle* bundle();
  std::optional<CacheEntry> find_in_bundle(const EntryKey& key);
  /// `unreadable`: there is a file, and it stays.
  std::optional<CacheEntry> find_in_directory(CacheDirectory& directory, const EntryKey& key,
                                              bool& unreadable);
  std::optional<CacheEntry> look_up(const EntryKey& key, CacheSource& source, bool& unreadable);
  /// Waits until this process may make the entry, with `lock` if locks work at all, or until
  /// another has published it.
  std::optional<CacheEntry> wait_for_turn(CacheDirectory& directory, const EntryKey& key,
                                          bool unreadable, LockFile& lock);
  void publish_in(CacheDirectory& directory, const CacheEntry& entry);
  void book_without_lock(CacheDirectory& directory, std::uint64_t bytes);
  void cannot_lock(const CacheDirectory& directory, int error);
  void cannot_write(const CacheDirectory& directory, std::string_view step, int error);
  void warn(std::string_view message) const;
  /// Trouble with the directory as a whole is told once a process.
  void warn_once(std::string_view message);

  const CacheSettings settings_;
  const Warn warn_;

  std::mutex open_mutex_;
  std::optional<CacheDirectory> directory_;
  bool directory_refused_ = false;
  std::unique_ptr<Bundle> bundle_;
  bool bundle_tried_ = false;

  std::atomic<bool> warned_ = false;
  std::atomic<bool> writable_ = true;
  std::atomic<std::uint64_t> unbooked_ = 0;

  struct Counters {
    std::atomic<std::uint64_t> hits_disk = 0, hits_bundle = 0, misses = 0, waits = 0, timeouts = 0,
                               publishes = 0, publish_failures = 0, evictions = 0, defects = 0,
                               io_errors = 0, bytes_read = 0, bytes_written = 0;
  } counters_;
};

} // namespace swage::store
