// both_directions_test.cpp -- kernels of the catalogue with codes along both dimensions on the CPU:
// of random shapes, layouts and counts of rows, they have the evaluator's bits.
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"
#include "tests/support/row_case.hpp"

namespace swage::test {

namespace {

/// Those of a matrix: gated ones have an exponential, whose last bits are its own.
struct Of {
  const char* name;
  std::vector<Binding> bindings;
};

std::vector<Of> kernels(DType type) {
  return {{"mxfp8_both", {{"T", type}, {"Q", f8e4m3}}},
          {"mxfp8_columns", {{"T", type}, {"Q", f8e5m2}, {"largest", 57344}}},
          {"mxfp4_both", {{"T", type}}},
          {"mxfp4_both", {{"T", type}, {"round_up", false}}},
          {"mxfp4_columns", {{"T", type}}},
          {"nvfp4_both", {{"T", type}}},
          {"nvfp4_columns", {{"T", type}}},
          {"dequantise_mxfp4_columns", {{"T", type}, {"S", e8m0}}},
          {"dequantise_nvfp4_columns", {{"T", type}, {"S", f8e4m3}}}};
}

} // namespace

TEST_CASE("catalogue kernels along both dimensions have the evaluator's bits at random shapes") {
  const Device cpu = Device::open("cpu");
  std::uint64_t seed = 0;
  for (const DType type : {f32, bf16, f16})
    for (const Of& each : kernels(type)) {
      const Kernel kernel = cpu.catalogue_kernel(each.name, each.bindings);
      for (int turn = 0; turn < 3; ++turn) {
        Random random(++seed);
        const ir::CallSize size{32 * static_cast<std::int64_t>(1 + random.below(3)),
                                32 * static_cast<std::int64_t>(1 + random.below(12))};
        const RowView view{.gap = static_cast<std::int64_t>(random.below(3)),
                           .skew = static_cast<std::int64_t>(random.below(3)),
                           .by_columns = random.one_in(2)};
        INFO(each.name << " of " << name_of(type) << ", " << size.rows << " x " << size.columns
                       << ", seed " << seed);
        REQUIRE(RowCase(cpu, kernel, size, view, seed).run() == "");
        RowCase counted(cpu, kernel, size, view, seed);
        counted.count_rows(
            {static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size.rows) + 1))});
        REQUIRE(counted.run() == "");
      }
    }
}

} // namespace swage::test
