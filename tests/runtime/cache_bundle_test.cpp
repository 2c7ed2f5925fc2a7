// cache_bundle_test.cpp -- bundles: written once, checked like any entry, never written to.
#include <sys/stat.h>

#include "runtime/store/admin.hpp"
#include "swage/error.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

constexpr std::uint32_t kConvention = 7;

std::vector<CacheEntry> sample_entries(int count) {
  std::vector<CacheEntry> entries;
  for (int i = 0; i < count; ++i)
    entries.push_back(sample_entry(sample_key("k" + std::to_string(i)), 8));
  return entries;
}

CacheSettings with_bundle(const fs::path& directory, const fs::path& bundle) {
  CacheSettings settings = settings_in(directory);
  settings.bundle = bundle.string();
  settings.convention = kConvention;
  return settings;
}

} // namespace

TEST_CASE("every entry of a bundle is found, and nothing else") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kernels.swgc";
  const auto entries = sample_entries(20);
  write_bundle(path.string(), kConvention, entries);
  std::string reason;
  const auto bundle = Bundle::open(path.string(), kConvention, reason);
  REQUIRE(bundle);
  CHECK(bundle->size() == 20);
  for (const auto& entry : entries)
    CHECK(bundle->find(entry.key).entry == entry);
  const auto none = bundle->find(sample_key("none"));
  CHECK_FALSE(none.entry);
  CHECK(none.defect.empty());
  CHECK(names_in(directory.path()).size() == 1);
}

TEST_CASE("a bundle serves whatever compiler of its calling convention made it") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kernels.swgc";
  const auto entries = sample_entries(3);
  write_bundle(path.string(), kConvention, entries);
  EntryKey asked = entries[1].key;
  asked.toolchain = "Swage 0.2.0 0123456789ab, LLVM 19.1.7";
  DiskCache cache(with_bundle(directory.path() / "cache", path), {});
  CacheSource source = CacheSource::compiled;
  CHECK(cache.find(asked, &source) == entries[1]); // with its own toolchain
  CHECK(source == CacheSource::bundle);
  for (std::string EntryKey::*part : {&EntryKey::kernel, &EntryKey::specialization,
                                      &EntryKey::schedule, &EntryKey::target, &EntryKey::driver}) {
    EntryKey other = asked;
    other.*part += "x";
    CHECK_FALSE(cache.find(other));
  }
  // The directory goes by the compiler: there nobody has said which convention an entry has.
  cache.publish(entries[0]);
  fs::remove(path);
  DiskCache without(settings_in(directory.path() / "cache"), {});
  CHECK(without.find(entries[0].key));
  asked.kernel = entries[0].key.kernel;
  CHECK_FALSE(without.find(asked));
}

TEST_CASE("a bundle of another calling convention is refused with both numbers") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kernels.swgc";
  write_bundle(path.string(), kConvention + 1, sample_entries(3));
  Warnings warnings;
  DiskCache cache(with_bundle(directory.path() / "cache", path), warnings.sink());
  for (const auto& entry : sample_entries(3))
    CHECK_FALSE(cache.find(entry.key));
  REQUIRE(warnings.lines.size() == 1);
  const std::string reason = "its kernels have calling convention 8, and this library launches "
                             "convention 7; write it with the 'swage' command of this version";
  CHECK(warnings.lines[0].find(path.string() + ": " + reason) != std::string::npos);
  CHECK_THROWS_WITH(import_bundle(with_bundle(directory.path() / "cache", path), path.string()),
                    Catch::Matchers::ContainsSubstring(path.string() + ": " + reason));
}

TEST_CASE("a bundle is looked into before the directory and needs none") {
  const TemporaryDirectory parent;
  const fs::path path = parent.path() / "kernels.swgc", directory = parent.path() / "cache";
  const auto entries = sample_entries(3);
  write_bundle(path.string(), kConvention, entries);
  Warnings warnings;
  DiskCache cache(with_bundle(directory, path), warnings.sink());
  CacheSource source = CacheSource::compiled;
  const auto never = []() -> CacheEntry { throw std::logic_error("compiled"); };
  CHECK(cache.find_or_make(entries[1].key, never, &source) == entries[1]);
  CHECK(source == CacheSource::bundle);
  CHECK(cache.counters().hits_bundle == 1);
  CHECK_FALSE(fs::exists(directory));
  CHECK(warnings.lines.empty());
}

TEST_CASE("a bundle with any byte flipped gives the right entry or none") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kernels.swgc";
  const auto entries = sample_entries(2);
  write_bundle(path.string(), kConvention, entries);
  const std::string good = read_file(path);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(~bad[at]);
    write_file(path, bad);
    Warnings warnings;
    DiskCache cache(with_bundle(directory.path() / "cache", path), warnings.sink());
    int served = 0;
    for (const auto& entry : entries)
      if (const auto found = cache.find(entry.key)) {
        ++served;
        if (!(*found == entry))
          FAIL("byte " << at << " flipped gave a wrong entry");
      }
    if (served == 2 || warnings.lines.empty())
      FAIL("byte " << at << " flipped went unseen");
  }
}

TEST_CASE("an index that leads to the entry of another key gives nothing") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kernels.swgc";
  const CacheEntry entry = sample_entry(sample_key("holds")),
                   other = sample_entry(sample_key("asked"));
  write_bundle(path.string(), kConvention, {other});
  // The file of one key with the bytes of the other, which are as long.
  std::string bytes = read_file(path);
  const std::string held = encode(entry), asked = encode(other);
  REQUIRE(bytes.find(asked) != std::string::npos);
  bytes.replace(bytes.find(asked), asked.size(), held);
  write_file(path, bytes);
  std::string reason;
  const auto bundle = Bundle::open(path.string(), kConvention, reason);
  REQUIRE(bundle);
  const auto found = bundle->find(other.key);
  CHECK_FALSE(found.entry);
  CHECK(found.defect == "it holds another key");
}

TEST_CASE("a bundle of any other length gives the right entry or none") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kernels.swgc";
  const auto entries = sample_entries(2);
  write_bundle(path.string(), kConvention, entries);
  const std::string good = read_file(path);
  for (std::size_t size = 0; size < good.size(); ++size) {
    write_file(path, good.substr(0, size));
    DiskCache cache(with_bundle(directory.path() / "cache", path), {});
    int served = 0;
    for (const auto& entry : entries)
      if (const auto found = cache.find(entry.key)) {
        ++served;
        CHECK(*found == entry);
      }
    CHECK(served < 2);
  }
}

TEST_CASE("a bundle that cannot be used is warned of once and passed over") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kernels.swgc";
  write_bundle(path.string(), kConvention, sample_entries(1));
  SECTION("it is not there") {
    fs::remove(path);
  }
  SECTION("everybody may write to it") {
    REQUIRE(::chmod(path.c_str(), 0666) == 0);
  }
  SECTION("it is a directory") {
    fs::remove(path);
    fs::create_directory(path);
  }
  Warnings warnings;
  DiskCache cache(with_bundle(directory.path() / "cache", path), warnings.sink());
  for (const auto& entry : sample_entries(3))
    CHECK(cache.find_or_make(entry.key, [&] { return entry; }) == entry);
  CHECK(cache.counters().misses == 3);
  REQUIRE(warnings.lines.size() == 1);
  CHECK(warnings.lines[0].find(path.string()) != std::string::npos);
}

TEST_CASE("a bundle that cannot be written is an error that names it and leaves nothing") {
  const TemporaryDirectory directory;
  const std::string path = (directory.path() / "absent" / "kernels.swgc").string();
  CHECK_THROWS_AS(write_bundle(path, kConvention, sample_entries(1)), swage::Error);
  CHECK(names_in(directory.path()).empty());
}
