// property_test.cpp -- random calls of random kernels on a CUDA device, held to the bit.
#include "tests/support/catch.hpp"
#include "tests/support/gpu.hpp"
#include "tests/support/property_case.hpp"
#include "tests/support/row_property_case.hpp"

using namespace swage;
using namespace swage::test;

TEST_CASE("random kernels on random shapes and layouts give the defined bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  const PropertyOptions options{.max_elements = emulated() ? 300 : 200'000};
  const std::uint64_t first = property_seed();
  for (std::uint64_t seed = first; seed < first + property_cases(emulated() ? 60 : 1000); ++seed) {
    PropertyCase call(*device, seed, options);
    const std::string found = call.run();
    INFO(call.describe());
    REQUIRE(found == "");
  }
}

TEST_CASE(
    "random kernels that mix rows with groups and tiles and counts and packed tensors give the "
    "defined bits on the device") {
  const auto device = gpu();
  if (!device)
    return;
  check_row_property_cases(*device, emulated() ? 80 : 800);
}
