// disk_cache_damage_test.cpp -- nothing that lies in the cache directory can do harm.
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

// Asks for the sample entry in a directory where its file holds `bytes`: it must be a miss with one
// warning that names the file, compiled anew, and then a hit.
void expect_miss(const fs::path& directory, const std::string& bytes) {
  const EntryKey key = sample_key();
  const fs::path path = entry_path(directory, key);
  write_file(path, bytes);
  Warnings warnings;
  DiskCache cache(settings_in(directory), warnings.sink());
  int compiled = 0;
  CacheSource source = CacheSource::disk;
  const auto make = [&] {
    ++compiled;
    return sample_entry(key, 8);
  };
  const CacheEntry entry = cache.find_or_make(key, make, &source);
  const bool good = compiled == 1 && source == CacheSource::compiled && entry == make() &&
                    warnings.lines.size() == 1 &&
                    warnings.lines[0].find(path.string()) != std::string::npos &&
                    cache.counters().defects == 1 && cache.find(key) == entry;
  if (!good) {
    CAPTURE(compiled, warnings.lines);
    FAIL("damaged bytes were not a plain miss");
  }
}

} // namespace

TEST_CASE("an entry file with any byte flipped is a miss, a warning, and compiled anew") {
  const TemporaryDirectory directory;
  const std::string good = encode(sample_entry(sample_key(), 8));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(~bad[at]);
    INFO("byte " << at);
    expect_miss(directory.path(), bad);
  }
}

TEST_CASE("an entry file of any other length is a miss, a warning, and compiled anew") {
  const TemporaryDirectory directory;
  const std::string good = encode(sample_entry(sample_key(), 8));
  for (std::size_t size = 0; size < good.size(); ++size) {
    INFO("length " << size);
    expect_miss(directory.path(), good.substr(0, size));
  }
  expect_miss(directory.path(), good + good);
}

TEST_CASE("a good entry under the name of another key is not served") {
  const TemporaryDirectory directory;
  expect_miss(directory.path(), encode(sample_entry(sample_key("other"))));
}

TEST_CASE("a look-up removes a damaged entry and leaves good ones alone") {
  const TemporaryDirectory directory;
  const EntryKey bad = sample_key("bad"), good = sample_key("good");
  DiskCache cache(settings_in(directory.path()), {});
  cache.publish(sample_entry(bad));
  cache.publish(sample_entry(good));
  write_file(entry_path(directory.path(), bad), "rubbish");
  CHECK_FALSE(cache.find(bad));
  CHECK_FALSE(fs::exists(entry_path(directory.path(), bad)));
  CHECK(cache.find(good) == sample_entry(good));
}

TEST_CASE("an I/O error is a miss that leaves the entry where it is") {
  const TemporaryDirectory directory;
  fs::permissions(directory.path(), fs::perms::all);
  const EntryKey key = sample_key();
  const fs::path inner = directory.path() / "cache", path = entry_path(inner, key);
  const int status = run_unprivileged([&] {
    Warnings warnings;
    DiskCache cache(settings_in(inner), warnings.sink());
    cache.publish(sample_entry(key));
    ::chmod(path.c_str(), 0);
    const bool missed = !cache.find(key) && warnings.lines.size() == 1 &&
                        warnings.lines[0].find(path.string()) != std::string::npos &&
                        cache.counters().io_errors == 1;
    return missed && fs::exists(path) ? 0 : 1;
  });
  CHECK(status == 0);
}

TEST_CASE("what is no regular file in an entry's place is a miss and harms nobody") {
  const TemporaryDirectory directory;
  const EntryKey key = sample_key();
  const fs::path path = entry_path(directory.path(), key);
  const fs::path elsewhere = directory.path() / "elsewhere";
  write_file(elsewhere, encode(sample_entry(key)));

  SECTION("a link to a good entry") {
    fs::create_symlink(elsewhere, path);
  }
  SECTION("a directory") {
    fs::create_directory(path);
  }
  SECTION("a pipe without a writer") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  }
  Warnings warnings;
  DiskCache cache(settings_in(directory.path()), warnings.sink());
  const CacheEntry entry = cache.find_or_make(key, [&] { return sample_entry(key); });
  CHECK(entry == sample_entry(key));
  CHECK(cache.counters().misses == 1);
  REQUIRE(!warnings.lines.empty());
  CHECK(warnings.lines[0].find(path.string()) != std::string::npos);
  CHECK(fs::exists(elsewhere));
}

TEST_CASE("an entry that others may write to is not believed") {
  const TemporaryDirectory directory;
  const EntryKey key = sample_key();
  const fs::path path = entry_path(directory.path(), key);
  Warnings warnings;
  DiskCache cache(settings_in(directory.path()), warnings.sink());
  cache.publish(sample_entry(key));
  for (const mode_t mode : {0602U, 0620U}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK_FALSE(cache.find(key));
  }
  CHECK(warnings.lines.size() == 2);
  CHECK(fs::exists(path));
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  CHECK(cache.find(key));
}

TEST_CASE("an entry of another user is believed only where the directory vouches for it") {
  if (::geteuid() != 0) {
    WARN("skipped: giving files away needs root");
    return;
  }
  const TemporaryDirectory directory;
  const EntryKey key = sample_key();
  const fs::path path = entry_path(directory.path(), key);
  {
    DiskCache cache(settings_in(directory.path()), {});
    cache.publish(sample_entry(key));
  }
  REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
  const auto found_with_mode = [&](mode_t mode) {
    ::chmod(directory.path().c_str(), mode);
    DiskCache cache(settings_in(directory.path()), {});
    return cache.find(key).has_value();
  };
  CHECK_FALSE(found_with_mode(0700));
  CHECK(found_with_mode(0770));
  CHECK_FALSE(found_with_mode(0777));
  CHECK_FALSE(found_with_mode(01777));
}

TEST_CASE("an entry whose code is refused later is dropped") {
  const TemporaryDirectory directory;
  const EntryKey key = sample_key();
  Warnings warnings;
  DiskCache cache(settings_in(directory.path()), warnings.sink());
  cache.publish(sample_entry(key));
  cache.discard(key, "the driver refuses the cubin");
  CHECK_FALSE(cache.find(key));
  REQUIRE(warnings.lines.size() == 1);
  CHECK(warnings.lines[0].find("the driver refuses the cubin") != std::string::npos);
}
