// compare_rows.cpp -- results of a kernel that reaches along its rows, against the evaluator.
#include "runtime/verify/compare_rows.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include <fmt/format.h>

#include "codegen/tile_plan.hpp"
#include "ir/evaluate_rows.hpp"
#include "runtime/base/parallel.hpp"
#include "swage/error.hpp"

namespace swage::verify {

namespace {

/// Runs with every operation off at random, which show how far a right result may lie. One run may
/// be right by luck, not all.
constexpr std::uint64_t kPerturbed = 16;

class RowComparer {
public:
  RowComparer(const ir::Kernel& kernel, const Operands& operands, const Shape& shape,
              const CompareOptions& options)
      : kernel_(kernel), operands_(operands.all()), options_(options),
        columns_(shape.empty() ? 1 : shape.back()),
        rows_(shape.empty() ? 1 : element_count(Shape(shape.begin(), shape.end() - 1))) {
    for (const ir::Store& store : kernel.stores()) {
      OutputComparison& total = totals_.emplace_back();
      total.param = store.param;
      total.limit = options.max_ulp.value_or(default_max_ulp(kernel.params()[store.param].dtype));
      results_.push_back(operands.result(store.param));
    }
  }

  std::vector<OutputComparison> run() {
    if (sums_over_rows()) {
      if (rows_ * columns_ > kMostRowElements)
        throw Error(ErrorCode::unsupported,
                    fmt::format("kernel '{}' sums over rows, so all of a call is verified at once: "
                                "{} elements are more than {}; take a smaller shape",
                                kernel_.name(), rows_ * columns_, kMostRowElements));
      compare_rows_from(0, rows_);
      return std::move(totals_);
    }
    const std::int64_t wanted = std::min(options_.sample, kMostRowElements);
    const std::int64_t count =
        std::clamp<std::int64_t>(wanted / std::max<std::int64_t>(columns_, 1), 1, rows_ + 1);
    // Rows of one group are known together.
    const std::int64_t each = std::max<std::int64_t>(codegen::rows_of_groups(kernel_), 1);
    const std::int64_t units = rows_ / each, sampled = std::min((count + each - 1) / each, units);
    base::parallel_ranges(sampled, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        compare_rows_from(sampled == 1 ? 0 : (units - 1) * i / (sampled - 1) * each, each);
    });
    return std::move(totals_);
  }

private:
  /// Rows that have one value, or one a column, of a parameter together.
  static std::int64_t rows_each(ir::Space space) {
    return space.broadcast == ir::Broadcast::per_column_group ? space.group : 1;
  }

  /// Values that so many rows have.
  std::int64_t width(ir::Space space) const {
    return ir::values_of(space, {.rows = rows_each(space), .columns = columns_});
  }

  /// The first value that row `row` has of a parameter.
  std::int64_t first(ir::Space space, std::int64_t row) const {
    return is_shared(space) ? 0 : row / rows_each(space) * width(space);
  }

  bool sums_over_rows() const {
    return std::ranges::any_of(kernel_.nodes(), [](const ir::Node& node) {
      return ir::info(node.op).form == ir::OpForm::over_col;
    });
  }

  static bool is_shared(ir::Space space) {
    return space.broadcast == ir::Broadcast::per_column ||
           space.broadcast == ir::Broadcast::per_tensor || space.broadcast == ir::Broadcast::table;
  }

  void compare_rows_from(std::int64_t row, std::int64_t count) {
    std::vector<std::vector<ir::Scalar>> arguments;
    for (const Operand& operand : operands_)
      arguments.push_back(values(operand, row, count));
    const ir::CallSize size{.rows = count, .columns = columns_};
    const auto exact = ir::evaluate_rows(kernel_, size, arguments, ir::Arithmetic::exact);
    std::vector<std::vector<long double>> reach; // by store and value
    for (const auto& values : exact)
      reach.emplace_back(values.size(), 0);
    const auto widen = [&](std::uint64_t first, std::uint64_t last) {
      for (std::uint64_t seed = first; seed < last; ++seed) {
        const auto near =
            ir::evaluate_rows(kernel_, size, arguments, ir::Arithmetic::perturbed, seed);
        for (std::size_t s = 0; s < exact.size(); ++s)
          for (std::size_t i = 0; i < exact[s].size(); ++i)
            reach[s][i] = std::max(reach[s][i], distance(s, near[s][i], exact[s][i]));
      }
    };
    const std::vector<bool> skipped = ir::skipped_rows(kernel_, size, arguments);
    const auto is_written = [&](std::size_t s, std::size_t i) {
      const ir::Space space = kernel_.params()[kernel_.stores()[s].param].space();
      if (skipped.empty() || is_shared(space))
        return true;
      const std::int64_t each = rows_each(space),
                         first_row = static_cast<std::int64_t>(i) / width(space) * each;
      const auto begin = skipped.begin() + first_row;
      return std::find(begin, begin + each, false) != begin + each;
    };
    bool beyond = false;
    for (std::size_t s = 0; s < exact.size(); ++s)
      for (std::size_t i = 0; i < exact[s].size(); ++i)
        beyond |= is_written(s, i) &&
                  error_at(s, row, static_cast<std::int64_t>(i), exact[s][i]) > totals_[s].limit;
    if (beyond)
      widen(0, kPerturbed);
    const std::scoped_lock lock(mutex_);
    for (std::size_t s = 0; s < results_.size(); ++s)
      for (std::size_t i = 0; i < exact[s].size(); ++i)
        if (is_written(s, i) && !is_judged_already(s, row))
          judge(s, row, static_cast<std::int64_t>(i), exact[s][i], reach[s][i]);
  }

  /// Whether the values of a store are those that the first row was judged with.
  bool is_judged_already(std::size_t store, std::int64_t row) const {
    return row > 0 && is_shared(kernel_.params()[kernel_.stores()[store].param].space());
  }

  std::vector<ir::Scalar> values(const Operand& operand, std::int64_t row,
                                 std::int64_t count) const {
    const DType type = operand.param.dtype;
    if (!operand.param.is_tensor())
      return {ir::decode(type, operand.scalar_bits)};
    if (!operand.param.is_read())
      return {};
    const std::int64_t begin = first(operand.param.space(), row);
    std::vector<ir::Scalar> result;
    const ir::Space space = operand.param.space();
    const std::int64_t size =
        operand.param.is_table() ? static_cast<std::int64_t>(operand.entry.size()) / size_of(type)
                                 : width(space) * (is_shared(space) ? 1 : count / rows_each(space));
    for (std::int64_t i = 0; i < size; ++i)
      result.push_back(ir::decode(
          type, ir::load_bits(type, operand.entry.data() + (begin + i) * size_of(type))));
    return result;
  }

  bool is_real(std::size_t store) const {
    return is_float(kernel_.params()[kernel_.stores()[store].param].dtype);
  }

  long double distance(std::size_t store, const ir::Scalar& a, const ir::Scalar& b) const {
    return is_real(store) ? std::fabs(a.real - b.real)
                          : std::fabs(static_cast<long double>(a.integer) -
                                      static_cast<long double>(b.integer));
  }

  std::int64_t index_of(std::size_t store, std::int64_t row, std::int64_t i) const {
    return first(kernel_.params()[kernel_.stores()[store].param].space(), row) + i;
  }

  std::uint64_t got_at(std::size_t store, std::int64_t index) const {
    const DType type = kernel_.params()[kernel_.stores()[store].param].dtype;
    return ir::load_bits(type, results_[store].data() + index * size_of(type));
  }

  /// In ulp; of integers 0 or infinity.
  double error_at(std::size_t store, std::int64_t row, std::int64_t i,
                  const ir::Scalar& exact) const {
    const DType type = kernel_.params()[kernel_.stores()[store].param].dtype;
    const std::uint64_t bits = got_at(store, index_of(store, row, i));
    if (!is_real(store))
      return bits == ir::encode(type, exact) ? 0 : HUGE_VAL;
    return static_cast<double>(ir::ulp_error(type, ir::decode(type, bits).real, exact.real));
  }

  void judge(std::size_t store, std::int64_t row, std::int64_t i, const ir::Scalar& exact,
             long double reach) {
    OutputComparison& found = totals_[store];
    const DType type = kernel_.params()[found.param].dtype;
    const std::int64_t index = index_of(store, row, i);
    const std::uint64_t bits = got_at(store, index);
    const std::uint64_t expected = ir::encode(type, exact);
    const double error = error_at(store, row, i, exact);
    ++found.checked;
    found.max_error = std::max(found.max_error, error);
    found.misrounded += error > 0.5 || (error == 0.5 && bits != expected);
    if (options_.histogram)
      found.histogram.add(error);
    const bool beyond = error > found.limit;
    const bool within = beyond && !options_.max_ulp && reaches(store, bits, exact, reach);
    const auto shown = [&] {
      return ShownElement{.index = index,
                          .inputs = inputs(store, row, i),
                          .got = bits,
                          .expected = expected,
                          .exact = exact,
                          .error = error};
    };
    if (within) {
      ++found.admitted;
      ++found.admitted_by[static_cast<std::size_t>(is_real(store) ? Reason::cancellation
                                                                  : Reason::jump)];
      if (!found.worst_admitted || error > found.worst_admitted->error)
        found.worst_admitted = shown();
      return;
    }
    found.max_plain_error = std::max(found.max_plain_error, error);
    const bool wrong_before = found.wrong > 0;
    found.wrong += beyond;
    if (error > 0 && (!found.worst || (beyond && !wrong_before) ||
                      (beyond == wrong_before && error > found.worst->error)))
      found.worst = shown();
  }

  /// Whether a right device may have got `bits`.
  bool reaches(std::size_t store, std::uint64_t bits, const ir::Scalar& exact,
               long double reach) const {
    constexpr long double kSlack = 4;
    const DType type = kernel_.params()[kernel_.stores()[store].param].dtype;
    const ir::Scalar got = ir::decode(type, bits);
    if (!is_real(store))
      return distance(store, got, exact) <= reach;
    return std::isfinite(got.real) && std::isfinite(exact.real) &&
           distance(store, got, exact) <=
               kSlack * reach + totals_[store].limit * ir::ulp(type, exact.real);
  }

  /// By parameter, what value `i` of a store is made of at its own row and column.
  std::vector<std::uint64_t> inputs(std::size_t store, std::int64_t row, std::int64_t i) const {
    const ir::Space space = kernel_.params()[totals_[store].param].space();
    const std::int64_t of = width(space);
    std::vector<std::uint64_t> bits;
    for (const Operand& operand : operands_) {
      const DType type = operand.param.dtype;
      const std::int64_t own = width(operand.param.space());
      if (!operand.param.is_tensor() || operand.entry.empty() || own == 0) {
        bits.push_back(operand.param.is_tensor() ? 0 : operand.scalar_bits);
        continue;
      }
      const std::int64_t at =
          first(operand.param.space(), row + i / of * rows_each(space)) + std::min(i % of, own - 1);
      bits.push_back(ir::load_bits(type, operand.entry.data() + at * size_of(type)));
    }
    return bits;
  }

  const ir::Kernel& kernel_;
  std::span<const Operand> operands_;
  const CompareOptions& options_;
  std::int64_t columns_, rows_;
  std::vector<OutputComparison> totals_;
  std::vector<std::span<const std::byte>> results_;
  std::mutex mutex_;
};

} // namespace

std::vector<OutputComparison> compare_rows(const ir::Kernel& kernel, const Operands& operands,
                                           const Shape& shape, const CompareOptions& options) {
  if (options.where)
    throw Error(ErrorCode::unsupported, "a kernel that reaches along its rows is compared by whole "
                                        "rows, so elements cannot be chosen");
  return RowComparer(kernel, operands, shape, options).run();
}

} // namespace swage::verify
