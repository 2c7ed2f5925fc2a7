// old_image_test.cpp -- an image that a release of calling convention 1 built, and this runtime:
// served while that is the convention, and left out for its number from then on. Never anything
// else.
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "codegen/calling_convention.hpp"
#include "codegen/compile.hpp"
#include "runtime/embedded/image.hpp"
#include "tests/runtime_cuda/fake_device.hpp"
#include "tests/support/registered_image.hpp"

using namespace swage;

namespace {

std::string read(const std::string& name) {
  std::ifstream file(SWAGE_SOURCE_DIR "/tests/fixtures/images/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Launches both kernels on `device`; gives how many compiles that took.
std::int64_t compiles_of(const Device& device) {
  constexpr std::int64_t kRows = 3, kColumns = 70;
  const auto before = codegen::compile_count();
  test::DeviceArray x(device, test::counting(kRows * kColumns)),
      weight(device, std::vector<float>(kColumns, 2)), y(device, test::counting(kRows * kColumns)),
      s(device, test::counting(kRows));
  const std::string text = read("kernels.swg");
  const Tensor rows(x.tensor().data, f32, {kRows, kColumns});
  device.kernel(text, "scale").launch(nullptr, {x.tensor(), 0.5, y.tensor()});
  device.kernel(text, "total").launch(nullptr, {rows, weight.tensor(), s.tensor()});
  device.synchronize();
  CHECK(y.get()[9] == 5.5f);
  CHECK(s.get()[0] == 2 * 70 * 69 / 2);
  CHECK(s.get()[2] == 2 * (70 * 69 / 2 + 70 * 140));
  return codegen::compile_count() - before;
}

std::int64_t expected() {
  return codegen::kCallingConvention == 1 ? 0 : 2;
}

} // namespace

TEST_CASE("an image of calling convention 1 serves a GPU, or is left out for its number") {
  const test::RegisteredImage image(read("convention_1.image"));
  CHECK(compiles_of(test::gpu()) == expected());
}

TEST_CASE("code of an image that left the sums of one row to a second launch gets one") {
  const test::RegisteredImage image(read("convention_1_sums.image"));
  const Device device = test::gpu();
  constexpr std::int64_t kColumns = 128;
  const test::DeviceArray x(device, test::counting(kColumns)),
      y(device, std::vector<float>(kColumns)), t(device, std::vector<float>(1));
  const auto before = codegen::compile_count();
  const std::uint64_t launched = test::calls("cuLaunchKernelEx");
  device.kernel(read("sums.swg"), "")
      .launch(nullptr, {Tensor(x.tensor().data, f32, {1, kColumns}), y.tensor(),
                        Tensor(t.tensor().data, f32, {})});
  device.synchronize();
  CHECK(y.get()[127] == 127);
  CHECK(t.get()[0] == 128 * 127 / 2);
  const bool serves = codegen::kCallingConvention == 1;
  CHECK(codegen::compile_count() - before == (serves ? 0 : 1));
  CHECK(test::calls("cuLaunchKernelEx") - launched == (serves ? 2u : 1u));
}

#if defined(__x86_64__)
TEST_CASE("an image of calling convention 1 serves a CPU, or is left out for its number") {
  const test::RegisteredImage image(read("convention_1.image"));
  CHECK(compiles_of(Device::open("cpu")) == expected());
}
#endif
