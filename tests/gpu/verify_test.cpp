// verify_test.cpp -- SwiGLU forward and backward on the device against the evaluator.
#include "tests/support/catch.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

namespace {

struct Shape {
  std::int64_t rows, columns;
};

/// Runs `name` on fresh random tensors with guard bytes behind each, and counts wrong elements.
std::int64_t run(const Device& device, const std::string& name, DType type, Shape shape) {
  const ir::Kernel reference = catalogue_kernel(name, type);
  const std::int64_t count = shape.rows * shape.columns;
  constexpr std::size_t kGuard = 256;
  std::vector<HostTensor> before;
  std::vector<Buffer> buffers;
  std::vector<Tensor> tensors;
  const std::vector<std::byte> guard(kGuard, std::byte{0xa5});
  for (std::size_t p = 0; p < reference.params().size(); ++p) {
    HostTensor& tensor = before.emplace_back(type, count);
    tensor.fill(p + 1);
    Buffer& buffer = buffers.emplace_back(device.allocate(tensor.bytes.size() + kGuard));
    buffer.write(tensor.bytes.data(), tensor.bytes.size());
    buffer.write(guard.data(), kGuard, tensor.bytes.size());
    tensors.emplace_back(buffer.data(), type,
                         std::initializer_list<std::int64_t>{shape.rows, shape.columns});
  }
  const std::vector<Arg> arguments(tensors.begin(), tensors.end());
  device.catalogue_kernel(name, {{"T", type}}).launch(nullptr, arguments);
  device.synchronize();

  std::vector<HostTensor> after;
  for (std::size_t p = 0; p < buffers.size(); ++p) {
    HostTensor& tensor = after.emplace_back(type, count);
    buffers[p].read(tensor.bytes.data(), tensor.bytes.size());
    std::vector<std::byte> behind(kGuard);
    buffers[p].read(behind.data(), kGuard, tensor.bytes.size());
    CHECK(behind == guard);
    if (!reference.params()[p].is_written())
      CHECK(tensor.bytes == before[p].bytes);
  }
  // Half an ulp is the store's rounding; the rest is slack next to ties and the functions' error.
  return count_wrong(reference, before, after, size_of(type) == 2 ? 1 : 8,
                     count > 1'000'000 ? 997 : 1);
}

} // namespace

TEST_CASE("swiglu forward and backward agree with the evaluator on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const auto name = GENERATE(as<std::string>{}, "swiglu", "swiglu_unsloth", "swiglu_backward",
                             "swiglu_backward_inplace");
  const DType type = GENERATE(f64, f32, f16, bf16);
  std::vector<Shape> shapes = {{1, 1}, {1, 7}, {3, 5}};
  if (emulated())
    shapes.push_back({3, 257});
  else
    shapes.insert(shapes.end(), {{17, 4097}, {1024, 14336}});
  for (const Shape shape : shapes) {
    INFO(name << " " << name_of(type) << " " << shape.rows << "x" << shape.columns);
    CHECK(run(*device, name, type, shape) == 0);
  }
}
