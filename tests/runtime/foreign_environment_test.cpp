// foreign_environment_test.cpp -- launches from threads that flush subnormals or round otherwise.
#include <bit>
#include <cfenv>
#include <cstring>
#include <vector>

#include "ir/float_environment.hpp"
#include "swage/swage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/foreign_environment.hpp"

using namespace swage;

namespace {

constexpr const char* kEnvironments[] = {"ftz", "upward", "downward", "towardzero"};

/// The bits that a kernel with a run-time scalar of each width writes.
std::vector<std::uint32_t> scalars_arrive(const Device& device) {
  const Kernel kernel = device.kernel("kernel k(x: in f32, a: f32, b: f64, c: f16, y: out f32, "
                                      "z: out f64, w: out f16) { y = a; z = b; w = c; }",
                                      "k");
  float x[4] = {}, y[4];
  double z[4];
  std::uint16_t w[4];
  kernel.launch(nullptr, {Tensor(x, f32, {4}), 1e-40, 1e-310, 0.1, Tensor(y, f32, {4}),
                          Tensor(z, f64, {4}), Tensor(w, f16, {4})});
  std::vector<std::uint32_t> bits(4);
  std::memcpy(&bits[0], y, 4);
  std::memcpy(&bits[1], z, 8);
  std::memcpy(&bits[3], w, 2);
  kernel.launch(nullptr, {Tensor(x, f32, {4}), 1e-40f, std::int64_t{(1LL << 62) + 1}, 3e-6f,
                          Tensor(y, f32, {4}), Tensor(z, f64, {4}), Tensor(w, f16, {4})});
  bits.resize(8);
  std::memcpy(&bits[4], y, 4);
  std::memcpy(&bits[5], z, 8);
  std::memcpy(&bits[7], w, 2);
  return bits;
}

} // namespace

TEST_CASE("run-time scalars arrive with the same bits from every thread") {
  const Device device = Device::open("cpu");
  std::vector<std::uint32_t> expected;
  {
    const ir::DefaultFloatEnvironment environment;
    expected = scalars_arrive(device);
  }
  CHECK(expected[0] == std::bit_cast<std::uint32_t>(1e-40f));
  CHECK(expected[4] == expected[0]);
  for (const char* environment : kEnvironments) {
    INFO(environment);
    std::vector<std::uint32_t> got;
    {
      const test::ForeignEnvironment foreign(environment);
      got = scalars_arrive(device);
    }
    CHECK(got == expected);
  }
}

TEST_CASE("an f32 scalar widens exactly, whatever the thread does with subnormals") {
  std::vector<std::uint32_t> patterns = {
      0, 1, 2, 3, 0x7fffff, 0x400000, 0x400001, 0x800000, 0x3f800000, 0x7f7fffff, 0x7f800000};
  for (std::uint32_t i = 1; i < 0x800000; i = i * 3 + 1)
    patterns.push_back(i);
  for (const std::uint32_t pattern : patterns)
    for (const std::uint32_t bits : {pattern, pattern | 0x80000000}) {
      std::uint64_t expected = 0, got = 0;
      {
        const ir::DefaultFloatEnvironment environment;
        const volatile float value = std::bit_cast<float>(bits);
        expected = std::bit_cast<std::uint64_t>(static_cast<double>(value));
      }
      {
        const test::ForeignEnvironment foreign("ftz");
        got = std::bit_cast<std::uint64_t>(Arg(std::bit_cast<float>(bits)).real());
      }
      INFO(bits);
      CHECK(got == expected);
    }
}

TEST_CASE("a launch leaves the caller's floating-point environment as it was") {
  const Device device = Device::open("cpu");
  for (const char* environment : kEnvironments) {
    INFO(environment);
    int before = 0, after = 0;
    bool flushes = false, flushed = false;
    {
      const test::ForeignEnvironment foreign(environment);
      volatile float tiny = 0x1p-126f;
      before = std::fegetround();
      flushes = tiny / 2 == 0;
      scalars_arrive(device);
      after = std::fegetround();
      flushed = tiny / 2 == 0;
    }
    CHECK(after == before);
    CHECK(flushed == flushes);
  }
}
