// cache_test.cpp -- `swage cache`, run as a user runs it.
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include "runtime/store/disk_cache.hpp"
#include "tests/cli/subprocess.hpp"

using namespace swage;
using test::Outcome;
using test::run_swage;
using test::TemporaryFolder;
using Json = nlohmann::json;

namespace {

/// The command on a cache of its own.
class Cache {
public:
  std::string directory() const { return folder_.file("cache"); }
  std::string file(const std::string& name) const { return folder_.file(name); }
  Outcome run(std::vector<std::string> arguments, std::vector<std::string> environment = {}) const {
    environment.insert(environment.begin(), "SWAGE_CACHE_DIR=" + directory());
    return run_swage(arguments, environment);
  }
  Json json(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "cache");
    arguments.push_back("--json");
    const Outcome outcome = run(arguments);
    INFO(outcome.err);
    return Json::parse(outcome.out);
  }
  Outcome launch(std::vector<std::string> environment = {}) const {
    environment.push_back("SWAGE_LOG=info");
    return run({"run", "swiglu", "--device", "cpu", "--shape", "8x64", "-D", "T=f32"}, environment);
  }

private:
  TemporaryFolder folder_;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

} // namespace

TEST_CASE("an absent cache is an empty one, and looking creates nothing") {
  const Cache cache;
  CHECK(cache.run({"cache", "path"}).out == cache.directory() + "\n");
  CHECK(cache.json({"list"})["entries"].empty());
  CHECK(cache.run({"cache", "verify"}).status == 0);
  CHECK_FALSE(std::filesystem::exists(cache.directory()));
}

TEST_CASE("a cache that is memory alone says so") {
  const Outcome outcome = run_swage({"cache", "list"}, {"SWAGE_CACHE_DIR="});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("memory alone") != std::string::npos);
}

TEST_CASE("a run leaves an entry that the list describes and the next run finds") {
  const Cache cache;
  CHECK(has(cache.launch().err, "miss"));
  CHECK(has(cache.launch().err, "hit on disk"));
  const Json list = cache.json({"list"});
  REQUIRE(list["entries"].size() == 1);
  const Json& entry = list["entries"][0];
  CHECK(entry["kernel"] == "swiglu");
  CHECK(entry["form"] == "object");
  CHECK(has(entry["target"], "host "));
  CHECK(has(entry["specialization"], "flat i32"));
  CHECK(entry["bytes"] == list["bytes"]);
  CHECK(entry["last_used"].get<std::int64_t>() > 1'700'000'000);
  CHECK(has(cache.run({"cache", "list"}).out, "swiglu"));
}

TEST_CASE(
    "an entry is found again from another folder, file, locale, text and name of the command") {
  const test::TemporaryFolder folder;
  const std::string elsewhere = folder.file("elsewhere");
  std::filesystem::create_directory(elsewhere);
  std::filesystem::create_symlink(SWAGE_COMMAND, elsewhere + "/other");
  test::write_text(folder.file("a.swg"), "kernel k(x: in f32, y: out f32) { y = x * 3; }");
  test::write_text(elsewhere + "/b.swg", "// Another comment.\nkernel k(x: in f32,\n  y: out f32) "
                                         "{\n  y = (x * 3);\n}\n");
  const auto run = [&](const std::string& command) {
    const std::string line = "SWAGE_LOG=info SWAGE_CACHE_DIR=" + folder.file("cache") + " " +
                             command + " --shape 8 --device cpu >/dev/null 2>" + folder.file("err");
    REQUIRE(std::system(line.c_str()) == 0);
    return test::read_text(folder.file("err"));
  };
  CHECK(has(run(SWAGE_COMMAND " run " + folder.file("a.swg")), "miss"));
  CHECK(
      has(run("LC_ALL=de_DE.UTF-8 sh -c 'cd " + elsewhere + " && exec ./other \"$@\"' - run b.swg"),
          "hit on disk"));
}

TEST_CASE("verify finds a damaged entry and removes it when told to") {
  const Cache cache;
  cache.launch();
  const std::string file = cache.json({"list"})["entries"][0]["file"];
  std::filesystem::resize_file(file, 500);
  const Outcome outcome = cache.run({"cache", "verify"});
  CHECK(outcome.status == 1);
  CHECK(has(outcome.out, file));
  CHECK(std::filesystem::exists(file));
  CHECK(cache.json({"verify", "--remove"})["removed"] == 1);
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK(cache.run({"cache", "verify"}).status == 0);
}

TEST_CASE("prune and clear remove entries and say how many") {
  const Cache cache;
  cache.launch();
  CHECK(cache.json({"prune"})["removed"] == 0);
  CHECK(cache.json({"prune", "--size", "1"})["removed"] == 1);
  cache.launch();
  CHECK(cache.json({"clear"})["removed"] == 1);
  CHECK(std::filesystem::is_empty(cache.directory()));
}

TEST_CASE("a bundle of the cache serves a process that has none") {
  const Cache cache;
  cache.launch();
  const std::string bundle = cache.file("kernels.swgc");
  CHECK(cache.json({"export", bundle})["entries"] == 1);
  cache.run({"cache", "clear"});
  CHECK(
      has(cache.launch({"SWAGE_CACHE_DIR=", "SWAGE_CACHE_BUNDLE=" + bundle}).err, "hit in bundle"));
  CHECK(cache.json({"import", bundle})["imported"] == 1);
  CHECK(has(cache.launch().err, "hit on disk"));
}

TEST_CASE(
    "what another build of Swage left in the cache goes into no bundle, for nobody knows how it is "
    "called") {
  const Cache cache;
  cache.launch();
  const std::string name = cache.json({"list"})["entries"][0]["file"];
  std::optional<store::CacheEntry> entry = store::decode(test::read_text(name)).entry;
  REQUIRE(entry);
  entry->key.toolchain = "Swage 0.1.0 000000000000, LLVM 19.1.7";
  store::CacheSettings settings;
  settings.directory = cache.directory();
  store::DiskCache(settings, {}).publish(*entry);
  const std::string bundle = cache.file("kernels.swgc");
  const Outcome outcome = cache.run({"cache", "export", bundle});
  CHECK(has(outcome.out, "wrote 1 entries"));
  CHECK(has(outcome.out, "left out 1 entries of other builds of Swage"));
  cache.run({"cache", "clear"});
  cache.json({"import", bundle});
  CHECK(cache.json({"list"})["entries"].size() == 1);
  CHECK(has(cache.launch().err, "hit on disk"));
}

TEST_CASE("a bundle compiled ahead holds what a launch asks for, for every architecture named") {
  const Cache cache;
  const std::string bundle = cache.file("kernels.swgc");
  const Json report = cache.json(
      {"export", bundle, "--kernel", "swiglu", "-D", "T=f32", "--arch", "host", "--arch", "sm_90"});
  CHECK(report["entries"].get<int>() >= 4);
  CHECK(has(cache.launch({"SWAGE_CACHE_BUNDLE=" + bundle}).err, "hit in bundle"));
  CHECK_FALSE(has(cache.launch({"SWAGE_CACHE_BUNDLE=" + bundle}).err, "miss"));
  cache.run({"cache", "import", bundle});
  int host = 0, cuda = 0;
  const Json list = cache.json({"list"});
  for (const Json& entry : list["entries"])
    ++(entry["form"] == "ptx" ? cuda : host);
  CHECK(host >= 2);
  CHECK(cuda >= 2);
  CHECK(cache.json({"export", bundle, "--arch", "sm_90"})["entries"] == cuda);
}

TEST_CASE("wrong use of the cache verb has exit status 2, trouble with files 1") {
  const Cache cache;
  CHECK(cache.run({"cache"}).status == 2);
  CHECK(cache.run({"cache", "burn"}).status == 2);
  CHECK(cache.run({"cache", "prune", "--size", "much"}).status == 2);
  CHECK(cache.run({"cache", "export", cache.file("b"), "--kernel", "no_such"}).status == 2);
  CHECK(cache.run({"cache", "import", cache.file("absent")}).status == 1);
  test::write_text(cache.directory(), "a file");
  CHECK(cache.run({"cache", "list"}).status == 1);
}
