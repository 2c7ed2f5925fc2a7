/* c_abi_test.c -- every call of the C ABI, from C99, its successes and its refusals. */
#include <stddef.h>
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

static void test_catalogue(void) {
  size_t count = 0;
  int found = 0;
  const char *name = "kept", *text = "kept";
  CHECK(swage_catalogue_count(&count) == SWAGE_OK);
  CHECK(count > 5);
  for (size_t i = 0; i < count; ++i) {
    CHECK(swage_catalogue_file(i, &name, &text) == SWAGE_OK);
    if (strcmp(name, "swiglu.swg") == 0)
      found = strstr(text, "kernel swiglu<T>(") != NULL;
  }
  CHECK(found);
  name = text = "kept";
  CHECK(swage_catalogue_file(count, &name, &text) == SWAGE_INVALID_ARGUMENT);
  CHECK(strcmp(name, "kept") == 0 && strcmp(text, "kept") == 0);
  CHECK(swage_catalogue_file(0, NULL, &text) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_catalogue_count(NULL) == SWAGE_INVALID_ARGUMENT);
}

static int lines = 0;
static void count_line(void* user, const char* line) {
  if (strstr(line, "scale for cpu") != NULL)
    ++*(int*)user;
}

static void test_configuring(void) {
  const char* settings[] = {"SWAGE_CACHE_DIR=", "SWAGE_LOG=info"};
  const char* wrong[] = {"SWAGE_NO_SUCH=1"};
  CHECK(swage_configure(NULL, 1, NULL, NULL) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_configure(wrong, 1, NULL, NULL) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "SWAGE_NO_SUCH") != NULL);
  wrong[0] = "SWAGE_LOG";
  CHECK(swage_configure(wrong, 1, NULL, NULL) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_configure(settings, 2, count_line, &lines) == SWAGE_OK);
  CHECK(swage_configure(settings, 2, count_line, &lines) == SWAGE_INVALID_ARGUMENT);
}

static void test_devices(void) {
  int32_t count = 0;
  CHECK(swage_device_count(&count) == SWAGE_OK && count >= 1);
  swage_device* device = NULL;
  CHECK(swage_device_at(count - 1, &device) == SWAGE_OK);
  swage_device_info info;
  info.size = sizeof info;
  CHECK(swage_device_describe(device, &info) == SWAGE_OK);
  CHECK(info.kind == SWAGE_CPU && strcmp(info.id, "cpu") == 0 && info.compute_units >= 1);
  CHECK(info.size == sizeof info);
  info.size = sizeof info + 64; /* a caller that is newer than the library */
  CHECK(swage_device_describe(device, &info) == SWAGE_OK && info.size == sizeof info);
  info.size = sizeof(size_t);
  CHECK(swage_device_describe(device, &info) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "sizeof(swage_device_info)") != NULL);
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

static void test_parameters(swage_device* device) {
  const char* bindings[] = {"T=bf16"};
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, kSource, NULL, bindings, 1, NULL, &kernel) == SWAGE_OK);
  size_t count = 0;
  CHECK(swage_kernel_parameter_count(kernel, &count) == SWAGE_OK && count == 4);
  swage_parameter parameter;
  parameter.size = sizeof parameter;
  CHECK(swage_kernel_parameter(kernel, 1, &parameter) == SWAGE_OK);
  CHECK(strcmp(parameter.name, "y") == 0 && parameter.role == SWAGE_OUT);
  CHECK(parameter.type.code == kDLBfloat && parameter.type.bits == 16 && parameter.type.lanes == 1);
  CHECK(parameter.space == SWAGE_ELEMENT && parameter.size == sizeof parameter);
  CHECK(swage_kernel_parameter(kernel, 2, &parameter) == SWAGE_OK);
  CHECK(strcmp(parameter.name, "s") == 0 && parameter.role == SWAGE_SCALAR);
  CHECK(swage_kernel_parameter(kernel, 4, &parameter) == SWAGE_INVALID_ARGUMENT);
  /* A caller that is older than the library gets what it knows of, and not a byte more. */
  parameter.size = offsetof(swage_parameter, group);
  parameter.group = -7;
  CHECK(swage_kernel_parameter(kernel, 1, &parameter) == SWAGE_OK);
  CHECK(strcmp(parameter.name, "y") == 0 && parameter.size == offsetof(swage_parameter, group));
  CHECK(parameter.group == -7);
  parameter.size = 0;
  CHECK(swage_kernel_parameter(kernel, 0, &parameter) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_parameter_count(kernel, NULL) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
  CHECK(swage_kernel_create(device,
                            "kernel k(x: in f32, s: in f32 [group 32], y: out f32) {"
                            " y = x * s; }",
                            NULL, NULL, 0, NULL, &kernel) == SWAGE_OK);
  parameter.size = sizeof parameter;
  CHECK(swage_kernel_parameter(kernel, 1, &parameter) == SWAGE_OK);
  CHECK(parameter.space == SWAGE_GROUP && parameter.group == 32);
  swage_kernel_destroy(kernel);
}

static void test_constants(swage_device* device) {
  const char* bindings[] = {"T=f32", "a=0.5"};
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device,
                            "kernel k<T>(x: in T, y: out T, const a: T, const n: i32 = 3) {"
                            " y = x * a + T(n); }",
                            NULL, bindings, 2, NULL, &kernel) == SWAGE_OK);
  size_t count = 0;
  CHECK(swage_kernel_constant_count(kernel, &count) == SWAGE_OK && count == 2);
  swage_constant constant;
  constant.size = sizeof constant;
  CHECK(swage_kernel_constant(kernel, 0, &constant) == SWAGE_OK);
  CHECK(strcmp(constant.name, "a") == 0 && constant.type.code == kDLFloat);
  CHECK(constant.value == 0.5 && constant.has_default == 0 && constant.size == sizeof constant);
  CHECK(swage_kernel_constant(kernel, 1, &constant) == SWAGE_OK);
  CHECK(strcmp(constant.name, "n") == 0 && constant.type.code == kDLInt);
  CHECK(constant.integer == 3 && constant.has_default == 1 && constant.default_integer == 3);
  CHECK(swage_kernel_constant(kernel, 2, &constant) == SWAGE_INVALID_ARGUMENT);
  constant.size = 8;
  CHECK(swage_kernel_constant(kernel, 0, &constant) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_constant_count(kernel, NULL) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_constant_count(NULL, &count) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_constant(NULL, 0, &constant) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
}

/* Enumerations in structs are of one size, whatever a compiler makes of an enum. */
#define IS_INT32(type, field)                                                                      \
  typedef char is_int32_##type##_##field[sizeof(((type*)0)->field) == 4 ? 1 : -1]
IS_INT32(swage_device_info, kind);
IS_INT32(swage_options, math);
IS_INT32(swage_parameter, role);
IS_INT32(swage_parameter, space);
IS_INT32(swage_arg, kind);

static void test_preparing_ahead(swage_device* device) {
  const char* bindings[] = {"T=f32"};
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, kSource, NULL, bindings, 1, NULL, &kernel) == SWAGE_OK);
  const int64_t shape[2] = {2, 3};
  swage_arg_spec specs[4];
  memset(specs, 0, sizeof specs);
  for (int i = 0; i < 4; ++i) {
    specs[i].size = sizeof specs[i];
    specs[i].type.code = kDLFloat;
    specs[i].type.bits = 32;
    specs[i].type.lanes = 1;
    specs[i].ndim = 2;
    specs[i].shape = shape;
    specs[i].alignment = 4;
    specs[i].same_as = -1;
  }
  lines = 0;
  CHECK(swage_kernel_prepare_for(kernel, specs, 4) == SWAGE_OK);
  CHECK(lines == 1); /* the log's line about the one compile */
  float x[6] = {1}, y[6];
  int64_t dims[2] = {2, 3};
  DLTensor in = matrix(x, dims, NULL), out = matrix(y, dims, NULL);
  swage_arg args[4] = {swage_tensor(&in), swage_tensor(&out), swage_real(2.0), swage_integer(1)};
  CHECK(swage_kernel_launch(kernel, NULL, args, 4) == SWAGE_OK && y[0] == 3);
  CHECK(lines == 1);
  CHECK(swage_kernel_prepare_for(kernel, specs, 3) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_prepare_for(kernel, NULL, 4) == SWAGE_INVALID_ARGUMENT);
  specs[1].type.lanes = 2;
  CHECK(swage_kernel_prepare_for(kernel, specs, 4) == SWAGE_INVALID_ARGUMENT);
  specs[1].type.lanes = 1;
  specs[1].ndim = 9;
  CHECK(swage_kernel_prepare_for(kernel, specs, 4) == SWAGE_INVALID_ARGUMENT);
  specs[1].ndim = 2;
  specs[1].size = 8;
  CHECK(swage_kernel_prepare_for(kernel, specs, 4) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
}

static void test_tuning(swage_device* device) {
  const char* bindings[] = {"T=f32"};
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, kSource, NULL, bindings, 1, NULL, &kernel) == SWAGE_OK);
  static float x[1024], y[1024];
  int64_t shape[2] = {32, 32};
  DLTensor in = matrix(x, shape, NULL), out = matrix(y, shape, NULL);
  swage_arg args[4] = {swage_tensor(&in), swage_tensor(&out), swage_real(2.0), swage_integer(1)};
  swage_tune_options options = swage_default_tune_options();
  options.budget_seconds = 0.01;
  options.force = options.keep_private = 1;
  swage_tune_result result;
  result.size = sizeof(size_t);
  CHECK(swage_kernel_tune(kernel, args, 4, &options, &result) == SWAGE_INVALID_ARGUMENT);
  result.size = sizeof result;
  CHECK(swage_kernel_tune(kernel, args, 4, &options, &result) == SWAGE_OK);
  CHECK(result.size == sizeof result && result.seconds > 0 && result.schedule[0] != 0);
  options.size = 1;
  CHECK(swage_kernel_tune(kernel, args, 4, &options, NULL) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
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

  const char* names[4] = {"n", "y", "s", "x"};
  swage_arg named[4] = {swage_integer(0), swage_tensor(&out), swage_real(3.0), swage_tensor(&in)};
  CHECK(swage_kernel_launch_named(kernel, NULL, names, named, 4) == SWAGE_OK);
  for (int i = 0; i < 6; ++i)
    CHECK(y[i] == 6 * (float)i + 0.5f);
  CHECK(swage_kernel_launch_named(kernel, NULL, names, named, 3) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "'x' was not given") != NULL);
  names[3] = "z";
  CHECK(swage_kernel_launch_named(kernel, NULL, names, named, 4) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "no parameter 'z'") != NULL);
  names[3] = NULL;
  CHECK(swage_kernel_launch_named(kernel, NULL, names, named, 4) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_launch_named(kernel, NULL, NULL, named, 4) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_launch_named(NULL, NULL, names, named, 4) == SWAGE_INVALID_ARGUMENT);

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

/* Of a transposed tensor two rows share a byte: kernels with groups of rows take it, others say so
 * and write nothing; as elements and in pairs. */
static void test_transposed_codes(swage_device* device) {
  const char* texts[2] = {
      "kernel k(x: in f32, q: out f4e2m1) { q = x; }",
      "kernel k(x: in f32, q: out f4e2m1, s: out f32 [col group 2]) { q = x; s = "
      "col_group_max(x, 2); }"};
  const float x[8] = {0, 1, 2, 3, 4, 6, -1, -2}; /* [4, 2] */
  for (int groups = 0; groups < 2; ++groups)
    for (uint16_t lanes = 1; lanes <= 2; ++lanes) {
      uint8_t q[4] = {0xa5, 0xa5, 0xa5, 0xa5};
      float s[4] = {0};
      swage_kernel* kernel = NULL;
      CHECK(swage_kernel_create(device, texts[groups], NULL, NULL, 0, NULL, &kernel) == SWAGE_OK);
      int64_t shape[2] = {4, 2}, shape_of_sums[2] = {2, 2}, pairs[2] = {4 / lanes, 2},
              strides[2] = {1, 4 / lanes};
      DLTensor in = matrix((float*)x, shape, NULL), sums = matrix(s, shape_of_sums, NULL),
               codes = matrix((float*)q, pairs, strides);
      codes.dtype = (DLDataType){kDLFloat4_e2m1fn, 4, lanes};
      const swage_arg args[3] = {swage_tensor(&in), swage_tensor(&codes), swage_tensor(&sums)};
      const swage_status status = swage_kernel_launch(kernel, NULL, args, 2 + (size_t)groups);
      if (groups) { /* 0, 2, 4, -1 and 1, 3, 6, -2 */
        CHECK(status == SWAGE_OK);
        CHECK(q[0] == 0x40 && q[1] == 0xa6 && q[2] == 0x52 && q[3] == 0xc7);
      } else {
        CHECK(status == SWAGE_INVALID_ARGUMENT);
        CHECK(strstr(swage_last_error(), "groups of an even number of rows") != NULL);
        CHECK(q[0] == 0xa5 && q[1] == 0xa5 && q[2] == 0xa5 && q[3] == 0xa5);
      }
      swage_kernel_destroy(kernel);
    }
}

/* A program names the types of 8 bits by DLPack's codes: of 1.5, in 1.5's code of each. */
static void test_codes_of_bytes(swage_device* device) {
  static const struct {
    const char* binding;
    uint8_t code, bits;
  } types[] = {{"Q=f8e4m3", kDLFloat8_e4m3fn, 0x3c},
               {"Q=f8e4m3fnuz", kDLFloat8_e4m3fnuz, 0x44},
               {"Q=f8e5m2", kDLFloat8_e5m2, 0x3e},
               {"Q=f8e5m2fnuz", kDLFloat8_e5m2fnuz, 0x42},
               {"Q=e8m0", kDLFloat8_e8m0fnu, 0x80}}; /* a power of two: the larger neighbour */
  for (size_t i = 0; i < sizeof types / sizeof types[0]; ++i) {
    swage_kernel* kernel = NULL;
    CHECK(swage_kernel_create(device, "kernel k<Q>(x: in f32, q: out Q) { q = Q(x); }", NULL,
                              &types[i].binding, 1, NULL, &kernel) == SWAGE_OK);
    float x[1] = {1.5f};
    uint8_t q[1] = {0};
    int64_t shape[2] = {1, 1};
    DLTensor in = matrix(x, shape, NULL), out = matrix((float*)q, shape, NULL);
    out.dtype = (DLDataType){types[i].code, 8, 1};
    const swage_arg args[2] = {swage_tensor(&in), swage_tensor(&out)};
    CHECK(swage_kernel_launch(kernel, NULL, args, 2) == SWAGE_OK);
    CHECK(q[0] == types[i].bits);
    swage_kernel_destroy(kernel);
  }
}

static void test_workspaces(swage_device* device) {
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, "kernel k(x: in f32, s: out f32 [col]) { s = col_sum(x); }",
                            NULL, NULL, 0, NULL, &kernel) == SWAGE_OK);
  float x[6] = {1, 2, 3, 4, 5, 6}, s[3] = {0};
  int64_t shape[2] = {2, 3}, columns[1] = {3};
  DLTensor in = matrix(x, shape, NULL),
           out = {s, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, columns, NULL, 0};
  const swage_arg args[2] = {swage_tensor(&in), swage_tensor(&out)};
  size_t bytes = 1;
  CHECK(swage_kernel_workspace_bytes(kernel, args, 2, &bytes) == SWAGE_OK && bytes == 0);
  CHECK(swage_kernel_workspace_bytes(kernel, args, 2, NULL) == SWAGE_INVALID_ARGUMENT);
  swage_launch_options options = swage_default_launch_options();
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_OK);
  CHECK(s[0] == 5 && s[2] == 9);
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, NULL) == SWAGE_OK);
  options.size = 1;
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_launch_with(NULL, NULL, args, 2, NULL) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
}

/* [experts, capacity, columns] with a count of rows for each expert. */
static void test_valid_rows(swage_device* device) {
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, "kernel k(x: in f32, y: out f32) { y = x + 1; }", NULL, NULL, 0,
                            NULL, &kernel) == SWAGE_OK);
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8] = {0};
  int64_t shape[3] = {2, 2, 2}, experts[1] = {2};
  int32_t filled[2] = {1, 0};
  DLTensor in = matrix(x, shape, NULL), out = matrix(y, shape, NULL),
           counts = {filled, {kDLCPU, 0}, 1, {kDLInt, 32, 1}, experts, NULL, 0};
  in.ndim = out.ndim = 3;
  const swage_arg args[2] = {swage_tensor(&in), swage_tensor(&out)};
  swage_launch_options options = swage_default_launch_options();
  options.valid_rows = &counts;
  CHECK(swage_kernel_prepare_with(kernel, args, 2, &options) == SWAGE_OK);
  CHECK(swage_kernel_prepare_with(NULL, args, 2, &options) == SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_OK);
  CHECK(y[0] == 2 && y[1] == 3 && y[2] == 0 && y[4] == 0 && y[7] == 0);
  filled[1] = 2;
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_OK);
  CHECK(y[2] == 0 && y[4] == 6 && y[7] == 9);
  counts.dtype.code = kDLFloat;
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "valid_rows") != NULL);
  counts.dtype.code = kDLInt;
  counts.device.device_type = kDLCUDA;
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_INVALID_ARGUMENT);
  CHECK(strstr(swage_last_error(), "valid_rows") != NULL);
  counts.device.device_type = kDLCPU;
  counts.data = NULL;
  const swage_arg_spec spec = {sizeof spec, {kDLFloat, 32, 1}, 3, shape, NULL, 4, -1};
  const swage_arg_spec specs[2] = {spec, spec};
  CHECK(swage_kernel_prepare_for_with(kernel, specs, 2, &options) == SWAGE_OK);
  CHECK(swage_kernel_prepare_for_with(kernel, specs, 2, NULL) == SWAGE_OK);
  CHECK(swage_kernel_prepare_for_with(NULL, specs, 2, NULL) == SWAGE_INVALID_ARGUMENT);
  /* A program that was compiled before there were counts. */
  options.size = offsetof(swage_launch_options, valid_rows);
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_OK);
  CHECK(y[2] == 4);
  /* A size that no version has; a newer program that sets what this library does not know. */
  options.size += 4;
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &options) == SWAGE_INVALID_ARGUMENT);
  struct {
    swage_launch_options known;
    void* unknown;
  } newer = {swage_default_launch_options(), NULL};
  newer.known.size = sizeof newer;
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &newer.known) == SWAGE_OK);
  newer.unknown = y;
  CHECK(swage_kernel_launch_with(kernel, NULL, args, 2, &newer.known) == SWAGE_UNSUPPORTED);
  swage_kernel_destroy(kernel);
}

/* One element, of a tensor that has no shape and no strides. */
static void test_rank_0(swage_device* device) {
  swage_kernel* kernel = NULL;
  CHECK(swage_kernel_create(device, "kernel k(p: in bool, y: out bool) { y = !p; }", NULL, NULL, 0,
                            NULL, &kernel) == SWAGE_OK);
  uint8_t p = 128, y = 9;
  DLTensor in;
  memset(&in, 0, sizeof in);
  in.data = &p;
  in.device.device_type = kDLCPU;
  in.dtype.code = kDLBool;
  in.dtype.bits = 8;
  in.dtype.lanes = 1;
  DLTensor out = in;
  out.data = &y;
  swage_arg args[2] = {swage_tensor(&in), swage_tensor(&out)};
  CHECK(swage_kernel_launch(kernel, NULL, args, 2) == SWAGE_OK);
  CHECK(y == 0);
  int64_t shape[2] = {1, 1}, strides[2] = {-77, 1 << 30}; /* of no meaning at size 1 */
  in.ndim = out.ndim = 2;
  in.shape = out.shape = shape;
  in.strides = strides;
  p = 0;
  CHECK(swage_kernel_launch(kernel, NULL, args, 2) == SWAGE_OK);
  CHECK(y == 1);
  in.dtype.code = 99;
  CHECK(swage_kernel_launch(kernel, NULL, args, 2) == SWAGE_INVALID_ARGUMENT);
  in.dtype.code = kDLBool;
  in.device.device_type = (DLDeviceType)99;
  CHECK(swage_kernel_launch(kernel, NULL, args, 2) == SWAGE_INVALID_ARGUMENT);
  in.device.device_type = kDLCPU;
  in.shape = NULL;
  CHECK(swage_kernel_launch(kernel, NULL, args, 2) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
}

int main(void) {
  test_library();
  test_configuring();
  test_catalogue();
  test_devices();
  swage_device* device = NULL;
  CHECK(swage_device_open("cpu", &device) == SWAGE_OK);
  test_counters(device);
  test_making_kernels(device);
  test_parameters(device);
  test_constants(device);
  test_preparing_ahead(device);
  test_tuning(device);
  test_launching(device);
  test_workspaces(device);
  test_transposed_codes(device);
  test_codes_of_bytes(device);
  test_valid_rows(device);
  test_rank_0(device);
  swage_device_close(device);
  if (failures == 0)
    printf("every call behaved\n");
  return failures != 0;
}
