// store.cpp -- reading one entry of the directory, and publishing one.
#include "runtime/store/store.hpp"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace swage::store {
namespace {

using Status = EntryRead::Status;

EntryRead failed(Status status, std::string reason) {
  EntryRead result;
  result.status = status;
  result.reason = std::move(reason);
  return result;
}

// Removes `name` unless it has been replaced since `seen` was read from it.
void remove_if_same(const CacheDirectory& directory, const std::string& name,
                    const struct stat& seen) {
  struct stat now {};
  if (::fstatat(directory.fd(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
      base::same_file(seen, now))
    ::unlinkat(directory.fd(), name.c_str(), 0);
}

// The open file and its bytes, checked for everything but their meaning.
struct Raw {
  Status status = Status::absent;
  base::FileDescriptor fd;
  struct stat stat {};
  std::string bytes;
  std::string reason;

  Raw& fail(Status why, std::string text) {
    status = why;
    reason = std::move(text);
    return *this;
  }
};

Raw open_raw(const CacheDirectory& directory, const std::string& name) {
  Raw raw;
  raw.fd = base::open_at(directory.fd(), name.c_str(), O_RDONLY);
  if (!raw.fd) {
    if (errno == ENOENT)
      return raw;
    raw.fail(errno == ELOOP ? Status::untrusted : Status::io_error, base::error_text(errno));
    return raw;
  }
  if (::fstat(raw.fd.get(), &raw.stat) != 0) {
    raw.fail(Status::io_error, base::error_text(errno));
    return raw;
  }
  const auto size = static_cast<std::uint64_t>(raw.stat.st_size);
  if (!S_ISREG(raw.stat.st_mode))
    raw.fail(Status::untrusted, "this is no regular file");
  else if (!directory.trusts(raw.stat))
    raw.fail(Status::untrusted,
             fmt::format("user {} owns it with mode {:03o}, which the directory does not vouch for",
                         raw.stat.st_uid, raw.stat.st_mode & 0777U));
  else if (size > kMaxEntryBytes)
    raw.fail(Status::defect, fmt::format("{} bytes are too many for an entry", size));
  else if (!base::read_at(raw.fd.get(), 0, size, raw.bytes))
    raw.fail(Status::io_error, base::error_text(errno));
  else
    raw.status = Status::found;
  return raw;
}

void step(const char* name) {
  if (publish_step)
    publish_step(name);
}

// A new file, locked, so that a sweep can tell it from what a dead process left.
base::FileDescriptor create_temporary(const CacheDirectory& directory, const base::Digest& digest,
                                      std::string& name) {
  for (int round = 0; round < 8; ++round) {
    name = temporary_name(digest);
    base::FileDescriptor fd =
        base::open_at(directory.fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!fd)
      return fd;
    step("lock");
    // A sweep may have caught it between the two calls. Without working locks there is no sweep.
    struct stat status {};
    const bool locked = ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (locked && ::fstat(fd.get(), &status) == 0 && status.st_nlink > 0)
      return fd;
    ::unlinkat(directory.fd(), name.c_str(), 0);
  }
  errno = EAGAIN;
  return {};
}

// Everything between creating the temporary and its new name; the name of the step that failed.
const char* write_and_rename(const CacheDirectory& directory, int fd, const std::string& bytes,
                             const std::string& from, const std::string& to) {
  step("write");
  // In two halves, so that a test can die between them.
  const std::string_view view(bytes);
  if (!base::write_all(fd, view.substr(0, view.size() / 2)))
    return "write";
  step("write more");
  if (!base::write_all(fd, view.substr(view.size() / 2)) ||
      ::fchmod(fd, directory.entry_mode()) != 0)
    return "write";
  step("sync");
  if (::fsync(fd) != 0)
    return "sync";
  step("rename");
  if (::renameat(directory.fd(), from.c_str(), directory.fd(), to.c_str()) != 0)
    return "rename";
  return nullptr;
}

} // namespace

void (*publish_step)(const char* step) = nullptr;

EntryRead read_entry(const CacheDirectory& directory, const EntryKey& key) {
  const std::string name = entry_name(digest_of(key));
  Raw raw = open_raw(directory, name);
  if (raw.status == Status::found) {
    Decoded decoded = decode(raw.bytes, key);
    if (decoded.entry) {
      mark_used(directory, raw.fd.get(), raw.stat);
      EntryRead result;
      result.status = Status::found;
      result.entry = std::move(decoded.entry);
      result.bytes = raw.bytes.size();
      return result;
    }
    raw.fail(Status::defect, std::move(decoded.defect));
  }
  if (raw.status == Status::defect)
    remove_if_same(directory, name, raw.stat);
  return failed(raw.status, std::move(raw.reason));
}

EntryRead inspect_entry(const CacheDirectory& directory, const std::string& name) {
  Raw raw = open_raw(directory, name);
  EntryRead result = failed(raw.status, std::move(raw.reason));
  result.bytes = static_cast<std::uint64_t>(raw.stat.st_size);
  if (raw.status != Status::found)
    return result;
  Decoded decoded = decode(raw.bytes);
  if (decoded.entry && digest_of_entry_name(name) != digest_of(decoded.entry->key))
    decoded = {std::nullopt, "it holds another key"};
  result.status = decoded.entry ? Status::found : Status::defect;
  result.entry = std::move(decoded.entry);
  result.reason = std::move(decoded.defect);
  return result;
}

FileIdentity entry_identity(const CacheDirectory& directory, const base::Digest& digest) {
  struct stat status {};
  if (::fstatat(directory.fd(), entry_name(digest).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return {};
  return {status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

void remove_entry(const CacheDirectory& directory, const EntryKey& key) {
  ::unlinkat(directory.fd(), entry_name(digest_of(key)).c_str(), 0);
}

Published publish_entry(const CacheDirectory& directory, const CacheEntry& entry,
                        std::uint64_t limit) {
  Published result;
  const base::Digest digest = digest_of(entry.key);
  const std::string bytes = encode(entry);
  result.bytes = bytes.size();
  if (bytes.size() > limit || bytes.size() > kMaxEntryBytes) {
    result.step = "create";
    result.error = EFBIG;
    return result;
  }
  step("create");
  std::string temporary;
  const base::FileDescriptor fd = create_temporary(directory, digest, temporary);
  if (!fd) {
    result.step = "create";
    result.error = errno;
    return result;
  }
  if (const char* failed_step =
          write_and_rename(directory, fd.get(), bytes, temporary, entry_name(digest))) {
    result.step = failed_step;
    result.error = errno;
    ::unlinkat(directory.fd(), temporary.c_str(), 0);
    return result;
  }
  result.done = true;
  // The directory is not synced: after a power cut the entry may be gone, which is only a miss.
  step("book");
  result.booked = book(directory, fd.get(), bytes.size(), limit, result.swept);
  step("done");
  return result;
}

} // namespace swage::store
