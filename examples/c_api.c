/* c_api.c -- the C ABI from C99: a kernel of the catalogue on the CPU, with tensors of its own.
 *
 *   $ c_api
 *   Swage 0.1.0, swiglu on cpu
 *   h = -0.2689 0.0000 0.7311 1.7616
 */
#include <math.h>
#include <stdio.h>

#include <swage/swage.h>

/* A dense f32 vector in host memory. */
static DLTensor vector_of(float* data, int64_t* length) {
  DLTensor tensor;
  tensor.data = data;
  tensor.device.device_type = kDLCPU;
  tensor.device.device_id = 0;
  tensor.ndim = 1;
  tensor.dtype.code = kDLFloat;
  tensor.dtype.bits = 32;
  tensor.dtype.lanes = 1;
  tensor.shape = length;
  tensor.strides = NULL;
  tensor.byte_offset = 0;
  return tensor;
}

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, swage_last_error());
  return 1;
}

int main(void) {
  swage_device* device = NULL;
  if (swage_device_open("cpu", &device) != SWAGE_OK)
    return failed("no device");

  const char* bindings[] = {"T=f32"};
  swage_kernel* kernel = NULL;
  if (swage_kernel_from_catalogue(device, "swiglu", bindings, 1, NULL, &kernel) != SWAGE_OK)
    return failed("no kernel");
  printf("Swage %s, %s on cpu\n", swage_version(), swage_kernel_name(kernel));

  float gate[4] = {-1, 0, 1, 2}, up[4] = {1, 1, 1, 1}, h[4];
  int64_t length = 4;
  const DLTensor gate_tensor = vector_of(gate, &length);
  const DLTensor up_tensor = vector_of(up, &length);
  const DLTensor h_tensor = vector_of(h, &length);
  const swage_arg args[] = {swage_tensor(&gate_tensor), swage_tensor(&up_tensor),
                            swage_tensor(&h_tensor)};
  if (swage_kernel_launch(kernel, NULL, args, 3) != SWAGE_OK)
    return failed("the launch failed");
  printf("h = %.4f %.4f %.4f %.4f\n", h[0], h[1], h[2], h[3]);

  int wrong = 0;
  for (int i = 0; i < 4; ++i)
    wrong += fabs(h[i] - gate[i] / (1 + exp(-(double)gate[i]))) > 1e-6;

  /* What is wrong with a call is said, and nothing is run. */
  wrong += swage_kernel_launch(kernel, NULL, args, 2) != SWAGE_INVALID_ARGUMENT;

  swage_kernel_destroy(kernel);
  swage_device_close(device);
  return wrong != 0;
}
