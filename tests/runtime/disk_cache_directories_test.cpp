// disk_cache_directories_test.cpp -- directories that cannot be used, or not any longer: kernels
// still come, from memory, with one warning.
#include <csignal>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/store/store.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

CacheEntry ask(DiskCache& cache, const std::string& name, std::size_t bytes = 64) {
  const EntryKey key = sample_key(name);
  return cache.find_or_make(key, [&] { return sample_entry(key, bytes); });
}

// Three kernels come right, and there is one warning, which names the directory.
bool works_from_memory(DiskCache& cache, Warnings& warnings, const fs::path& directory) {
  for (const std::string name : {"a", "b", "c"})
    if (ask(cache, name) != sample_entry(sample_key(name)))
      return false;
  return warnings.lines.size() == 1 &&
         warnings.lines[0].find(directory.string()) != std::string::npos;
}

// A file system of its own at `path`; false where this process may not have one.
bool mount_tmpfs(const fs::path& path, const char* options) {
  return ::mount("swage-test", path.c_str(), "tmpfs", 0, options) == 0;
}

} // namespace

TEST_CASE("a cache path that is a file works from memory") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "file";
  write_file(path, "not a directory");
  Warnings warnings;
  DiskCache cache(settings_in(path), warnings.sink());
  CHECK(works_from_memory(cache, warnings, path));
  CHECK(read_file(path) == "not a directory");
}

TEST_CASE("a cache path below a file works from memory") {
  const TemporaryDirectory directory;
  write_file(directory.path() / "file", "");
  const fs::path path = directory.path() / "file" / "cache";
  Warnings warnings;
  DiskCache cache(settings_in(path), warnings.sink());
  CHECK(works_from_memory(cache, warnings, path));
}

TEST_CASE("a cache directory of another user works from memory") {
  if (::geteuid() != 0) {
    WARN("skipped: giving directories away needs root");
    return;
  }
  const TemporaryDirectory directory;
  REQUIRE(::chown(directory.path().c_str(), 12345, 12345) == 0);
  Warnings warnings;
  DiskCache cache(settings_in(directory.path()), warnings.sink());
  CHECK(works_from_memory(cache, warnings, directory.path()));
  CHECK(names_in(directory.path()).empty());
}

TEST_CASE("a read-only cache directory serves what it holds and takes nothing") {
  const TemporaryDirectory parent;
  fs::permissions(parent.path(), fs::perms::all);
  const fs::path directory = parent.path() / "cache";
  const int status = run_unprivileged([&] {
    DiskCache(settings_in(directory), {}).publish(sample_entry(sample_key("kept")));
    if (::chmod(directory.c_str(), 0500) != 0)
      return 1;
    Warnings warnings;
    DiskCache cache(settings_in(directory), warnings.sink());
    if (cache.find(sample_key("kept")) != sample_entry(sample_key("kept")))
      return 2;
    if (!works_from_memory(cache, warnings, directory))
      return 3;
    ::chmod(directory.c_str(), 0700);
    return names_in(directory).size() == 2 ? 0 : 4;
  });
  CHECK(status == 0);
}

TEST_CASE("a cache directory on a read-only file system serves what it holds") {
  const TemporaryDirectory directory;
  if (!mount_tmpfs(directory.path(), "size=1m,mode=0700")) {
    WARN("skipped: mounting a file system is not allowed here");
    return;
  }
  DiskCache(settings_in(directory.path()), {}).publish(sample_entry(sample_key("kept")));
  CHECK(::mount(nullptr, directory.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  {
    Warnings warnings;
    DiskCache cache(settings_in(directory.path()), warnings.sink());
    CHECK(cache.find(sample_key("kept")) == sample_entry(sample_key("kept")));
    CHECK(works_from_memory(cache, warnings, directory.path()));
  }
  CHECK(::umount(directory.path().c_str()) == 0);
}

TEST_CASE("a full disk works from memory, leaves nothing half written, and recovers") {
  const TemporaryDirectory directory;
  if (!mount_tmpfs(directory.path(), "size=64k,mode=0700")) {
    WARN("skipped: mounting a file system is not allowed here");
    return;
  }
  {
    Warnings warnings;
    DiskCache cache(settings_in(directory.path()), warnings.sink());
    write_file(directory.path() / "ballast", std::string(60 << 10, '#'));
    for (const std::string name : {"a", "b", "c"})
      CHECK(ask(cache, name, 20000) == sample_entry(sample_key(name), 20000));
    CHECK(warnings.lines.size() == 1);
    CHECK(cache.counters().publish_failures == 3);
    CHECK(names_in(directory.path()) == std::vector<std::string>{"ballast"});

    fs::remove(directory.path() / "ballast");
    ask(cache, "d", 20000);
    CHECK(cache.find(sample_key("d")));
  }
  CHECK(::umount(directory.path().c_str()) == 0);
}

TEST_CASE("a file size limit costs an entry, not the process, and leaves signals as they were") {
  for (const rlim_t limit : {0, 1000}) {
    const TemporaryDirectory directory;
    const pid_t child = ::fork(); // for the limit holds for the output of tests too
    if (child == 0) {
      const rlimit files{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &files);
      Warnings warnings;
      DiskCache cache(settings_in(directory.path()), warnings.sink());
      const bool came = ask(cache, "a", 5000) == sample_entry(sample_key("a"), 5000);
      sigset_t waiting, blocked;
      ::sigpending(&waiting);
      ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
      const bool untouched = !::sigismember(&waiting, SIGXFSZ) && !::sigismember(&blocked, SIGXFSZ);
      ::_exit(!came ? 2 : !untouched ? 3 : warnings.lines.size() == 1 ? 0 : 4);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO("limit " << limit << ", status " << status);
    CHECK(status == 0);
    for (const std::string& name : names_in(directory.path()))
      CHECK_FALSE((name.ends_with(".tmp") || name.ends_with(".swgk")));
  }
}

TEST_CASE("a cache directory removed while in use works from memory") {
  const TemporaryDirectory parent;
  const fs::path directory = parent.path() / "cache";
  Warnings warnings;
  DiskCache cache(settings_in(directory), warnings.sink());
  ask(cache, "before");
  CHECK(cache.find(sample_key("before")));
  fs::remove_all(directory);
  CHECK(works_from_memory(cache, warnings, directory));
  CHECK_FALSE(fs::exists(directory));
}

TEST_CASE("a cache directory removed between any two steps of a publish harms nobody") {
  static fs::path victim;
  static std::string doomed_step;
  for (const std::string step :
       {"create", "lock", "write", "write more", "sync", "rename", "book", "done"}) {
    const TemporaryDirectory parent;
    victim = parent.path() / "cache";
    doomed_step = step;
    Warnings warnings;
    DiskCache cache(settings_in(victim), warnings.sink());
    publish_step = [](const char* now) {
      if (now == doomed_step)
        fs::remove_all(victim);
    };
    const CacheEntry entry = ask(cache, "a");
    publish_step = nullptr;
    INFO("removed before: " << step);
    CHECK(entry == sample_entry(sample_key("a")));
    CHECK(warnings.lines.size() <= 1);
  }
}

TEST_CASE("no home directory means memory alone") {
  Warnings warnings;
  DiskCache cache(CacheSettings{}, warnings.sink());
  for (const std::string name : {"a", "b"})
    CHECK(ask(cache, name) == sample_entry(sample_key(name)));
  REQUIRE(warnings.lines.size() == 1);
  CHECK(warnings.lines[0].find("SWAGE_CACHE_DIR") != std::string::npos);
}

TEST_CASE("a limit of zero turns the directory off without a word") {
  const TemporaryDirectory directory;
  CacheSettings settings = settings_in(directory.path());
  settings.max_bytes = 0;
  Warnings warnings;
  DiskCache cache(settings, warnings.sink());
  CHECK(ask(cache, "a") == sample_entry(sample_key("a")));
  CHECK(warnings.lines.empty());
  CHECK(names_in(directory.path()).empty());
}

TEST_CASE("a look-up alone creates no directory") {
  const TemporaryDirectory parent;
  const fs::path directory = parent.path() / "cache";
  DiskCache cache(settings_in(directory), {});
  CHECK_FALSE(cache.find(sample_key()));
  CHECK_FALSE(fs::exists(directory));
}

TEST_CASE(
    "directories and entries are made for their owner alone, unless the directory is shared") {
  const TemporaryDirectory parent;
  const fs::path directory = parent.path() / "a" / "cache";
  const auto mode_of = [](const fs::path& path) {
    struct stat status {};
    ::stat(path.c_str(), &status);
    return status.st_mode & 0777;
  };
  const mode_t old = ::umask(0);
  DiskCache(settings_in(directory), {}).publish(sample_entry(sample_key("private")));
  CHECK(mode_of(directory) == 0700);
  CHECK(mode_of(parent.path() / "a") == 0700);
  CHECK(mode_of(entry_path(directory, sample_key("private"))) == 0600);

  const fs::path kept = parent.path() / "b" / "cache";
  ::umask(0277); // would leave a directory that nothing can be put into
  DiskCache(settings_in(kept), {}).publish(sample_entry(sample_key("private")));
  CHECK(mode_of(kept) == 0700);
  CHECK(mode_of(parent.path() / "b") == 0700);

  ::umask(0077);
  ::chmod(directory.c_str(), 02770);
  DiskCache(settings_in(directory), {}).publish(sample_entry(sample_key("shared")));
  CHECK(mode_of(entry_path(directory, sample_key("shared"))) == 0640);
  ::umask(old);
}
