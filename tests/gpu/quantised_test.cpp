// quantised_test.cpp -- quantised kernels of the catalogue on a CUDA device: codes and scales are
// those of the CPU in every schedule. That the CPU's are right shows tests/quantised*.py.
#include <string_view>

#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// The default schedule and `count` others on the device, each held to the CPU.
void check_against_cpu(const Device& device, const char* name, const std::vector<Binding>& bindings,
                       ir::CallSize size, RowView view, std::uint64_t seed, int count) {
  INFO(name << ", " << size.rows << " x " << size.columns);
  constexpr long double kAny = 1e30L; // how exact both are is another test's subject
  const Device cpu = Device::open("cpu");
  const Kernel on_cpu = cpu.catalogue_kernel(name, bindings);
  RowCase there(cpu, on_cpu, size, view, seed);
  REQUIRE(there.run(nullptr, kAny) == "");
  const auto expected = there.outputs(0, size.rows);
  const Kernel kernel = device.catalogue_kernel(name, bindings);
  RowCase call(device, kernel, size, view, seed);
  REQUIRE(call.run(nullptr, kAny) == "");
  CHECK(call.outputs(0, size.rows) == expected);
  const std::vector<codegen::Schedule> schedules = call.schedules();
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    const codegen::Schedule& schedule = random.pick(schedules);
    INFO(codegen::canonical(schedule));
    REQUIRE(call.run(&schedule, kAny) == "");
    CHECK(call.outputs(0, size.rows) == expected);
  }
}

void check_rows(const char* name, bool rounds, std::int64_t columns) {
  const auto device = gpu();
  if (!device)
    return;
  const std::string_view kind = name;
  const bool is_norm = kind.starts_with("rms");
  std::vector<Binding> bindings{{"T", bf16}, {is_norm ? "rounded" : "round_product", rounds}};
  if (kind.find("int8") == kind.npos && kind.find("fp4") == kind.npos)
    bindings.push_back({"Q", DType::f8e4m3});
  if (kind == "rms_norm_residual_quantised_group")
    bindings.push_back({"size", 320}); // more than a warp has at once, mostly
  check_against_cpu(*device, name, bindings, {2, columns}, {}, 300 + (rounds ? 1u : 0u),
                    schedules_of_call(2, 20));
}

/// Rounded ones are transposed. Schedules are those of one of two parts.
void check_directions(const char* name, bool rounds, int part) {
  const auto device = gpu();
  if (!device)
    return;
  const std::string_view kind = name;
  std::vector<Binding> bindings{{"T", bf16}};
  if (kind.find("mxfp8") != kind.npos)
    bindings.push_back({"Q", f8e4m3});
  if (kind.starts_with("swiglu"))
    bindings.push_back({kind.ends_with("gradient") ? "rounded" : "round_product", rounds});
  check_against_cpu(*device, name, bindings, {64, emulated() ? 160 : 1056}, {.by_columns = rounds},
                    700 + 2 * static_cast<std::uint64_t>(part) + (rounds ? 1u : 0u),
                    schedules_of_call(2, 20) / 2);
}

} // namespace

// A case for each kernel, for each of its roundings, and for the widths of rows: a GPU's assembler
// takes most of the time, and cases run beside one another.
#define SWAGE_QUANTISED(name)                                                                      \
  TEST_CASE(name " has the bits of the CPU in every schedule on the device, 1280 columns") {       \
    check_rows(name, false, 1280);                                                                 \
  }                                                                                                \
  TEST_CASE(name " has the bits of the CPU in every schedule on the device, 7680 columns") {       \
    check_rows(name, false, 7680);                                                                 \
  }                                                                                                \
  TEST_CASE(name ", rounded, has the bits of the CPU in every schedule on the device, 1280 "       \
                 "columns") {                                                                      \
    check_rows(name, true, 1280);                                                                  \
  }                                                                                                \
  TEST_CASE(name ", rounded, has the bits of the CPU in every schedule on the device, 7680 "       \
                 "columns") {                                                                      \
    check_rows(name, true, 7680);                                                                  \
  }

SWAGE_QUANTISED("swiglu_quantised_row")
SWAGE_QUANTISED("swiglu_quantised_row_weighted")
SWAGE_QUANTISED("swiglu_quantised_group")
SWAGE_QUANTISED("swiglu_quantised_group_e8m0")
SWAGE_QUANTISED("swiglu_quantised_group_e8m0_weighted")
SWAGE_QUANTISED("swiglu_quantised_group_e8m0_smoothed")
SWAGE_QUANTISED("swiglu_int8_row")
SWAGE_QUANTISED("swiglu_int8_row_weighted")
SWAGE_QUANTISED("swiglu_int8_group")
SWAGE_QUANTISED("rms_norm_quantised_row")
SWAGE_QUANTISED("rms_norm_quantised_group")
SWAGE_QUANTISED("rms_norm_residual_quantised_row")
SWAGE_QUANTISED("rms_norm_residual_quantised_group")
SWAGE_QUANTISED("swiglu_int8_row_experts")
SWAGE_QUANTISED("swiglu_int8_group_experts")
SWAGE_QUANTISED("swiglu_mxfp4_experts")
SWAGE_QUANTISED("swiglu_nvfp4_experts")
SWAGE_QUANTISED("swiglu_mxfp4_scaled")
SWAGE_QUANTISED("swiglu_nvfp4_scaled")

#define SWAGE_DIRECTIONS_PART(name, part)                                                          \
  TEST_CASE(name " has the bits of the CPU in some schedules on the device, part " #part) {        \
    check_directions(name, false, part);                                                           \
  }                                                                                                \
  TEST_CASE(name ", rounded and transposed, has the bits of the CPU in some schedules on the "     \
                 "device, part " #part) {                                                          \
    check_directions(name, true, part);                                                            \
  }
#define SWAGE_DIRECTIONS(name)                                                                     \
  SWAGE_DIRECTIONS_PART(name, 1)                                                                   \
  SWAGE_DIRECTIONS_PART(name, 2)

SWAGE_DIRECTIONS("mxfp8_both")
SWAGE_DIRECTIONS("mxfp8_columns")
SWAGE_DIRECTIONS("swiglu_mxfp8_columns")
SWAGE_DIRECTIONS("swiglu_mxfp8_both")
SWAGE_DIRECTIONS("mxfp4_both")
SWAGE_DIRECTIONS("mxfp4_columns")
SWAGE_DIRECTIONS("swiglu_mxfp4_columns")
SWAGE_DIRECTIONS("swiglu_mxfp4_both")
SWAGE_DIRECTIONS("nvfp4_both")
SWAGE_DIRECTIONS("nvfp4_columns")
SWAGE_DIRECTIONS("swiglu_nvfp4_columns")
SWAGE_DIRECTIONS("swiglu_nvfp4_both")
SWAGE_DIRECTIONS("swiglu_mxfp8_gradient")
SWAGE_DIRECTIONS("swiglu_mxfp8_columns_gradient")
SWAGE_DIRECTIONS("swiglu_mxfp8_both_gradient")
SWAGE_DIRECTIONS("swiglu_mxfp4_gradient")
SWAGE_DIRECTIONS("swiglu_mxfp4_columns_gradient")
SWAGE_DIRECTIONS("swiglu_mxfp4_both_gradient")
SWAGE_DIRECTIONS("swiglu_nvfp4_gradient")
SWAGE_DIRECTIONS("swiglu_nvfp4_columns_gradient")
SWAGE_DIRECTIONS("swiglu_nvfp4_both_gradient")
SWAGE_DIRECTIONS("swiglu_mxfp8_columns_scaled")
SWAGE_DIRECTIONS("swiglu_mxfp8_both_scaled")
SWAGE_DIRECTIONS("swiglu_mxfp4_columns_scaled")
SWAGE_DIRECTIONS("swiglu_mxfp4_both_scaled")
SWAGE_DIRECTIONS("swiglu_nvfp4_columns_scaled")
SWAGE_DIRECTIONS("swiglu_nvfp4_both_scaled")
SWAGE_DIRECTIONS("swiglu_mxfp8_columns_experts")
SWAGE_DIRECTIONS("swiglu_mxfp8_both_experts")
SWAGE_DIRECTIONS("swiglu_mxfp4_columns_experts")
SWAGE_DIRECTIONS("swiglu_mxfp4_both_experts")
SWAGE_DIRECTIONS("swiglu_nvfp4_columns_experts")
SWAGE_DIRECTIONS("swiglu_nvfp4_both_experts")
