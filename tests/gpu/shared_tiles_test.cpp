// shared_tiles_test.cpp -- random kernels with groups of rows whose tiles warps share, on a CUDA
// device: the evaluator's bits in every geometry, and on the emulated one no races.
#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ir/passes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gpu_rows.hpp"
#include "tests/support/tile_kernels.hpp"
#include "tests/support/valid_rows_case.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// A kernel, a size of whole accesses and a layout, all from one seed.
class SharedTileCase {
public:
  explicit SharedTileCase(std::uint64_t seed) : seed_(seed), random_(seed) {}

  /// The text of the kernel; none where it has no groups of rows, or no tensor of elements.
  std::optional<std::string> text() {
    RandomKernelOptions options;
    options.reductions = true;
    options.over_rows = false;
    options.orderless = !random_.one_in(12);
    options.group_rows = rows_ = random_.pick(std::array{2U, 4U, 6U, 8U, 12U, 16U, 32U, 48U, 64U});
    options.groups.clear();
    if (random_.one_in(2))
      options.groups = {group_ = random_.pick(std::array{2U, 4U, 8U, 16U, 32U})};
    options.nodes = 8 + random_.below(20);
    options.inputs = 1 + random_.below(4);
    options.outputs = 1 + random_.below(4);
    options.inouts = random_.one_in(3) ? 1 : 0;
    options.ops = ops_with_bits();
    switch (random_.below(4)) {
    case 0: options.dtypes = {f32, bf16, f8e4m3, DType::e8m0}; break;
    case 1: options.dtypes = {f32, bf16, f4e2m1}; break;
    case 2: options.dtypes = {f64, i64, f32, i8}; break;
    default: break;
    }
    const ir::Kernel kernel = random_kernel(seed_, options);
    const auto& params = kernel.params();
    if (std::ranges::none_of(params, [](const ir::Param& param) {
          return param.is_tensor() && param.broadcast == ir::Broadcast::none;
        }))
      return std::nullopt;
    packed_ = ir::has_packed_tensors(kernel);
    return random_.one_in(3) ? skipping_some(ir::print(kernel)) : ir::print(kernel);
  }

  /// Warps share a tile where accesses are whole, so mostly of so many columns.
  ir::CallSize size() {
    batch_rows_ = rows_ * static_cast<std::int64_t>(1 + random_.below(3));
    batches_ = 1 + static_cast<std::int64_t>(random_.below(2));
    const std::int64_t columns = random_.one_in(4)
                                     ? random_.pick(std::array{8, 33, 100, 132, 264})
                                     : 64 * static_cast<std::int64_t>(1 + random_.below(8));
    return {batches_ * batch_rows_, whole_groups(columns, group_ * (packed_ ? 2U : 1U))};
  }

  RowView view() {
    RowView view;
    view.gap = random_.one_in(4) ? static_cast<std::int64_t>(random_.below(9)) : 0;
    view.skew = random_.one_in(4) ? static_cast<std::int64_t>(random_.below(9)) : 0;
    view.by_columns = random_.one_in(3);
    view.reads_by_columns = random_.one_in(5);
    view.in_place = random_.one_in(4);
    return view;
  }

  /// Of rows that are valid; none for all.
  std::vector<std::int64_t> counts() {
    std::vector<std::int64_t> counts;
    if (random_.one_in(3))
      for (std::int64_t batch = 0; batch < batches_; ++batch)
        counts.push_back(
            static_cast<std::int64_t>(random_.below(static_cast<std::size_t>(batch_rows_) + 2)));
    return counts;
  }

  /// Of legal schedules one of each geometry in which warps share a tile, at most `most`.
  std::vector<codegen::Schedule> shared(const std::vector<codegen::Schedule>& all,
                                        std::size_t most) {
    std::map<std::array<int, 3>, codegen::Schedule> by_geometry;
    for (const codegen::Schedule& schedule : all)
      if (const auto& cuda = std::get<codegen::CudaSchedule>(schedule); cuda.row_threads > 32)
        by_geometry.emplace(std::array{cuda.access_bytes, cuda.accesses, cuda.threads}, schedule);
    std::vector<codegen::Schedule> some;
    for (const auto& [geometry, schedule] : by_geometry)
      some.push_back(schedule);
    for (std::size_t i = some.size(); i > 1; --i)
      std::swap(some[i - 1], some[random_.below(i)]);
    some.resize(std::min(some.size(), most));
    return some;
  }

private:
  std::uint64_t seed_;
  Random random_;
  std::uint32_t rows_ = 1, group_ = 1;
  bool packed_ = false;
  std::int64_t batches_ = 1, batch_rows_ = 1;
};

} // namespace

TEMPLATE_TEST_CASE_SIG("random kernels whose tiles warps share have the evaluator's bits", "",
                       ((std::uint64_t part), part), 0, 1, 2, 3) {
  const auto device = gpu();
  if (!device)
    return;
  constexpr std::uint64_t kParts = 4;
  const std::uint64_t cases = emulated() ? 160 : 400;
  int compared = 0;
  for (std::uint64_t seed = 1 + part; seed <= cases; seed += kParts) {
    SharedTileCase random(seed);
    const std::optional<std::string> text = random.text();
    const std::optional<Kernel> kernel =
        text ? kernel_with_bits(*device, ir::parse_kernel({*text}, "", {})) : std::nullopt;
    if (!kernel)
      continue;
    const ir::CallSize size = random.size();
    RowCase call(*device, *kernel, size, random.view(), seed);
    const std::vector<std::int64_t> counts = random.counts();
    if (!counts.empty())
      call.count_rows(counts, i64);
    INFO("seed " << seed << ": " << size.rows << " x " << size.columns << ", counts "
                 << fmt::format("{}", fmt::join(counts, " ")) << "\n"
                 << *text);
    const std::string usual = call.run();
    if (is_limit(usual))
      continue;
    REQUIRE(usual == "");
    for (const auto& schedule :
         random.shared(call.schedules(), static_cast<std::size_t>(schedules_of_call(3, 8)))) {
      INFO(codegen::canonical(schedule));
      REQUIRE(call.run(&schedule) == "");
      ++compared;
    }
  }
  CHECK(compared > (emulated() ? 20 : 60));
}
