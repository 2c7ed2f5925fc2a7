// row_case.hpp -- calls of kernels that reach along their rows on any device, held to the evaluator
// in the order of the language.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "codegen/schedule.hpp"
#include "codegen/tile_plan.hpp"
#include "ir/evaluate_rows.hpp"
#include "ir/number.hpp"
#include "runtime/launch/inspect.hpp"
#include "swage/swage.hpp"
#include "tests/support/e2m1.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::test {

/// How tensors with rows lie in memory; those of which two elements share a byte as near to it as
/// they may.
struct RowView {
  std::int64_t column_stride = 1;
  std::int64_t gap = 0;  ///< elements between rows
  std::int64_t skew = 0; ///< elements that the first one lies off an aligned address
  /// Rows of a tile, where [row] and [group n] tensors lie in tiles, and groups in pairs that lie
  /// apart; 0: as the others do.
  std::int64_t tile = 0;
  /// What is written by element lies column by column; and what is read.
  bool by_columns = false, reads_by_columns = false;
  /// Outputs lie where an input of their space and size does, if there is one left.
  bool in_place = false;
};

/// Whether `found`, of RowCase::run, is what the device says that it has no code for in a layout.
inline bool is_limit(const std::string& found) {
  return found.starts_with("refused: ") &&
         (found.find("overwritten in place") != found.npos ||
          found.find("is read by several tiles") != found.npos ||
          found.find("more than 8 tensors whose rows or groups") != found.npos);
}

/// One call of `kernel` on rows x columns, with memory around each tensor that must stay as it is.
/// Outputs are held to the evaluator in `arithmetic`.
class RowCase {
public:
  RowCase(const Device& device, const Kernel& kernel, ir::CallSize size, RowView view = {},
          std::uint64_t seed = 1, ir::Arithmetic arithmetic = ir::Arithmetic::machine)
      : device_(device), kernel_(kernel), graph_(launch::ir_kernel(kernel)), size_(size),
        arithmetic_(arithmetic) {
    Random random(seed);
    for (const ir::Param& param : graph_.params())
      tensors_.push_back(make(param, view, random));
    if (view.in_place)
      share_memory();
    for (HeldTensor& tensor : tensors_)
      tensor.buffer = device.allocate(tensor.initial.size());
    left_out_ = ir::skipped_rows(graph_, size_, values());
    expected_ = ir::evaluate_rows(graph_, size_, values(), arithmetic_);
  }

  /// The call has counts of valid rows from now on, i32 or i64: one for all, or one for each of as
  /// many batches of equal size. Rows beyond hold what must not be read, NaN in floats.
  void count_rows(const std::vector<std::int64_t>& counts, DType type = DType::i32) {
    batches_ = static_cast<std::int64_t>(counts.size());
    count_type_ = type;
    const std::int64_t batch_rows = size_.rows / batches_;
    left_out_.assign(static_cast<std::size_t>(size_.rows), false);
    for (std::int64_t row = 0; row < size_.rows; ++row)
      left_out_[static_cast<std::size_t>(row)] =
          row % batch_rows >= counts[static_cast<std::size_t>(row / batch_rows)];
    for (std::size_t p = 0; p < tensors_.size(); ++p)
      for (std::int64_t row = 0; tensors_[p].by_row && row < tensors_[p].rows; ++row)
        for (std::int64_t i = 0; left_out(tensors_[p], row) && i < tensors_[p].width; ++i)
          set(memory(p).initial, p, row, i, ~std::uint64_t{0});
    std::vector<std::byte> bits(counts.size() * static_cast<std::size_t>(size_of(type)));
    for (std::size_t i = 0; i < counts.size(); ++i)
      ir::store_bits(type, bits.data() + static_cast<std::int64_t>(i) * size_of(type),
                     ir::encode(type, {0, counts[i]}));
    if (counts_.size() != bits.size())
      counts_ = device_.allocate(bits.size());
    counts_.write(bits.data(), bits.size());
    // Of rows beyond a count nobody asks whether they are skipped.
    const std::vector<bool> skipped = ir::skipped_rows(graph_, size_, values());
    for (std::size_t row = 0; row < skipped.size(); ++row)
      left_out_[row] = left_out_[row] || skipped[row];
    expected_ = ir::evaluate_rows(graph_, size_, values(), arithmetic_, 0, left_out_);
  }

  /// A call on row `row` of this one alone.
  RowCase alone(std::int64_t row) const {
    RowCase one(device_, kernel_, {1, size_.columns}, {}, 1, arithmetic_);
    for (std::size_t p = 0; p < tensors_.size(); ++p)
      for (std::int64_t i = 0; i < tensors_[p].width; ++i)
        one.set(one.tensors_[p].initial, p, 0, i, get(p, tensors_[p].rows > 1 ? row : 0, i));
    one.expected_ = ir::evaluate_rows(graph_, one.size_, one.values(), arithmetic_);
    return one;
  }

  std::vector<Arg> arguments() {
    views_.clear();
    views_.reserve(tensors_.size());
    std::vector<Arg> arguments;
    for (std::size_t p = 0; p < tensors_.size(); ++p) {
      const ir::Param& param = graph_.params()[p];
      HeldTensor& from = tensors_[p];
      if (!param.is_tensor()) {
        const ir::Scalar value = ir::decode(param.dtype, get(p, 0, 0));
        if (is_float(param.dtype))
          arguments.emplace_back(static_cast<double>(value.real));
        else
          arguments.emplace_back(value.integer);
        continue;
      }
      std::vector<std::int64_t> shape{from.rows, from.width},
          strides{from.row_stride, from.column_stride};
      if (from.tile > 0) {
        shape = {(from.rows + from.tile - 1) / from.tile, from.tile, (from.width + 1) / 2, 2};
        strides = {from.row_stride, 2, 2 * from.tile, 1};
        if (param.broadcast == ir::Broadcast::per_row)
          shape.pop_back(), strides.pop_back(); // the last one goes below
        if (param.broadcast == ir::Broadcast::per_row && from.rows < from.tile)
          shape = {from.rows, 1}, strides = {2, 1}; // a padded tile of one dimension is refused
      } else if (batches_ > 1) {
        const std::int64_t batch_rows = from.rows / batches_;
        shape = {batches_, batch_rows, from.width};
        strides.insert(strides.begin(), batch_rows * from.row_stride);
      }
      if (param.broadcast == ir::Broadcast::per_row)
        shape.pop_back(), strides.pop_back();
      else if (param.broadcast == ir::Broadcast::per_column || param.is_table())
        shape = {from.width}, strides = {from.column_stride};
      else if (param.broadcast == ir::Broadcast::per_tensor)
        shape.clear(), strides.clear();
      Tensor tensor(static_cast<std::byte*>(memory(p).buffer.data()) +
                        bytes_of(param.dtype, offset(p, 0, 0)),
                    param.dtype, std::span<const std::int64_t>(shape));
      std::copy(strides.begin(), strides.end(), tensor.strides);
      views_.push_back(tensor);
      arguments.emplace_back(views_.back());
    }
    return arguments;
  }

  /// The counts of valid rows, if the call has some.
  const Tensor* counts() {
    if (batches_ == 0)
      return nullptr;
    counts_view_ = Tensor(counts_.data(), count_type_, {batches_});
    return &*counts_view_;
  }
  LaunchOptions options() {
    LaunchOptions options;
    if (counts())
      options.valid_rows = counts_view_;
    return options;
  }

  /// Every schedule that is legal for this call.
  std::vector<codegen::Schedule> schedules() {
    const auto plan = launch::describe(kernel_, arguments(), counts());
    return plan.code
               ? codegen::all_schedules(*plan.code, plan.specialization, launch::target(device_))
               : std::vector<codegen::Schedule>{};
  }

  /// What is wrong after a launch; "" if nothing is. With `ulps` above 0 floats may be so far off.
  std::string run(const codegen::Schedule* schedule = nullptr, long double ulps = 0) {
    for (HeldTensor& tensor : tensors_)
      tensor.buffer.write(tensor.initial.data(), tensor.initial.size());
    try {
      if (schedule)
        launch::launch_with(kernel_, *schedule, nullptr, arguments(), counts());
      else
        kernel_.launch(nullptr, arguments(), options());
      device_.synchronize();
    } catch (const Error& error) {
      return std::string("refused: ") + error.what() + error.build_log();
    }
    for (std::size_t p = 0; p < tensors_.size(); ++p)
      tensors_[p].buffer.read(tensors_[p].after.data(), tensors_[p].after.size());
    for (HeldTensor& tensor : tensors_)
      tensor.results = tensor.after;
    return difference(ulps);
  }

  /// The bytes of every output, by store, row and column. A NaN is a NaN: payloads are not
  /// promised.
  std::vector<std::byte> outputs(std::int64_t first_row, std::int64_t last_row) const {
    std::vector<std::byte> bytes;
    for (const ir::Store& store : graph_.stores()) {
      const HeldTensor& tensor = tensors_[store.param];
      const std::byte* results = memory(store.param).results.data();
      const auto element = static_cast<std::size_t>(size_of(graph_.params()[store.param].dtype));
      for (std::int64_t row = first_row; row < std::min(last_row, tensor.rows); ++row)
        for (std::int64_t i = 0; i < tensor.width; ++i) {
          const DType type = graph_.params()[store.param].dtype;
          bytes.resize(bytes.size() + element);
          std::uint64_t bits = load_element(type, results, offset(store.param, row, i));
          if (is_float(type) && std::isnan(ir::decode(type, bits).real))
            bits = ir::encode(type, {std::numeric_limits<long double>::quiet_NaN(), 0});
          ir::store_bits(type, bytes.data() + bytes.size() - element, bits);
        }
    }
    return bytes;
  }

private:
  struct HeldTensor {
    std::vector<std::byte> initial, after;
    std::vector<std::byte> results; ///< of the last launch; `after` is worked on
    swage::Buffer buffer;
    bool by_row = false; ///< it has values for each row, or for `group` of them together
    std::int64_t group = 1;
    std::int64_t tile = 0;            ///< rows of a tile, whose distance is the row stride; 0: none
    std::optional<std::size_t> place; ///< parameter whose memory it lies in; none: its own
    std::int64_t rows = 1, width = 1, row_stride = 0, column_stride = 1, first = 0;
  };

  /// Each `out` takes an `in` that nothing else has taken.
  void share_memory() {
    std::vector<bool> taken(tensors_.size(), false);
    const auto params = graph_.params();
    for (std::size_t out = 0; out < params.size(); ++out)
      for (std::size_t in = 0; in < params.size() && params[out].kind == ir::ParamKind::out; ++in)
        if (params[in].kind == ir::ParamKind::in && !taken[in] && !tensors_[out].place &&
            params[in].space() == params[out].space() &&
            is_packed(params[in].dtype) == is_packed(params[out].dtype) &&
            size_of(params[in].dtype) == size_of(params[out].dtype)) {
          const HeldTensor& from = tensors_[in];
          HeldTensor& to = tensors_[out];
          to.tile = from.tile, to.first = from.first;
          to.row_stride = from.row_stride, to.column_stride = from.column_stride;
          to.place = in;
          taken[in] = true;
        }
  }
  HeldTensor& memory(std::size_t p) { return tensors_[tensors_[p].place.value_or(p)]; }
  const HeldTensor& memory(std::size_t p) const { return tensors_[tensors_[p].place.value_or(p)]; }

  HeldTensor make(const ir::Param& param, RowView view, Random& random) const {
    HeldTensor tensor;
    const ir::Space space = param.space();
    const bool of_rows = space.broadcast == ir::Broadcast::per_column_group;
    tensor.width =
        of_rows ? size_.columns : ir::values_of(space, {.rows = 1, .columns = size_.columns});
    if (param.is_table())
      tensor.width = kTable;
    const bool for_all = space.broadcast == ir::Broadcast::per_column ||
                         space.broadcast == ir::Broadcast::per_tensor || param.is_table();
    tensor.by_row = param.is_tensor() && !for_all;
    tensor.group = of_rows ? space.group : 1;
    tensor.rows = for_all ? 1 : of_rows ? size_.rows / space.group : size_.rows;
    const bool packed = param.is_tensor() && is_packed(param.dtype);
    if (packed)
      view = {1,
              view.gap / 2 * 2,
              view.skew / 2 * 2,
              view.tile,
              view.by_columns && packs_rows(),
              view.reads_by_columns && packs_rows()};
    tensor.column_stride = view.column_stride;
    tensor.row_stride = tensor.width * view.column_stride + view.gap;
    std::int64_t steps = tensor.rows;
    if (view.tile > 0 &&
        (space.broadcast == ir::Broadcast::per_row || ir::has_groups(space.broadcast))) {
      tensor.tile = view.tile;
      tensor.row_stride = (tensor.width + 1) / 2 * 2 * view.tile + 1; // tiles do not merge
      steps = (tensor.rows + view.tile - 1) / view.tile;
    }
    constexpr std::int64_t kAround = 32;
    tensor.first = kAround + view.skew;
    std::int64_t count = tensor.first + steps * tensor.row_stride + kAround;
    if ((param.kind == ir::ParamKind::out ? view.by_columns : view.reads_by_columns) &&
        param.is_tensor() && space.broadcast == ir::Broadcast::none) {
      tensor.row_stride = 1;
      tensor.column_stride = tensor.rows + view.gap;
      count = tensor.first + tensor.width * tensor.column_stride + kAround;
    }
    const auto size = static_cast<std::size_t>(size_of(param.dtype));
    tensor.initial.resize(packed ? static_cast<std::size_t>(bytes_of(param.dtype, count))
                                 : static_cast<std::size_t>(count) * size);
    tensor.after.resize(tensor.initial.size());
    for (std::int64_t i = 0; i < count; ++i) {
      const bool third_row = i >= tensor.first && tensor.row_stride > 0 &&
                             (i - tensor.first) / tensor.row_stride % 3 == 2;
      store_element(param.dtype, tensor.initial.data(), i,
                    is_index(param) ? ir::encode(param.dtype, {0, index(random)})
                                    : element(param.dtype, random, third_row));
    }
    return tensor;
  }

  bool packs_rows() const {
    const std::uint32_t rows = codegen::rows_of_groups(graph_);
    return rows > 0 && rows % 2 == 0;
  }

  static constexpr std::int64_t kTable = 7; ///< values of a table

  /// Whether an integer of a row is one that a table or a column is found by.
  bool is_index(const ir::Param& param) const {
    const bool by_place = std::ranges::any_of(graph_.nodes(), [](const ir::Node& node) {
      return node.op == ir::Op::lookup || node.op == ir::Op::col_index;
    });
    return by_place && is_integer(param.dtype) && param.broadcast == ir::Broadcast::per_row;
  }
  /// Most are within a table, and within a row.
  static std::int64_t index(Random& random) {
    constexpr std::int64_t kFar[] = {-1, kTable, -100, 100, 127, -128};
    return random.one_in(4) ? random.pick(kFar) : static_cast<std::int64_t>(random.below(kTable));
  }

  /// Numbers of ordinary size whose sums depend on their order; with `ties` eighths in [-8, 8), of
  /// which many are equal.
  static std::uint64_t element(DType type, Random& random, bool ties) {
    const std::uint64_t bits = random.bits();
    if (type == DType::boolean)
      return bits & 1;
    if (ties) {
      const double eighths = static_cast<double>(bits >> 57) / 8 - 8;
      return ir::encode(type, {eighths, static_cast<std::int64_t>(eighths)});
    }
    const double unit = static_cast<double>(bits >> 11) / 4503599627370496.0 - 1; // [-1, 1)
    const double real = std::ldexp(unit, static_cast<int>(bits & 7) - 3);
    return ir::encode(type, {real, static_cast<std::int64_t>(bits % 2001) - 1000});
  }

  /// In elements.
  std::int64_t offset(std::size_t p, std::int64_t row, std::int64_t i) const {
    const HeldTensor& tensor = tensors_[p];
    if (tensor.tile > 0)
      return tensor.first + row / tensor.tile * tensor.row_stride + row % tensor.tile * 2 +
             i / 2 * 2 * tensor.tile + i % 2;
    return tensor.first + row * tensor.row_stride + i * tensor.column_stride;
  }
  /// The bits of an element on entry.
  std::uint64_t get(std::size_t p, std::int64_t row, std::int64_t i) const {
    return load_element(graph_.params()[p].dtype, memory(p).initial.data(), offset(p, row, i));
  }
  void set(std::vector<std::byte>& bytes, std::size_t p, std::int64_t row, std::int64_t i,
           std::uint64_t bits) const {
    store_element(graph_.params()[p].dtype, bytes.data(), offset(p, row, i), bits);
  }

  std::vector<std::vector<ir::Scalar>> values() const {
    std::vector<std::vector<ir::Scalar>> result(tensors_.size());
    for (std::size_t p = 0; p < tensors_.size(); ++p) {
      const ir::Param& param = graph_.params()[p];
      if (param.kind == ir::ParamKind::out)
        continue;
      for (std::int64_t row = 0; row < tensors_[p].rows; ++row)
        for (std::int64_t i = 0; i < tensors_[p].width; ++i)
          result[p].push_back(ir::decode(param.dtype, get(p, row, i)));
    }
    return result;
  }

  /// Whether all rows of value `row` of a tensor are.
  bool left_out(const HeldTensor& tensor, std::int64_t row) const {
    if (left_out_.empty())
      return false;
    const auto begin = left_out_.begin() + row * tensor.group;
    return std::find(begin, begin + tensor.group, false) == begin + tensor.group;
  }

  std::string difference(long double ulps) {
    for (std::size_t s = 0; s < graph_.stores().size(); ++s) {
      const std::size_t p = graph_.stores()[s].param;
      const DType type = graph_.params()[p].dtype;
      const HeldTensor& tensor = tensors_[p];
      std::vector<std::byte>& after = memory(p).after;
      for (std::int64_t row = 0; row < tensor.rows; ++row)
        for (std::int64_t i = 0; i < tensor.width && !(tensor.by_row && left_out(tensor, row));
             ++i) {
          const ir::Scalar& exact = expected_[s][static_cast<std::size_t>(row * tensor.width + i)];
          const std::uint64_t want = ir::encode(type, exact);
          const std::uint64_t got = load_element(type, after.data(), offset(p, row, i));
          const long double a = ir::decode(type, got).real, b = ir::decode(type, want).real;
          const bool nan = is_float(type) && std::isnan(a) && std::isnan(b);
          const bool near =
              ulps > 0 && is_float(type) && ir::ulp_error(type, a, exact.real) <= ulps;
          if (got != want && !nan && !near)
            return fmt::format("'{}' at row {}, column {}: got {:#x} ({}), expected {:#x} ({})",
                               graph_.params()[p].name, row, i, got, static_cast<double>(a), want,
                               static_cast<double>(b));
          // What is left must be as it was.
          set(after, p, row, i, get(p, row, i));
        }
    }
    for (std::size_t p = 0; p < tensors_.size(); ++p)
      if (tensors_[p].after != tensors_[p].initial)
        return fmt::format("memory around '{}' was written", graph_.params()[p].name);
    return "";
  }

  Device device_;
  const Kernel& kernel_;
  const ir::Kernel& graph_;
  ir::CallSize size_;
  ir::Arithmetic arithmetic_;
  std::vector<HeldTensor> tensors_;
  std::vector<Tensor> views_;
  std::vector<std::vector<ir::Scalar>> expected_;
  std::int64_t batches_ = 0; ///< counts of valid rows; 0: none
  DType count_type_ = DType::i32;
  std::vector<bool> left_out_; ///< by row; empty: none
  swage::Buffer counts_;
  std::optional<Tensor> counts_view_;
};

} // namespace swage::test
