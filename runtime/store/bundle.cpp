// bundle.cpp -- many entries in one read-only file, to ship with a program.
#include "runtime/store/bundle.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "runtime/store/bytes.hpp"
#include "swage/error.hpp"

namespace swage::store {
namespace {

constexpr std::string_view kMagic("\x89SWGB\r\n\x1a", 8);
constexpr std::uint64_t kHeaderBytes = 8 + 4 + 4 + 8;
constexpr std::uint64_t kPlaceBytes = sizeof(base::Digest) + 8 + 8;
constexpr std::uint64_t kMaxEntries = 1'000'000;

std::string_view view_of(const base::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

base::Digest read_digest(ByteReader& in) {
  base::Digest digest{};
  const auto bytes = in.bytes(digest.size());
  std::memcpy(digest.data(), bytes.data(), bytes.size());
  return digest;
}

/// What an entry is found by: its convention is the bundle's, and who made it does not matter.
base::Digest portable_digest(EntryKey key) {
  key.toolchain.clear();
  return digest_of(key);
}

} // namespace

std::unique_ptr<Bundle> Bundle::open(const std::string& path, std::uint32_t convention,
                                     std::string& reason) {
  auto bundle = std::make_unique<Bundle>();
  bundle->path_ = path;
  bundle->fd_ = base::FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!bundle->fd_ || ::fstat(bundle->fd_.get(), &status) != 0) {
    reason = base::error_text(errno);
    return nullptr;
  }
  const auto fail = [&](std::string text) {
    reason = std::move(text);
    return nullptr;
  };
  if (!S_ISREG(status.st_mode))
    return fail("this is no regular file");
  if (status.st_mode & 0002)
    return fail("everybody may write to it; take that right away with chmod o-w");

  std::string bytes;
  if (!base::read_at(bundle->fd_.get(), 0, kHeaderBytes, bytes))
    return fail(base::error_text(errno));
  ByteReader header(bytes);
  if (header.bytes(kMagic.size()) != kMagic)
    return fail("this is no bundle of Swage");
  if (const auto version = header.u32(); version != kBundleFormatVersion)
    return fail(
        fmt::format("format version {} where {} is known; write it with the 'swage' command "
                    "of this version",
                    version, kBundleFormatVersion));
  if (const auto number = header.u32(); number != convention)
    return fail(fmt::format("its kernels have calling convention {}, and this library launches "
                            "convention {}; write it with the 'swage' command of this version",
                            number, convention));
  const auto count = header.u64();
  if (!header.ok() || count > kMaxEntries)
    return fail("the header is damaged");

  const std::uint64_t covered = kHeaderBytes + count * kPlaceBytes;
  if (!base::read_at(bundle->fd_.get(), 0, covered + sizeof(base::Digest), bytes))
    return fail(base::error_text(errno));
  if (bytes.size() != covered + sizeof(base::Digest) ||
      view_of(base::checksum(std::string_view(bytes).substr(0, covered))) !=
          std::string_view(bytes).substr(covered))
    return fail("the index is damaged");

  ByteReader in(std::string_view(bytes).substr(kHeaderBytes, count * kPlaceBytes));
  for (std::uint64_t i = 0; i < count; ++i) {
    Place place{read_digest(in), 0, 0};
    place.offset = in.u64();
    place.bytes = in.u64();
    bundle->index_.push_back(place);
  }
  return bundle;
}

Bundle::Found Bundle::read(const Place& place) const {
  Found found;
  std::string bytes;
  if (place.bytes > kMaxEntryBytes || place.offset > ~std::uint64_t{0} / 4)
    found.defect = "the index names no sane place";
  else if (!base::read_at(fd_.get(), place.offset, place.bytes, bytes))
    found.defect = base::error_text(errno);
  else {
    Decoded decoded = decode(bytes);
    found.bytes = bytes.size();
    found.entry = std::move(decoded.entry);
    found.defect = std::move(decoded.defect);
  }
  return found;
}

Bundle::Found Bundle::find(const EntryKey& key) const {
  const base::Digest digest = portable_digest(key);
  const auto place =
      std::lower_bound(index_.begin(), index_.end(), digest,
                       [](const Place& a, const base::Digest& b) { return a.digest < b; });
  if (place == index_.end() || place->digest != digest)
    return {};
  Found found = read(*place);
  EntryKey wanted = key;
  if (found.entry)
    wanted.toolchain = found.entry->key.toolchain;
  if (found.entry && !(found.entry->key == wanted)) {
    found.entry.reset();
    found.defect = "it holds another key";
  }
  return found;
}

Bundle::Found Bundle::entry(std::size_t number) const {
  return read(index_.at(number));
}

void write_bundle(const std::string& path, std::uint32_t convention,
                  const std::vector<CacheEntry>& entries) {
  std::map<base::Digest, std::string> sorted;
  for (const auto& entry : entries)
    sorted[portable_digest(entry.key)] = encode(entry);

  std::string bytes;
  ByteWriter out(bytes);
  out.bytes(kMagic);
  out.u32(kBundleFormatVersion);
  out.u32(convention);
  out.u64(sorted.size());
  std::uint64_t offset = kHeaderBytes + sorted.size() * kPlaceBytes + sizeof(base::Digest);
  for (const auto& [digest, text] : sorted) {
    out.bytes(view_of(digest));
    out.u64(offset);
    out.u64(text.size());
    offset += text.size();
  }
  const base::Digest sum = base::checksum(bytes);
  out.bytes(view_of(sum));
  for (const auto& [digest, text] : sorted)
    out.bytes(text);

  const std::string temporary = fmt::format("{}.{:016x}.tmp", path, base::random_number());
  const base::FileDescriptor fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  const bool written = fd && base::write_all(fd.get(), bytes) && ::fsync(fd.get()) == 0 &&
                       std::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw Error(ErrorCode::io,
                fmt::format("cannot write the bundle {}: {}", path, base::error_text(error)));
  }
}

} // namespace swage::store
