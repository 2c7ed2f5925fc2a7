// execute_test.cpp -- compiled kernels give the bits that the operations define, on both back ends,
// in every layout and under every schedule.
#include "tests/support/catch.hpp"

#include "codegen/lower.hpp"
#include "codegen/schedule_parts.hpp"
#include "ir/passes.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/strict.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

constexpr std::int64_t kSizes[] = {1, 2, 3, 7, 16, 17, 31, 64, 65, 100, 128, 257};

/// A kernel of exactly rounded operations whose results are exact on every target. Kernels that
/// owe no more than half accuracy divide approximately on a GPU, so they are left out.
ir::Kernel exact_kernel(std::uint64_t seed, const swage::test::RandomKernelOptions& options) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    ir::Kernel kernel = swage::test::random_kernel(seed + 1000 * attempt, options);
    if (owes_full_accuracy(kernel))
      return kernel;
  }
}

swage::test::RandomKernelOptions exact_options(Random& random) {
  swage::test::RandomKernelOptions options;
  options.ops = exact_ops();
  options.nodes = 5 + random.below(30);
  options.inouts = random.below(2);
  options.broadcasts = random.one_in(2);
  if (random.one_in(3))
    options.dtypes = {f32, bf16};
  return options;
}

CallOptions call_options(Random& random) {
  CallOptions options;
  options.rows = random.pick(kSizes) % 40;
  options.rows = std::max<std::int64_t>(options.rows, 1);
  options.columns = random.pick(kSizes);
  options.index64 = random.one_in(4);
  return options;
}

HostSchedule random_host_schedule(Random& random) {
  HostSchedule schedule;
  schedule.lanes = 1 << random.below(7);
  schedule.unroll = 1 << random.below(3);
  schedule.streaming = random.one_in(3);
  return schedule;
}

CudaSchedule random_cuda_schedule(Random& random, const Call& call, const Target& target) {
  const ir::Kernel& kernel = call.kernel();
  CudaSchedule schedule;
  schedule.threads = 32 << random.below(6);
  const int widest = target.sm >= 100 ? 32 : 16;
  do
    schedule.access_bytes = 1 << random.below(6);
  while (schedule.access_bytes > widest || schedule.access_bytes < widest_element(kernel));
  schedule.accesses = 1 << random.below(4);
  schedule.waves = random.one_in(2) ? 0 : static_cast<int>(1 + random.below(3));
  schedule.load = static_cast<LoadPolicy>(random.below(target.sm >= 80 ? 5 : 4));
  schedule.store = static_cast<StorePolicy>(random.below(2));
  if (target.sm >= 90)
    schedule.dependent_launch = static_cast<DependentLaunch>(random.below(4));
  schedule.fetch = schedule.dependent_launch != DependentLaunch::none &&
                   can_fetch(schedule, kernel, call.specialization()) && random.one_in(2);
  return schedule;
}

} // namespace

TEST_CASE("random kernels of exact operations give the defined bits on the host") {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    Random random(seed);
    const ir::Kernel kernel = exact_kernel(seed, exact_options(random));
    Call call(kernel, random, call_options(random));
    const auto expected = call.expected();
    const HostSchedule schedule = random_host_schedule(random);
    run_on_host(call, schedule, static_cast<int>(1 + random.below(3)));
    INFO("seed " << seed << ": " << call.describe() << "\n"
                 << canonical(schedule) << "\n"
                 << ir::print(kernel));
    REQUIRE(call.difference(expected) == "");
  }
}

TEST_CASE("random kernels of exact operations give the defined bits in PTX") {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    Random random(seed);
    constexpr int architectures[] = {75, 80, 90, 100};
    const Target target = cuda_target(random.pick(architectures));
    const ir::Kernel kernel = exact_kernel(seed, exact_options(random));
    Call call(kernel, random, call_options(random));
    const auto expected = call.expected();
    const CudaSchedule schedule = random_cuda_schedule(random, call, target);
    INFO("seed " << seed << ": " << canonical(target) << ", " << call.describe() << "\n"
                 << canonical(schedule) << "\n"
                 << ir::print(kernel));
    REQUIRE_NOTHROW(run_in_emulator(call, schedule, target));
    REQUIRE(call.difference(expected) == "");
  }
}

TEST_CASE("kernels of bf16 alone give the defined bits on both back ends") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    swage::test::RandomKernelOptions options;
    options.ops = exact_ops();
    for (const ir::Op approximate : {ir::Op::div, ir::Op::rcp, ir::Op::sqrt})
      std::erase(options.ops, approximate);
    options.dtypes = {bf16};
    options.nodes = 4 + random.below(20);
    options.inouts = random.below(2);
    options.broadcasts = random.one_in(3);
    const ir::Kernel kernel = swage::test::random_kernel(seed, options);
    CallOptions layout = call_options(random);
    layout.random_layouts = random.one_in(3);
    Call call(kernel, random, layout);
    const auto expected = call.expected();
    const HostSchedule host = random_host_schedule(random);
    run_on_host(call, host, static_cast<int>(1 + random.below(3)));
    INFO("seed " << seed << ": " << call.describe() << ", " << canonical(host) << "\n"
                 << ir::print(kernel));
    REQUIRE(call.difference(expected) == "");
    call.reset();
    const Target target = cuda_target(random.one_in(2) ? 75 : 120);
    run_in_emulator(call, random_cuda_schedule(random, call, target), target);
    REQUIRE(call.difference(expected) == "");
  }
}

TEST_CASE("kernels too large for one function give the defined bits") {
  int large = 0;
  for (std::uint64_t seed = 0; large < 4; ++seed) {
    REQUIRE(seed < 32);
    Random random(seed);
    swage::test::RandomKernelOptions options;
    options.ops = exact_ops();
    options.nodes = 6000;
    options.inouts = 1;
    const ir::Kernel kernel = exact_kernel(seed, options);
    if (kernel.nodes().size() <= 1100)
      continue; // what is stored needs few of them
    ++large;
    Call call(kernel, random, {.rows = 2, .columns = 37});
    const auto expected = call.expected();
    run_on_host(call, {.lanes = 8, .unroll = 2, .streaming = random.one_in(2)});
    INFO("seed " << seed << ", " << call.describe());
    REQUIRE(call.difference(expected) == "");
    call.reset();
    run_in_emulator(call, {.threads = 64, .access_bytes = widest_element(kernel)}, cuda_target(90));
    REQUIRE(call.difference(expected) == "");
  }
}
