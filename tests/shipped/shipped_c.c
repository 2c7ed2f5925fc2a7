/* shipped_c.c -- a C99 program that links the runtime without the compiler and calls the kernels it
 * carries by the header that `swage build` wrote for C. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"

enum { kRows = 3, kColumns = 70, kCount = kRows * kColumns };

static int failures = 0;

static void check(int holds, const char* what) {
  if (!holds) {
    fprintf(stderr, "failed: %s; the last error: %s\n", what, swage_last_error());
    ++failures;
  }
}

static DLTensor tensor_of(void* data, uint8_t code, uint8_t bits, int32_t ndim, int64_t* shape) {
  DLTensor tensor;
  memset(&tensor, 0, sizeof tensor);
  tensor.data = data;
  tensor.device.device_type = kDLCPU;
  tensor.ndim = ndim;
  tensor.dtype.code = code;
  tensor.dtype.bits = bits;
  tensor.dtype.lanes = 1;
  tensor.shape = shape;
  return tensor;
}

static int is_near(double a, double b) {
  return fabs(a - b) <= 4e-6 * (1 + fabs(b));
}

static float x[kCount], up[kCount], y[kCount], weight[kColumns], sums[kColumns];
static int64_t shape[2] = {kRows, kColumns}, columns[1] = {kColumns};

/* h of gate and up, of a type by its name, its code and its bits. */
static void launch_swiglu(const swage_device* device, const char* type, uint8_t code, uint8_t bits,
                          void* gate, void* other, void* h) {
  kernels_swiglu swiglu;
  check(kernels_swiglu_create(&swiglu, device, type) == SWAGE_OK, "swiglu is created");
  const DLTensor in = tensor_of(gate, code, bits, 2, shape);
  const DLTensor by = tensor_of(other, code, bits, 2, shape);
  const DLTensor out = tensor_of(h, code, bits, 2, shape);
  check(kernels_swiglu_launch(&swiglu, NULL, &in, &by, &out) == SWAGE_OK, "swiglu is launched");
  kernels_swiglu_destroy(&swiglu);
  check(swiglu.handle == NULL, "a destroyed kernel is no kernel");
}

static void swiglu_of_f32(const swage_device* device) {
  launch_swiglu(device, "f32", kDLFloat, 32, x, up, y);
  int wrong = 0;
  for (int i = 0; i < kCount; ++i)
    wrong += !is_near(y[i], x[i] / (1 + exp(-(double)x[i])) * up[i]);
  check(wrong == 0, "swiglu is right");
}

/* Halves and quarters are the same numbers in bf16: the upper halves of their f32. */
static void swiglu_of_bf16(const swage_device* device) {
  static uint16_t a[kCount], b[kCount], c[kCount];
  for (int i = 0; i < kCount; ++i) {
    const float value = (float)(i % 9 - 4) / 4;
    uint32_t bits;
    memcpy(&bits, &value, 4);
    a[i] = (uint16_t)(bits >> 16);
    b[i] = 0x4000; /* 2 */
  }
  launch_swiglu(device, "bf16", kDLBfloat, 16, a, b, c);
  int wrong = 0;
  for (int i = 0; i < kCount; ++i) {
    const double value = (double)(i % 9 - 4) / 4, expected = 2 * value / (1 + exp(-value));
    const uint32_t bits = (uint32_t)c[i] << 16;
    float got;
    memcpy(&got, &bits, 4);
    wrong += fabs(got - expected) > fabs(expected) / 256;
  }
  check(wrong == 0, "swiglu of bf16 is right");
}

static void rows_and_columns(const swage_device* device) {
  kernels_rms_norm norm;
  check(kernels_rms_norm_create(&norm, device, "f32") == SWAGE_OK, "rms_norm is created");
  const DLTensor in = tensor_of(x, kDLFloat, 32, 2, shape);
  const DLTensor scale = tensor_of(weight, kDLFloat, 32, 1, columns);
  const DLTensor out = tensor_of(y, kDLFloat, 32, 2, shape);
  check(kernels_rms_norm_launch(&norm, NULL, &in, &scale, &out) == SWAGE_OK, "it is launched");
  kernels_column_sums add;
  check(kernels_column_sums_create(&add, device, "f32") == SWAGE_OK, "column_sums is created");
  const DLTensor total = tensor_of(sums, kDLFloat, 32, 1, columns);
  check(kernels_column_sums_launch(&add, NULL, &in, 2.5, &total) == SWAGE_OK, "a scalar is passed");
  int wrong = 0;
  for (int c = 0; c < kColumns; ++c) {
    double sum = 0;
    for (int r = 0; r < kRows; ++r) {
      double squares = 0;
      for (int i = 0; i < kColumns; ++i)
        squares += (double)x[r * kColumns + i] * x[r * kColumns + i];
      sum += 2.5 * x[r * kColumns + c];
      wrong += !is_near(y[r * kColumns + c],
                        x[r * kColumns + c] / sqrt(squares / (double)kColumns + 1e-6) * weight[c]);
    }
    wrong += !is_near(sums[c], sum);
  }
  check(wrong == 0, "rms_norm and column_sums are right");
  kernels_rms_norm_destroy(&norm);
  kernels_column_sums_destroy(&add);
}

/* Of text that C would take for something else, or need not take. */
static void odd_texts(const swage_device* device) {
  kernels_odd odd;
  kernels_long_text of_long;
  const DLTensor in = tensor_of(x, kDLFloat, 32, 2, shape);
  const DLTensor out = tensor_of(y, kDLFloat, 32, 2, shape);
  check(kernels_odd_create(&odd, device) == SWAGE_OK, "odd is created");
  check(kernels_odd_launch(&odd, NULL, &in, &out) == SWAGE_OK && is_near(y[5], x[5] + 1),
        "odd is launched");
  check(kernels_long_text_create(&of_long, device) == SWAGE_OK, "long_text is created");
  check(kernels_long_text_launch(&of_long, NULL, &in, &out) == SWAGE_OK && is_near(y[5], x[5] * 3),
        "long_text is launched");
  kernels_odd_destroy(&odd);
  kernels_long_text_destroy(&of_long);
}

int main(void) {
  swage_device* device = NULL;
  check(swage_device_open("cpu", &device) == SWAGE_OK, "a device");
  for (int i = 0; i < kCount; ++i) {
    x[i] = (float)sin(0.37 * i);
    up[i] = (float)cos(0.11 * i);
    if (i < kColumns)
      weight[i] = 1 + (float)i / (float)kColumns;
  }
  swiglu_of_f32(device);
  swiglu_of_bf16(device);
  rows_and_columns(device);
  odd_texts(device);

  /* What was not built is refused, and so is what is no type. */
  char long_name[300];
  memset(long_name, 'f', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = 0;
  const char* const wrong[] = {"f7", "", NULL, long_name};
  for (int i = 0; i < 4; ++i) {
    kernels_swiglu none;
    check(kernels_swiglu_create(&none, device, wrong[i]) == SWAGE_INVALID_ARGUMENT &&
              !none.handle && strstr(swage_last_error(), "T") != NULL,
          "a kernel of no type is refused");
  }
  kernels_swiglu halves;
  check(kernels_swiglu_create(&halves, device, "f16") == SWAGE_OK, "a type that was not built");
  const DLTensor gate = tensor_of(x, kDLFloat, 16, 2, shape);
  const DLTensor h = tensor_of(y, kDLFloat, 16, 2, shape);
  check(kernels_swiglu_launch(&halves, NULL, &gate, &gate, &h) == SWAGE_UNSUPPORTED &&
            strstr(swage_last_error(), "swiglu") != NULL,
        "what was not built is refused by name");
  kernels_swiglu_destroy(&halves);
  swage_device_close(device);
  return failures != 0;
}
