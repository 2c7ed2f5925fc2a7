// tune_test.cpp -- tuning through the driver: modules, graphs, memory given back, captures left
// alone.
#include <algorithm>
#include <cstdlib>

#include "runtime/cuda/objects.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/tune/key.hpp"
#include "runtime/tune/tuner.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// Emulates a little of every grid: tuning launches thousands.
class FewInstructions {
public:
  FewInstructions() { swage_fake_cuda_set_budget(1000); }
  FewInstructions(const FewInstructions&) = delete;
  FewInstructions& operator=(const FewInstructions&) = delete;
  ~FewInstructions() { swage_fake_cuda_set_budget(~0ULL); }
};

tune::TunerOptions patient() {
  tune::TunerOptions options;
  options.budget = 60; // emulation is slow
  return options;
}

} // namespace

TEST_CASE("a record is for rows of as many columns as their bound and of fewer alike") {
  const Device device = gpu();
  const Kernel kernel =
      device.kernel("kernel of_rows(x: in f32, y: out f32) { y = x / row_sum(x); }", "");
  const KernelState& state = KernelAccess::state(kernel);
  const auto family = [&](std::int64_t columns, bool known) {
    const DeviceArray x(device, counting(2 * columns)), y(device, counting(2 * columns));
    const Tensor in(x.tensor().data, f32, {2, columns}), out(y.tensor().data, f32, {2, columns});
    const Arg arguments[] = {in, out};
    launch::Call call;
    state.classify(arguments, call);
    CHECK(state.specialization_of(call).columns_known == known);
    return tune::family_of(tune::tuning_key(state, call));
  };
  CHECK(family(1024, true) == family(960, false));
  CHECK(family(1024, true) != family(896, true));
}

TEST_CASE("dozens of schedules are measured, and all that it took is given back") {
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel t0(x: in f32, y: out f32) { y = x * 3; }", "");
  const DeviceArray x(device, counting(3000)), y(device, std::vector<float>(3000, -1));
  const Tensor in = x.tensor(), out = y.tensor();
  const Arg arguments[] = {in, out};
  const std::uint64_t copies = calls("cuMemcpyDtoDAsync_v2");
  const auto live = [](const char* kind) { return swage_fake_cuda_live(kind); };
  tune::TuneReport report;
  std::uint64_t streams = 0, allocations = 0, graphs = 0;
  {
    const FewInstructions few;
    streams = live("stream"), allocations = live("allocation"), graphs = live("graph");
    tune::Tuner tuner(KernelAccess::state(kernel));
    report = tuner.tune(arguments, patient());
  }
  CHECK(report.measured >= 40);
  CHECK(report.noise < 0.01);
  CHECK(report.roofline > 0);
  CHECK(report.cached_sets == 8); // a small call is timed in the cache, too
  // No candidate finds in the cache what the one before it, or its own warming up, left there.
  CHECK(calls("cuMemcpyDtoDAsync_v2") - copies >= 2u * static_cast<unsigned>(report.measured));
  CHECK(live("stream") == streams);
  CHECK(live("allocation") == allocations);
  CHECK(live("graph") == graphs);
  CHECK(current_context() == nullptr);
  CHECK(y.get() == std::vector<float>(3000, -1));

  kernel.launch(nullptr, arguments);
  device.synchronize();
  CHECK(y.get()[2999] == 8997);
  CHECK(codegen::canonical(launch::describe(kernel, arguments).schedule) ==
        codegen::canonical(report.best));
}

TEST_CASE("a graph that cannot be made once costs the search that candidate, and no other") {
  const FewInstructions few;
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel t7(x: inout f32) { x = x * 7; }", "");
  const DeviceArray x(device, counting(3000));
  const Tensor in_place = x.tensor();
  const Arg arguments[] = {in_place};
  tune::TunerOptions options = patient();
  options.record = false;
  int screened = 0, compared = 0, failures = 0;
  options.progress = [&](double, std::string_view what) {
    if ((what == "screening" && ++screened == 2) || (what == "comparing" && ++compared == 1)) {
      swage_fake_cuda_fail("cuGraphInstantiateWithFlags", 304, 1);
      ++failures;
    }
  };
  const std::uint64_t graphs = swage_fake_cuda_live("graph");
  const auto report = tune::Tuner(KernelAccess::state(kernel)).tune(arguments, options);
  CHECK(failures == 2);
  CHECK(report.candidates[0].runs());
  CHECK(std::ranges::count_if(report.candidates, [](const tune::Candidate& candidate) {
          return candidate.eliminated.starts_with("cannot be launched");
        }) == 2);
  CHECK(swage_fake_cuda_live("graph") == graphs);
}

TEST_CASE("the code that was timed is the code that is launched, to the byte") {
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel t9(x: in f32, y: out f32) { y = x * 9; }", "");
  const DeviceArray x(device, counting(3000)), y(device, std::vector<float>(3000));
  const Tensor in = x.tensor(), out = y.tensor();
  const Arg arguments[] = {in, out};
  const KernelState& state = KernelAccess::state(kernel);
  tune::TuneReport report;
  {
    const FewInstructions few;
    report = tune::Tuner(state).tune(arguments, patient());
  }
  launch::Call call;
  state.classify(arguments, call);
  CHECK(state.plan_of(call, arguments, device::context_for(*state.device, nullptr), nullptr)
            .function->digest == report.code);
  for (const tune::Candidate& candidate : report.candidates)
    if (candidate.runs()) {
      CHECK(candidate.occupancy.registers > 0);
      CHECK(candidate.occupancy.blocks > 0);
    }
}

TEST_CASE("tuning refuses on a GPU that other work keeps busy, unless it is forced") {
  const FewInstructions few;
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel t3(x: in f32, y: out f32) { y = x * 9; }", "");
  const DeviceArray x(device, counting(100)), y(device, std::vector<float>(100));
  const Tensor in = x.tensor(), out = y.tensor();
  const Arg arguments[] = {in, out};
  const auto records = tune::tuning_records().all().size();
  tune::TunerOptions options = patient();
  options.budget = 0.1;
  swage_fake_cuda_set_jitter(2);
  CHECK_THROWS_WITH(tune::Tuner(KernelAccess::state(kernel)).tune(arguments, options),
                    Catch::Matchers::Contains("too busy to tune on") &&
                        Catch::Matchers::Contains("at most 10 % are allowed") &&
                        Catch::Matchers::Contains("force"));
  CHECK(tune::tuning_records().all().size() == records);
  options.force = true;
  const auto report = tune::Tuner(KernelAccess::state(kernel)).tune(arguments, options);
  swage_fake_cuda_set_jitter(0);
  CHECK(report.noise > tune::kCudaNoiseLimit);
  CHECK(tune::tuning_records().all().size() == records + 1);
}

TEST_CASE("SWAGE_AUTOTUNE tunes at the first launch of a thread without a context, too") {
  const FewInstructions few;
  const Device device = gpu();
  const Kernel kernel = device.kernel("kernel t4(x: in f32, y: out f32) { y = x * 11; }", "");
  const DeviceArray x(device, counting(100)), y(device, std::vector<float>(100));
  const auto records = tune::tuning_records().all().size();
  REQUIRE(current_context() == nullptr);
  ::setenv("SWAGE_AUTOTUNE", "1", 1);
  kernel.prepare({x.tensor(), y.tensor()});
  ::unsetenv("SWAGE_AUTOTUNE");
  CHECK(tune::tuning_records().all().size() == records + 1);
  CHECK(current_context() == nullptr);
}

TEST_CASE("a capture in progress is left alone: SWAGE_AUTOTUNE does nothing under it") {
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel kernel = device.kernel("kernel t1(x: in f32, y: out f32) { y = x * 5; }", "");
  const DeviceArray x(device, counting(100)), y(device, std::vector<float>(100));
  const auto records = tune::tuning_records().all().size();
  const cuda::OwnedStream stream = cuda::make_stream();
  ::setenv("SWAGE_AUTOTUNE", "1", 1);
  const cuda::OwnedGraphExec graph = cuda::capture(stream.get(), [&] {
    kernel.launch(Stream(stream.get()), {x.tensor(), y.tensor()});
  });
  ::unsetenv("SWAGE_AUTOTUNE");
  CHECK(tune::tuning_records().all().size() == records);
  cuda::driver().cuGraphLaunch(graph.get(), stream.get());
  cuda::driver().cuStreamSynchronize(stream.get());
  CHECK(y.get()[99] == 495);
}

TEST_CASE("tuning beside another thread's capture leaves that capture whole") {
  const FewInstructions few;
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel kernel = device.kernel("kernel t2(x: in f32, y: out f32) { y = x * 7; }", "");
  const DeviceArray x(device, counting(100)), y(device, std::vector<float>(100));
  const cuda::OwnedStream stream = cuda::make_stream();
  cuda::driver().cuStreamBeginCapture_v2(stream.get(), cuda::CaptureMode::global);
  tune::TunerOptions options = patient();
  options.budget = 0.1;
  const Tensor in = x.tensor(), out = y.tensor();
  const Arg arguments[] = {in, out};
  tune::Tuner(KernelAccess::state(kernel)).tune(arguments, options);
  cuda::Graph graph = nullptr;
  cuda::driver().cuStreamEndCapture(stream.get(), &graph);
  CHECK(graph != nullptr);
  cuda::driver().cuGraphDestroy(graph);
}
