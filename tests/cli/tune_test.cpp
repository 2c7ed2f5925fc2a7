// tune_test.cpp -- `swage tune` as a user runs it, and how its shapes are written.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "cli/tune_report.hpp"
#include "cli/tune_shapes.hpp"
#include "swage/error.hpp"
#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

test::Outcome run_tune(const test::TemporaryFolder& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "tune");
  return test::run_swage(arguments, {"SWAGE_TUNING_DIR=" + folder.path(), "SWAGE_CACHE_DIR="});
}

const std::vector<std::string> kQuick = {"swiglu",   "-D",  "T=f32",   "--shapes", "1,4x256",
                                         "--device", "cpu", "--force", "--budget", "20ms"};

std::vector<std::string> quick(std::vector<std::string> more) {
  more.insert(more.begin(), kQuick.begin(), kQuick.end());
  return more;
}

} // namespace

TEST_CASE("a search that is interrupted ends at once by the signal, and its records are whole") {
  for (const char* signal : {"INT", "TERM"}) {
    const test::TemporaryFolder folder;
    const std::string line =
        "cd " + folder.path() + " && mkdir out && cd out && SWAGE_TUNING_DIR=" + folder.path() +
        "/records SWAGE_CACHE_DIR=" + folder.path() + "/cache timeout --preserve-status -k 8 -s " +
        signal +
        " 0.7 " SWAGE_COMMAND
        " tune swiglu -D T=f32 --shapes 1,2,4,8,16,32,64,128,256,512,1024x1000 --device cpu "
        "--force --budget 2s --report page.html >/dev/null 2>&1 </dev/null";
    const int status = std::system(line.c_str());
    INFO(signal << ": " << status);
    const int expected = signal == std::string("INT") ? SIGINT : SIGTERM;
    CHECK((WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128) == expected);
    CHECK(std::filesystem::is_empty(folder.file("out")));
    std::istringstream records(test::read_text(folder.file("records/records.jsonl")));
    for (std::string record; std::getline(records, record);)
      CHECK(Json::parse(record, nullptr, false).is_object());
    const std::vector<std::string> cache = {"SWAGE_CACHE_DIR=" + folder.file("cache")};
    CHECK(test::run_swage({"cache", "verify"}, cache).status == 0);
    CHECK(test::run_swage({"cache", "prune"}, cache).status == 0);
    for (const auto& entry : std::filesystem::directory_iterator(folder.file("cache")))
      CHECK(entry.path().extension() != ".tmp");
  }
}

TEST_CASE("shapes share the last one's columns") {
  const std::vector<cli::Shape> expected = {{1, 14336}, {16, 14336}, {128, 14336}};
  CHECK(cli::parse_shapes("1,16,128x14336") == expected);
  CHECK(cli::parse_shapes("1x14336, 16, 16,128x14336") == expected);
  CHECK(cli::parse_shapes("8,512") == std::vector<cli::Shape>{{8}, {512}});
  CHECK_THROWS_AS(cli::parse_shapes("1,,2x4"), Error);
  CHECK_THROWS_AS(cli::parse_shapes(""), Error);
}

TEST_CASE("a budget is a time with its unit") {
  CHECK(cli::parse_duration("500ms", "--budget") == 0.5);
  CHECK(cli::parse_duration("2s", "--budget") == 2);
  for (const char* wrong : {"500", "ms", "-1s", "2h", "", "1e9s", "nan s"})
    CHECK_THROWS_WITH(cli::parse_duration(wrong, "--budget"), Contains("--budget"));
}

TEST_CASE("only what differs from the default is shown of a schedule") {
  codegen::CudaSchedule base, other;
  other.threads = 128;
  other.store = codegen::StorePolicy::streaming;
  CHECK(cli::schedule_changes(base, base) == "-");
  CHECK(cli::schedule_changes(other, base) == "threads=128 store=streaming");
}

TEST_CASE("tune measures, records, and run launches by the record") {
  const test::TemporaryFolder folder;
  const test::Outcome tuned = run_tune(folder, quick({"--json"}));
  INFO(tuned.err);
  REQUIRE(tuned.status == 0);
  const Json json = Json::parse(tuned.out);
  REQUIRE(json["shapes"].size() == 2);
  for (const Json& shape : json["shapes"]) {
    CHECK(shape["measured"] >= 8);
    CHECK(shape["best"]["seconds"] > 0);
    CHECK((shape["improved"] || shape["best"]["schedule"] == shape["default"]["schedule"]));
  }
  const test::Outcome run = test::run_swage(
      {"run", "swiglu", "-D", "T=f32", "--shape", "4x256", "--device", "cpu", "--json"},
      {"SWAGE_TUNING_DIR=" + folder.path(), "SWAGE_LOG=info"});
  CHECK(Json::parse(run.out)["schedule"] == json["shapes"][1]["best"]["schedule"]);
  CHECK_THAT(run.err, Contains("schedule tuned for 1024 elements (this size class)"));
}

TEST_CASE("a pipe gets a table and no progress bar, and --verbose every candidate") {
  const test::TemporaryFolder folder;
  const test::Outcome outcome = run_tune(folder, quick({"--verbose"}));
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());
  CHECK_THAT(outcome.out, Contains("of roofline") && Contains("4x256") && Contains("fate") &&
                              Contains("the default"));
}

TEST_CASE("the report is one page with nothing to fetch") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("page.html");
  CHECK(run_tune(folder, quick({"--report", path})).status == 0);
  const std::string page = test::read_text(path);
  CHECK_THAT(page, Contains("prefers-color-scheme") && Contains("\"candidates\""));
  CHECK(page.find("@DATA@") == std::string::npos);
  for (const char* fetched : {"src=", "@import", "url(", "fetch(", "https://"})
    CHECK(page.find(fetched) == std::string::npos);
}

TEST_CASE("clusters are for drivers of CUDA 12.1 and newer, others have none by default") {
  const auto planned = [](const char* version) {
    return test::run_swage({"tune", "softmax", "-D", "T=bf16", "--shapes", "16x131072", "--dry-run",
                            "--device", "cuda:0"},
                           {"SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY, version,
                            "SWAGE_TUNING_DIR=", "SWAGE_CACHE_DIR="});
  };
  CHECK_THAT(planned("SWAGE_FAKE_CUDA_VERSION=12010").out, Contains("grid=16"));
  const test::Outcome older = planned("SWAGE_FAKE_CUDA_VERSION=12000");
  CHECK(older.status == 0);
  CHECK_THAT(older.out, Contains("grid=once") && !Contains("grid=16") && !Contains("grid=8"));
}

TEST_CASE("floats of 8 bits are converted on sm_89 by drivers of CUDA 12.0, too") {
  for (const char* version : {"SWAGE_FAKE_CUDA_VERSION=12000", "SWAGE_FAKE_CUDA_VERSION=12010"}) {
    const test::Outcome run =
        test::run_swage({"run", "swiglu_quantised_row", "-D", "T=bf16", "-D", "Q=f8e4m3", "--shape",
                         "2x128", "--device", "cuda:0", "--verify"},
                        {"SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY, "SWAGE_FAKE_CUDA_SM=89",
                         version, "SWAGE_TUNING_DIR=", "SWAGE_CACHE_DIR="});
    INFO(version << run.out << run.err);
    CHECK(run.status == 0);
  }
}

TEST_CASE("a GPU that other work keeps busy is an error that says so, and --force goes on") {
  const auto tuned = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"tune", "swiglu", "-D", "T=f32", "--shape", "1x64", "--device",
                               "cuda:0", "--budget", "20ms"});
    return test::run_swage(more, {"SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY,
                                  "SWAGE_FAKE_CUDA_JITTER=2", "SWAGE_FAKE_CUDA_BUDGET=1000",
                                  "SWAGE_TUNING_DIR=", "SWAGE_CACHE_DIR="});
  };
  const test::Outcome refused = tuned({});
  CHECK(refused.status == 1);
  CHECK_THAT(refused.err, Contains("too busy to tune on") && Contains("force"));
  const test::Outcome forced = tuned({"--force"});
  INFO(forced.err);
  CHECK(forced.status == 0);
}

TEST_CASE("a dry run measures and records nothing") {
  const test::TemporaryFolder folder;
  const test::Outcome outcome = run_tune(folder, quick({"--dry-run"}));
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.out, Contains("nothing was measured"));
  CHECK_THAT(run_tune(folder, {"--export", folder.file("out")}).out, Contains("wrote 0"));
}

TEST_CASE("records travel by --export and --import, and bad lines are named") {
  const test::TemporaryFolder here, there;
  REQUIRE(run_tune(here, kQuick).status == 0);
  CHECK_THAT(run_tune(here, {"--export", here.file("out")}).out, Contains("wrote 2"));
  CHECK_THAT(run_tune(there, {"--import", here.file("out")}).out, Contains("took 2"));
  CHECK_THAT(run_tune(there, {"--export", there.file("out")}).out, Contains("wrote 2"));
  test::write_text(here.file("bad"), "nonsense\n" + test::read_text(here.file("out")));
  const test::Outcome bad = run_tune(there, {"--import", here.file("bad")});
  CHECK(bad.status == 1);
  CHECK_THAT(bad.out, Contains("took 2") && Contains("bad:1"));
}

TEST_CASE("tune says what is missing from its command line") {
  const test::TemporaryFolder folder;
  const auto wrong = [&](std::vector<std::string> arguments, const char* text) {
    const test::Outcome outcome = run_tune(folder, std::move(arguments));
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.err, Contains(text));
  };
  wrong({}, "no kernel to tune");
  wrong({"swiglu", "-D", "T=f32"}, "--shapes");
  wrong({"swiglu", "-D", "T=f32", "--shape", "8x8", "--budget", "5"}, "--budget");
  wrong({"swiglu", "-D", "T=f32", "--shape", "0x8"}, "at least one element");
}
