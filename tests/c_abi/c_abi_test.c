/* c_abi_test.c -- every call of the C ABI, from C99, its successes and its refusals. */
#include <stdio.h>
#include <string.h>

#include "swage/swage.h"

static int failures = 0;

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "line %d: %s; last error: %s\n", __LINE__, #condition, swage_last_error());  \
      ++failures;                                                                                  \
    }                                                                                              \
  } while (0)

static const char* const kSource =
    "kernel scale<T>(x: in T, y: out T, s: f32, n: i32, const offset: f32 = 0.0) {\n"
    "  y = x * s + f32(n) + offset;\n"
    "}\n";

static DLTensor matrix(float* data, int64_t* shape, int64_t* strides) {
  DLTensor tensor;
  memset(&tensor, 0, sizeof tensor);
  tensor.data = data;
  tensor.device.device_type = kDLCPU;
  tensor.ndim = 2;
  tensor.dtype.code = kDLFloat;
  tensor.dtype.bits = 32;
  tensor.dtype.lanes = 1;
  tensor.shape = shape;
  tensor.strides = strides;
  return tensor;
}

static void test_library(void) {
  CHECK(strcmp(swage_version(), "0.1.0") == 0);
  CHECK(strcmp(swage_last_error(), "") == 0);
  CHECK(strcmp(swage_last_build_log(), "") == 0);
  CHECK(swage_last_driver_result() == 0);
}

static void test_devices(void) {
  int32_t count = 0;
  CHECK(swage_device_count(&count) == SWAGE_OK && count >= 1);
  swage_device* device = NULL;
  CHECK(swage_device_at(count - 1, &device) == SWAGE_OK);
  swage_device_info info;
  CHECK(swage_device_describe(device, &info) == SWAGE_OK);
  CHECK(info.kind == SWAGE_CPU && strcmp(info.id, "cpu") == 0 && info.compute_units >= 1);
  CHECK(swage_device_synchronize(device) == SWAGE_OK);
  swage_device_close(device);
  swage_device_close(NULL);

  CHECK(swage_device_at(count, &device) == SWAGE_NO_DEVICE);
  CHECK(swage_device_at(-1, &device) == SWAGE_NO_DEVICE);
  CHECK(swage_device_open("cuda:99", &device) == SWAGE_NO_DEVICE);
  CHECK(strstr(swage_last_error(), "cuda:99") != NULL);
  CHECK(swage_device_open("cpu", NULL) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_device_count(NULL) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_device_describe(NULL, &info) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_device_synchronize(NULL) == SWAGE_INVALID_ARGUMENT);
}

static void test_counters(swage_device* device) {
  float x[4] = {1, 2, 3, 4}, y[4] = {0};
  int64_t shape[] = {4};
  DLTensor in = {x, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, shape, NULL, 0}, out = in;
  out.data = y;
  swage_arg args[] = {swage_tensor(&in), swage_tensor(&out)};
  swage_cache_counters before, after;
  before.size = after.size = sizeof before;
  CHECK(swage_unload_unused(NULL) == SWAGE_OK);
  CHECK(swage_cache_statistics(&before) == SWAGE_OK && before.size == sizeof before);
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, "kernel counted(x: in f32, y: out f32) { y = x * 7; }", NULL,
                            NULL, 0, NULL, &kernel) == SWAGE_OK);
  CHECK(swage_kernel_launch(kernel, NULL, args, 2) == SWAGE_OK && y[3] == 28);
  CHECK(swage_cache_statistics(&after) == SWAGE_OK);
  CHECK(after.misses == before.misses + 1 && after.hits_memory == before.hits_memory);
  CHECK(after.functions_loaded == before.functions_loaded + 1);
  CHECK(after.bytes_loaded > before.bytes_loaded && after.defects == before.defects);
  size_t unloaded = 99;
  CHECK(swage_unload_unused(&unloaded) == SWAGE_OK && unloaded == 0);
  swage_kernel_destroy(kernel);
  CHECK(swage_unload_unused(&unloaded) == SWAGE_OK && unloaded == 1);
  CHECK(swage_cache_statistics(&after) == SWAGE_OK);
  CHECK(after.functions_loaded == before.functions_loaded);
  after.size = 8;
  CHECK(swage_cache_statistics(&after) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_cache_statistics(NULL) == SWAGE_INVALID_ARGUMENT);
}

static void test_making_kernels(swage_device* device) {
  const char* bindings[] = {"T=f32", "offset=0.5"};
  swage_kernel* kernel = NULL;
  swage_options options = swage_default_options();
  options.schedule = "lanes=8";
  options.file = "scale.swg";
  CHECK(swage_kernel_create(device, kSource, "scale", bindings, 2, &options, &kernel) == SWAGE_OK);
  CHECK(strcmp(swage_kernel_name(kernel), "scale") == 0);
  CHECK(strstr(swage_kernel_text(kernel), "kernel scale") != NULL);
  swage_kernel_destroy(kernel);
  swage_kernel_destroy(NULL);
  CHECK(swage_kernel_name(NULL) == NULL && swage_kernel_text(NULL) == NULL);

  CHECK(swage_kernel_create(device, "kernel k(", "k", NULL, 0, &options, &kernel) ==
        SWAGE_INVALID_KERNEL);
  CHECK(strstr(swage_last_error(), "scale.swg:1") != NULL);
  CHECK(swage_kernel_create(device, kSource, NULL, NULL, 0, NULL, &kernel) == SWAGE_INVALID_KERNEL);
  CHECK(strstr(swage_last_error(), "'T'") != NULL);
  const char* nonsense[] = {"T"};
  CHECK(swage_kernel_create(device, kSource, NULL, nonsense, 1, NULL, &kernel) ==
        SWAGE_INVALID_ARGUMENT);
  nonsense[0] = "T=fortytwo";
  CHECK(swage_kernel_create(device, kSource, NULL, nonsense, 1, NULL, &kernel) ==
        SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_create(device, kSource, NULL, NULL, 1, NULL, &kernel) ==
        SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_create(NULL, kSource, NULL, bindings, 1, NULL, &kernel) ==
        SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_create(device, NULL, NULL, bindings, 1, NULL, &kernel) ==
        SWAGE_INVALID_ARGUMENT);
  options.schedule = "lanes=3";
  CHECK(swage_kernel_create(device, kSource, NULL, bindings, 1, &options, &kernel) ==
        SWAGE_INVALID_ARGUMENT);
  options.size = 0;
  CHECK(swage_kernel_create(device, kSource, NULL, bindings, 1, &options, &kernel) ==
        SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_from_catalogue(device, "swiglu", bindings, 1, NULL, &kernel) == SWAGE_OK);
  swage_kernel_destroy(kernel);
  CHECK(swage_kernel_from_catalogue(device, "nosuch", NULL, 0, NULL, &kernel) ==
        SWAGE_INVALID_KERNEL);
}

static void test_launching(swage_device* device) {
  const char* bindings[] = {"T=f32", "offset=0.5"};
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, kSource, NULL, bindings, 2, NULL, &kernel) == SWAGE_OK);

  float x[12], y[6];
  for (int i = 0; i < 12; ++i)
    x[i] = (float)i;
  int64_t shape[2] = {2, 3};
  int64_t strides[2] = {6, 2}; /* every second element of x */
  DLTensor in = matrix(x, shape, strides);
  DLTensor out = matrix(y, shape, NULL);
  swage_arg args[4] = {swage_tensor(&in), swage_tensor(&out), swage_real(2.0), swage_integer(10)};
  CHECK(swage_kernel_prepare(kernel, args, 4) == SWAGE_OK);
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_OK);
  for (int i = 0; i < 6; ++i)
    CHECK(y[i] == 4 * (float)i + 10.5f);

  in.byte_offset = 4;
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_OK);
  CHECK(y[0] == 12.5f);
  in.byte_offset = 0;

  CHECK(swage_kernel_launch(kernel, NULL, args, 3) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_launch(kernel, NULL, NULL, 4) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_launch(kernel, NULL, args, 1000) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_launch(NULL, NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_prepare(NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  args[3] = swage_real(0.5);
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "'n'") != NULL);
  args[3] = swage_integer(0);
  args[0] = swage_tensor(NULL);
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  args[0] = swage_tensor(&in);
  in.dtype.lanes = 2;
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  in.dtype.lanes = 1;
  in.ndim = 9;
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  in.ndim = 2;
  in.device.device_type = kDLCUDA;
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "argument 0") != NULL);
  in.device.device_type = kDLCPU;
  in.data = NULL;
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_INVALID_ARGUMENT);
  shape[0] = 0;
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_OK);
  swage_kernel_destroy(kernel);
}

int main(void) {
  test_library();
  test_devices();
  swage_device* device = NULL;
  CHECK(swage_device_open("cpu", &device) == SWAGE_OK);
  test_counters(device);
  test_making_kernels(device);
  test_launching(device);
  swage_device_close(device);
  if (failures == 0)
    printf("every call behaved\n");
  return failures != 0;
}
