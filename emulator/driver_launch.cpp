// driver_launch.cpp -- entry points: kernel launches.
#include "emulator/driver_state.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace swage;
using namespace swage::fake;

namespace {

Result result_of(emulator::FaultKind kind) {
  switch (kind) {
  case emulator::FaultKind::illegal_address: return Result::illegal_address;
  case emulator::FaultKind::misaligned_address: return Result::misaligned_address;
  case emulator::FaultKind::illegal_instruction: return Result::illegal_instruction;
  case emulator::FaultKind::timeout: return Result::launch_timeout;
  default: return Result::launch_failed;
  }
}

/// What a grid adds to the device's clock: launch overhead, then whichever is slower of memory and
/// arithmetic, at about an H200's rates.
double duration_ns(const emulator::Statistics& statistics, double scale) {
  constexpr double kBytesPerNs = 4800;
  constexpr double kInstructionsPerNs = 132 * 128 * 1.755;
  const auto bytes = static_cast<double>(statistics.bytes_loaded + statistics.bytes_stored);
  return 2000 + scale * std::max(bytes / kBytesPerNs,
                                 static_cast<double>(statistics.instructions) / kInstructionsPerNs);
}

/// Once the budget of instructions is spent, the first block stands for its grid.
void run(const emulator::Program& program, emulator::LaunchConfig config, Context& context) {
  State& s = state();
  if (context.fault != Result::success)
    return;
  const double blocks = 1.0 * config.grid[0] * config.grid[1] * config.grid[2];
  const bool sampled = s.budget == 0;
  config.block_limit = sampled ? 1 : config.block_limit;
  try {
    const emulator::Statistics statistics =
        emulator::execute(program, config, context.device->memory);
    s.statistics += statistics;
    s.clock_ns += duration_ns(statistics, sampled ? blocks : 1);
    if (s.budget != ~0ULL)
      s.budget -= std::min<unsigned long long>(s.budget, statistics.instructions);
  } catch (const emulator::Fault& fault) {
    context.fault = result_of(fault.kind());
    s.last_fault = fault.what();
    std::fprintf(stderr, "fake CUDA driver: %s\n", fault.what());
  }
}

void check_shape(const LaunchParameters& launch, const Function& function) {
  const emulator::Kernel& kernel = function.program->kernel;
  constexpr unsigned kGridLimits[] = {2147483647, 65535, 65535};
  constexpr unsigned kBlockLimits[] = {1024, 1024, 64};
  std::uint64_t threads = 1;
  for (int i = 0; i < 3; ++i) {
    require(launch.grid[i] != 0 && launch.grid[i] <= kGridLimits[i]);
    require(launch.block[i] != 0 && launch.block[i] <= kBlockLimits[i]);
    threads *= launch.block[i];
  }
  require(threads <= 1024);
  require(launch.grid[0] % kernel.cluster == 0);
  constexpr unsigned kOfAnyDevice = 8;
  const unsigned largest = function.module->context->device->cluster;
  require(kernel.cluster <= (function.has_large_clusters ? largest : kOfAnyDevice),
          Result::invalid_cluster_size);
  if (const auto& exact = kernel.required_threads)
    require(std::equal(exact->begin(), exact->end(), launch.block));
  if (const auto& most = kernel.maximum_threads)
    require(threads <= std::uint64_t{(*most)[0]} * (*most)[1] * (*most)[2]);
}

std::vector<std::byte> pack(const emulator::Kernel& kernel, void** parameters, void** extra) {
  std::vector<std::byte> bytes(kernel.parameter_bytes);
  if (extra != nullptr) {
    const auto tag = [&](std::size_t i) { return reinterpret_cast<std::uintptr_t>(extra[i]); };
    const void* data = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; tag(i) != 0; i += 2) {
      if (tag(i) == 1)
        data = extra[i + 1];
      else if (tag(i) == 2)
        size = *static_cast<std::size_t*>(extra[i + 1]);
    }
    require(parameters == nullptr && data != nullptr && size >= bytes.size());
    std::memcpy(bytes.data(), data, bytes.size());
    return bytes;
  }
  require(parameters != nullptr || kernel.parameters.empty());
  for (std::size_t i = 0; i < kernel.parameters.size(); ++i) {
    const emulator::Parameter& parameter = kernel.parameters[i];
    require(parameters[i] != nullptr);
    std::memcpy(bytes.data() + parameter.offset, parameters[i], parameter.size);
  }
  return bytes;
}

bool take_attributes(const LaunchParameters& launch) {
  bool programmatic = false;
  require(launch.attribute_count == 0 || launch.attributes != nullptr);
  for (unsigned i = 0; i < launch.attribute_count; ++i) {
    require(launch.attributes[i].id >= 0 && launch.attributes[i].id <= 17);
    if (launch.attributes[i].id == kAttributeProgrammatic)
      programmatic = launch.attributes[i].value != 0;
  }
  return programmatic;
}

void launch_kernel(const LaunchParameters& launch, Function* handle, void** parameters,
                   void** extra) {
  State& s = state();
  const Context& current = current_context();
  const auto found = s.functions.find(handle);
  require(found != s.functions.end(), Result::invalid_handle);
  Function& function = *found->second;
  Stream& stream = find_stream(launch.stream);
  Context* const context = stream.context;
  require(context == &current && context == function.module->context, Result::invalid_handle);
  check_shape(launch, function);
  require(launch.shared_bytes + function.program->shared_bytes <=
          static_cast<std::size_t>(function.max_dynamic_shared));
  emulator::LaunchConfig config;
  config.programmatic = take_attributes(launch);
  require(!config.programmatic || context->device->architecture >= 90, Result::not_supported);
  std::copy_n(launch.grid, 3, config.grid.begin());
  std::copy_n(launch.block, 3, config.block.begin());
  config.dynamic_shared = launch.shared_bytes;
  config.parameters = pack(function.program->kernel, parameters, extra);
  config.approximation = s.approximation;
  config.seed = s.seed;
  // The first launch of a function loads its code.
  if (!function.loaded)
    check_capture_safety();
  function.loaded = true;
  submit(stream, [image = function.module->image, program = function.program,
                  config = std::move(config), context] { run(*program, config, *context); });
}

} // namespace

FAKE_CUDA_EXPORT int cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y,
                                    unsigned grid_z, unsigned block_x, unsigned block_y,
                                    unsigned block_z, unsigned shared_bytes, Stream* stream,
                                    void** parameters, void** extra) {
  return call("cuLaunchKernel", kContext, [&] {
    const LaunchParameters launch{
        {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, stream, nullptr, 0};
    launch_kernel(launch, function, parameters, extra);
  });
}

FAKE_CUDA_EXPORT int cuLaunchKernelEx(const LaunchParameters* launch, Function* function,
                                      void** parameters, void** extra) {
  return call("cuLaunchKernelEx", kContext, [&] {
    require(launch != nullptr);
    launch_kernel(*launch, function, parameters, extra);
  });
}

FAKE_CUDA_EXPORT int cuLaunchHostFunc(Stream* stream, void (*function)(void*), void* data) {
  return call("cuLaunchHostFunc", kContext, [&] {
    require(function != nullptr);
    submit(find_stream(stream), [=] {
      in_host_function() = true;
      function(data);
      in_host_function() = false;
    });
  });
}
