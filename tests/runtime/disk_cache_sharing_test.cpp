// disk_cache_sharing_test.cpp -- many processes, one directory: one compile, right results, no
// hang, nothing left over, whoever dies when.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "runtime/store/lock.hpp"
#include "runtime/store/store.hpp"
#include "swage/error.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

struct Tally {
  std::atomic<bool> go = false;
  std::atomic<int> compiles = 0, timeouts = 0, warnings = 0;
  std::atomic<int> steps_left = 0; ///< of the process that is to die; negative: nobody
};

void wait_for_go(const Tally& tally) {
  while (!tally.go)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
}

// One process of many: asks for the sample kernel once.
int ask(const fs::path& directory, Tally& tally, std::chrono::milliseconds compile_time) {
  const EntryKey key = sample_key();
  Warnings warnings;
  DiskCache cache(settings_in(directory), warnings.sink());
  wait_for_go(tally);
  const CacheEntry entry = cache.find_or_make(key, [&] {
    ++tally.compiles;
    std::this_thread::sleep_for(compile_time);
    return sample_entry(key);
  });
  tally.timeouts += static_cast<int>(cache.counters().timeouts);
  tally.warnings += static_cast<int>(warnings.lines.size());
  return entry == sample_entry(key) ? 0 : 1;
}

// The tally as the hook of a child sees it.
Tally* g_tally = nullptr;

void die_at_step(const char*) {
  if (g_tally->steps_left-- == 0)
    ::kill(::getpid(), SIGKILL);
}

} // namespace

TEST_CASE("of 64 processes on an empty cache one compiles and all get the right code") {
  const TemporaryDirectory parent;
  const fs::path directory = parent.path() / "new" / "cache";
  const Shared<Tally> tally;
  std::vector<pid_t> children;
  for (int i = 0; i < 64; ++i)
    children.push_back(
        spawn([&] { return ask(directory, *tally, std::chrono::milliseconds(50)); }));
  tally->go = true;
  for (const pid_t child : children)
    CHECK(wait_for(child) == 0);
  CHECK(tally->compiles == 1);
  CHECK(tally->timeouts == 0);
  CHECK(tally->warnings == 0);
  auto names = names_in(directory);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{entry_name(digest_of(sample_key())), "usage"});
}

TEST_CASE("threads of one process share a compile as processes do") {
  const TemporaryDirectory directory;
  const EntryKey key = sample_key();
  DiskCache cache(settings_in(directory.path()), {});
  std::atomic<int> compiles = 0, right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      const auto entry = cache.find_or_make(key, [&] {
        ++compiles;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return sample_entry(key);
      });
      right += entry == sample_entry(key) ? 1 : 0;
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(compiles == 1);
  CHECK(right == 8);
}

// SWAGE_TEST_KILLS sets another number of rounds, SWAGE_TEST_KILL_PROCESSES of processes a round.
TEST_CASE("a publisher killed at any step leaves right results, no hang and no growing leftovers") {
  const char* setting = std::getenv("SWAGE_TEST_KILLS");
  const int rounds = setting ? std::atoi(setting) : 1000;
  const char* wanted = std::getenv("SWAGE_TEST_KILL_PROCESSES");
  const int processes = wanted ? std::atoi(wanted) : 4;
  const TemporaryDirectory directory;
  const Shared<Tally> tally;
  g_tally = &*tally;
  std::mt19937 random(20240607);
  constexpr int steps =
      9; // create, lock, write, write more, sync, rename, sync directory, book, done
  int killed = 0;
  std::size_t most_files = 0;
  for (int round = 0; round < rounds; ++round) {
    fs::remove(entry_path(directory.path(), sample_key()));
    tally->go = false;
    tally->steps_left = static_cast<int>(random() % (steps + 1));
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i)
      children.push_back(spawn([&] {
        publish_step = die_at_step;
        return ask(directory.path(), *tally, std::chrono::milliseconds(0));
      }));
    tally->go = true;
    for (const pid_t child : children) {
      const int status = wait_for(child);
      killed += status == -SIGKILL ? 1 : 0;
      if (status != 0 && status != -SIGKILL)
        FAIL("round " << round << ": a process ended with " << status);
    }
    most_files = std::max(most_files, names_in(directory.path()).size());
  }
  g_tally = nullptr;
  CHECK(killed > rounds / 2);
  CHECK(killed <= rounds);
  CHECK(tally->timeouts == 0);
  CHECK(tally->warnings == 0);
  // Entry, books, one lock and one temporary of the last to die; a killed sweep keeps one more.
  CHECK(most_files <= 5);
}

TEST_CASE("a process whose peer never finishes compiles for itself after the bounded wait") {
  const TemporaryDirectory directory;
  const EntryKey key = sample_key();
  std::string reason;
  const auto open = CacheDirectory::open(directory.path().string(), false, reason);
  REQUIRE(open);
  const LockAttempt stuck = try_lock(*open, lock_name(digest_of(key)), true);
  REQUIRE(stuck.lock.held());

  CacheSettings settings = settings_in(directory.path());
  settings.wait = std::chrono::milliseconds(60);
  Warnings warnings;
  DiskCache cache(settings, warnings.sink());
  CHECK(cache.find_or_make(key, [&] { return sample_entry(key); }) == sample_entry(key));
  CHECK(cache.counters().timeouts == 1);
  CHECK(cache.counters().publishes == 1);
  CHECK(warnings.lines.size() == 1);
  CHECK(cache.find(key));
}

TEST_CASE("a compile that throws lets the next process try, and keeps nothing") {
  const TemporaryDirectory directory;
  const EntryKey key = sample_key();
  DiskCache cache(settings_in(directory.path()), {});
  CHECK_THROWS_AS(
      cache.find_or_make(
          key, []() -> CacheEntry { throw swage::Error(swage::ErrorCode::unsupported, "no"); }),
      swage::Error);
  CHECK(names_in(directory.path()).empty());
  CHECK(cache.find_or_make(key, [&] { return sample_entry(key); }) == sample_entry(key));
}

TEST_CASE("a lock that a dead process held is free, and its file is used again") {
  const TemporaryDirectory directory;
  std::string reason;
  const auto open = CacheDirectory::open(directory.path().string(), false, reason);
  const std::string name = lock_name(digest_of(sample_key()));
  const int status = wait_for(spawn([&] {
    const LockAttempt attempt = try_lock(*open, name, true);
    ::kill(::getpid(), SIGKILL);
    return attempt.lock.held() ? 0 : 1;
  }));
  REQUIRE(status == -SIGKILL);
  REQUIRE(fs::exists(directory.path() / name));
  {
    const LockAttempt attempt = try_lock(*open, name, true);
    REQUIRE(attempt.status == LockAttempt::Status::held);
    CHECK(attempt.lock.inherited());
    CHECK(try_lock(*open, name, true).status == LockAttempt::Status::busy);
  }
  CHECK_FALSE(fs::exists(directory.path() / name));
}

TEST_CASE("a sweep at any step of a publish leaves the publisher's file alone") {
  static const CacheDirectory* swept_directory;
  static int before_lock, leftovers, leftovers_later;
  const TemporaryDirectory directory;
  std::string reason;
  const auto open = CacheDirectory::open(directory.path().string(), false, reason);
  swept_directory = &*open;
  before_lock = leftovers = leftovers_later = 0;
  publish_step = [](const char* step) {
    // Before it is locked the file is nobody's: taking it there makes the publisher start again.
    const bool unlocked = std::string(step) == "lock";
    if (unlocked && ++before_lock > 1)
      return;
    (unlocked ? leftovers : leftovers_later) +=
        sweep(*swept_directory, ~std::uint64_t{0}).leftovers;
  };
  const Published published = publish_entry(*open, sample_entry(sample_key()), 1 << 20);
  publish_step = nullptr;
  CHECK(published.done);
  CHECK(before_lock == 2);
  CHECK(leftovers == 1);
  CHECK(leftovers_later == 0);
  CHECK(fs::exists(entry_path(directory.path(), sample_key())));
}

TEST_CASE("two processes never hold one lock, though its file comes and goes") {
  const TemporaryDirectory directory;
  std::string reason;
  const auto open = CacheDirectory::open(directory.path().string(), false, reason);
  const std::string name = lock_name(digest_of(sample_key()));
  const Shared<std::atomic<int>> inside, held;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i)
    children.push_back(spawn([&] {
      // On a busy machine one child can use up all its rounds while another sleeps with the lock.
      constexpr int kOwn = 20;
      for (int round = 0, own = 0; round < 4000 || own < kOwn; ++round) {
        const LockAttempt attempt = try_lock(*open, name, true);
        if (attempt.status == LockAttempt::Status::failed)
          return 1;
        if (attempt.status != LockAttempt::Status::held) {
          if (round >= 4000)
            std::this_thread::yield();
          continue;
        }
        ++own;
        ++*held;
        if (++*inside != 1)
          return 2;
        std::this_thread::yield();
        --*inside;
      }
      return 0;
    }));
  for (const pid_t child : children)
    CHECK(wait_for(child) == 0);
  CHECK(*held > 100);
}

TEST_CASE("a sweep removes what dead processes left and nothing that is alive or foreign") {
  const TemporaryDirectory directory;
  std::string reason;
  const auto open = CacheDirectory::open(directory.path().string(), false, reason);
  const Digest dead = digest_of(sample_key("dead")), alive = digest_of(sample_key("alive"));
  write_file(directory.path() / temporary_name(dead), "half an entry");
  write_file(directory.path() / lock_name(dead), "");
  write_file(directory.path() / "notes.tmp", "not ours");
  fs::create_directory(directory.path() / "tuning");
  const LockAttempt lock = try_lock(*open, lock_name(alive), true);
  const std::string busy = temporary_name(alive);
  const LockAttempt writer = try_lock(*open, busy, true);

  CHECK(sweep(*open, ~std::uint64_t{0}).leftovers == 2);
  auto names = names_in(directory.path());
  std::sort(names.begin(), names.end());
  std::vector<std::string> expected = {"notes.tmp", "tuning", lock_name(alive), busy};
  std::sort(expected.begin(), expected.end());
  CHECK(names == expected);
}
