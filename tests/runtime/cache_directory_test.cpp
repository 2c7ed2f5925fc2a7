// cache_directory_test.cpp -- where the cache lies, as the environment says it.
#include <map>
#include <optional>

#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

// Sets the variables that the cache reads, all others of them unset, until it goes.
class Environment {
public:
  explicit Environment(const std::map<std::string, std::string>& values) {
    for (const char* name : {"SWAGE_CACHE_DIR", "SWAGE_CACHE_MAX_SIZE", "SWAGE_CACHE_BUNDLE",
                             "XDG_CACHE_HOME", "HOME"}) {
      const char* old = std::getenv(name);
      old_[name] = old ? std::optional<std::string>(old) : std::nullopt;
      set(name, values.contains(name) ? std::optional(values.at(name)) : std::nullopt);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : old_)
      set(name, value);
  }

private:
  static void set(const std::string& name, const std::optional<std::string>& value) {
    if (value)
      ::setenv(name.c_str(), value->c_str(), 1);
    else
      ::unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> old_;
};

std::string directory_with(const std::map<std::string, std::string>& values) {
  const Environment environment(values);
  return cache_settings_from_environment().directory;
}

} // namespace

TEST_CASE("the cache directory is the first of SWAGE_CACHE_DIR, XDG_CACHE_HOME and HOME") {
  CHECK(directory_with({{"SWAGE_CACHE_DIR", "/c"}, {"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}}) ==
        "/c");
  const TemporaryDirectory folder;
  const std::string xdg = folder.path() / "x", home = folder.path() / "h";
  fs::create_directory(xdg);
  fs::create_directory(home);
  CHECK(directory_with({{"XDG_CACHE_HOME", xdg}, {"HOME", home}}) == xdg + "/swage");
  CHECK(directory_with({{"XDG_CACHE_HOME", "relative"}, {"HOME", home}}) == home + "/.cache/swage");
  CHECK(directory_with({{"HOME", home}}) == home + "/.cache/swage");
  CHECK(directory_with({}) == "");
}

TEST_CASE("a home or XDG directory that does not exist is not made") {
  const TemporaryDirectory folder;
  const std::string missing = folder.path() / "missing" / "u", file = folder.path() / "file";
  write_file(file, "");
  CHECK(directory_with({{"HOME", missing}}) == "");
  CHECK(directory_with({{"HOME", file}}) == "");
  CHECK(directory_with({{"XDG_CACHE_HOME", missing}, {"HOME", folder.path()}}) == "");
  // What the user names is made with all its parents.
  CHECK(directory_with({{"SWAGE_CACHE_DIR", missing}}) == missing);
}

TEST_CASE("an empty SWAGE_CACHE_DIR asks for memory alone") {
  const Environment environment({{"SWAGE_CACHE_DIR", ""}, {"HOME", "/h"}});
  CHECK(cache_settings_from_environment().max_bytes == 0);
}

TEST_CASE("the size limit and the bundle come from the environment") {
  const Environment environment({{"SWAGE_CACHE_DIR", "/c"},
                                 {"SWAGE_CACHE_MAX_SIZE", "3M"},
                                 {"SWAGE_CACHE_BUNDLE", "/b.swgc"}});
  const CacheSettings settings = cache_settings_from_environment();
  CHECK(settings.max_bytes == 3 << 20);
  CHECK(settings.bundle == "/b.swgc");
}

TEST_CASE("a size limit that is no size is named and has no effect") {
  const Environment environment({{"SWAGE_CACHE_DIR", "/c"}, {"SWAGE_CACHE_MAX_SIZE", "plenty"}});
  std::vector<std::string> complaints;
  CHECK(cache_settings_from_environment(&complaints).max_bytes == CacheSettings().max_bytes);
  REQUIRE(complaints.size() == 1);
  CHECK(complaints[0].find("plenty") != std::string::npos);
}

TEST_CASE("byte counts are read with their units") {
  CHECK(parse_byte_count("0") == 0);
  CHECK(parse_byte_count("1073741824") == 1073741824);
  CHECK(parse_byte_count("10B") == 10);
  CHECK(parse_byte_count("2k") == 2048);
  CHECK(parse_byte_count("512M") == 512ULL << 20);
  CHECK(parse_byte_count("1 GiB") == 1ULL << 30);
  CHECK(parse_byte_count("3TB") == 3ULL << 40);
  for (const char* bad :
       {"", "M", "-1", "1X", "1.5G", "1GiBs", "99999999999999999999", "20000000T"})
    CHECK_FALSE(parse_byte_count(bad));
}
