// evaluate_rows.cpp -- the op table over whole rows.
#include "ir/evaluate_rows.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "ir/accuracy.hpp"
#include "ir/arithmetic.hpp"
#include "ir/float_environment.hpp"
#include "ir/float_format.hpp"
#include "ir/rebuild.hpp"
#include "ir/sum_order.hpp"
#include "swage/error.hpp"

namespace swage::ir {

namespace {

[[noreturn]] void refuse(std::string message) {
  throw Error(ErrorCode::invalid_argument, std::move(message));
}

/// Which value of one space the element (row, column) sees.
class Index {
public:
  Index(Space space, CallSize size)
      : broadcast_(space.broadcast), group_(space.group),
        per_row_(space.broadcast == Broadcast::per_group ? size.columns / space.group
                                                         : size.columns) {}

  std::size_t operator()(std::int64_t row, std::int64_t column) const {
    switch (broadcast_) {
    case Broadcast::none: return static_cast<std::size_t>(row * per_row_ + column);
    case Broadcast::per_row: return static_cast<std::size_t>(row);
    case Broadcast::per_column: return static_cast<std::size_t>(column);
    case Broadcast::per_group: return static_cast<std::size_t>(row * per_row_ + column / group_);
    case Broadcast::per_column_group:
      return static_cast<std::size_t>(row / group_ * per_row_ + column);
    case Broadcast::per_tensor:
    case Broadcast::table: break;
    }
    return 0;
  }

private:
  Broadcast broadcast_;
  std::int64_t group_;
  std::int64_t per_row_;
};

/// The steps between neighbouring values of a space.
struct Steps {
  std::int64_t rows, columns;    ///< how many there are
  std::int64_t columns_each = 1; ///< columns from one to the next
  std::int64_t rows_each = 1;    ///< rows from one to the next
};

Steps steps_of(Space space, CallSize size) {
  switch (space.broadcast) {
  case Broadcast::none: return {size.rows, size.columns};
  case Broadcast::per_row: return {size.rows, 1};
  case Broadcast::per_column: return {1, size.columns};
  case Broadcast::per_group: return {size.rows, size.columns / space.group, space.group};
  case Broadcast::per_column_group: return {size.rows / space.group, size.columns, 1, space.group};
  case Broadcast::per_tensor:
  case Broadcast::table: break;
  }
  return {1, 1};
}

/// Real holds every float value; `machine` ones are rounded to their compute type.
template <class Real>
class RowEvaluator {
public:
  RowEvaluator(const Kernel& kernel, CallSize size, std::span<const std::vector<Scalar>> arguments,
               Arithmetic arithmetic, std::uint64_t seed, const std::vector<bool>& left_out)
      : kernel_(kernel), size_(size), arguments_(arguments), arithmetic_(arithmetic),
        left_out_(left_out), accuracies_(accuracies(kernel)), random_(seed),
        values_(kernel.nodes().size()) {}

  /// By row; what skips them comes before all else.
  std::vector<bool> skipped() {
    std::vector<bool> rows;
    if (!kernel_.skip())
      return rows;
    for (NodeId id = 0; id <= *kernel_.skip(); ++id)
      compute(id);
    for (std::int64_t row = 0; row < size_.rows; ++row)
      rows.push_back(at(*kernel_.skip(), row, 0).integer != 0);
    return rows;
  }

  std::vector<std::vector<Scalar>> run() {
    const std::vector<bool> rows = skipped();
    left_out_.resize(std::max(left_out_.size(), rows.size()));
    for (std::size_t row = 0; row < rows.size(); ++row)
      left_out_[row] = left_out_[row] || rows[row];
    for (NodeId id = kernel_.skip() ? *kernel_.skip() + 1 : 0; id < values_.size(); ++id)
      compute(id);
    std::vector<std::vector<Scalar>> results;
    for (const Store& store : kernel_.stores()) {
      const Space space = kernel_.params()[store.param].space();
      std::vector<Scalar> result;
      result.reserve(static_cast<std::size_t>(values_of(space, size_)));
      const bool real = is_float(kernel_.node(store.node).type);
      for_each(space, [&](std::int64_t row, std::int64_t column) {
        const Value value = at(store.node, row, column);
        result.push_back(real ? Scalar{.real = static_cast<long double>(value.real)}
                              : Scalar{.integer = value.integer});
      });
      results.push_back(std::move(result));
    }
    return results;
  }

private:
  struct Value {
    Real real = 0;
    std::int64_t integer = 0;
  };

  template <class Visit>
  void for_each(Space space, Visit visit) const {
    const Steps steps = steps_of(space, size_);
    for (std::int64_t row = 0; row < steps.rows; ++row)
      for (std::int64_t i = 0; i < steps.columns; ++i)
        visit(row * steps.rows_each, i * steps.columns_each);
  }

  Value at(NodeId id, std::int64_t row, std::int64_t column) const {
    return values_[id][Index(kernel_.node(id).space, size_)(row, column)];
  }

  void compute(NodeId id) {
    const Node& node = kernel_.node(id);
    error_ = error_of(node.op, node.type, accuracies_[id]);
    values_[id].reserve(static_cast<std::size_t>(values_of(node.space, size_)));
    for_each(node.space, [&](std::int64_t row, std::int64_t column) {
      values_[id].push_back(is_reduction(node.op) ? reduced(node, row, column)
                                                  : computed(node, row, column));
    });
  }

  bool is_left_out(std::int64_t row) const {
    return !left_out_.empty() && left_out_[static_cast<std::size_t>(row)];
  }

  Value computed(const Node& node, std::int64_t row, std::int64_t column) const {
    switch (node.op) {
    case Op::load:
    case Op::scalar: {
      const Param& param = kernel_.params()[node.param];
      const Scalar& given = arguments_[node.param][Index(param.space(), size_)(row, column)];
      return {static_cast<Real>(given.real), given.integer};
    }
    case Op::constant:
      return is_float(node.type) ? Value{static_cast<Real>(node.real()), 0}
                                 : Value{0, node.integer()};
    case Op::lookup: return entry(node, at(node.args[0], row, column).integer);
    case Op::col_index: return {0, column};
    case Op::cast: return cast(node, at(node.args[0], row, column));
    case Op::select:
      return at(node.args[at(node.args[0], row, column).integer != 0 ? 1 : 2], row, column);
    default: break;
    }
    std::array<Value, 3> args{};
    for (std::size_t i = 0; i < static_cast<std::size_t>(info(node.op).arity); ++i)
      args[i] = at(node.args[i], row, column);
    return apply(node, args);
  }

  /// Of a table; NaN, 0 or false out of its range.
  Value entry(const Node& node, std::int64_t index) const {
    const std::vector<Scalar>& table = arguments_[node.param];
    if (index >= 0 && static_cast<std::uint64_t>(index) < table.size()) {
      const Scalar& given = table[static_cast<std::size_t>(index)];
      return {static_cast<Real>(given.real), given.integer};
    }
    return {is_float(node.type) ? std::numeric_limits<Real>::quiet_NaN() : Real(0), 0};
  }

  Value cast(const Node& node, const Value& from) const {
    const DType of = kernel_.node(node.args[0]).type;
    if (node.storage == of)
      return from;
    if (is_float(node.storage))
      return {with_float(node.storage,
                         [&]<DType format>() {
                           return is_float(of) ? round_float<format, Real>(from.real)
                                               : round_float<format, Real>(from.integer);
                         }),
              0};
    if (!is_float(of))
      return {0, eval::wrap(node.storage, from.integer)};
    return {0, node.storage == DType::boolean ? std::int64_t{from.real != 0}
                                              : eval::saturate(node.storage, from.real)};
  }

  Value apply(const Node& node, const std::array<Value, 3>& args) const {
    if (is_float(kernel_.node(node.args[0]).type)) {
      if (arithmetic_ == Arithmetic::exact)
        return in<Real>(node, args);
      const bool single = kernel_.node(node.args[0]).type == DType::f32;
      if (eval::is_exactly_rounded(node.op))
        return single ? in<float>(node, args) : in<double>(node, args);
      return single ? in<double>(node, args) : in<long double>(node, args);
    }
    return eval::with_integer(node.op, [&]<class F>(F f) -> Value {
      using Result = std::invoke_result_t<F, std::int64_t, std::int64_t, std::int64_t>;
      if constexpr (std::is_same_v<Result, eval::None>)
        return {};
      else
        return {0, eval::wrap(node.type == DType::boolean ? DType::i64 : node.type,
                              f(args[0].integer, args[1].integer, args[2].integer))};
    });
  }

  /// One operation on floats, computed as T and rounded to the node's type.
  template <class T>
  Value in(const Node& node, const std::array<Value, 3>& args) const {
    return eval::with_real<T>(node.op, [&]<class F>(F f) -> Value {
      using Result = std::invoke_result_t<F, T, T, T>;
      if constexpr (std::is_same_v<Result, eval::None>) {
        return {};
      } else {
        const Result result = f(static_cast<T>(args[0].real), static_cast<T>(args[1].real),
                                static_cast<T>(args[2].real));
        if constexpr (std::is_same_v<Result, bool>)
          return {0, result};
        else
          return {rounded(node.type, perturbed(static_cast<long double>(result))), 0};
      }
    });
  }

  /// The largest relative error that a right device makes in one operation.
  static long double error_of(Op op, DType type, Accuracy accuracy) {
    constexpr long double kHalf = 0x1p-17L; // of functions at half accuracy
    if (accuracy == Accuracy::half && is_approximate(op))
      return kHalf;
    return full_error_ulps(op, type) * (type == DType::f64 ? 0x1p-52L : 0x1p-23L);
  }

  long double perturbed(long double value) const {
    if (arithmetic_ != Arithmetic::perturbed || !std::isfinite(value))
      return value;
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const long double unit = static_cast<long double>(random_ >> 32) * 0x1p-31L - 1;
    return value + value * unit * error_;
  }

  Real rounded(DType type, long double value) const {
    return static_cast<Real>(arithmetic_ == Arithmetic::exact ? value : round_to(type, value));
  }

  Value reduced(const Node& node, std::int64_t row, std::int64_t column) const {
    const NodeId operand = node.args[0];
    const OpForm form = info(node.op).form;
    const bool over_rows = form == OpForm::over_col;
    const std::int64_t count = over_rows          ? size_.rows
                               : takes_size(form) ? node.space.group
                                                  : size_.columns;
    const auto term = [&](std::int64_t i) {
      if (form == OpForm::over_col_group)
        return is_left_out(row + i) ? Value{} : at(operand, row + i, column);
      if (over_rows)
        return is_left_out(i) ? Value{} : at(operand, i, column);
      return at(operand, row, column + i);
    };
    const auto combine = [&](const Value& a, const Value& b) {
      return apply(node, {a, b, Value{}});
    };
    if (is_extreme(node.op)) {
      std::optional<Value> result; // none of a group that is left out
      for (std::int64_t i = 0; i < count; ++i)
        if (form != OpForm::over_col_group || !is_left_out(row + i))
          result = result ? combine(*result, term(i)) : term(i);
      return result.value_or(Value{});
    }
    if (node.op == Op::row_mean) {
      const Value sum = sum_columns(count, Value{}, term, combine);
      const Node division{.op = Op::div, .type = node.type, .args = {operand, operand, 0}};
      return apply(division, {sum, Value{rounded(node.type, count), 0}, Value{}});
    }
    if (form == OpForm::over_col_group)
      return sum_in_order(count, Value{}, term, combine);
    return over_rows ? sum_rows(count, Value{}, term, combine)
                     : sum_columns(count, Value{}, term, combine);
  }

  const Kernel& kernel_;
  CallSize size_;
  std::span<const std::vector<Scalar>> arguments_;
  Arithmetic arithmetic_;
  std::vector<bool> left_out_;
  std::vector<Accuracy> accuracies_; ///< by node
  mutable std::uint64_t random_;
  long double error_ = 0;                  ///< of the node at hand
  std::vector<std::vector<Value>> values_; ///< by node, as many as its space has
};

void check_call(const Kernel& kernel, CallSize size,
                std::span<const std::vector<Scalar>> arguments) {
  for (const Node& node : kernel.nodes()) {
    values_of(node.space, size);
    const bool extreme = is_extreme(node.op) && info(node.op).form == OpForm::over_row;
    if (extreme && size.columns == 0 && size.rows > 0)
      refuse(fmt::format("'{}' of kernel '{}' over rows of 0 columns: there is no value to give",
                         info(node.op).spelling, kernel.name()));
  }
  for (std::size_t p = 0; p < kernel.params().size(); ++p) {
    const Param& param = kernel.params()[p];
    const std::int64_t expected = values_of(param.space(), size);
    const bool needed = (!param.is_tensor() || param.is_read()) && !param.is_table();
    if (needed && static_cast<std::int64_t>(arguments[p].size()) != expected)
      refuse(fmt::format("parameter '{}' has {} values, expected {}", param.name,
                         arguments[p].size(), expected));
  }
}

bool holds_f64(const Kernel& kernel) {
  for (const Node& node : kernel.nodes())
    if (node.type == DType::f64 || node.storage == DType::f64)
      return true;
  return false;
}

} // namespace

std::int64_t values_of(Space space, CallSize size) {
  if (space.broadcast == Broadcast::per_group && size.columns % space.group != 0)
    refuse(fmt::format("groups of {} columns do not divide rows of {} columns", space.group,
                       size.columns));
  if (space.broadcast == Broadcast::per_column_group && size.rows % space.group != 0)
    refuse(fmt::format("groups of {} rows do not divide {} rows", space.group, size.rows));
  const Steps steps = steps_of(space, size);
  return steps.rows * steps.columns;
}

std::vector<std::vector<Scalar>> evaluate_rows(const Kernel& kernel, CallSize size,
                                               std::span<const std::vector<Scalar>> arguments,
                                               Arithmetic arithmetic, std::uint64_t seed,
                                               const std::vector<bool>& left_out) {
  const DefaultFloatEnvironment environment;
  check_call(kernel, size, arguments);
  if (arithmetic == Arithmetic::exact && holds_f64(kernel))
    return RowEvaluator<long double>(kernel, size, arguments, arithmetic, seed, left_out).run();
  return RowEvaluator<double>(kernel, size, arguments, arithmetic, seed, left_out).run();
}

std::vector<bool> skipped_rows(const Kernel& kernel, CallSize size,
                               std::span<const std::vector<Scalar>> arguments) {
  const DefaultFloatEnvironment environment;
  return RowEvaluator<double>(kernel, size, arguments, Arithmetic::machine, 0, {}).skipped();
}

} // namespace swage::ir
