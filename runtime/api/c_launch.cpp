// c_launch.cpp -- calls of the C ABI: launched, prepared, tuned.
#include <span>
#include <vector>

#include "runtime/api/c_arguments.hpp"
#include "runtime/api/c_failure.hpp"
#include "runtime/api/c_objects.hpp"
#include "runtime/api/c_structs.hpp"
#include "runtime/api/c_tensor.hpp"
#include "runtime/api/named_arguments.hpp"
#include "runtime/launch/kernel.hpp"

using swage::api::Arguments;
using swage::api::check_size;
using swage::api::guarded;
using swage::api::hand_out;
using swage::api::received;
using swage::api::require;

namespace {

swage::TuneOptions to_options(const swage_tune_options* pointer) {
  if (!pointer)
    return {};
  const swage_tune_options given =
      received(*pointer, SWAGE_FIRST_SIZE(swage_tune_options, keep_private), "swage_tune_options",
               swage_default_tune_options());
  return {given.budget_seconds, given.force != 0, given.keep_private == 0};
}

swage::LaunchOptions to_options(const swage_launch_options* pointer,
                                const swage::DeviceInfo& device) {
  swage::LaunchOptions options;
  if (!pointer)
    return options;
  const swage_launch_options given =
      received(*pointer, SWAGE_FIRST_SIZE(swage_launch_options, workspace_bytes),
               "swage_launch_options", swage_default_launch_options());
  options.workspace = given.workspace;
  options.workspace_bytes = given.workspace_bytes;
  if (given.valid_rows)
    options.valid_rows = swage::api::to_tensor(given.valid_rows, swage::api::kValidRows, device);
  return options;
}

swage_tune_result to_c(const swage::TuneResult& found) {
  swage_tune_result result = {};
  found.schedule.copy(result.schedule, SWAGE_SCHEDULE_SIZE - 1);
  found.default_schedule.copy(result.default_schedule, SWAGE_SCHEDULE_SIZE - 1);
  result.seconds = found.seconds;
  result.default_seconds = found.default_seconds;
  result.spread = found.spread;
  result.bytes = found.bytes;
  result.bytes_per_second = found.bytes_per_second;
  result.candidates = found.candidates;
  result.improved = found.improved ? 1 : 0;
  return result;
}

} // namespace

extern "C" {

swage_status swage_kernel_launch(const swage_kernel* kernel, void* stream, const swage_arg* args,
                                 size_t count) {
  return guarded([&] {
    require(kernel, "kernel");
    const Arguments arguments(args, count, kernel->device.info());
    kernel->kernel.launch(swage::Stream(stream), arguments.span());
  });
}

swage_status swage_kernel_launch_named(const swage_kernel* kernel, void* stream,
                                       const char* const* names, const swage_arg* args,
                                       size_t count) {
  return guarded([&] {
    require(kernel, "kernel");
    const Arguments arguments(args, count, kernel->device.info());
    if (count > 0)
      require(names, "names");
    for (std::size_t i = 0; i < count; ++i)
      require(names[i], "a name");
    const swage::api::NamedArguments ordered(swage::KernelAccess::state(kernel->kernel).signature,
                                             names, arguments.span());
    kernel->kernel.launch(swage::Stream(stream), ordered.span());
  });
}

swage_status swage_kernel_launch_with(const swage_kernel* kernel, void* stream,
                                      const swage_arg* args, size_t count,
                                      const swage_launch_options* options) {
  return guarded([&] {
    require(kernel, "kernel");
    const swage::LaunchOptions given = to_options(options, kernel->device.info());
    const Arguments arguments(args, count, kernel->device.info());
    kernel->kernel.launch(swage::Stream(stream), arguments.span(), given);
  });
}

swage_status swage_kernel_workspace_bytes(const swage_kernel* kernel, const swage_arg* args,
                                          size_t count, size_t* bytes) {
  return guarded([&] {
    require(kernel, "kernel");
    require(bytes, "bytes");
    const Arguments arguments(args, count, kernel->device.info());
    *bytes = kernel->kernel.workspace_bytes(arguments.span());
  });
}

swage_status swage_kernel_prepare(const swage_kernel* kernel, const swage_arg* args, size_t count) {
  return guarded([&] {
    require(kernel, "kernel");
    const Arguments arguments(args, count, kernel->device.info());
    kernel->kernel.prepare(arguments.span());
  });
}

swage_status swage_kernel_prepare_for(const swage_kernel* kernel, const swage_arg_spec* specs,
                                      size_t count) {
  return guarded([&] {
    require(kernel, "kernel");
    if (count > 0)
      require(specs, "specs");
    kernel->kernel.prepare(
        std::span<const swage::ArgSpec>(swage::api::to_specs(kernel->parameters, specs, count)));
  });
}

swage_status swage_kernel_prepare_with(const swage_kernel* kernel, const swage_arg* args,
                                       size_t count, const swage_launch_options* options) {
  return guarded([&] {
    require(kernel, "kernel");
    const swage::LaunchOptions given = to_options(options, kernel->device.info());
    const Arguments arguments(args, count, kernel->device.info());
    kernel->kernel.prepare(arguments.span(), given);
  });
}

swage_status swage_kernel_prepare_for_with(const swage_kernel* kernel, const swage_arg_spec* specs,
                                           size_t count, const swage_launch_options* options) {
  return guarded([&] {
    require(kernel, "kernel");
    if (count > 0)
      require(specs, "specs");
    const swage::LaunchOptions given = to_options(options, kernel->device.info());
    const std::vector<swage::ArgSpec> described =
        swage::api::to_specs(kernel->parameters, specs, count);
    kernel->kernel.prepare(std::span<const swage::ArgSpec>(described), given);
  });
}

swage_status swage_kernel_tune(const swage_kernel* kernel, const swage_arg* args, size_t count,
                               const swage_tune_options* options, swage_tune_result* result) {
  return guarded([&] {
    require(kernel, "kernel");
    if (result) // refused before the search rather than after it
      check_size(*result, SWAGE_FIRST_SIZE(swage_tune_result, improved), "swage_tune_result");
    const Arguments arguments(args, count, kernel->device.info());
    const swage::TuneResult found = kernel->kernel.tune(arguments.span(), to_options(options));
    if (result)
      hand_out(to_c(found), SWAGE_FIRST_SIZE(swage_tune_result, improved), "swage_tune_result",
               result);
  });
}

} // extern "C"
