// tune_test.cpp -- what was timed is what runs, on a real driver; tests/runtime_cuda has the same
// on the test double, whose launches are too slow for a search of this size.
#include "runtime/device/context_scope.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/tune/tuner.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/device_support.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

TEST_CASE("a launch after tuning runs the very code that the tuner timed") {
  const auto device = gpu();
  if (!device || emulated())
    return;
  constexpr std::size_t size = 1 << 22;
  for (const DType type : {f32, bf16}) {
    const Kernel kernel = device->catalogue_kernel("swiglu", {{"T", type}});
    Buffer memory = device->allocate(3 * size * 4);
    auto* base = static_cast<char*>(memory.data());
    Tensor tensors[3];
    std::vector<Arg> arguments;
    for (std::size_t i = 0; i < 3; ++i) {
      tensors[i] = Tensor(base + i * size * 4, type, {static_cast<std::int64_t>(size)});
      arguments.emplace_back(tensors[i]);
    }
    const KernelState& state = KernelAccess::state(kernel);
    tune::TunerOptions options;
    options.record = false;
    options.force = true; // another test may run beside this one
    const tune::TuneReport report = tune::Tuner(state).tune(arguments, options);
    launch::Call call;
    state.classify(arguments, call);
    CHECK(state.plan_of(call, arguments, device::context_for(*state.device, nullptr), nullptr)
              .function->digest == report.code);
    for (const tune::Candidate& candidate : report.candidates) {
      if (!candidate.runs())
        continue;
      const auto& schedule = std::get<codegen::CudaSchedule>(candidate.schedule);
      INFO(codegen::canonical(candidate.schedule));
      CHECK(candidate.occupancy.registers > 0);
      const int bound = schedule.threads <= 256 ? 256 : 1024;
      CHECK(candidate.occupancy.blocks >= std::max(schedule.resident / bound, 1));
    }
  }
}
