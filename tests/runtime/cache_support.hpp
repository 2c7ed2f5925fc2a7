// cache_support.hpp -- directories, entries and processes for the tests of the disk cache.
#pragma once

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/store/disk_cache.hpp"

namespace cache_test {

namespace fs = std::filesystem;
using namespace swage::base;
using namespace swage::store;

/// A directory of its own, removed with all in it.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "swage-cache-XXXXXX").string();
    if (!::mkdtemp(name.data()))
      throw std::runtime_error("cannot make a temporary directory");
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

/// The warnings of one cache.
struct Warnings {
  std::mutex mutex;
  std::vector<std::string> lines;
  DiskCache::Warn sink() {
    return [this](std::string_view line) {
      const std::lock_guard guard(mutex);
      lines.emplace_back(line);
    };
  }
};

inline EntryKey sample_key(const std::string& name = "scale") {
  return {"Swage 0.1.0, LLVM 22.1", "kernel " + name, "flat i32", "lanes=16", "host x86-64", ""};
}

/// What compiling `key` gives: a function of the key, so a wrong entry shows.
inline CacheEntry sample_entry(const EntryKey& key, std::size_t bytes = 64) {
  CacheEntry entry;
  entry.key = key;
  entry.kernel_name = key.kernel.substr(7);
  entry.entry_symbol = "swage_kernel";
  entry.waits_for_dependencies = true;
  entry.stores_single_row = true;
  entry.created = 1'700'000'000;
  entry.compile_microseconds = 4321;
  entry.object = key.kernel;
  entry.object.resize(bytes, '#');
  return entry;
}

inline CacheSettings settings_in(const fs::path& directory) {
  CacheSettings settings;
  settings.directory = directory.string();
  return settings;
}

inline fs::path entry_path(const fs::path& directory, const EntryKey& key) {
  return directory / entry_name(digest_of(key));
}

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
}

inline std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(directory))
    names.push_back(item.path().filename().string());
  return names;
}

/// Runs `body` in a child process that ends with its result.
template <class Body>
pid_t spawn(Body body) {
  const pid_t child = ::fork();
  if (child != 0)
    return child;
  int status = 120;
  try {
    status = body();
  } catch (...) {
    status = 121;
  }
  ::_exit(status);
}

/// The exit status, or minus the signal.
inline int wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child)
    return 122;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Runs `body` as a user without rights, if this one is root, and says how it ended.
template <class Body>
int run_unprivileged(Body body) {
  return wait_for(spawn([&] {
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0))
      return 123;
    return body();
  }));
}

/// A value that parent and children share.
template <class Value>
class Shared {
public:
  Shared()
      : value_(new (::mmap(nullptr, sizeof(Value), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Value()) {}
  Shared(const Shared&) = delete;
  ~Shared() { ::munmap(value_, sizeof(Value)); }
  Value* operator->() const { return value_; }
  Value& operator*() const { return *value_; }

private:
  Value* value_;
};

} // namespace cache_test
