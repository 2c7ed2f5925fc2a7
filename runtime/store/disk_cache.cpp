// disk_cache.cpp -- the cache below the memory of a process: a bundle, then a shared directory.
#include "runtime/store/disk_cache.hpp"

#include <cerrno>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "runtime/base/clock.hpp"
#include "runtime/store/store.hpp"

namespace swage::store {
namespace {

// Errors that will not go away while the process lives; after others, such as a full disk, the
// next publish is tried again.
bool lasting(int error) {
  return error == ENOENT || error == EROFS || error == EACCES || error == EPERM || error == ENOTDIR;
}

} // namespace

DiskCache::DiskCache(CacheSettings settings, Warn warn)
    : settings_(std::move(settings)), warn_(std::move(warn)) {}

void DiskCache::warn(std::string_view message) const {
  if (warn_)
    warn_(message);
}

void DiskCache::warn_once(std::string_view message) {
  if (!warned_.exchange(true))
    warn(message);
}

CacheDirectory* DiskCache::directory(bool create) {
  if (settings_.max_bytes == 0)
    return nullptr;
  const std::lock_guard guard(open_mutex_);
  if (directory_ || directory_refused_)
    return directory_ ? &*directory_ : nullptr;
  std::string reason;
  directory_ = CacheDirectory::open(settings_.directory, create, reason);
  if (directory_)
    return &*directory_;
  if (create) {
    directory_refused_ = true;
    warn_once(fmt::format("cannot use the cache directory '{}': {}; kernels are kept in memory "
                          "alone, set SWAGE_CACHE_DIR to a directory of your own",
                          settings_.directory, reason));
  }
  return nullptr;
}

const Bundle* DiskCache::bundle() {
  const std::lock_guard guard(open_mutex_);
  if (!bundle_tried_ && !settings_.bundle.empty()) {
    std::string reason;
    bundle_ = Bundle::open(settings_.bundle, settings_.convention, reason);
    if (!bundle_)
      warn(fmt::format("cannot use the bundle {}: {}", settings_.bundle, reason));
  }
  bundle_tried_ = true;
  return bundle_.get();
}

std::optional<CacheEntry> DiskCache::find_in_bundle(const EntryKey& key) {
  const Bundle* open = bundle();
  if (!open)
    return std::nullopt;
  Bundle::Found found = open->find(key);
  if (found.entry) {
    ++counters_.hits_bundle;
    counters_.bytes_read += found.bytes;
  } else if (!found.defect.empty()) {
    ++counters_.defects;
    warn(fmt::format("an entry of the bundle {} is ignored: {}", open->path(), found.defect));
  }
  return std::move(found.entry);
}

std::optional<CacheEntry> DiskCache::find_in_directory(CacheDirectory& directory,
                                                       const EntryKey& key, bool& unreadable) {
  EntryRead read = read_entry(directory, key);
  const auto path = [&] { return directory.path_of(entry_name(digest_of(key))); };
  unreadable =
      read.status == EntryRead::Status::untrusted || read.status == EntryRead::Status::io_error;
  switch (read.status) {
  case EntryRead::Status::absent: break;
  case EntryRead::Status::found:
    ++counters_.hits_disk;
    counters_.bytes_read += read.bytes;
    break;
  case EntryRead::Status::defect:
    ++counters_.defects;
    warn(fmt::format("removed the damaged cache entry {}: {}", path(), read.reason));
    break;
  case EntryRead::Status::untrusted:
    ++counters_.defects;
    warn(fmt::format("the cache entry {} is ignored: {}", path(), read.reason));
    break;
  case EntryRead::Status::io_error:
    ++counters_.io_errors;
    warn(fmt::format("cannot read the cache entry {}: {}", path(), read.reason));
    break;
  }
  return std::move(read.entry);
}

std::optional<CacheEntry> DiskCache::look_up(const EntryKey& key, CacheSource& source,
                                             bool& unreadable) {
  unreadable = false;
  source = CacheSource::bundle;
  if (auto entry = find_in_bundle(key))
    return entry;
  source = CacheSource::disk;
  CacheDirectory* open = directory(/*create=*/false);
  return open ? find_in_directory(*open, key, unreadable) : std::nullopt;
}

std::optional<CacheEntry> DiskCache::find(const EntryKey& key, CacheSource* source) {
  bool unreadable;
  CacheSource ignored;
  return look_up(key, source ? *source : ignored, unreadable);
}

CacheEntry DiskCache::find_or_make(const EntryKey& key, const std::function<CacheEntry()>& make,
                                   CacheSource* source) {
  CacheSource ignored;
  CacheSource& from = source ? *source : ignored;
  bool unreadable;
  if (auto entry = look_up(key, from, unreadable))
    return *std::move(entry);

  CacheDirectory* open = writable_ ? directory(/*create=*/true) : nullptr;
  LockFile lock;
  if (open)
    if (auto entry = wait_for_turn(*open, key, unreadable, lock)) {
      from = CacheSource::disk;
      return *std::move(entry);
    }
  ++counters_.misses;
  from = CacheSource::compiled;
  CacheEntry entry = make();
  if (open && writable_)
    publish_in(*open, entry);
  return entry;
}

std::optional<CacheEntry> DiskCache::wait_for_turn(CacheDirectory& directory, const EntryKey& key,
                                                   bool unreadable, LockFile& lock) {
  const base::Digest digest = digest_of(key);
  const auto deadline = base::Clock::now() + settings_.wait;
  // A file that the first look could not use has been warned of; only another one is worth a look.
  auto useless = unreadable ? entry_identity(directory, digest) : FileIdentity();
  for (int round = 0;; ++round) {
    LockAttempt attempt = try_lock(directory, lock_name(digest), /*remove=*/true);
    // The winner's entry serves the others at once, without their taking turns at the lock.
    if (const auto there = entry_identity(directory, digest);
        there != FileIdentity() && there != useless) {
      if (auto entry = find_in_directory(directory, key, unreadable)) {
        ++counters_.waits;
        return entry;
      }
      useless = there;
    }
    if (attempt.status == LockAttempt::Status::held) {
      lock = std::move(attempt.lock);
      if (lock.inherited())
        remove_leftovers_of(directory, digest);
      return std::nullopt;
    }
    if (attempt.status == LockAttempt::Status::failed) {
      cannot_lock(directory, attempt.error);
      return std::nullopt;
    }
    if (base::Clock::now() >= deadline) {
      ++counters_.timeouts;
      warn_once(fmt::format("another process has held {} for {} ms; compiling here too",
                            directory.path_of(lock_name(digest)), settings_.wait.count()));
      return std::nullopt;
    }
    std::this_thread::sleep_for(pause_before(round));
  }
}

void DiskCache::publish(const CacheEntry& entry) {
  if (CacheDirectory* open = directory(/*create=*/true); open && writable_)
    publish_in(*open, entry);
}

void DiskCache::publish_in(CacheDirectory& directory, const CacheEntry& entry) {
  const Published published = publish_entry(directory, entry, settings_.max_bytes);
  if (!published.done) {
    ++counters_.publish_failures;
    cannot_write(directory, published.step, published.error);
    return;
  }
  ++counters_.publishes;
  counters_.bytes_written += published.bytes;
  counters_.evictions += static_cast<std::uint64_t>(published.swept.evicted);
  if (!published.booked)
    book_without_lock(directory, published.bytes);
}

// Where locks do not work every process keeps its own books, and counts the directory whenever it
// has published a sixteenth of the limit.
void DiskCache::book_without_lock(CacheDirectory& directory, std::uint64_t bytes) {
  if ((unbooked_ += bytes) <= settings_.max_bytes / 16)
    return;
  unbooked_ = 0;
  counters_.evictions += static_cast<std::uint64_t>(sweep(directory, settings_.max_bytes).evicted);
}

void DiskCache::cannot_lock(const CacheDirectory& directory, int error) {
  if (error != ENOLCK && error != ENOSYS && error != EOPNOTSUPP && error != EINVAL)
    return cannot_write(directory, "lock", error);
  warn_once(fmt::format("files in the cache directory {} cannot be locked: {}; processes that "
                        "start together may each compile the same kernel",
                        directory.path(), base::error_text(error)));
}

void DiskCache::cannot_write(const CacheDirectory& directory, std::string_view step, int error) {
  // A removed directory refuses everything with the same error as a missing file.
  const bool removed = error == ENOENT && !directory.exists();
  if (lasting(error))
    writable_ = false;
  warn_once(fmt::format("cannot write to the cache directory {} ({}): {}; new kernels are kept in "
                        "memory alone",
                        directory.path(), step,
                        removed ? std::string("it has been removed") : base::error_text(error)));
}

void DiskCache::discard(const EntryKey& key, std::string_view reason) {
  ++counters_.defects;
  CacheDirectory* open = directory(/*create=*/false);
  if (!open)
    return;
  remove_entry(*open, key);
  // The driver's log goes on for lines.
  reason = reason.substr(0, reason.find('\n'));
  warn(fmt::format("removed the cache entry {}: {}", open->path_of(entry_name(digest_of(key))),
                   reason));
}

DiskCacheCounters DiskCache::counters() const noexcept {
  const auto& c = counters_;
  DiskCacheCounters copy;
  copy.hits_disk = c.hits_disk;
  copy.hits_bundle = c.hits_bundle;
  copy.misses = c.misses;
  copy.waits = c.waits;
  copy.timeouts = c.timeouts;
  copy.publishes = c.publishes;
  copy.publish_failures = c.publish_failures;
  copy.evictions = c.evictions;
  copy.defects = c.defects;
  copy.io_errors = c.io_errors;
  copy.bytes_read = c.bytes_read;
  copy.bytes_written = c.bytes_written;
  return copy;
}

} // namespace swage::store
