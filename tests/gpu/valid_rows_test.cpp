// valid_rows_test.cpp -- counts of rows that only the device knows, on a CUDA device: rows beyond
// are neither read nor written in any schedule, and what is left has the evaluator's bits.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/ranges.h>

#include "ir/arithmetic.hpp"
#include "ir/passes.hpp"
#include "runtime/cuda/objects.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/kernel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/valid_rows_case.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// Every set of counts in the default schedule, and some in others.
void check_counts(const Device& device, const Kernel& kernel, ir::CallSize size,
                  const std::vector<std::vector<std::int64_t>>& all, RowView view, int schedules,
                  std::uint64_t seed) {
  INFO(ir::print(launch::ir_kernel(kernel)) << size.rows << " x " << size.columns << ", stride "
                                            << view.column_stride << ", gap " << view.gap);
  Random random(seed);
  for (const std::vector<std::int64_t>& counts : all) {
    INFO("counts " << fmt::format("{}", fmt::join(counts, " ")));
    RowCase call(device, kernel, size, view, seed);
    call.count_rows(counts, random.one_in(2) ? DType::i32 : DType::i64);
    REQUIRE(call.run() == "");
    const std::vector<codegen::Schedule> legal = call.schedules();
    for (int i = 0; i < schedules; ++i) {
      const codegen::Schedule& schedule = random.pick(legal);
      INFO(codegen::canonical(schedule));
      REQUIRE(call.run(&schedule) == "");
    }
  }
}

void check_kernel(const Device& device, const Kernel& kernel, std::int64_t rows,
                  std::int64_t columns, RowView view, int schedules, std::uint64_t seed) {
  check_counts(device, kernel, {rows, columns}, one_count(rows), view, schedules, seed);
  check_counts(device, kernel, {3 * rows, columns}, counts_of_batches(rows), view, schedules, seed);
}

} // namespace

TEST_CASE("elements of rows beyond a count are neither read nor written on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 1;
  for (const std::string& text : {kElements, kFlat})
    for (const DType type : {f32, bf16})
      for (const std::int64_t columns : {1, 7, 64, 300})
        check_kernel(*device, device->kernel(text, "", {{"T", type}}), 5, columns,
                     seed % 3 == 0 ? RowView{2, 1, 0} : RowView{1, std::int64_t(seed % 2), 0},
                     schedules_of_call(1, 6), seed),
            ++seed;
}

TEST_CASE("rows beyond a count are neither read nor written by kernels along rows on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 100;
  for (const DType type : {f32, bf16})
    for (const std::int64_t columns : {8, 40, 1000, 4096})
      check_kernel(*device, device->kernel(kAlong, "", {{"T", type}}), columns > 2000 ? 2 : 6,
                   columns, RowView{1, std::int64_t(seed % 2) * 8, 0}, schedules_of_call(1, 6),
                   seed),
          ++seed;
}

TEST_CASE("rows over several blocks may be left out on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 150;
  for (const std::int64_t columns : {9000, 40'000})
    check_kernel(*device, device->kernel(kAlong, "", {{"T", bf16}}), 2, columns, {},
                 schedules_of_call(2, 12), seed++);
}

TEST_CASE("rows beyond a count add nothing to sums over rows on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 200;
  for (const DType type : {f32, bf16})
    for (const std::int64_t columns : {3, 64, 1000}) {
      const Kernel kernel = device->kernel(kOverRows, "", {{"T", type}});
      check_kernel(*device, kernel, 4, columns, {}, schedules_of_call(1, 6), seed++);
      check_counts(*device, kernel, {columns > 100 ? 270 : 530, columns},
                   {{0}, {1}, {100}, {256}, {257}, {100'000}}, {}, schedules_of_call(1, 6), seed++);
      check_counts(*device, kernel, {3 * 180, columns}, {{0, 170, 3}, {0, 0, 1}, {180, 0, 180}}, {},
                   schedules_of_call(1, 6), seed++);
    }
  check_counts(*device, device->kernel(kOverRows, "", {{"T", f32}}), {6, 20'000},
               {{0, 1}, {0, 0}, {3, 2}}, {}, schedules_of_call(2, 8), seed++);
}

TEST_CASE("rows that a kernel skips are neither read nor written on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 300;
  for (const std::string& text : kSkipping)
    for (const std::int64_t columns : {8, 64, 1000}) {
      const Kernel kernel = device->kernel(text, "", {{"T", seed % 2 ? f32 : bf16}});
      INFO(ir::print(launch::ir_kernel(kernel)));
      RowCase call(*device, kernel, {300, columns}, {}, seed);
      REQUIRE(call.run() == "");
      const std::vector<codegen::Schedule> legal = call.schedules();
      Random random(seed);
      for (int i = 0; i < schedules_of_call(2, 8); ++i) {
        const codegen::Schedule& schedule = random.pick(legal);
        INFO(codegen::canonical(schedule));
        REQUIRE(call.run(&schedule) == "");
      }
      check_kernel(*device, kernel, 5, columns, {}, schedules_of_call(0, 4), seed++);
    }
}

TEST_CASE("random kernels with counts of rows have the evaluator's bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  int ran = 0;
  for (std::uint64_t seed = 0; seed < (emulated() ? 60u : 400u); ++seed) {
    const std::optional<ir::Kernel> graph = random_row_kernel(seed, seed % 2 == 0);
    if (!graph)
      continue;
    const std::optional<Kernel> kernel = kernel_with_bits(*device, *graph);
    if (!kernel)
      continue;
    Random random(seed);
    const std::int64_t columns = 4 * static_cast<std::int64_t>(random.below(100) + 1);
    const std::int64_t rows = static_cast<std::int64_t>(random.below(20)) + 1;
    const std::int64_t batches = static_cast<std::int64_t>(random.below(4)) + 1;
    std::vector<std::int64_t> counts;
    for (std::int64_t i = 0; i < batches; ++i)
      counts.push_back(static_cast<std::int64_t>(random.below(24)) - 1);
    check_counts(*device, *kernel, {rows * batches, columns}, {counts},
                 {random.one_in(3) ? 2 : 1, static_cast<std::int64_t>(random.below(3)), 0},
                 schedules_of_call(1, 4), seed);
    ++ran;
  }
  CHECK(ran > (emulated() ? 10 : 60));
}

TEST_CASE("with one count sums over rows have the bits of a call on these rows alone") {
  const auto device = gpu();
  if (!device)
    return;
  constexpr std::int64_t kRows = 300, kColumns = 50;
  const Kernel kernel = device->kernel(
      "kernel k(x: in f32, s: out f32 [col], t: out f32 [tensor]) { s = col_sum(x); t = "
      "col_sum(row_sum(x)); }",
      "");
  Random random(3);
  std::vector<float> x(kRows * kColumns);
  for (float& value : x)
    value = static_cast<float>(random.below(100'000)) / 977;
  Buffer in = device->allocate(x.size() * 4), s = device->allocate(kColumns * 4),
         t = device->allocate(4), counts = device->allocate(4);
  in.write(x.data(), x.size() * 4);
  const auto sums = [&](std::int64_t rows, const LaunchOptions& options) {
    kernel.launch(nullptr,
                  std::vector<Arg>{Tensor(in.data(), f32, {rows, kColumns}),
                                   Tensor(s.data(), f32, {kColumns}), Tensor(t.data(), f32, {})},
                  options);
    device->synchronize();
    std::vector<float> found(kColumns + 1);
    s.read(found.data(), kColumns * 4);
    t.read(&found[kColumns], 4);
    return found;
  };
  for (const std::int32_t count : {0, 1, 7, 255, 256, 257, 299, 300}) {
    counts.write(&count, 4);
    LaunchOptions options;
    options.valid_rows = Tensor(counts.data(), i32, {});
    CHECK(sums(kRows, options) == sums(count, {}));
  }
}

TEST_CASE("memory of rows beyond a count need not be there on the device") {
  const auto device = gpu();
  if (!device)
    return;
  constexpr std::int64_t kCapacity = 1000, kColumns = 72;
  constexpr std::int32_t kCount = 11;
  for (const char* text :
       {"kernel k(x: in f32, y: out f32, r: out f32 [row]) { r = row_max(x); y = x - row_max(x); }",
        "kernel k(x: in f32, y: out f32, r: inout f32 [row]) { r = r + 1; y = x - row_max(x); }"}) {
    const Kernel kernel = device->kernel(text, "");
    // One behind the other, so that no tensor shares memory with another's rows that do not count.
    constexpr std::size_t kX = 8192, kBytes = kCapacity * kColumns * 4, kY = kX + kBytes;
    Buffer all = device->allocate(kY + kCount * kColumns * 4);
    auto* const memory = static_cast<std::byte*>(all.data());
    all.write(&kCount, 4);
    const std::vector<float> ones(kCount * kColumns, 1.0F);
    all.write(ones.data(), kCount * 4, 256);
    all.write(ones.data(), ones.size() * 4, kX);
    const std::vector<Arg> arguments{Tensor(memory + kX, f32, {kCapacity, kColumns}),
                                     Tensor(memory + kY, f32, {kCapacity, kColumns}),
                                     Tensor(memory + 256, f32, {kCapacity})};
    const Tensor view(memory, i32, {1});
    const auto plan = launch::describe(kernel, arguments, &view);
    const std::vector<codegen::Schedule> legal = codegen::all_schedules(
        launch::ir_kernel(kernel), plan.specialization, launch::target(*device));
    Random random(5);
    for (int i = 0; i < schedules_of_call(6, 30); ++i) {
      const codegen::Schedule& schedule = random.pick(legal);
      INFO(codegen::canonical(schedule));
      launch::launch_with(kernel, schedule, nullptr, arguments, &view);
      device->synchronize();
      std::vector<float> found(ones.size(), 9.0F);
      all.read(found.data(), found.size() * 4, kY);
      REQUIRE(found == std::vector<float>(ones.size(), 0.0F));
    }
  }
}

TEST_CASE("a graph captured once serves counts that change") {
  const auto device = gpu();
  if (!device)
    return;
  constexpr std::int64_t kBatches = 4, kRows = 6, kColumns = 40;
  const Kernel kernel = device->kernel(
      "kernel k(x: in f32, y: out f32, n: out i32 [tensor]) { y = x + row_sum(f32(1)); n = "
      "col_sum(i32(1)); }",
      "");
  const std::size_t bytes = kBatches * kRows * kColumns * 4;
  Buffer x = device->allocate(bytes), y = device->allocate(bytes), n = device->allocate(4),
         counts = device->allocate(kBatches * 8);
  const std::vector<float> twos(bytes / 4, 2.0F), nothing(bytes / 4, -1.0F);
  x.write(twos.data(), bytes);
  const std::vector<Arg> arguments{Tensor(x.data(), f32, {kBatches, kRows, kColumns}),
                                   Tensor(y.data(), f32, {kBatches, kRows, kColumns}),
                                   Tensor(n.data(), i32, {})};
  const Buffer workspace = device->allocate(kernel.workspace_bytes(arguments));
  LaunchOptions options{workspace.data(), workspace.size(), {}};
  options.valid_rows = Tensor(counts.data(), i64, {kBatches});
  kernel.prepare(arguments, options);
  const device::ContextScope scope(*DeviceAccess::state(*device));
  const cuda::OwnedStream stream = cuda::make_stream();
  const cuda::OwnedGraphExec graph =
      cuda::capture(stream.get(), [&] { kernel.launch(Stream(stream.get()), arguments, options); });
  Random random(11);
  for (int round = 0; round < 8; ++round) {
    std::int64_t now[kBatches];
    std::int32_t total = 0;
    for (std::int64_t& count : now) {
      count = static_cast<std::int64_t>(random.below(kRows + 3)) - 1;
      total += static_cast<std::int32_t>(std::clamp<std::int64_t>(count, 0, kRows));
    }
    counts.write(now, sizeof now);
    y.write(nothing.data(), bytes);
    device->synchronize();
    cuda::driver().cuGraphLaunch(graph.get(), stream.get());
    device->synchronize();
    std::vector<float> found(bytes / 4);
    y.read(found.data(), bytes);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) / kColumns;
      REQUIRE(found[i] == (row % kRows < now[row / kRows] ? 2.0F + kColumns : -1.0F));
    }
    std::int32_t sum = -1;
    n.read(&sum, 4);
    CHECK(sum == total);
  }
}

TEST_CASE("counts in host memory are refused for kernels of a GPU") {
  const auto device = gpu();
  if (!device)
    return;
  const Kernel kernel = device->kernel("kernel k(x: in f32, y: out f32) { y = x; }", "");
  const Buffer x = device->allocate(64), y = device->allocate(64);
  std::int32_t count = 1;
  LaunchOptions options;
  options.valid_rows = Tensor(&count, i32, {1});
  const std::vector<Arg> arguments{Tensor(x.data(), f32, {4, 4}), Tensor(y.data(), f32, {4, 4})};
  if (DeviceAccess::state(*device)->reads_pageable_memory)
    return;
  CHECK_THROWS_WITH(kernel.launch(nullptr, arguments, options),
                    Catch::Matchers::ContainsSubstring("valid_rows lies in host memory"));
}

// Prints what a tenth of the rows costs beside all of them: for a GPU, by its name.
TEST_CASE("a tenth of the rows costs little more than a tenth of the time", "[.valid_rows_time]") {
  const auto device = gpu();
  if (!device || emulated())
    return;
  const auto time = [&](const Kernel& kernel, const std::vector<Arg>& arguments,
                        const LaunchOptions& options) {
    double best = 1e9;
    for (int round = 0; round < 20; ++round) {
      kernel.launch(nullptr, arguments, options);
      device->synchronize();
      const auto start = std::chrono::steady_clock::now();
      constexpr int kLaunches = 100;
      for (int i = 0; i < kLaunches; ++i)
        kernel.launch(nullptr, arguments, options);
      device->synchronize();
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      best = std::min(best, spent.count() / kLaunches);
    }
    return 1e6 * best;
  };
  for (const char* name : {"softmax", "swiglu"})
    for (const std::int64_t columns : {256, 4096, 14336}) {
      const std::int64_t batches = 64, rows = 120'000'000 / columns / batches;
      const auto bytes = static_cast<std::size_t>(batches * rows * columns * 2);
      const Kernel kernel = device->catalogue_kernel(name, {{"T", bf16}});
      const Buffer a = device->allocate(bytes), b = device->allocate(bytes),
                   c = device->allocate(bytes);
      Buffer counts = device->allocate(batches * 4);
      const auto tensor = [&](const Buffer& of) {
        return Arg(Tensor(of.data(), bf16, {batches, rows, columns}));
      };
      std::vector<Arg> arguments{tensor(a), tensor(b)};
      if (kernel.parameters().size() == 3)
        arguments.push_back(tensor(c));
      const auto with = [&](std::int64_t wanted, bool by_batch) {
        const auto count = static_cast<std::int32_t>(by_batch ? wanted / batches : wanted);
        const std::vector<std::int32_t> all(static_cast<std::size_t>(batches), count);
        counts.write(all.data(), all.size() * 4);
        LaunchOptions options;
        options.valid_rows =
            by_batch ? Tensor(counts.data(), i32, {batches}) : Tensor(counts.data(), i32, {1});
        return time(kernel, arguments, options);
      };
      const std::int64_t all = batches * rows;
      std::printf("%s %lld x %lld bf16: without counts %.1f us; one count: all %.1f, a tenth %.1f, "
                  "none %.1f; by batch: all %.1f, a tenth %.1f, none %.1f\n",
                  name, static_cast<long long>(all), static_cast<long long>(columns),
                  time(kernel, arguments, {}), with(all, false), with(all / 10, false),
                  with(0, false), with(all, true), with(all / 10, true), with(0, true));
    }
}
