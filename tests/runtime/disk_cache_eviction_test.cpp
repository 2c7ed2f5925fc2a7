// disk_cache_eviction_test.cpp -- the size limit: kept, and at the expense of what nobody uses.
#include <cmath>
#include <ctime>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>

#include "runtime/store/usage.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

constexpr std::size_t kBytes = 2000;

std::string name_of(int number) {
  return "k" + std::to_string(number);
}

CacheEntry entry_number(int number) {
  return sample_entry(sample_key(name_of(number)), kBytes);
}

std::uint64_t entry_bytes() {
  return encode(entry_number(1000)).size();
}

CacheSettings limited(const fs::path& directory, std::uint64_t entries) {
  CacheSettings settings = settings_in(directory);
  settings.max_bytes = entries * entry_bytes();
  return settings;
}

std::uint64_t bytes_in(const fs::path& directory) {
  std::uint64_t total = 0;
  for (const auto& item : fs::directory_iterator(directory))
    if (item.path().extension() == ".swgk")
      total += fs::file_size(item.path());
  return total;
}

void set_time(const fs::path& path, std::time_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

} // namespace

TEST_CASE("the oldest entries go first, and no more of them than needed") {
  const TemporaryDirectory directory;
  DiskCache cache(limited(directory.path(), 32), {});
  for (int i = 0; i < 100; ++i) {
    cache.publish(entry_number(i));
    CHECK(bytes_in(directory.path()) <= cache.settings().max_bytes);
  }
  CHECK(bytes_in(directory.path()) >= cache.settings().max_bytes * 3 / 4);
  for (int i = 76; i < 100; ++i)
    CHECK(cache.find(entry_number(i).key));
  CHECK_FALSE(cache.find(entry_number(0).key));
  CHECK(cache.counters().evictions >= 68);
}

TEST_CASE("an entry in use outlives newer ones that are not") {
  const TemporaryDirectory directory;
  DiskCache cache(limited(directory.path(), 32), {});
  for (int i = 0; i < 300; ++i) {
    cache.publish(entry_number(i));
    INFO("after " << i);
    CHECK(cache.find(entry_number(0).key));
  }
  CHECK_FALSE(cache.find(entry_number(1).key));
}

TEST_CASE("the order of use survives clocks that disagree") {
  const TemporaryDirectory directory;
  DiskCache cache(limited(directory.path(), 32), {});
  const auto path = [&](int number) {
    return entry_path(directory.path(), entry_number(number).key);
  };
  // Another machine, ten years ahead, published first.
  cache.publish(entry_number(0));
  set_time(path(0), ::time(nullptr) + 315'000'000);
  fs::remove(directory.path() / kUsageName);
  for (int i = 1; i < 100; ++i)
    cache.publish(entry_number(i));
  CHECK_FALSE(fs::exists(path(0)));
  CHECK(fs::exists(path(99)));
  CHECK(fs::exists(path(80)));
}

TEST_CASE("a lost or damaged usage file is made anew from what is there") {
  const TemporaryDirectory directory;
  DiskCache cache(limited(directory.path(), 32), {});
  for (int i = 0; i < 31; ++i)
    cache.publish(entry_number(i));
  const fs::path usage = directory.path() / kUsageName;
  SECTION("lost") {
    fs::remove(usage);
  }
  SECTION("truncated") {
    fs::resize_file(usage, 3);
  }
  SECTION("longer") {
    write_file(usage, read_file(usage) + "x");
  }
  SECTION("flipped") {
    std::string bytes = read_file(usage);
    bytes[20] = static_cast<char>(~bytes[20]);
    write_file(usage, bytes);
  }
  for (int i = 31; i < 40; ++i)
    cache.publish(entry_number(i));
  CHECK(bytes_in(directory.path()) <= cache.settings().max_bytes);
  CHECK(cache.find(entry_number(39).key));
  CHECK(cache.find(entry_number(20).key));
}

TEST_CASE("a hit renews an entry seldom, and never for want of publishing") {
  const TemporaryDirectory directory;
  DiskCache cache(limited(directory.path(), 3200), {});
  cache.publish(entry_number(0));
  const fs::path path = entry_path(directory.path(), entry_number(0).key);
  const auto time = fs::last_write_time(path);
  for (int i = 1; i < 50; ++i) {
    cache.publish(entry_number(i));
    CHECK(cache.find(entry_number(0).key));
  }
  CHECK(fs::last_write_time(path) == time);
  for (int i = 50; i < 150; ++i)
    cache.publish(entry_number(i));
  CHECK(cache.find(entry_number(0).key));
  CHECK(fs::last_write_time(path) > time);
}

TEST_CASE("an entry larger than the limit is not kept and evicts nothing") {
  const TemporaryDirectory directory;
  DiskCache cache(limited(directory.path(), 4), {});
  cache.publish(entry_number(0));
  cache.publish(sample_entry(sample_key("large"), 5 * kBytes));
  CHECK(cache.find(entry_number(0).key));
  CHECK_FALSE(cache.find(sample_key("large")));
}

TEST_CASE("16 processes that fill a cache past its limit settle at or under it") {
  const TemporaryDirectory directory;
  constexpr int processes = 16, each = 40, hot = 4;
  const CacheSettings settings = limited(directory.path(), 160);
  {
    DiskCache cache(settings, {});
    for (int i = 0; i < hot; ++i)
      cache.publish(entry_number(100000 + i));
  }
  std::vector<pid_t> children;
  for (int process = 0; process < processes; ++process)
    children.push_back(spawn([&] {
      DiskCache cache(settings, {});
      for (int i = 0; i < each; ++i) {
        const CacheEntry mine = entry_number(1000 * process + i);
        if (cache.find_or_make(mine.key, [&] { return mine; }) != mine)
          return 1;
        // The kernels that everybody uses all the time.
        if (!cache.find(entry_number(100000 + i % hot).key))
          return 2;
      }
      return 0;
    }));
  for (const pid_t child : children)
    CHECK(wait_for(child) == 0);
  CHECK(bytes_in(directory.path()) <= settings.max_bytes);
  CHECK(bytes_in(directory.path()) >= settings.max_bytes / 2);
  for (int i = 0; i < hot; ++i)
    CHECK(fs::exists(entry_path(directory.path(), entry_number(100000 + i).key)));
}

TEST_CASE("readers are not disturbed while entries are evicted under them") {
  const TemporaryDirectory directory;
  const CacheSettings settings = limited(directory.path(), 8);
  const Shared<std::atomic<bool>> done;
  const pid_t reader = spawn([&] {
    Warnings warnings;
    DiskCache cache(settings, warnings.sink());
    while (!*done)
      for (int i = 0; i < 64; ++i)
        if (const auto entry = cache.find(entry_number(i).key);
            entry && !(*entry == entry_number(i)))
          return 1;
    return warnings.lines.empty() ? 0 : 2;
  });
  DiskCache cache(settings, {});
  for (int i = 0; i < 600; ++i)
    cache.publish(entry_number(i % 64));
  *done = true;
  CHECK(wait_for(reader) == 0);
}
