// disk_cache_test.cpp -- fresh processes on a GPU: what they find on disk spares them the compiler,
// and the driver its assembler.
#include <chrono>
#include <cstdio>

#include <fcntl.h>
#include <fmt/format.h>

#include "codegen/calling_convention.hpp"
#include "codegen/compile.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/runtime_cuda/fake_device.hpp"

// Of the test double: the library itself makes no context.
extern "C" int cuCtxCreate_v2(void** context, unsigned flags, int device);
extern "C" int cuCtxDestroy_v2(void* context);

using namespace cache_test;
using namespace swage::test;

namespace {

struct Report {
  double milliseconds = 0; ///< from the Kernel to the launched function
  long long compiles = 0, assemblies = 0, loads = 0, faults = 0;
};

// This program again, as a process of its own, running the hidden test below.
Report fresh_process(const fs::path& directory, const std::vector<std::string>& environment = {}) {
  const fs::path result = directory / "report";
  fs::remove(result);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("SWAGE_TEST_CACHE", (directory / "cache").c_str(), 1);
    ::setenv("SWAGE_TEST_REPORT", result.c_str(), 1);
    for (std::string setting : environment)
      ::setenv(setting.substr(0, setting.find('=')).c_str(),
               setting.substr(setting.find('=') + 1).c_str(), 1);
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, 1);
    ::execl("/proc/self/exe", "swage_test_runtime_cuda", "[fresh-process]",
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  REQUIRE(wait_for(child) == 0);
  Report report;
  REQUIRE(std::sscanf(cache_test::read_file(result).c_str(), "%lf %lld %lld %lld %lld",
                      &report.milliseconds, &report.compiles, &report.assemblies, &report.loads,
                      &report.faults) == 5);
  CHECK(report.faults == 0);
  return report;
}

// Every entry of the directory, as `change` leaves it.
void rewrite_entries(const fs::path& directory, const std::function<void(CacheEntry&)>& change) {
  for (const auto& item : fs::directory_iterator(directory / "cache")) {
    if (item.path().extension() != ".swgk")
      continue;
    CacheEntry entry = *decode(cache_test::read_file(item.path())).entry;
    change(entry);
    write_file(item.path(), encode(entry));
  }
}

} // namespace

// Hidden: run by the tests below in a process of its own.
TEST_CASE("a fresh process launches one kernel on a GPU and reports", "[.][fresh-process]") {
  const char* result = std::getenv("SWAGE_TEST_REPORT");
  if (!result)
    return;
  ::setenv("SWAGE_CACHE_DIR", std::getenv("SWAGE_TEST_CACHE"), 1);
  const swage::Device device = gpu();
  const DeviceArray x(device, counting(1000)), y(device, std::vector<float>(1000, -1.0F));
  const swage::Kernel kernel =
      device.kernel("kernel twice(x: in f32, y: out f32) { y = x * 2; }", "twice");
  device.synchronize();
  if (std::getenv("SWAGE_TEST_BROKEN_CONTEXT")) {
    swage_fake_cuda_fail("cuModuleLoadDataEx", 700, 2); // an earlier kernel went astray
    CHECK_THROWS_WITH(kernel.launch(nullptr, {x.tensor(), y.tensor()}),
                      Catch::Matchers::Contains("ILLEGAL_ADDRESS"));
  }
  swage_fake_cuda_reset();

  const auto start = std::chrono::steady_clock::now();
  kernel.launch(nullptr, {x.tensor(), y.tensor()});
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;

  const auto assemblies = calls("cuLinkComplete"), loads = calls("cuModuleLoadDataEx");
  const std::vector<float> out = y.get();
  int faults = 0;
  for (std::size_t i = 0; i < out.size(); ++i)
    faults += out[i] == 2 * static_cast<float>(i) ? 0 : 1;
  write_file(result, fmt::format("{} {} {} {} {}", spent.count(), swage::codegen::compile_count(),
                                 assemblies, loads, faults));
}

TEST_CASE("a fresh process with a warm cache has neither compiler nor assembler work") {
  const TemporaryDirectory directory;
  const Report cold = fresh_process(directory.path());
  CHECK(cold.compiles == 1);
  CHECK(cold.assemblies == 1);
  CHECK(cold.loads == 1);
  const Report warm = fresh_process(directory.path());
  CHECK(warm.compiles == 0);
  CHECK(warm.assemblies == 0);
  CHECK(warm.loads == 1);
  std::printf("first launch on the test double: %.3f ms with an empty cache, %.3f ms with a warm "
              "one\n",
              cold.milliseconds, warm.milliseconds);
}

TEST_CASE("code of a GPU stays loaded until what no kernel refers to is unloaded") {
  const swage::Device device = gpu();
  const DeviceArray x(device, counting(8)), y(device, std::vector<float>(8));
  swage::unload_unused();
  const auto modules = swage_fake_cuda_live("module");
  std::optional<swage::Kernel> kept;
  for (const char* text : {"kernel a(x: in f32, y: out f32) { y = x + 101; }",
                           "kernel b(x: in f32, y: out f32) { y = x + 102; }"}) {
    kept = device.kernel(text, "");
    kept->launch(nullptr, {x.tensor(), y.tensor()});
  }
  device.synchronize();
  CHECK(swage_fake_cuda_live("module") == modules + 2);
  CHECK(swage::cache_statistics().functions_loaded >= 2);
  CHECK(swage::unload_unused() == 1); // the first one's
  CHECK(swage_fake_cuda_live("module") == modules + 1);
  kept->launch(nullptr, {x.tensor(), y.tensor()});
  device.synchronize();
  CHECK(y.get()[7] == 109);
}

TEST_CASE("what a kernel launched in a second context stays loaded while the kernel is alive") {
  const swage::Device device = gpu();
  const swage::Kernel kernel =
      device.kernel("kernel c(x: in f32, y: out f32) { y = x + 103; }", "");
  const DeviceArray x(device, counting(8)), y(device, std::vector<float>(8));
  kernel.launch(nullptr, {x.tensor(), y.tensor()});
  swage::unload_unused();
  const auto modules = swage_fake_cuda_live("module");
  void* other = nullptr;
  REQUIRE(cuCtxCreate_v2(&other, 0, 0) == 0); // and makes it current
  {
    const DeviceArray x2(device, counting(8)), y2(device, std::vector<float>(8));
    kernel.launch(nullptr, {x2.tensor(), y2.tensor()});
    CHECK(swage_fake_cuda_live("module") == modules + 1);
    CHECK(swage::unload_unused() == 0);
    CHECK(swage_fake_cuda_live("module") == modules + 1);
    device.synchronize();
    CHECK(y2.get()[7] == 110);
  }
  CHECK(cuCtxDestroy_v2(other) == 0);
}

TEST_CASE("a new driver needs the assembler once and the compiler never") {
  const TemporaryDirectory directory;
  fresh_process(directory.path(), {"SWAGE_FAKE_CUDA_VERSION=13000"});
  const Report newer = fresh_process(directory.path(), {"SWAGE_FAKE_CUDA_VERSION=13010"});
  CHECK(newer.compiles == 0);
  CHECK(newer.assemblies == 1);
  for (const char* version : {"SWAGE_FAKE_CUDA_VERSION=13000", "SWAGE_FAKE_CUDA_VERSION=13010"}) {
    const Report again = fresh_process(directory.path(), {version});
    CHECK(again.compiles == 0);
    CHECK(again.assemblies == 0);
  }
}

TEST_CASE("another GPU has entries of its own") {
  const TemporaryDirectory directory;
  fresh_process(directory.path(), {"SWAGE_FAKE_CUDA_SM=90"});
  const Report other = fresh_process(directory.path(), {"SWAGE_FAKE_CUDA_SM=80"});
  CHECK(other.compiles == 1);
  CHECK(fresh_process(directory.path(), {"SWAGE_FAKE_CUDA_SM=90"}).assemblies == 0);
}

TEST_CASE("machine code that the driver refuses is dropped, and the launch is right") {
  const TemporaryDirectory directory;
  fresh_process(directory.path());
  rewrite_entries(directory.path(), [](CacheEntry& entry) {
    if (!entry.cubin.empty())
      entry.cubin = "not machine code";
  });
  fresh_process(directory.path());
  const Report after = fresh_process(directory.path());
  CHECK(after.compiles == 0);
  CHECK(after.loads == 1);
}

TEST_CASE("machine code stays in the cache when it is the context that fails") {
  const TemporaryDirectory directory;
  fresh_process(directory.path());
  const Report broken = fresh_process(directory.path(), {"SWAGE_TEST_BROKEN_CONTEXT=1"});
  CHECK(broken.assemblies == 0);
  CHECK(fresh_process(directory.path()).assemblies == 0);
}

TEST_CASE("a driver whose linker fails loads the PTX itself") {
  const TemporaryDirectory directory;
  const Report report =
      fresh_process(directory.path(), {"SWAGE_FAKE_CUDA_FAIL=cuLinkCreate_v2:801"});
  CHECK(report.compiles == 1);
  CHECK(report.loads == 1);
}

TEST_CASE(
    "PTX of a bundle that another build made is assembled once, and kept under its maker's name") {
  const TemporaryDirectory directory;
  fresh_process(directory.path());
  std::vector<CacheEntry> entries;
  for (const auto& item : fs::directory_iterator(directory.path() / "cache"))
    if (item.path().extension() == ".swgk")
      if (CacheEntry entry = *decode(cache_test::read_file(item.path())).entry;
          !entry.ptx.empty() && entry.key.driver.empty()) {
        entry.key.toolchain = "Swage 0.1.0 000000000000, LLVM 19.1.7";
        entries.push_back(entry);
      }
  REQUIRE(entries.size() == 1);
  const std::string bundle = (directory.path() / "kernels.swgc").string();
  write_bundle(bundle, swage::codegen::kCallingConvention, entries);
  fs::remove_all(directory.path() / "cache");
  const auto run = [&](std::vector<std::string> environment = {}) {
    environment.push_back("SWAGE_CACHE_BUNDLE=" + bundle);
    return fresh_process(directory.path(), environment);
  };
  const Report first = run(), second = run();
  CHECK(first.compiles == 0);
  CHECK(first.assemblies == 1);
  CHECK(second.compiles == 0);
  CHECK(second.assemblies == 0);
  // Without the bundle nothing that it brought is taken for this build's own.
  const Report own = fresh_process(directory.path());
  CHECK(own.compiles == 1);

  // What the driver refuses goes, whoever made it.
  rewrite_entries(directory.path(), [](CacheEntry& entry) {
    if (entry.key.toolchain != swage::codegen::toolchain_identity())
      entry.cubin = "not machine code";
    else
      entry.key.kernel = "another kernel"; // in a file of the wrong name: not of use
  });
  run();
  run();
  const Report after = run();
  CHECK(after.compiles == 0);
  CHECK(after.assemblies == 0);
  CHECK(after.loads == 1);
}
