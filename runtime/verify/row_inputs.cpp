// row_inputs.cpp -- the rows that the errors of a kernel along its rows are measured on.
#include "runtime/verify/row_inputs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "codegen/tile_plan.hpp"
#include "ir/evaluate_rows.hpp"
#include "ir/float_format.hpp"
#include "ir/number.hpp"
#include "runtime/base/parallel.hpp"
#include "runtime/verify/compare_rows.hpp"
#include "runtime/verify/random_bits.hpp"
#include "swage/error.hpp"

namespace swage::verify {

namespace {

/// In [-1, 1).
double unit(std::uint64_t bits) noexcept {
  return static_cast<double>(static_cast<std::int64_t>(bits) >> 11) * 0x1p-52;
}

std::uint64_t special(DType type, std::uint64_t which) noexcept {
  return ir::with_float(type, [&]<DType format>() -> std::uint64_t {
    using Traits = ir::FloatTraits<format>;
    constexpr std::array<std::uint64_t, 4> values = {0, 1, Traits::kInfinity, Traits::kQuietNan};
    if constexpr (Traits::kEncoding == ir::Encoding::power)
      return values[which & 3];
    return values[which & 3] | (which & 4 ? Traits::kSign : 0);
  });
}

/// What the numbers of one row have in common.
struct Row {
  enum class Kind : std::uint8_t { ordinary, scaled, cancelling, equal, special } kind;
  std::uint64_t key;
  std::int64_t special_at;
  double scale, middle;

  Row(std::uint64_t random, DType type, std::int64_t width) : key(mix(random + kGolden)) {
    const auto which = random & 7;
    kind = which < 4 ? Kind::ordinary : static_cast<Kind>(which - 3);
    const int reach = type == DType::f16 ? 8 : is_byte_float(type) ? 4 : 24;
    const auto more = mix(random);
    scale = kind == Kind::scaled
                ? std::ldexp(1.0, static_cast<int>(more % (2u * reach + 1)) - reach)
                : 1;
    middle = 8 * unit(key);
    special_at = static_cast<std::int64_t>(more % static_cast<std::uint64_t>(width));
  }

  std::uint64_t element(DType type, std::int64_t i) const {
    const std::uint64_t bits = mix(key + static_cast<std::uint64_t>(i) * kGolden);
    if (type == DType::boolean)
      return bits & 1;
    if (!is_float(type))
      return ir::encode(type, {0, static_cast<std::int64_t>(bits % 16) - 8});
    if (kind == Kind::special && i == special_at)
      return special(type, bits);
    if (type == DType::e8m0) // positive, about 1
      return 119 + bits % 16;
    if (kind == Kind::equal)
      return ir::encode(type, {middle, 0});
    const double near = std::ldexp(unit(bits), static_cast<int>(bits & 3));
    return ir::encode(type, {kind == Kind::cancelling ? middle + near / 64 : scale * near, 0});
  }
};

std::int64_t rows_each(ir::Space space) {
  return space.broadcast == ir::Broadcast::per_column_group ? space.group : 1;
}

} // namespace

RowInputs::RowInputs(const ir::Kernel& kernel, const RowInputOptions& options)
    : params_(kernel.params().begin(), kernel.params().end()), seed_(options.seed) {
  const std::int64_t group = std::lcm(std::max<std::int64_t>(codegen::columns_of_groups(kernel), 1),
                                      std::int64_t{ir::has_packed_tensors(kernel) ? 2 : 1});
  const std::int64_t each = std::max<std::int64_t>(codegen::rows_of_groups(kernel), 1);
  for (const std::int64_t length : options.columns) {
    if (length < 1)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("rows of {} columns hold nothing to compare; take 1 or more", length));
    const std::int64_t columns = (length + group - 1) / group * group;
    const std::int64_t share = options.samples / static_cast<std::int64_t>(options.columns.size());
    const std::int64_t rows = std::max<std::int64_t>(share / columns / each, 1) * each;
    const std::int64_t most = std::max<std::int64_t>(kMostRowElements / columns / each, 1) * each;
    for (std::int64_t first = 0; first < rows; first += most)
      steps_.push_back({columns, std::min(most, rows - first), first});
    count_ += rows * columns;
  }
}

void RowInputs::fill(std::size_t param, const Step& step, std::span<std::byte> bytes) const {
  const DType type = params_[param].dtype;
  const std::int64_t size = size_of(type);
  const ir::Space space = params_[param].space();
  const std::int64_t width =
      std::max<std::int64_t>(ir::values_of(space, {rows_each(space), step.columns}), 1);
  const std::int64_t rows = static_cast<std::int64_t>(bytes.size()) / size / width;
  const std::uint64_t key =
      mix(seed_ + kGolden * (param + 1)) + static_cast<std::uint64_t>(step.columns) * kGolden;
  base::parallel_ranges(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const Row row(mix(key + static_cast<std::uint64_t>(step.first / rows_each(space) + r)), type,
                    width);
      for (std::int64_t i = 0; i < width; ++i)
        ir::store_bits(type, bytes.data() + (r * width + i) * size, row.element(type, i));
    }
  });
}

} // namespace swage::verify
