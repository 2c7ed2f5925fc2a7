// admin.cpp -- looking after the cache directory: what it holds, checking and pruning it.
#include "runtime/store/admin.hpp"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "runtime/store/bundle.hpp"
#include "runtime/store/store.hpp"
#include "runtime/store/usage.hpp"
#include "swage/error.hpp"

namespace swage::store {

namespace {

CacheDirectory open_directory(const CacheSettings& settings, bool create) {
  std::string reason;
  auto directory = CacheDirectory::open(settings.directory, create, reason);
  if (!directory)
    throw Error(ErrorCode::io,
                fmt::format("cannot use the cache directory '{}': {}", settings.directory, reason));
  return *std::move(directory);
}

std::vector<std::string> entry_names(const CacheDirectory& directory) {
  std::vector<std::string> names;
  std::error_code error;
  // By its descriptor: the path may name another directory by now.
  const std::string path = fmt::format("/proc/self/fd/{}", directory.fd());
  for (const auto& item : std::filesystem::directory_iterator(path, error))
    if (std::string name = item.path().filename().string(); digest_of_entry_name(name))
      names.push_back(std::move(name));
  if (error)
    throw Error(ErrorCode::io, fmt::format("cannot list the cache directory '{}': {}",
                                           directory.path(), error.message()));
  return names;
}

StoredEntry inspect(const CacheDirectory& directory, const std::string& name) {
  StoredEntry stored;
  stored.path = directory.path_of(name);
  struct stat status {};
  if (::fstatat(directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    stored.last_used = status.st_mtim.tv_sec;
  EntryRead read = inspect_entry(directory, name);
  stored.bytes = read.bytes;
  stored.defect = std::move(read.reason);
  if (read.entry)
    stored.entry = *std::move(read.entry);
  return stored;
}

} // namespace

std::vector<StoredEntry> list_entries(const CacheSettings& settings) {
  const CacheDirectory directory = open_directory(settings, /*create=*/false);
  std::vector<StoredEntry> list;
  for (const std::string& name : entry_names(directory))
    list.push_back(inspect(directory, name));
  std::sort(list.begin(), list.end(), [](const StoredEntry& a, const StoredEntry& b) {
    return a.last_used != b.last_used ? a.last_used > b.last_used : a.path < b.path;
  });
  return list;
}

Removal remove_defective(const CacheSettings& settings, std::span<const StoredEntry> list) {
  const CacheDirectory directory = open_directory(settings, /*create=*/false);
  Removal removal;
  for (const StoredEntry& stored : list) {
    const std::string name = std::filesystem::path(stored.path).filename().string();
    if (stored.defect.empty() || inspect(directory, name).defect.empty() ||
        ::unlinkat(directory.fd(), name.c_str(), 0) != 0)
      continue;
    ++removal.entries;
    removal.bytes += stored.bytes;
  }
  return removal;
}

Removal prune(const CacheSettings& settings, std::uint64_t limit) {
  const CacheDirectory directory = open_directory(settings, /*create=*/false);
  const Swept before = sweep(directory, ~std::uint64_t{0});
  const Swept after = sweep(directory, limit);
  return {after.evicted, before.leftovers + after.leftovers, before.bytes - after.bytes,
          after.bytes};
}

Removal clear(const CacheSettings& settings) {
  const CacheDirectory directory = open_directory(settings, /*create=*/false);
  const Removal removal = prune(settings, 0);
  ::unlinkat(directory.fd(), kUsageName, 0);
  return removal;
}

int import_bundle(const CacheSettings& settings, const std::string& path) {
  std::string reason;
  const auto bundle = Bundle::open(path, settings.convention, reason);
  if (!bundle)
    throw Error(ErrorCode::io, fmt::format("cannot use the bundle {}: {}", path, reason));
  const CacheDirectory directory = open_directory(settings, /*create=*/true);
  int imported = 0;
  for (std::size_t i = 0; i < bundle->size(); ++i) {
    const Bundle::Found found = bundle->entry(i);
    if (!found.entry)
      throw Error(ErrorCode::io,
                  fmt::format("entry {} of the bundle {} is damaged: {}", i, path, found.defect));
    const Published published = publish_entry(directory, *found.entry, settings.max_bytes);
    if (!published.done)
      throw Error(ErrorCode::io, fmt::format("cannot write to the cache directory '{}': {}",
                                             directory.path(), base::error_text(published.error)));
    ++imported;
  }
  return imported;
}

} // namespace swage::store
