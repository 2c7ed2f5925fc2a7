// disk_cache_start_test.cpp -- what a fresh process does with an empty and with a warm cache.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include <fcntl.h>

#include <fmt/format.h>

#include "codegen/calling_convention.hpp"
#include "codegen/compile.hpp"
#include "swage/swage.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

using namespace cache_test;

namespace {

// What one process tells another, by way of a file.
struct Report {
  long long nanoseconds = 0; ///< from the Kernel to the launched function
  long long compiles = 0;
  int right = 0;
};

// This program again, as a process of its own, running the hidden test below.
Report fresh_process(const fs::path& directory, const char* bundle = "") {
  const fs::path result = directory / "report";
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("SWAGE_CACHE_DIR", (directory / "cache").c_str(), 1);
    ::setenv("SWAGE_CACHE_BUNDLE", bundle, 1);
    ::setenv("SWAGE_TEST_REPORT", result.c_str(), 1);
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, 1);
    ::execl("/proc/self/exe", "swage_test_runtime", "[fresh-process]", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  REQUIRE(wait_for(child) == 0);
  Report report;
  // Whole numbers alone: those read alike in every locale.
  REQUIRE(std::sscanf(read_file(result).c_str(), "%lld %lld %d", &report.nanoseconds,
                      &report.compiles, &report.right) == 3);
  return report;
}

} // namespace

// Hidden: run by the tests below in a process of its own.
TEST_CASE("a fresh process launches one kernel and reports", "[.][fresh-process]") {
  const char* result = std::getenv("SWAGE_TEST_REPORT");
  if (!result)
    return;
  constexpr std::int64_t n = 1024;
  std::vector<float> gate(n), up(n, 2.0F), h(n);
  for (std::int64_t i = 0; i < n; ++i)
    gate[static_cast<std::size_t>(i)] = static_cast<float>(i - 512) / 64;
  const swage::Device device = swage::Device::open("cpu");
  const swage::Kernel swiglu = device.catalogue_kernel("swiglu", {{"T", swage::f32}});

  const auto start = std::chrono::steady_clock::now();
  swiglu.launch(nullptr, {swage::Tensor(gate.data(), swage::f32, {n}),
                          swage::Tensor(up.data(), swage::f32, {n}),
                          swage::Tensor(h.data(), swage::f32, {n})});
  const auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::steady_clock::now() - start);

  bool right = true;
  for (std::size_t i = 0; i < n; ++i) {
    const double expected = 2 * double{gate[i]} / (1 + std::exp(-double{gate[i]}));
    right &= std::abs(h[i] - expected) <= 1e-6 * std::abs(expected);
  }
  const std::string text =
      fmt::format("{} {} {}", spent.count(), swage::codegen::compile_count(), right ? 1 : 0);
  write_file(result, text);
}

TEST_CASE("a fresh process with a warm cache compiles nothing") {
  const TemporaryDirectory directory;
  const Report cold = fresh_process(directory.path());
  CHECK(cold.compiles == 1);
  CHECK(cold.right == 1);
  const Report warm = fresh_process(directory.path());
  CHECK(warm.compiles == 0);
  CHECK(warm.right == 1);
  std::printf("first launch on the CPU: %.3f ms with an empty cache, %.3f ms with a warm one\n",
              1e-6 * static_cast<double>(cold.nanoseconds),
              1e-6 * static_cast<double>(warm.nanoseconds));
}

TEST_CASE("a fresh process with a damaged cache compiles anew, and the next one does not") {
  const TemporaryDirectory directory;
  fresh_process(directory.path());
  for (const auto& item : fs::directory_iterator(directory.path() / "cache"))
    if (item.path().extension() == ".swgk")
      fs::resize_file(item.path(), 100);
  const Report again = fresh_process(directory.path());
  CHECK(again.compiles == 1);
  CHECK(again.right == 1);
  CHECK(fresh_process(directory.path()).compiles == 0);
}

TEST_CASE("an entry that holds no code for this machine is dropped and compiled anew") {
  const TemporaryDirectory directory;
  fresh_process(directory.path());
  for (const auto& item : fs::directory_iterator(directory.path() / "cache")) {
    if (item.path().extension() != ".swgk")
      continue;
    CacheEntry entry = *decode(read_file(item.path())).entry;
    entry.object = "not an object";
    write_file(item.path(), encode(entry));
  }
  const Report again = fresh_process(directory.path());
  CHECK(again.compiles == 1);
  CHECK(again.right == 1);
}

TEST_CASE("a fresh process with a bundle compiles nothing and needs no directory") {
  const TemporaryDirectory directory;
  fresh_process(directory.path());
  std::vector<CacheEntry> entries;
  for (const auto& item : fs::directory_iterator(directory.path() / "cache"))
    if (item.path().extension() == ".swgk")
      entries.push_back(*decode(read_file(item.path())).entry);
  REQUIRE_FALSE(entries.empty());
  const fs::path bundle = directory.path() / "kernels.swgc";
  write_bundle(bundle.string(), swage::codegen::kCallingConvention, entries);
  fs::remove_all(directory.path() / "cache");
  const auto run = [&] { return fresh_process(directory.path(), bundle.c_str()); };
  const Report report = run();
  CHECK(report.compiles == 0);
  CHECK(report.right == 1);
  CHECK_FALSE(fs::exists(directory.path() / "cache"));

  // Who compiled them does not matter, how they are called does.
  for (CacheEntry& entry : entries)
    entry.key.toolchain = "Swage 0.1.0 000000000000, LLVM 19.1.7";
  write_bundle(bundle.string(), swage::codegen::kCallingConvention, entries);
  const Report of_others = run();
  CHECK(of_others.compiles == 0);
  CHECK(of_others.right == 1);
  write_bundle(bundle.string(), swage::codegen::kCallingConvention + 1, entries);
  const Report of_another_convention = run();
  CHECK(of_another_convention.compiles == 1);
  CHECK(of_another_convention.right == 1);
}
