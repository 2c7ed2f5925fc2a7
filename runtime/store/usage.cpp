// usage.cpp -- how full the directory is, which entries were used last, and who has to go.
#include "runtime/store/usage.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/store/bytes.hpp"
#include "runtime/store/lock.hpp"

namespace swage::store {
namespace {

constexpr std::string_view kMagic("\x89SWGU\r\n\x1a", 8);
constexpr std::size_t kUsageBytes = 8 + 4 * 8 + sizeof(base::Digest);
constexpr std::uint64_t kNanoseconds = 1'000'000'000;
// The year 2200. Stamps beyond are nonsense and must not push the sequence to its end.
constexpr std::uint64_t kLastStamp = std::uint64_t{7'258'118'400} * kNanoseconds;

std::uint64_t stamp_of(const struct stat& status) noexcept {
  if (status.st_mtim.tv_sec < 0)
    return 0;
  const auto seconds = static_cast<std::uint64_t>(status.st_mtim.tv_sec);
  if (seconds >= kLastStamp / kNanoseconds)
    return kLastStamp;
  return seconds * kNanoseconds + static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
}

void set_stamp(int fd, std::uint64_t stamp) noexcept {
  timespec times[2] = {};
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = static_cast<time_t>(stamp / kNanoseconds);
  times[1].tv_nsec = static_cast<long>(stamp % kNanoseconds);
  ::futimens(fd, times);
}

std::uint64_t next_stamp(std::uint64_t last) noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto clock =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, std::chrono::nanoseconds(now).count()));
  return std::min(std::max(clock, last + 1), kLastStamp);
}

std::string encode(const Usage& usage) {
  std::string bytes;
  ByteWriter out(bytes);
  out.bytes(kMagic);
  for (const auto value : {usage.stamp, usage.era_stamp, usage.era_bytes, usage.total})
    out.u64(value);
  const base::Digest sum = base::checksum(bytes);
  out.bytes({reinterpret_cast<const char*>(sum.data()), sum.size()});
  return bytes;
}

std::optional<Usage> decode_usage(std::string_view bytes) {
  if (bytes.size() != kUsageBytes || !bytes.starts_with(kMagic))
    return std::nullopt;
  const auto covered = bytes.substr(0, bytes.size() - sizeof(base::Digest));
  const base::Digest sum = base::checksum(covered);
  if (std::memcmp(sum.data(), bytes.data() + covered.size(), sum.size()) != 0)
    return std::nullopt;
  ByteReader in(covered.substr(kMagic.size()));
  Usage usage;
  for (std::uint64_t* value : {&usage.stamp, &usage.era_stamp, &usage.era_bytes, &usage.total})
    *value = in.u64();
  return usage;
}

std::optional<Usage> read_usage(int fd) {
  std::string bytes;
  // One byte more than expected, so that a longer file does not pass.
  if (!base::read_at(fd, 0, kUsageBytes + 1, bytes))
    return std::nullopt;
  return decode_usage(bytes);
}

// Calls visit(name) for every name in the directory.
template <class Visit>
void for_each_name(const CacheDirectory& directory, Visit visit) {
  const int fd = ::openat(directory.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), &::closedir);
  if (!stream) {
    ::close(fd);
    return;
  }
  while (const dirent* item = ::readdir(stream.get()))
    visit(std::string(item->d_name));
}

struct Candidate {
  std::string name;
  std::uint64_t stamp;
  std::uint64_t bytes;
};

// Removes the oldest of `candidates` until at most `target` bytes are left of `swept.bytes`.
void evict(const CacheDirectory& directory, std::vector<Candidate>& candidates,
           std::uint64_t target, Swept& swept) {
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.stamp < b.stamp; });
  for (const auto& candidate : candidates) {
    if (swept.bytes <= target)
      return;
    const bool removed = ::unlinkat(directory.fd(), candidate.name.c_str(), 0) == 0;
    // Somebody else may have been faster; a sticky directory may not let us.
    if (!removed && errno != ENOENT)
      continue;
    swept.bytes -= candidate.bytes;
    swept.evicted += removed ? 1 : 0;
  }
}

} // namespace

std::optional<Usage> read_usage(const CacheDirectory& directory) {
  const base::FileDescriptor fd = base::open_at(directory.fd(), kUsageName, O_RDONLY);
  return fd ? read_usage(fd.get()) : std::nullopt;
}

Swept sweep(const CacheDirectory& directory, std::uint64_t limit) {
  Swept swept;
  std::vector<Candidate> candidates;
  for_each_name(directory, [&](std::string name) {
    if (is_lock_name(name) || is_temporary_name(name)) {
      swept.leftovers += remove_if_abandoned(directory, name) ? 1 : 0;
      return;
    }
    struct stat status {};
    if (!digest_of_entry_name(name) ||
        ::fstatat(directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode))
      return;
    const auto bytes = static_cast<std::uint64_t>(status.st_size);
    swept.bytes += bytes;
    swept.newest = std::max(swept.newest, stamp_of(status));
    candidates.push_back({std::move(name), stamp_of(status), bytes});
  });
  if (swept.bytes > limit)
    evict(directory, candidates, limit - limit / 8, swept);
  return swept;
}

void remove_leftovers_of(const CacheDirectory& directory, const base::Digest& digest) {
  const std::string prefix = base::to_hex(digest) + ".";
  for_each_name(directory, [&](const std::string& name) {
    if (name.starts_with(prefix) && is_temporary_name(name))
      remove_if_abandoned(directory, name);
  });
}

bool book(const CacheDirectory& directory, int fd, std::uint64_t bytes, std::uint64_t limit,
          Swept& swept) {
  // A holder may be sweeping a large directory; the entry is out already, so waiting is cheap, but
  // a stuck lock must not hold up a launch.
  LockAttempt books =
      lock_within(directory, kUsageName, /*remove=*/false, std::chrono::milliseconds(2000));
  if (books.status != LockAttempt::Status::held)
    return false;

  auto usage = read_usage(books.lock.fd());
  const bool lost = !usage;
  if (lost) {
    usage.emplace();
    usage->stamp = sweep(directory, ~std::uint64_t{0}).newest;
  }
  usage->stamp = next_stamp(usage->stamp);
  set_stamp(fd, usage->stamp);
  usage->total += bytes;
  usage->era_bytes += bytes;
  if (usage->era_bytes > limit / 32) {
    usage->era_stamp = usage->stamp;
    usage->era_bytes = 0;
  }
  if (lost || usage->total > limit || base::random_number() % 64 == 0) {
    swept = sweep(directory, limit);
    usage->total = swept.bytes;
  }
  const std::string text = encode(*usage);
  const base::WriteSignalsHeld held;
  // A failure leaves the books lost or short of one entry; the next recount mends both.
  if (::pwrite(books.lock.fd(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
      [[maybe_unused]]
    const int ignored = ::ftruncate(books.lock.fd(), 0);
  return true;
}

void mark_used(const CacheDirectory& directory, int fd, const struct stat& status) {
  const auto usage = read_usage(directory);
  const auto stamp = stamp_of(status);
  if (usage && stamp <= usage->era_stamp && stamp < usage->stamp)
    set_stamp(fd, usage->stamp);
}

} // namespace swage::store
