// embed_kernel_string.cpp -- a program that carries its kernel as a string and runs it on whatever
// device there is.
//
//   $ embed_kernel_string
//   clipped_swiglu on AMD EPYC (cpu)
//   h[0] = -0.0586, h[4095] = -0.3877
#include <cmath>
#include <cstdio>
#include <vector>

#include <swage/swage.hpp>

constexpr const char* kSource = R"(
  fn silu(x) = x * sigmoid(x);

  // silu(gate) * up, with both clipped to [-limit, limit] first.
  kernel clipped_swiglu<T>(gate: in T, up: in T, h: out T, const limit: f32 = 7.0) {
    h = silu(clamp(gate, -limit, limit)) * clamp(up, -limit, limit);
  }
)";

int main() try {
  constexpr std::int64_t rows = 8, columns = 512;
  const swage::Device device = swage::Device::open();
  const swage::Kernel kernel =
      device.kernel(kSource, "clipped_swiglu", {{"T", swage::f32}, {"limit", 5.0}});
  std::printf("%s on %s (%s)\n", kernel.name().c_str(), device.info().name.c_str(),
              device.info().id.c_str());

  // One packed buffer, as a fused linear layer leaves it: each row holds gate, then up.
  std::vector<float> packed(2 * rows * columns);
  for (std::size_t i = 0; i < packed.size(); ++i)
    packed[i] = 0.25f * static_cast<float>(i * 7 % 53) - 6.5f;
  std::vector<float> h(rows * columns);
  swage::Buffer input = device.allocate(packed.size() * sizeof(float));
  swage::Buffer output = device.allocate(h.size() * sizeof(float));
  input.write(packed.data(), input.size());

  auto* first = static_cast<float*>(input.data());
  const swage::Tensor gate(first, swage::f32, {rows, columns}, {2 * columns, 1});
  const swage::Tensor up(first + columns, swage::f32, {rows, columns}, {2 * columns, 1});
  const swage::Tensor result(output.data(), swage::f32, {rows, columns});
  kernel.launch(nullptr, {gate, up, result}); // compiled here, cached ever after
  device.synchronize();
  output.read(h.data(), output.size());
  std::printf("h[0] = %.4f, h[%zu] = %.4f\n", static_cast<double>(h[0]), h.size() - 1,
              static_cast<double>(h.back()));

  const auto clip = [](double x) { return std::fmin(std::fmax(x, -5.0), 5.0); };
  for (std::size_t i = 0; i < h.size(); ++i) {
    const std::size_t row = i / columns, column = i % columns;
    const double g = clip(packed[row * 2 * columns + column]);
    const double u = clip(packed[row * 2 * columns + columns + column]);
    const double expected = g / (1 + std::exp(-g)) * u;
    if (std::fabs(h[i] - expected) > 1e-6 * std::fabs(expected) + 1e-7) {
      std::printf("h[%zu] is %.8f, expected %.8f\n", i, static_cast<double>(h[i]), expected);
      return 1;
    }
  }
  return 0;
} catch (const swage::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
