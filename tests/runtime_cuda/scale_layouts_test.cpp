// scale_layouts_test.cpp -- scales as views of up to five dimensions, on the test double of a GPU.
#include "tests/runtime_cuda/fake_device.hpp"
#include "tests/support/scale_case.hpp"

using namespace swage;
using namespace swage::test;

TEST_CASE("CUDA writes scales to the places that each layout gives them, and nowhere else") {
  for_all_scale_layouts(gpu(), [](ScaleCase& of) {
    CHECK(of.written(GuardedMemory::kUntouched) == "");
    of.zero();
    CHECK(of.written(0) == "");
  });
}

TEST_CASE("CUDA reads scales from the places that each layout gives them") {
  for_all_scale_layouts(gpu(), [](ScaleCase& of) { CHECK(of.read() == ""); });
}

TEST_CASE("CUDA reads one value a row of an elementwise kernel through a view") {
  std::vector<float> s(3 * 128), x(300 * 8, 2.0f);
  for (std::size_t i = 0; i < s.size(); ++i)
    s[i] = static_cast<float>(i);
  const DeviceArray in(gpu(), x), scale(gpu(), s), out(gpu(), x);
  const auto view = [](const DeviceArray& array) {
    return Tensor(array.tensor().data, f32, {300, 8});
  };
  gpu()
      .kernel("kernel k(x: in f32, s: in f32 [row], y: out f32) { y = x * s; }", "k")
      .launch(nullptr,
              {view(in), Tensor(scale.tensor().data, f32, {3, 4, 32}, {128, 1, 4}), view(out)});
  gpu().synchronize();
  const std::vector<float> y = out.get();
  int wrong = 0;
  for (std::size_t row = 0; row < 300; ++row)
    for (std::size_t column = 0; column < 8; ++column)
      wrong += y[row * 8 + column] != 2 * s[row / 128 * 128 + row % 32 * 4 + row / 32 % 4];
  CHECK(wrong == 0);
}
