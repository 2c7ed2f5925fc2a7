// c_abi_calls.cpp -- the calls of a small program, with what each of them gives when all is well.
#include "tests/allocation/c_abi_calls.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>

#include "tests/allocation/failing_malloc.hpp"

namespace swage::test {

namespace {

constexpr int kElements = 100;
constexpr std::int64_t kRows = 64, kColumns = 40; // of the call along rows

/// Floats that the largest call reads and writes.
constexpr std::size_t kFloats = 2 * kRows * kColumns + std::max(kRows, kColumns);

bool on_cpu(const Program& program) {
  return std::strcmp(program.device_id, "cpu") == 0;
}

/// Page-locked host memory of the double of the driver: an address that both sides read.
void* page_locked(std::size_t bytes) {
  const NeverFailing made_by_the_test;
  const auto give_up = [](const char* what, const char* why, int result) {
    std::fprintf(stderr, "the double of the driver gives no memory: %s: %s (%d)\n", what, why,
                 result);
    std::abort();
  };
  void* const library = dlopen(SWAGE_FAKE_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    give_up("dlopen", dlerror(), 0);
  const auto call = [&](const char* name, auto... arguments) {
    const auto function = reinterpret_cast<int (*)(decltype(arguments)...)>(dlsym(library, name));
    if (!function)
      give_up(name, dlerror(), 0);
    if (const int result = function(arguments...))
      give_up(name, "fails", result);
  };
  void *context = nullptr, *memory = nullptr;
  call("cuInit", 0u); // where the program's first step failed nobody has
  call("cuDevicePrimaryCtxRetain", &context, 0);
  call("cuCtxPushCurrent_v2", context);
  call("cuMemAllocHost_v2", &memory, bytes);
  call("cuCtxPopCurrent_v2", &context);
  return memory;
}

float* floats(Program& program) {
  static float own[kFloats];
  if (on_cpu(program))
    return own;
  if (!program.memory)
    program.memory = static_cast<float*>(page_locked(kFloats * sizeof(float)));
  return program.memory;
}

DLTensor tensor(const Program& program, float* data, std::int64_t* shape, int rank) {
  DLTensor result{};
  result.data = data;
  result.device = {on_cpu(program) ? kDLCPU : kDLCUDAHost, 0};
  result.ndim = rank;
  result.dtype = {kDLFloat, 32, 1};
  result.shape = shape;
  return result;
}

/// Arguments in memory that the program and its device read.
struct Call {
  float *x, *y;
  std::int64_t shape[1] = {kElements};
  DLTensor in, out;
  swage_arg args[2];

  explicit Call(Program& program)
      : x(floats(program)), y(x + kElements), in(tensor(program, x, shape, 1)),
        out(tensor(program, y, shape, 1)) {
    for (int i = 0; i < kElements; ++i) {
      x[i] = static_cast<float>(i);
      y[i] = -1;
    }
    args[0] = swage_tensor(&in);
    args[1] = swage_tensor(&out);
  }
  bool holds(float factor) const {
    for (int i = 0; i < kElements; ++i)
      if (y[i] != x[i] * factor)
        return false;
    return true;
  }
};

swage_status checked(swage_status status, bool holds) {
  return status == SWAGE_OK && !holds ? SWAGE_INTERNAL : status;
}

swage_status version(Program&) {
  return checked(SWAGE_OK, std::strlen(swage_version()) > 0);
}

swage_status catalogue(Program&) {
  size_t files = 0;
  const char *name = nullptr, *text = nullptr;
  const swage_status status = swage_catalogue_count(&files);
  return status != SWAGE_OK ? status : swage_catalogue_file(files - 1, &name, &text);
}

swage_status catalogue_none(Program&) {
  const char *name = nullptr, *text = nullptr;
  return swage_catalogue_file(999, &name, &text);
}

swage_status count(Program&) {
  int32_t found = 0;
  const swage_status status = swage_device_count(&found);
  return checked(status, found >= 1);
}

swage_status at(Program&) {
  swage_device* device = nullptr;
  const swage_status status = swage_device_at(0, &device);
  swage_device_close(device);
  return checked(status, device != nullptr);
}

swage_status open(Program& program) {
  swage_device* device = nullptr;
  const swage_status status = swage_device_open(program.device_id, &device);
  if (status == SWAGE_OK) {
    swage_device_close(program.device);
    program.device = device;
  }
  return checked(status, device != nullptr);
}

swage_status open_none(Program&) {
  swage_device* device = nullptr;
  return swage_device_open("cuda:99", &device);
}

swage_status describe(Program& program) {
  swage_device_info info{};
  info.size = sizeof info;
  const swage_status status = swage_device_describe(program.device, &info);
  return checked(status, info.id && std::strcmp(info.id, program.device_id) == 0);
}

swage_status synchronize(Program& program) {
  return swage_device_synchronize(program.device);
}

swage_status create(Program& program) {
  char source[200];
  std::snprintf(source, sizeof source,
                "kernel k<T>(x: in T, y: out T, const by: T = 2.0) {\n"
                "  let a = x * by; let unused%d = exp(a);\n  y = x > -%d.0 ? a : 0;\n}\n",
                program.number, program.number + 1);
  const char* bindings[] = {"T=f32", "by=2.0"};
  swage_options options = swage_default_options();
  options.file = "sweep.swg";
  swage_kernel* kernel = nullptr;
  const swage_status status =
      swage_kernel_create(program.device, source, "k", bindings, 2, &options, &kernel);
  if (status == SWAGE_OK) {
    swage_kernel_destroy(program.kernel);
    program.kernel = kernel;
  }
  return checked(status, kernel != nullptr);
}

swage_status create_wrong(Program& program) {
  swage_kernel* kernel = nullptr;
  return swage_kernel_create(program.device, "kernel k(x: in f32, y: out f32) { y = z + 1 }", "k",
                             nullptr, 0, nullptr, &kernel);
}

swage_status create_scheduled(Program& program) {
  swage_options options = swage_default_options();
  options.schedule = on_cpu(program) ? "lanes=4" : "threads=64";
  swage_kernel* kernel = nullptr;
  const swage_status status =
      swage_kernel_create(program.device, "kernel k(x: in f32, y: out f32) { y = x; }", nullptr,
                          nullptr, 0, &options, &kernel);
  swage_kernel_destroy(kernel);
  return checked(status, kernel != nullptr);
}

swage_status from_catalogue(Program& program) {
  const char* bindings[] = {"T=f16"};
  swage_kernel* kernel = nullptr;
  const swage_status status =
      swage_kernel_from_catalogue(program.device, "swiglu", bindings, 1, nullptr, &kernel);
  if (status == SWAGE_OK) {
    swage_kernel_destroy(program.listed);
    program.listed = kernel;
  }
  return checked(status, kernel != nullptr);
}

swage_status from_catalogue_none(Program& program) {
  swage_kernel* kernel = nullptr;
  return swage_kernel_from_catalogue(program.device, "swiglue", nullptr, 0, nullptr, &kernel);
}

swage_status text(Program& program) {
  const char* const name = swage_kernel_name(program.kernel);
  const char* const text = swage_kernel_text(program.kernel);
  return checked(SWAGE_OK, name && text && std::strstr(text, name));
}

swage_status prepare(Program& program) {
  const Call call(program);
  return swage_kernel_prepare(program.kernel, call.args, 2);
}

swage_status launch(Program& program) {
  const Call call(program);
  swage_status status = swage_kernel_launch(program.kernel, nullptr, call.args, 2);
  if (status == SWAGE_OK)
    status = swage_device_synchronize(program.device);
  return checked(status, call.holds(2));
}

swage_status launch_named(Program& program) {
  const Call call(program);
  const char* const names[] = {"y", "x"};
  const swage_arg args[] = {call.args[1], call.args[0]};
  swage_status status = swage_kernel_launch_named(program.kernel, nullptr, names, args, 2);
  if (status == SWAGE_OK)
    status = swage_device_synchronize(program.device);
  return checked(status, call.holds(2));
}

swage_status launch_wrong(Program& program) {
  const Call call(program);
  return swage_kernel_launch(program.kernel, nullptr, call.args, 1);
}

swage_status tune(Program& program) {
  const Call call(program);
  swage_tune_options options = swage_default_tune_options();
  options.budget_seconds = 0.002;
  options.force = 1;
  swage_tune_result result{};
  result.size = sizeof result;
  const swage_status status = swage_kernel_tune(program.kernel, call.args, 2, &options, &result);
  return checked(status, result.schedule[0] != 0);
}

/// A kernel along rows, which takes memory of the thread and a workspace; by several threads.
swage_status launch_rows(Program& program) {
  float* const x = floats(program);
  float *const y = x + kRows * kColumns, *const sums = y + kRows * kColumns;
  const bool sums_columns = on_cpu(program); // there is no CUDA code for them
  std::int64_t shape[] = {kRows, kColumns}, last_shape[] = {sums_columns ? kColumns : kRows};
  std::fill_n(x, kRows * kColumns, 1.0f);
  std::fill_n(y, kRows * kColumns + last_shape[0], -1.0f);
  DLTensor in = tensor(program, x, shape, 2), out = tensor(program, y, shape, 2);
  DLTensor last = tensor(program, sums, last_shape, 1);
  const swage_arg args[] = {swage_tensor(&in), swage_tensor(&out), swage_tensor(&last)};
  swage_options options = swage_default_options();
  if (sums_columns)
    options.schedule = "grain=64"; // elements a task
  swage_kernel* kernel = nullptr;
  swage_status status =
      swage_kernel_create(program.device,
                          sums_columns ? "kernel r(x: in f32, y: out f32, s: out f32 [col]) {\n"
                                         "  y = x / row_sum(x); s = col_sum(x);\n}\n"
                                       : "kernel r(x: in f32, y: out f32, s: out f32 [row]) {\n"
                                         "  s = row_sum(x); y = x / row_sum(x);\n}\n",
                          nullptr, nullptr, 0, &options, &kernel);
  if (status == SWAGE_OK)
    status = swage_kernel_launch(kernel, nullptr, args, 3);
  if (status == SWAGE_OK)
    status = swage_device_synchronize(program.device);
  swage_kernel_destroy(kernel);
  // The first row alone: the double of the driver runs one block (see environment.cpp).
  return checked(status, y[kColumns - 1] * kColumns > 0.99f &&
                             sums[0] == (sums_columns ? kRows : kColumns));
}

/// Sums over rows: with memory of the library's, and with a workspace. One block a launch, for the
/// double of the driver runs no more of them here.
swage_status launch_with(Program& program) {
  constexpr std::int64_t kFewRows = 1, kFewColumns = 32;
  constexpr std::size_t kWorkspace = 64 * kFewRows; // floats
  static float of_cpu[kWorkspace + (kFewRows + 1) * kFewColumns];
  const bool on_cpu = std::strcmp(program.device_id, "cpu") == 0;
  if (!on_cpu && !program.sums)
    program.sums = static_cast<float*>(page_locked(sizeof of_cpu));
  float* const workspace = on_cpu ? of_cpu : program.sums;
  float* const x = workspace + kWorkspace;
  float* const sums = x + kFewRows * kFewColumns;
  std::int64_t shape[] = {kFewRows, kFewColumns}, columns[] = {kFewColumns};
  for (std::int64_t i = 0; i < kFewRows * kFewColumns; ++i)
    x[i] = 1;
  DLTensor in{}, out{};
  in.data = x;
  in.device = {on_cpu ? kDLCPU : kDLCUDAHost, 0};
  in.ndim = 2;
  in.dtype = {kDLFloat, 32, 1};
  in.shape = shape;
  out = in;
  out.data = sums;
  out.ndim = 1;
  out.shape = columns;
  const swage_arg args[] = {swage_tensor(&in), swage_tensor(&out)};
  swage_kernel* kernel = nullptr;
  swage_status status = swage_kernel_create(
      program.device, "kernel w(x: in f32, s: out f32 [col]) { s = col_sum(x); }", nullptr, nullptr,
      0, nullptr, &kernel);
  swage_launch_options options = swage_default_launch_options();
  if (status == SWAGE_OK)
    status = swage_kernel_workspace_bytes(kernel, args, 2, &options.workspace_bytes);
  bool holds = options.workspace_bytes == (on_cpu ? 0 : kWorkspace * sizeof(float));
  for (int given = 0; given < 2 && status == SWAGE_OK; ++given) {
    sums[0] = sums[kFewColumns - 1] = -1;
    options.workspace = given ? workspace : nullptr;
    status = swage_kernel_launch_with(kernel, nullptr, args, 2, &options);
    if (status == SWAGE_OK)
      status = swage_device_synchronize(program.device);
    holds = holds && sums[0] == kFewRows && sums[kFewColumns - 1] == kFewRows;
  }
  swage_kernel_destroy(kernel);
  return checked(status, holds);
}

swage_status statistics(Program&) {
  swage_cache_counters counters{};
  counters.size = sizeof counters;
  const swage_status status = swage_cache_statistics(&counters);
  return checked(status, counters.size == sizeof counters);
}

swage_status unload(Program& program) {
  swage_kernel_destroy(program.kernel);
  program.kernel = nullptr;
  size_t unloaded = 0;
  return swage_unload_unused(&unloaded);
}

constexpr Step kSteps[] = {
    {"swage_version", version},
    {"swage_catalogue_count and swage_catalogue_file", catalogue},
    {"swage_catalogue_file of none", catalogue_none, SWAGE_INVALID_ARGUMENT},
    {"swage_device_count", count},
    {"swage_device_at", at},
    {"swage_device_open", open},
    {"swage_device_open of none", open_none, SWAGE_NO_DEVICE},
    {"swage_device_describe", describe},
    {"swage_kernel_create", create},
    {"swage_kernel_create of a wrong text", create_wrong, SWAGE_INVALID_KERNEL},
    {"swage_kernel_create with a schedule", create_scheduled},
    {"swage_kernel_from_catalogue", from_catalogue},
    {"swage_kernel_from_catalogue of none", from_catalogue_none, SWAGE_INVALID_KERNEL},
    {"swage_kernel_name and swage_kernel_text", text},
    {"swage_kernel_prepare", prepare},
    {"swage_kernel_launch", launch},
    {"swage_kernel_launch_named", launch_named},
    {"swage_kernel_launch of wrong arguments", launch_wrong, SWAGE_INVALID_ARGUMENT},
    {"swage_kernel_launch along rows", launch_rows},
    {"swage_kernel_launch_with along rows", launch_with},
    {"swage_kernel_tune", tune, SWAGE_OK, true},
    {"swage_kernel_launch after tuning", launch},
    {"swage_device_synchronize", synchronize},
    {"swage_cache_statistics", statistics},
    {"swage_unload_unused", unload},
    {"swage_kernel_create again", create},
    {"swage_kernel_launch, compiled on the way", launch},
};

} // namespace

void Program::clear() {
  swage_kernel_destroy(kernel);
  swage_kernel_destroy(listed);
  swage_device_close(device);
  kernel = listed = nullptr;
  device = nullptr;
}

std::span<const Step> steps() {
  return kSteps;
}

} // namespace swage::test
