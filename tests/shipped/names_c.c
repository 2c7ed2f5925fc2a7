/* names_c.c -- the same by the header for C, as C99. */
#include <assert.h>
#include <complex.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "names.h"

int failures_in_c(const swage_device* device);

static DLTensor of_one(float* value) {
  static int64_t shape[1] = {1};
  DLTensor tensor = {0};
  tensor.data = value;
  tensor.device.device_type = kDLCPU;
  tensor.ndim = 1;
  tensor.dtype.code = kDLFloat;
  tensor.dtype.bits = 32;
  tensor.dtype.lanes = 1;
  tensor.shape = shape;
  return tensor;
}

int failures_in_c(const swage_device* device) {
  float x = 0.5F, y = 0;
  const DLTensor in = of_one(&x), out = of_one(&y);
  int failures = 0;
#define ADDS(name, added, ...)                                                                     \
  do {                                                                                             \
    names_##name kernel;                                                                           \
    if (names_##name##_create(&kernel, device __VA_ARGS__) != SWAGE_OK ||                          \
        names_##name##_launch(&kernel, NULL, &in, &out) != SWAGE_OK || y != x + added) {           \
      fprintf(stderr, "failed: %s: %s\n", #name, swage_last_error());                              \
      ++failures;                                                                                  \
    }                                                                                              \
    names_##name##_destroy(&kernel);                                                               \
  } while (0)
  ADDS(handle, 1, );
  ADDS(int, 2, );
  ADDS(main, 3, );
  ADDS(device, 4, );
  ADDS(launch, 5, );
  ADDS(create, 6, );
  ADDS(std, 7, );
  ADDS(detail, 8, );
  ADDS(_Complex, 10, );
  ADDS(scaled, 3, , "1", "3");
#undef ADDS
  names_names sum;
  x = 0;
  if (names_names_create(&sum, device) != SWAGE_OK ||
      names_names_launch(&sum, NULL, &in, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, &out) !=
          SWAGE_OK ||
      y != 91) {
    fprintf(stderr, "failed: names: %s\n", swage_last_error());
    ++failures;
  }
  names_names_destroy(&sum);
  return failures;
}
