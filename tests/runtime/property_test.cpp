// property_test.cpp -- random calls of random kernels on the CPU, held to the bit.
#include "tests/support/catch.hpp"
#include "tests/support/property_case.hpp"
#include "tests/support/row_property_case.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// `elements` in `memory` as rows of `pitch` elements, `step` apart in a row, `skew` from its
/// start.
Tensor place_elements(std::vector<std::byte>& memory, const std::vector<std::byte>& elements,
                      DType type, std::int64_t skew, std::int64_t rows, std::int64_t pitch,
                      std::int64_t step) {
  const std::int64_t size = size_of(type);
  const std::int64_t count = static_cast<std::int64_t>(elements.size()) / size;
  const std::int64_t columns = count / rows;
  memory.assign(static_cast<std::size_t>((skew + rows * pitch + 1) * size), std::byte{});
  const Tensor view(memory.data() + skew * size, type, {rows, columns}, {pitch, step});
  for (std::int64_t i = 0; i < count; ++i)
    std::memcpy(memory.data() + (skew + i / columns * pitch + i % columns * step) * size,
                elements.data() + i * size, static_cast<std::size_t>(size));
  return view;
}

/// Any NaN as the canonical one: that is all that is promised.
std::vector<std::byte> elements_of(const Tensor& view) {
  const auto size = static_cast<std::size_t>(size_of(view.dtype));
  std::vector<std::byte> elements;
  for (std::int64_t r = 0; r < view.shape[0]; ++r)
    for (std::int64_t c = 0; c < view.shape[1]; ++c) {
      const auto* from = static_cast<const std::byte*>(view.data) +
                         (r * view.strides[0] + c * view.strides[1]) * size_of(view.dtype);
      const ir::Scalar value = ir::decode(view.dtype, ir::load_bits(view.dtype, from));
      elements.resize(elements.size() + size);
      ir::store_bits(view.dtype, elements.data() + elements.size() - size,
                     ir::encode(view.dtype, value));
    }
  return elements;
}

struct Arrangement {
  const char* name;
  std::int64_t first, rows, pitch, step, skew; ///< elements; `first`: of the batch
};

constexpr std::int64_t kRowsInAll = 12, kColumns = 67;

/// The results of rows [first, first + rows) of `batch`, laid out as `arrangement` says.
std::vector<std::byte> results(const Kernel& kernel, const ir::Kernel& graph,
                               const std::vector<std::vector<std::byte>>& batch,
                               const Arrangement& arrangement) {
  std::vector<std::vector<std::byte>> memory(batch.size());
  std::vector<Tensor> views;
  for (std::size_t p = 0; p < batch.size(); ++p) {
    const DType type = graph.params()[p].dtype;
    const std::int64_t row = kColumns * size_of(type);
    const std::vector<std::byte> part(batch[p].begin() + arrangement.first * row,
                                      batch[p].begin() +
                                          (arrangement.first + arrangement.rows) * row);
    views.push_back(place_elements(memory[p], part, type, arrangement.skew, arrangement.rows,
                                   arrangement.pitch, arrangement.step));
  }
  kernel.launch(nullptr, std::vector<Arg>(views.begin(), views.end()));
  std::vector<std::byte> all;
  for (std::size_t p = 0; p < views.size(); ++p)
    if (graph.params()[p].is_written()) {
      const auto part = elements_of(views[p]);
      all.insert(all.end(), part.begin(), part.end());
    }
  return all;
}

} // namespace

TEST_CASE("random kernels on random shapes and layouts give the defined bits, and touch no more") {
  const Device cpu = Device::open("cpu");
  const std::uint64_t first = property_seed();
  for (std::uint64_t seed = first; seed < first + property_cases(150); ++seed) {
    PropertyCase call(cpu, seed, {.max_elements = seed % 8 == 0 ? 40'000 : 5'000});
    const std::string found = call.run();
    INFO(call.describe());
    REQUIRE(found == "");
  }
}

TEST_CASE(
    "random kernels that mix rows with groups and tiles and counts and packed tensors give the "
    "defined bits, and touch no more") {
  check_row_property_cases(Device::open("cpu"), 30);
}

TEST_CASE("an element's bits do not depend on layout, position, or what else is in the batch") {
  const Device cpu = Device::open("cpu");
  const auto name = GENERATE(as<std::string>{}, "swiglu", "swiglu_backward_inplace", "gelu_tanh");
  const DType type = GENERATE(f32, bf16);
  CAPTURE(name, name_of(type));
  const Kernel kernel = cpu.catalogue_kernel(name, {{"T", type}});
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  Random random(17);
  std::vector<std::vector<std::byte>> batch;
  for (std::size_t p = 0; p < graph.params().size(); ++p)
    batch.push_back(random_elements(random, type, kRowsInAll * kColumns));

  // Row 5 of the batch in many surroundings: the same bits, row by row, for every output.
  const auto alone = results(kernel, graph, batch, {"alone", 5, 1, kColumns, 1, 0});
  const Arrangement arrangements[] = {
      {"first of several", 5, 7, kColumns, 1, 0}, {"in the middle", 3, 4, kColumns, 1, 0},
      {"last of all", 0, 6, kColumns, 1, 0},      {"misaligned", 5, 2, kColumns, 1, 1},
      {"packed", 4, 5, 2 * kColumns, 1, 0},       {"every other", 2, 8, 2 * kColumns, 2, 3},
      {"padded rows", 1, 9, kColumns + 5, 1, 7},
  };
  const auto row = static_cast<std::size_t>(kColumns * size_of(type));
  for (const Arrangement& arrangement : arrangements) {
    CAPTURE(arrangement.name);
    const auto all = results(kernel, graph, batch, arrangement);
    const std::size_t outputs = alone.size() / row;
    for (std::size_t output = 0; output < outputs; ++output) {
      const auto at = (output * static_cast<std::size_t>(arrangement.rows) +
                       static_cast<std::size_t>(5 - arrangement.first)) *
                      row;
      CHECK(std::memcmp(all.data() + at, alone.data() + output * row, row) == 0);
    }
  }
}
