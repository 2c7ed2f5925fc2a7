// tune_records_test.cpp -- tuning records: lines, files shared by processes, what is looked up.
#include "runtime/tune/tuning_records.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/float_environment.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using Catch::Matchers::Contains;
using tune::TuningRecord;
using tune::TuningRecords;

namespace {

class Folder {
public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "swage_tune_XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/records.jsonl"; }
  std::string path;
};

TuningRecord record(int size_class, const std::string& schedule = "threads=128") {
  TuningRecord result;
  result.key = {std::string(32, 'a'), "NVIDIA H200", "sm_90", 132, 13000, "flat i32", size_class};
  result.name = "swiglu";
  result.rows = 1;
  result.columns = std::int64_t{1} << size_class;
  result.schedule = schedule;
  result.default_schedule = "threads=256";
  result.seconds = 1.25e-6;
  result.default_seconds = 1.5e-6;
  result.spread = 0.01;
  result.bytes = 86016;
  result.candidates = 86;
  result.version = "0.1.0";
  return result;
}

const TuningRecords::Warn kSilent = [](std::string_view) {};

} // namespace

TEST_CASE("a tuning record comes back from its line as it was") {
  const ir::DefaultFloatEnvironment environment; // which the library's entries see to
  const TuningRecord written = record(14);
  const TuningRecord read = tune::record_from_line(tune::to_line(written));
  CHECK(read.key == written.key);
  CHECK(read.schedule == written.schedule);
  CHECK(read.seconds == written.seconds);
  CHECK(tune::to_line(read) == tune::to_line(written));
}

TEST_CASE("the record of a size class holds, else the nearest one's, else none") {
  TuningRecords records("", kSilent);
  records.add(record(14, "threads=64"));
  records.add(record(18, "threads=512"));
  const auto found = [&](int size_class) { return records.find(record(size_class).key); };
  CHECK(found(14)->exact);
  CHECK(found(14)->record.schedule == "threads=64");
  CHECK_FALSE(found(15)->exact);
  CHECK(found(15)->record.schedule == "threads=64");
  CHECK(found(17)->record.schedule == "threads=512");
  CHECK(found(18 + TuningRecords::kMaxDistance)->record.schedule == "threads=512");
  CHECK_FALSE(found(19 + TuningRecords::kMaxDistance));
  tune::TuningKey other = record(14).key;
  other.driver = 12080;
  CHECK_FALSE(records.find(other));
}

TEST_CASE("a later record replaces an earlier one of its key") {
  const Folder folder;
  TuningRecords records(folder.path, kSilent);
  records.add(record(14, "threads=64"));
  records.add(record(14, "threads=512"));
  TuningRecords again(folder.path, kSilent);
  CHECK(again.find(record(14).key)->record.schedule == "threads=512");
  CHECK(again.all().size() == 1);
}

TEST_CASE("garbage in a record file is skipped and named once, and good lines hold") {
  const Folder folder;
  std::ofstream(folder.file()) << "garbage\n"
                               << tune::to_line(record(14)) << "\n\n{\"kernel\": 3}\n"
                               << tune::to_line(record(16)) << "\n{\"kern";
  std::vector<std::string> said;
  TuningRecords records(folder.path, [&](std::string_view line) { said.emplace_back(line); });
  CHECK(records.find(record(14).key)->exact);
  CHECK(records.find(record(16).key)->exact);
  REQUIRE(said.size() == 2);
  CHECK_THAT(said[0], Contains("records.jsonl:1") && Contains("no JSON object"));
  CHECK_THAT(said[1], Contains("records.jsonl:4") && Contains("\"kernel\""));
  records.find(record(14).key);
  CHECK(said.size() == 2);
}

TEST_CASE("a record appended to a line that was never ended is a line of its own") {
  const Folder folder;
  std::ofstream(folder.file()) << "{\"half\": ";
  TuningRecords(folder.path, kSilent).add(record(14));
  TuningRecords records(folder.path, kSilent);
  CHECK(records.find(record(14).key)->exact);
}

TEST_CASE("lines of two processes that append while a third reads are neither lost nor torn") {
  const Folder folder;
  constexpr int kLines = 300;
  std::vector<pid_t> writers;
  for (int process = 0; process < 2; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      TuningRecords records(folder.path, kSilent);
      for (int i = 0; i < kLines; ++i) {
        TuningRecord line = record(i % 60);
        line.key.units = process * kLines + i;
        records.add(line);
      }
      ::_exit(0);
    }
    writers.push_back(child);
  }
  int bad = 0;
  TuningRecords reader(folder.path, [&](std::string_view) { ++bad; });
  for (int i = 0; i < 200; ++i)
    reader.all();
  for (const pid_t writer : writers) {
    int status = -1;
    ::waitpid(writer, &status, 0);
    CHECK(status == 0);
  }
  CHECK(reader.all().size() == 2 * kLines);
  CHECK(bad == 0);
}

TEST_CASE("a directory that cannot be written is an error, and the record holds in this process") {
  const Folder folder;
  std::ofstream(folder.path + "/file") << "";
  TuningRecords records(folder.path + "/file/below", kSilent);
  try {
    records.add(record(14));
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::io);
    CHECK_THAT(error.what(), Contains("SWAGE_TUNING_DIR"));
  }
  CHECK(records.find(record(14).key)->exact);
}

TEST_CASE("looking a record up waits neither for the lock of the file nor for who waits for it") {
  const Folder folder;
  TuningRecords records(folder.path, kSilent);
  records.add(record(14));
  const int held = ::open(folder.file().c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::flock(held, LOCK_EX) == 0); // as a process elsewhere may, and hang
  std::atomic<bool> added = false;
  std::thread writer([&] {
    records.add(record(15));
    added = true;
  });
  const auto start = std::chrono::steady_clock::now();
  while (!records.find(record(15).key)->exact &&
         std::chrono::steady_clock::now() - start < std::chrono::seconds(30))
    std::this_thread::yield(); // known in this process before it is in the file
  CHECK(records.find(record(15).key)->exact);
  CHECK(!added);
  writer.join(); // goes on without the lock in the end
  CHECK(TuningRecords(folder.path, kSilent).find(record(15).key)->exact);
  ::close(held);
}
