// tuning_records.cpp -- what tuning has found, one JSON line a measurement, shared by processes.
#include "runtime/tune/tuning_records.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/base/file.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/settings.hpp"
#include "runtime/store/directory.hpp"
#include "swage/error.hpp"

namespace swage::tune {

namespace {

/// Bad lines named one by one; those after are only counted.
constexpr int kNamedLines = 5;

class File {
public:
  File(const std::string& path, int flags) : descriptor_(::open(path.c_str(), flags, 0644)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0)
      ::close(descriptor_);
  }
  int get() const noexcept { return descriptor_; }

private:
  int descriptor_;
};

/// Whether the file ends within a line, as it does where a process died while it wrote.
bool ends_open(int descriptor) {
  struct stat status {};
  char last = '\n';
  if (::fstat(descriptor, &status) != 0 || status.st_size == 0)
    return false;
  return ::pread(descriptor, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

std::string directory_from_environment() {
  if (const auto given = base::value(base::Setting::tuning_dir))
    return *given;
  const std::string cache = store::cache_settings_from_environment().directory;
  return cache.empty() ? cache : cache + "/tuning";
}

void lock_for_a_while(int descriptor) {
  constexpr int kTries = 100;
  constexpr std::chrono::milliseconds kPause(10);
  for (int i = 0; i < kTries && ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
       ++i)
    std::this_thread::sleep_for(kPause);
}

} // namespace

TuningRecords::TuningRecords(const std::string& directory, Warn warn)
    : directory_(directory), path_(directory.empty() ? "" : directory + "/records.jsonl"),
      warn_(std::move(warn)) {}

void TuningRecords::keep(TuningRecord record) {
  families_[family_of(record.key)].insert_or_assign(record.key.size_class, std::move(record));
}

void TuningRecords::take_line(std::string_view line) {
  ++lines_;
  if (line.find_first_not_of(" \t\r") == std::string_view::npos)
    return;
  try {
    keep(record_from_line(line));
  } catch (const Error& error) {
    if (++bad_ <= kNamedLines)
      warn_(
          fmt::format("{}:{} is skipped, it is no tuning record: {}", path_, lines_, error.what()));
    else if (bad_ == kNamedLines + 1)
      warn_(fmt::format("{} has more lines that are no tuning records; they are skipped", path_));
  }
}

void TuningRecords::read_from(int descriptor, std::int64_t size) {
  std::string text(static_cast<std::size_t>(size - read_), '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const ssize_t part = ::pread(descriptor, text.data() + got, text.size() - got,
                                 read_ + static_cast<std::int64_t>(got));
    if (part <= 0)
      break;
    got += static_cast<std::size_t>(part);
  }
  text.resize(got);
  // What has no end yet is still being written.
  std::size_t start = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', start)) {
    take_line(std::string_view(text).substr(start, end - start));
    start = end + 1;
  }
  read_ += static_cast<std::int64_t>(start);
}

void TuningRecords::refresh() {
  struct stat status {};
  if (path_.empty() || ::stat(path_.c_str(), &status) != 0)
    return;
  const bool same = status.st_dev == device_ && status.st_ino == inode_ && status.st_size >= read_;
  if (same && status.st_size == read_)
    return;
  const File file(path_, O_RDONLY | O_CLOEXEC);
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    if (!std::exchange(unreadable_, true))
      warn_(fmt::format("tuning records in {} cannot be read: {}", path_, std::strerror(errno)));
    return;
  }
  if (!same) {
    // Another file under the name: what it says holds, and what this process measured itself.
    read_ = lines_ = 0;
    bad_ = 0;
    device_ = status.st_dev;
    inode_ = status.st_ino;
  }
  read_from(file.get(), status.st_size);
}

std::optional<TuningRecords::Match> TuningRecords::find(const TuningKey& key) {
  const std::lock_guard lock(mutex_);
  refresh();
  const auto family = families_.find(family_of(key));
  if (family == families_.end())
    return std::nullopt;
  const TuningRecord* nearest = nullptr;
  int distance = kMaxDistance + 1;
  for (const auto& [size_class, record] : family->second)
    if (const int away = std::abs(size_class - key.size_class); away < distance) {
      distance = away;
      nearest = &record;
    }
  if (!nearest)
    return std::nullopt;
  return Match{*nearest, distance == 0};
}

void TuningRecords::append(const std::string& text) {
  base::make_directories(directory_);
  const File file(path_, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC);
  const auto fail = [&](const char* step) {
    throw Error(ErrorCode::io,
                fmt::format("tuning records in {} cannot be {}: {}; set SWAGE_TUNING_DIR to a "
                            "directory that can be written",
                            path_, step, std::strerror(errno)));
  };
  if (file.get() < 0)
    fail("opened");
  // One write a line keeps lines whole where appending is atomic; the lock does so on file systems
  // where it is not, and guards the look at the end. Where there are no locks, or one that nobody
  // gives back, go on without: a launch may wait for this one (SWAGE_AUTOTUNE).
  lock_for_a_while(file.get());
  // A umask may have kept it from the next process of this very user.
  if (struct stat status{}; ::fstat(file.get(), &status) == 0 && (status.st_mode & 0600) != 0600)
    ::fchmod(file.get(), (status.st_mode & 07777) | 0600);
  const base::WriteSignalsHeld held;
  const std::string line = (ends_open(file.get()) ? "\n" : "") + text + "\n";
  const ssize_t written = ::write(file.get(), line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    if (written >= 0)
      errno = ENOSPC;
    fail("written");
  }
}

void TuningRecords::add(const TuningRecord& record) {
  {
    const std::lock_guard lock(mutex_);
    refresh(); // lines of others are older than this one
    keep(record);
  }
  // Without the mutex, which first launches take: the lock on the file may be waited for long.
  if (!path_.empty())
    append(to_line(record));
}

std::vector<TuningRecord> TuningRecords::all() {
  const std::lock_guard lock(mutex_);
  refresh();
  std::vector<TuningRecord> records;
  for (const auto& [family, by_size] : families_)
    for (const auto& [size_class, record] : by_size)
      records.push_back(record);
  std::stable_sort(records.begin(), records.end(),
                   [](const TuningRecord& a, const TuningRecord& b) { return a.name < b.name; });
  return records;
}

TuningRecords& tuning_records() {
  // Leaked: launches may look at it while static objects are destroyed.
  static TuningRecords* const records =
      new TuningRecords(directory_from_environment(),
                        [](std::string_view line) { base::log(base::LogLevel::warn, "{}", line); });
  return *records;
}

} // namespace swage::tune
