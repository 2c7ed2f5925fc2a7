// c_api.cpp -- the C ABI over the C++ API. Nothing that throws crosses it.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <pthread.h>

#include "runtime/api/binding_text.hpp"
#include "runtime/api/c_arguments.hpp"
#include "runtime/api/c_structs.hpp"
#include "runtime/api/c_tensor.hpp"
#include "swage/swage.h"
#include "swage/swage.hpp"

struct swage_device {
  swage::Device device;
};

struct swage_kernel {
  swage::Kernel kernel;
  swage::Device device;
  std::string text;
  std::vector<swage::Parameter> parameters;
};

namespace {

using swage::Error;
using swage::ErrorCode;
using swage::api::Arguments;
using swage::api::hand_out;
using swage::api::received;
using swage::api::require;

/// The last failure of a thread.
struct Failure {
  std::string message, build_log;
};

/// Of this thread. Trivial, for glibc ends the process where it has no memory to register the
/// destructor of a thread's variable.
struct LastFailure {
  Failure* texts = nullptr; ///< null: none failed yet, or there was no memory
  const char* message = ""; ///< where there was no memory for it
  std::int32_t driver_result = 0;
};
thread_local LastFailure last_failure;

extern "C" void drop_texts(void* texts) {
  last_failure = {};
  delete static_cast<Failure*>(texts);
}

Failure& texts_of_this_thread() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    if (pthread_key_create(&made, drop_texts) != 0)
      throw std::bad_alloc();
    return made;
  }();
  if (!last_failure.texts) {
    auto made = std::make_unique<Failure>();
    if (pthread_setspecific(key, made.get()) != 0)
      throw std::bad_alloc();
    last_failure.texts = made.release();
  }
  return *last_failure.texts;
}

swage_status fail(swage_status status, const char* message, const char* build_log = "",
                  int driver_result = 0) noexcept {
  last_failure.driver_result = driver_result;
  last_failure.message = nullptr;
  try {
    Failure& texts = texts_of_this_thread();
    texts.message = message;
    texts.build_log = build_log;
  } catch (...) {
    // The status still tells.
    last_failure.message = status == SWAGE_OUT_OF_MEMORY
                               ? "host memory ran out"
                               : "the message is lost: there was no memory to keep it";
    if (last_failure.texts)
      last_failure.texts->build_log.clear();
  }
  return status;
}

/// Runs `body`; what it throws becomes a status and this thread's last error.
template <typename Body>
swage_status guarded(const Body& body) noexcept {
  try {
    body();
    return SWAGE_OK;
  } catch (const Error& error) {
    return fail(static_cast<swage_status>(error.code()), error.what(), error.build_log().c_str(),
                error.driver_result());
  } catch (const std::bad_alloc&) {
    return fail(SWAGE_OUT_OF_MEMORY, "host memory ran out");
  } catch (const std::exception& error) {
    return fail(SWAGE_INTERNAL, error.what());
  } catch (...) {
    return fail(SWAGE_INTERNAL, "an exception of unknown type");
  }
}

std::string text_or(const char* text, const char* otherwise) {
  return text ? text : otherwise;
}

std::vector<swage::Binding> parse_bindings(const char* const* bindings, std::size_t count) {
  std::vector<swage::Binding> result;
  if (count > 0)
    require(bindings, "bindings");
  for (std::size_t i = 0; i < count; ++i) {
    require(bindings[i], "a binding");
    result.push_back(swage::api::parse_binding(bindings[i]));
  }
  return result;
}

swage::KernelOptions to_options(const swage_options* pointer) {
  swage::KernelOptions options;
  if (!pointer)
    return options;
  const swage_options all = received(*pointer, SWAGE_FIRST_SIZE(swage_options, file),
                                     "swage_options", swage_default_options());
  const swage_options* given = &all;
  if (given->math != SWAGE_MATH_DEFAULT) {
    if (given->math < SWAGE_MATH_ACCURATE || given->math > SWAGE_MATH_TORCH)
      throw Error(ErrorCode::invalid_argument, "options.math is none of the modes of swage_math");
    options.math = static_cast<swage::Math>(given->math);
  }
  options.schedule = text_or(given->schedule, "");
  options.file = text_or(given->file, "<kernel>");
  return options;
}

swage::TuneOptions to_options(const swage_tune_options* pointer) {
  if (!pointer)
    return {};
  const swage_tune_options given =
      received(*pointer, SWAGE_FIRST_SIZE(swage_tune_options, keep_private), "swage_tune_options",
               swage_default_tune_options());
  return {given.budget_seconds, given.force != 0, given.keep_private == 0};
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

swage_kernel* wrap(swage::Kernel kernel, const swage::Device& device) {
  std::string text = kernel.text();
  std::vector<swage::Parameter> parameters = kernel.parameters();
  return new swage_kernel{std::move(kernel), device, std::move(text), std::move(parameters)};
}

} // namespace

extern "C" {

const char* swage_version(void) {
  return swage::version().data(); // of a literal
}

const char* swage_last_error(void) {
  return last_failure.message ? last_failure.message : last_failure.texts->message.c_str();
}

const char* swage_last_build_log(void) {
  return last_failure.texts ? last_failure.texts->build_log.c_str() : "";
}

int32_t swage_last_driver_result(void) {
  return last_failure.driver_result;
}

swage_status swage_configure(const char* const* settings, size_t count,
                             void (*log)(void* user, const char* line), void* user) {
  return guarded([&] {
    swage::Settings given;
    if (count > 0)
      require(settings, "settings");
    for (std::size_t i = 0; i < count; ++i) {
      require(settings[i], "a setting");
      const std::string_view text = settings[i];
      const std::size_t equals = text.find('=');
      if (equals == std::string_view::npos)
        throw Error(ErrorCode::invalid_argument,
                    "setting '" + std::string(text) + "' is not of the form NAME=VALUE");
      given.values.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    if (log)
      given.log = [log, user](std::string_view line) { log(user, std::string(line).c_str()); };
    swage::configure(std::move(given));
  });
}

swage_status swage_device_count(int32_t* count) {
  return guarded([&] {
    require(count, "count");
    *count = static_cast<int32_t>(swage::Device::all().size());
  });
}

swage_status swage_device_at(int32_t index, swage_device** device) {
  return guarded([&] {
    require(device, "device");
    const auto devices = swage::Device::all();
    if (index < 0 || static_cast<std::size_t>(index) >= devices.size())
      throw Error(ErrorCode::no_device, "device index " + std::to_string(index) +
                                            " is outside the list of " +
                                            std::to_string(devices.size()));
    *device = new swage_device{devices[static_cast<std::size_t>(index)]};
  });
}

swage_status swage_device_open(const char* id, swage_device** device) {
  return guarded([&] {
    require(device, "device");
    *device = new swage_device{swage::Device::open(text_or(id, ""))};
  });
}

void swage_device_close(swage_device* device) {
  delete device;
}

swage_status swage_device_describe(const swage_device* device, swage_device_info* info) {
  return guarded([&] {
    require(device, "device");
    require(info, "info");
    const swage::DeviceInfo& found = device->device.info();
    swage_device_info filled = {};
    filled.kind = found.kind == swage::DeviceKind::cuda ? SWAGE_CUDA : SWAGE_CPU;
    filled.index = found.index;
    filled.id = found.id.c_str();
    filled.name = found.name.c_str();
    filled.target = found.target.c_str();
    filled.compute_units = found.compute_units;
    filled.driver_version = found.driver_version;
    filled.memory_bytes = found.memory_bytes;
    filled.cache_bytes = found.cache_bytes;
    filled.peak_bytes_per_second = found.peak_bytes_per_second;
    hand_out(filled, SWAGE_FIRST_SIZE(swage_device_info, peak_bytes_per_second),
             "swage_device_info", info);
  });
}

swage_status swage_device_synchronize(const swage_device* device) {
  return guarded([&] {
    require(device, "device");
    device->device.synchronize();
  });
}

swage_status swage_kernel_create(const swage_device* device, const char* source, const char* name,
                                 const char* const* bindings, size_t binding_count,
                                 const swage_options* options, swage_kernel** kernel) {
  return guarded([&] {
    require(device, "device");
    require(source, "source");
    require(kernel, "kernel");
    *kernel =
        wrap(device->device.kernel(source, text_or(name, ""),
                                   parse_bindings(bindings, binding_count), to_options(options)),
             device->device);
  });
}

swage_status swage_kernel_from_catalogue(const swage_device* device, const char* name,
                                         const char* const* bindings, size_t binding_count,
                                         const swage_options* options, swage_kernel** kernel) {
  return guarded([&] {
    require(device, "device");
    require(name, "name");
    require(kernel, "kernel");
    *kernel = wrap(device->device.catalogue_kernel(name, parse_bindings(bindings, binding_count),
                                                   to_options(options)),
                   device->device);
  });
}

void swage_kernel_destroy(swage_kernel* kernel) {
  delete kernel;
}

swage_status swage_cache_statistics(swage_cache_counters* counters) {
  return guarded([&] {
    require(counters, "counters");
    const swage::CacheStatistics all = swage::cache_statistics();
    hand_out({.size = 0,
              .hits_memory = all.hits_memory,
              .hits_disk = all.hits_disk,
              .hits_bundle = all.hits_bundle,
              .misses = all.misses,
              .publishes = all.publishes,
              .publish_failures = all.publish_failures,
              .evictions = all.evictions,
              .defects = all.defects,
              .bytes_read = all.bytes_read,
              .bytes_written = all.bytes_written,
              .functions_loaded = all.functions_loaded,
              .bytes_loaded = all.bytes_loaded},
             SWAGE_FIRST_SIZE(swage_cache_counters, bytes_loaded), "swage_cache_counters",
             counters);
  });
}

swage_status swage_unload_unused(size_t* count) {
  return guarded([&] {
    const std::size_t unloaded = swage::unload_unused();
    if (count)
      *count = unloaded;
  });
}

const char* swage_kernel_name(const swage_kernel* kernel) {
  return kernel ? kernel->kernel.name().c_str() : nullptr;
}

const char* swage_kernel_text(const swage_kernel* kernel) {
  return kernel ? kernel->text.c_str() : nullptr;
}

swage_status swage_kernel_parameter_count(const swage_kernel* kernel, size_t* count) {
  return guarded([&] {
    require(kernel, "kernel");
    require(count, "count");
    *count = kernel->parameters.size();
  });
}

swage_status swage_kernel_parameter(const swage_kernel* kernel, size_t index,
                                    swage_parameter* parameter) {
  return guarded([&] {
    require(kernel, "kernel");
    require(parameter, "parameter");
    if (index >= kernel->parameters.size())
      throw Error(ErrorCode::invalid_argument, "parameter " + std::to_string(index) +
                                                   " is outside the list of " +
                                                   std::to_string(kernel->parameters.size()));
    const swage::Parameter& found = kernel->parameters[index];
    swage_parameter filled = {};
    filled.name = found.name.data(); // a whole std::string of the kernel's, with its end
    filled.role = static_cast<std::int32_t>(found.role);
    filled.space = static_cast<std::int32_t>(found.space);
    filled.type = swage::api::to_dlpack(found.dtype);
    hand_out(filled, SWAGE_FIRST_SIZE(swage_parameter, type), "swage_parameter", parameter);
  });
}

swage_status swage_kernel_launch(const swage_kernel* kernel, void* stream, const swage_arg* args,
                                 size_t count) {
  return guarded([&] {
    require(kernel, "kernel");
    const Arguments arguments(args, count, kernel->device.info());
    kernel->kernel.launch(swage::Stream(stream), arguments.span());
  });
}

swage_status swage_kernel_launch_with(const swage_kernel* kernel, void* stream,
                                      const swage_arg* args, size_t count,
                                      const swage_launch_options* options) {
  return guarded([&] {
    require(kernel, "kernel");
    swage::LaunchOptions given;
    if (options) {
      const swage_launch_options all =
          received(*options, SWAGE_FIRST_SIZE(swage_launch_options, workspace_bytes),
                   "swage_launch_options", swage_default_launch_options());
      given.workspace = all.workspace;
      given.workspace_bytes = all.workspace_bytes;
    }
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

swage_status swage_kernel_tune(const swage_kernel* kernel, const swage_arg* args, size_t count,
                               const swage_tune_options* options, swage_tune_result* result) {
  return guarded([&] {
    require(kernel, "kernel");
    if (result) // refused before the search rather than after it
      received(*result, SWAGE_FIRST_SIZE(swage_tune_result, improved), "swage_tune_result", {});
    const Arguments arguments(args, count, kernel->device.info());
    const swage::TuneResult found = kernel->kernel.tune(arguments.span(), to_options(options));
    if (result)
      hand_out(to_c(found), SWAGE_FIRST_SIZE(swage_tune_result, improved), "swage_tune_result",
               result);
  });
}

} // extern "C"

static_assert(static_cast<int>(ErrorCode::invalid_kernel) == SWAGE_INVALID_KERNEL);
static_assert(static_cast<int>(ErrorCode::internal) == SWAGE_INTERNAL);
static_assert(sizeof(DLTensor) == 48, "the layout that every DLPack producer uses");
