// reach_test.cpp -- which memory a kernel on a GPU takes: its own device's, and what it can reach.
#include "runtime/launch/reach.hpp"

#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage;
using namespace swage::test;
using Catch::Matchers::Contains;

namespace {

struct Memory {
  unsigned type = cuda::kMemoryTypeDevice;
  cuda::Ordinal ordinal = 0;
  unsigned managed = 0, access = 0;
  bool is_known = true;
};

Memory told;

/// The driver says of every address what `told` holds.
class ToldMemory {
public:
  explicit ToldMemory(const Memory& memory)
      : driver_(*cuda::loaded_driver), before_(cuda::loaded_driver) {
    told = memory;
    driver_.cuPointerGetAttribute.raw = [](void* value, cuda::PointerAttribute attribute,
                                           cuda::DevicePointer) {
      if (!told.is_known)
        return cuda::Result::invalid_value;
      switch (attribute) {
      case cuda::PointerAttribute::memory_type: *static_cast<unsigned*>(value) = told.type; break;
      case cuda::PointerAttribute::device_ordinal:
        *static_cast<cuda::Ordinal*>(value) = told.ordinal;
        break;
      case cuda::PointerAttribute::is_managed: *static_cast<unsigned*>(value) = told.managed; break;
      case cuda::PointerAttribute::access_flags:
        *static_cast<unsigned*>(value) = told.access;
        break;
      default: return cuda::Result::invalid_value;
      }
      return cuda::Result::success;
    };
    cuda::loaded_driver = &driver_;
  }
  ToldMemory(const ToldMemory&) = delete;
  ToldMemory& operator=(const ToldMemory&) = delete;
  ~ToldMemory() { cuda::loaded_driver = before_; }

private:
  cuda::Driver driver_;
  const cuda::Driver* before_;
};

/// What a first launch on memory of that kind gives: its message, "" for success.
std::string launch_on(const Memory& memory) {
  const Device device = gpu();
  const DeviceArray x(device, counting(16)), y(device, std::vector<float>(16));
  const Kernel kernel = device.kernel("kernel k(x: in f32, y: out f32) { y = x + 5; }", "");
  try {
    const ToldMemory driver(memory);
    kernel.launch(nullptr, {x.tensor(), y.tensor()});
  } catch (const Error& error) {
    return error.what();
  }
  CHECK(y.get()[15] == 20);
  return "";
}

} // namespace

TEST_CASE("memory of a peer with access, managed memory and mapped host memory are taken") {
  constexpr unsigned kHost = 1;
  CHECK(launch_on({}) == "");
  CHECK(launch_on({.ordinal = 1, .access = 1}) == "");
  CHECK(launch_on({.ordinal = 1, .managed = 1}) == "");
  CHECK(launch_on({.type = kHost, .ordinal = 1}) == "");
}

TEST_CASE("memory of a peer without access and memory that the driver does not know are refused") {
  CHECK_THAT(launch_on({.ordinal = 1}), Contains("tensor 'x' lies in memory of cuda:1"));
  CHECK_THAT(launch_on({.is_known = false}), Contains("tensor 'x' lies in host memory"));
}
