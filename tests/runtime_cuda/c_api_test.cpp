// c_api_test.cpp -- the C ABI with tensors on CUDA devices.
#include <cstring>
#include <string>
#include <thread>

#include "swage/swage.h"
#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage::test;
using Catch::Matchers::Contains;

namespace {

DLTensor on_device(const DeviceArray& array, int index, std::int64_t* length) {
  DLTensor tensor{};
  tensor.data = array.tensor().data;
  tensor.device = {kDLCUDA, index};
  tensor.ndim = 1;
  tensor.dtype = {kDLFloat, 32, 1};
  tensor.shape = length;
  return tensor;
}

} // namespace

TEST_CASE("DLPack tensors on a GPU go through the C ABI, and each is held to its device") {
  swage_device* device = nullptr;
  REQUIRE(swage_device_open("cuda:0", &device) == SWAGE_OK);
  swage_kernel* kernel = nullptr;
  REQUIRE(swage_kernel_create(device, "kernel c(x: in f32, y: out f32) { y = x + 1; }", nullptr,
                              nullptr, 0, nullptr, &kernel) == SWAGE_OK);
  std::int64_t length = 50;
  const DeviceArray x(gpu(0), counting(50)), y(gpu(0), std::vector<float>(50));
  DLTensor in = on_device(x, 0, &length), out = on_device(y, 0, &length);
  const swage_arg args[] = {swage_tensor(&in), swage_tensor(&out)};
  CHECK(swage_kernel_launch(kernel, nullptr, args, 2) == SWAGE_OK);
  CHECK(swage_device_synchronize(device) == SWAGE_OK);
  CHECK(y.get()[49] == 50);

  in.device.device_id = 1; // even on a warm call
  CHECK(swage_kernel_launch(kernel, nullptr, args, 2) == SWAGE_INVALID_ARGUMENT);
  CHECK_THAT(swage_last_error(), Contains("argument 0") && Contains("id 1"));
  in.device = {kDLCPU, 0};
  CHECK(swage_kernel_launch(kernel, nullptr, args, 2) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
  swage_device_close(device);
}

TEST_CASE("a workspace goes through the C ABI, and structs of later versions are taken") {
  swage_device* device = nullptr;
  REQUIRE(swage_device_open("cuda:0", &device) == SWAGE_OK);
  swage_kernel* kernel = nullptr;
  REQUIRE(swage_kernel_create(device, "kernel s(x: in f32, y: out f32 [col]) { y = col_sum(x); }",
                              nullptr, nullptr, 0, nullptr, &kernel) == SWAGE_OK);
  std::int64_t shape[] = {5, 10}, columns = 10;
  const DeviceArray x(gpu(0), counting(50)), y(gpu(0), std::vector<float>(10)),
      memory(gpu(0), std::vector<float>(5 * 64));
  DLTensor in = on_device(x, 0, shape), out = on_device(y, 0, &columns);
  in.ndim = 2;
  const swage_arg args[] = {swage_tensor(&in), swage_tensor(&out)};
  struct Later {
    swage_launch_options known = swage_default_launch_options();
    std::uint64_t unknown = 0;
  } options;
  options.known.size = sizeof options;
  std::size_t bytes = 0;
  REQUIRE(swage_kernel_workspace_bytes(kernel, args, 2, &bytes) == SWAGE_OK);
  CHECK(bytes == 5 * 64 * sizeof(float));
  options.known.workspace = memory.tensor().data;
  options.known.workspace_bytes = bytes;
  const std::uint64_t taken = calls("cuMemAllocAsync"), launched = calls("cuLaunchKernelEx");
  CHECK(swage_kernel_launch_with(kernel, nullptr, args, 2, &options.known) == SWAGE_OK);
  CHECK(swage_device_synchronize(device) == SWAGE_OK);
  CHECK(calls("cuMemAllocAsync") == taken);
  CHECK(calls("cuLaunchKernelEx") == launched + 2);
  CHECK(y.get()[9] == 9 + 19 + 29 + 39 + 49);
  CHECK(swage_kernel_launch_with(kernel, nullptr, args, 2, nullptr) == SWAGE_OK);
  CHECK(calls("cuMemAllocAsync") == taken + 1);
  CHECK(calls("cuMemFreeAsync") >= 1);
  options.known.workspace_bytes = bytes - 4;
  CHECK(swage_kernel_launch_with(kernel, nullptr, args, 2, &options.known) ==
        SWAGE_INVALID_ARGUMENT);
  CHECK_THAT(swage_last_error(), Contains("1276 bytes") && Contains("needs 1280"));
  options.known.size = 4;
  CHECK(swage_kernel_launch_with(kernel, nullptr, args, 2, &options.known) ==
        SWAGE_INVALID_ARGUMENT);
  CHECK(swage_kernel_workspace_bytes(kernel, args, 2, nullptr) == SWAGE_INVALID_ARGUMENT);
  swage_kernel_destroy(kernel);
  swage_device_close(device);
}

TEST_CASE("a failure's message and build log belong to the thread it happened on") {
  swage_device* device = nullptr;
  REQUIRE(swage_device_open("cuda:0", &device) == SWAGE_OK);
  swage_kernel* kernel = nullptr;
  REQUIRE(swage_kernel_create(device, "kernel d(x: in f32, y: out f32) { y = x + 2; }", nullptr,
                              nullptr, 0, nullptr, &kernel) == SWAGE_OK);
  std::int64_t length = 5;
  const DeviceArray x(gpu(0), counting(5)), y(gpu(0), std::vector<float>(5));
  DLTensor in = on_device(x, 0, &length), out = on_device(y, 0, &length);
  const swage_arg args[] = {swage_tensor(&in), swage_tensor(&out)};
  swage_fake_cuda_fail("cuModuleLoadDataEx", 218, 1);
  CHECK(swage_kernel_launch(kernel, nullptr, args, 2) == SWAGE_DRIVER);
  CHECK(swage_last_driver_result() == 218);
  const std::string message = swage_last_error();
  CHECK_THAT(message, Contains("cuModuleLoadDataEx"));
  std::string other = "unset";
  std::thread([&] {
    other = swage_last_error();
    swage_device_open("cuda:77", nullptr);
  }).join();
  CHECK(other.empty());
  CHECK(swage_last_error() == message);
  swage_kernel_destroy(kernel);
  swage_device_close(device);
}
