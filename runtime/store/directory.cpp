// directory.cpp -- where the cache lies, and whose files in it are believed.
#include "runtime/store/directory.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "runtime/base/settings.hpp"

namespace swage::store {
namespace {

constexpr std::string_view kEntrySuffix = ".swgk";
constexpr std::string_view kLockSuffix = ".lock";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// Below a base that exists. One that does not is not Swage's to make: system users are given homes
/// such as /nonexistent, which root could well create.
std::string default_directory() {
  // The XDG specification has relative paths ignored.
  if (const auto base = environment("XDG_CACHE_HOME"); base.starts_with('/'))
    return is_directory(base) ? base + "/swage" : "";
  if (const auto home = environment("HOME"); is_directory(home))
    return home + "/.cache/swage";
  return {};
}

bool starts_with_digest(std::string_view name) noexcept {
  return name.size() > 32 && name[32] == '.' && base::digest_from_hex(name.substr(0, 32));
}

} // namespace

std::optional<std::uint64_t> parse_byte_count(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc())
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (text.starts_with(' '))
    text.remove_prefix(1);
  if (text.empty() || text == "B")
    return value;

  constexpr std::string_view units = "KMGT";
  const auto unit = units.find(static_cast<char>(text[0] & ~0x20));
  const auto rest = text.substr(1);
  if (unit == std::string_view::npos || !(rest.empty() || rest == "iB" || rest == "B"))
    return std::nullopt;
  const int shift = static_cast<int>(10 * (unit + 1));
  if (value > (~std::uint64_t{0} >> shift))
    return std::nullopt;
  return value << shift;
}

CacheSettings cache_settings_from_environment(std::vector<std::string>* complaints) {
  CacheSettings settings;
  if (const auto directory = base::value(base::Setting::cache_dir)) {
    settings.directory = *directory;
    if (directory->empty())
      settings.max_bytes = 0;
  } else {
    settings.directory = default_directory();
  }
  settings.bundle = base::value(base::Setting::cache_bundle).value_or("");
  if (const auto size = base::value(base::Setting::cache_max_size);
      size && settings.max_bytes != 0) {
    if (const auto bytes = parse_byte_count(*size))
      settings.max_bytes = *bytes;
    else if (complaints)
      complaints->push_back(
          fmt::format("SWAGE_CACHE_MAX_SIZE is '{}', expected bytes such as 512M or 2G; using {}M",
                      *size, settings.max_bytes >> 20));
  }
  return settings;
}

std::optional<CacheDirectory> CacheDirectory::open(const std::string& path, bool create,
                                                   std::string& reason) {
  CacheDirectory directory;
  directory.path_ = path;
  if (path.empty()) {
    reason = "SWAGE_CACHE_DIR is not set, and neither XDG_CACHE_HOME nor HOME is a directory that "
             "exists";
    return std::nullopt;
  }
  // A symbolic link is followed here, unlike below: it is the user who names this path.
  const auto try_open = [&] {
    directory.fd_ = base::FileDescriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return static_cast<bool>(directory.fd_);
  };
  if (!try_open() && errno == ENOENT && create) {
    base::make_directories(path);
    try_open();
  }
  if (!directory.fd_ || ::fstat(directory.fd(), &directory.status_) != 0) {
    reason = base::error_text(errno);
    return std::nullopt;
  }
  const uid_t owner = directory.status_.st_uid;
  if (owner != ::geteuid() && owner != 0) {
    reason =
        fmt::format("it belongs to user {}, and this process runs as user {}", owner, ::geteuid());
    return std::nullopt;
  }
  return directory;
}

std::string CacheDirectory::path_of(std::string_view name) const {
  return fmt::format("{}/{}", path_, name);
}

bool CacheDirectory::trusts(const struct stat& file) const noexcept {
  const bool world = status_.st_mode & 0002;
  const bool group = !world && (status_.st_mode & 0020);
  const mode_t forbidden = group ? 0002 : 0022;
  if (file.st_mode & forbidden)
    return false;
  return group || file.st_uid == ::geteuid() || file.st_uid == 0 ||
         (!world && file.st_uid == status_.st_uid);
}

bool CacheDirectory::exists() const noexcept {
  struct stat now {};
  return ::fstat(fd(), &now) == 0 && now.st_nlink > 0;
}

std::string entry_name(const base::Digest& digest) {
  return base::to_hex(digest).append(kEntrySuffix);
}

std::string lock_name(const base::Digest& digest) {
  return base::to_hex(digest).append(kLockSuffix);
}

std::optional<base::Digest> digest_of_entry_name(std::string_view name) noexcept {
  if (!name.ends_with(kEntrySuffix))
    return std::nullopt;
  return base::digest_from_hex(name.substr(0, name.size() - kEntrySuffix.size()));
}

bool is_lock_name(std::string_view name) noexcept {
  return starts_with_digest(name) && name.ends_with(kLockSuffix);
}

bool is_temporary_name(std::string_view name) noexcept {
  return starts_with_digest(name) && name.ends_with(kTemporarySuffix);
}

std::string temporary_name(const base::Digest& digest) {
  // Process numbers repeat between machines that share the directory, so randomness it is.
  return fmt::format("{}.{:016x}{}", base::to_hex(digest), base::random_number(), kTemporarySuffix);
}

} // namespace swage::store
