// steps_test.cpp -- kernels that are computed in steps on a CUDA device: the evaluator's bits in
// every schedule, with memory of the caller's, of the stream's and of a graph's.
#include <fmt/format.h>

#include "runtime/cuda/objects.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/kernel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/step_kernels.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// Every `apart`-th of kStepKernels, from `first` on.
void check_kernels(const Device& device, DType type, std::size_t first, std::size_t apart) {
  std::uint64_t seed = 0;
  for (std::size_t i = first; i < kStepKernels.size(); i += apart) {
    const StepKernel& each = kStepKernels[i];
    INFO(each.text);
    const Kernel kernel = device.kernel(each.text, each.name, {{"T", type}});
    // Roots and quotients of 16-bit results are approximated: nobody promises their bits.
    if (divides_approximately(launch::ir_kernel(kernel)))
      continue;
    for (const ir::CallSize size : {ir::CallSize{1, 4}, {9, 36}, {300, 100}, {3, 4100}}) {
      if ((emulated() && size.rows * size.columns > 8000) ||
          (size.rows == 1 && each.has_groups_of_rows()))
        continue;
      check_some(device, kernel, size, {}, schedules_of_call(1, 8), ++seed);
    }
    check_some(device, kernel, {6, 40}, {.gap = 3, .skew = 1, .in_place = true},
               schedules_of_call(1, 4), ++seed);
  }
}

} // namespace

TEST_CASE("kernels in steps have the evaluator's bits on the device, of f32, the first ones") {
  if (const auto device = gpu())
    check_kernels(*device, f32, 0, 2);
}
TEST_CASE("kernels in steps have the evaluator's bits on the device, of f32, the others") {
  if (const auto device = gpu())
    check_kernels(*device, f32, 1, 2);
}
TEST_CASE("kernels in steps have the evaluator's bits on the device, of bf16") {
  if (const auto device = gpu())
    check_kernels(*device, bf16, 0, 1);
}

TEST_CASE("counts of rows leave rows out of every step on the device") {
  const auto device = gpu();
  if (!device)
    return;
  std::uint64_t seed = 0;
  for (const StepKernel& each : kStepKernels)
    for (const std::vector<std::int64_t>& counts :
         std::vector<std::vector<std::int64_t>>{{5}, {0}, {3, 0, 6}}) {
      INFO(each.text);
      const Kernel kernel = device->kernel(each.text, each.name, {{"T", f32}});
      RowCase call(*device, kernel, {18, 20}, {}, ++seed);
      call.count_rows(counts, seed % 2 == 0 ? i64 : i32);
      CHECK(call.run() == "");
    }
}

TEST_CASE("steps that are launched while those before them run wait for what these leave") {
  const auto device = gpu();
  if (!device)
    return;
  for (const char* dependent : {"dependent=1", "dependent=2"})
    for (const std::size_t kernel : {std::size_t{0}, std::size_t{4}, std::size_t{8}}) {
      KernelOptions options;
      options.schedule = dependent;
      const StepKernel& each = kStepKernels[kernel];
      INFO(each.text << ' ' << dependent);
      const Kernel made = device->kernel(each.text, each.name, {{"T", f32}}, options);
      RowCase call(*device, made, {emulated() ? 9 : 2000, emulated() ? 64 : 512}, {}, 3);
      for (int i = 0; i < (emulated() ? 1 : 20); ++i)
        REQUIRE(call.run() == "");
    }
}

namespace {

/// A call of batch normalisation, whose outputs are known.
struct NormalisedCall {
  static constexpr std::int64_t kRows = 40, kColumns = 24;
  Kernel kernel;
  Buffer x, y, counts;

  explicit NormalisedCall(const Device& device)
      : kernel(device.kernel("kernel k(x: in f32, y: out f32) {"
                             " let n = col_sum(f32(1)); let m = col_sum(x) / n; y = x - m; }",
                             "")),
        x(device.allocate(kRows * kColumns * 4)), y(device.allocate(kRows * kColumns * 4)),
        counts(device.allocate(4)) {
    std::vector<float> values;
    for (std::int64_t row = 0; row < kRows; ++row)
      values.insert(values.end(), kColumns, static_cast<float>(row));
    x.write(values.data(), x.size());
  }
  std::vector<Arg> arguments() const {
    return {Tensor(x.data(), f32, {kRows, kColumns}), Tensor(y.data(), f32, {kRows, kColumns})};
  }
  void clear() {
    const std::vector<float> none(kRows * kColumns, -99.0F);
    y.write(none.data(), y.size());
  }
  void count(std::int32_t rows) { counts.write(&rows, 4); }
  /// "" if `rows` rows are what they should be, and the others as they were.
  std::string wrong(std::int64_t rows = kRows) const {
    std::vector<float> found(kRows * kColumns);
    y.read(found.data(), y.size());
    for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
      const std::int64_t row = i / kColumns;
      const float expected =
          row < rows ? static_cast<float>(row) - static_cast<float>(rows - 1) / 2 : -99.0F;
      if (found[static_cast<std::size_t>(i)] != expected)
        return fmt::format("row {}: {}, expected {}", row, found[static_cast<std::size_t>(i)],
                           expected);
    }
    return "";
  }
};

} // namespace

TEST_CASE("a graph of a kernel in steps has memory of its own, or the caller's") {
  const auto device = gpu();
  if (!device)
    return;
  NormalisedCall call(*device);
  const std::vector<Arg> arguments = call.arguments();
  call.kernel.prepare(arguments);
  const device::ContextScope scope(*DeviceAccess::state(*device));
  const cuda::OwnedStream stream = cuda::make_stream();
  const auto replay = [&](const cuda::OwnedGraphExec& graph) {
    for (int i = 0; i < 3; ++i) {
      call.clear();
      device->synchronize();
      cuda::driver().cuGraphLaunch(graph.get(), stream.get());
      device->synchronize();
      CHECK(call.wrong() == "");
    }
  };
  replay(cuda::capture(stream.get(), [&] { call.kernel.launch(Stream(stream.get()), arguments); }));
  // Nothing is written behind a workspace.
  const std::size_t bytes = call.kernel.workspace_bytes(arguments);
  const std::vector<std::byte> guard(1024, std::byte{0x5a});
  Buffer workspace = device->allocate(bytes + guard.size());
  workspace.write(guard.data(), guard.size(), bytes);
  const LaunchOptions options{workspace.data(), bytes, {}};
  replay(cuda::capture(stream.get(),
                       [&] { call.kernel.launch(Stream(stream.get()), arguments, options); }));
  std::vector<std::byte> after(guard.size());
  workspace.read(after.data(), after.size(), bytes);
  CHECK(after == guard);
  CHECK_THROWS_WITH(call.kernel.launch(nullptr, arguments, {workspace.data(), bytes - 1}),
                    Catch::Matchers::ContainsSubstring("ask workspace_bytes"));
}

TEST_CASE("a graph of a kernel in steps serves counts that change") {
  const auto device = gpu();
  if (!device)
    return;
  NormalisedCall call(*device);
  const std::vector<Arg> arguments = call.arguments();
  const Buffer workspace = device->allocate(call.kernel.workspace_bytes(arguments));
  LaunchOptions options{workspace.data(), workspace.size(), {}};
  options.valid_rows = Tensor(call.counts.data(), i32, {1});
  call.kernel.prepare(arguments, options);
  const device::ContextScope scope(*DeviceAccess::state(*device));
  const cuda::OwnedStream stream = cuda::make_stream();
  const cuda::OwnedGraphExec graph = cuda::capture(
      stream.get(), [&] { call.kernel.launch(Stream(stream.get()), arguments, options); });
  for (const std::int32_t rows : {40, 7, 1, 0, 23}) {
    call.count(rows);
    call.clear();
    device->synchronize();
    cuda::driver().cuGraphLaunch(graph.get(), stream.get());
    device->synchronize();
    CHECK(call.wrong(rows) == "");
  }
}

TEST_CASE("streams at once have steps with memory of their own") {
  const auto device = gpu();
  if (!device)
    return;
  const device::ContextScope scope(*DeviceAccess::state(*device));
  std::vector<NormalisedCall> calls;
  std::vector<cuda::OwnedStream> streams;
  for (int i = 0; i < 4; ++i) {
    calls.emplace_back(*device);
    streams.push_back(cuda::make_stream());
  }
  for (int round = 0; round < (emulated() ? 1 : 50); ++round) {
    for (NormalisedCall& call : calls)
      call.clear();
    for (std::size_t i = 0; i < calls.size(); ++i)
      calls[i].kernel.launch(Stream(streams[i].get()), calls[i].arguments());
    device->synchronize();
    for (const NormalisedCall& call : calls)
      REQUIRE(call.wrong() == "");
  }
}
