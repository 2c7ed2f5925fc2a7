// random_kernel.hpp -- kernels at random, driven by the op table, for property tests.
//
// The same seed gives the same kernel on every platform: no distribution of the standard library is
// used, whose results are each library's own.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ir/accuracy.hpp"
#include "ir/arithmetic.hpp"
#include "ir/kernel.hpp"
#include "ir/ops.hpp"
#include "swage/dtype.hpp"

namespace swage::test {

/// Random numbers from a seed.
class Random {
public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  /// In [0, bound).
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(engine_() % bound); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class Range>
  const auto& pick(const Range& range) {
    return range[below(std::size(range))];
  }
  /// Storage bits of `type`: special values, values of ordinary size and any bits, mixed.
  std::uint64_t element(DType type);

private:
  std::mt19937_64 engine_;
};

/// Those whose elements have bytes of their own: with others rows are even.
inline std::vector<DType> all_dtypes() {
  std::vector<DType> types;
  for (int i = 0; i < kDTypeCount; ++i)
    if (const auto type = static_cast<DType>(i); !is_packed(type))
      types.push_back(type);
  return types;
}

struct RandomKernelOptions {
  std::size_t nodes = 30;  ///< operations that are tried; a few may merge or stay unused
  std::size_t inputs = 3;  ///< `in` tensors
  std::size_t inouts = 0;  ///< `inout` tensors
  std::size_t outputs = 2; ///< `out` tensors
  std::size_t scalars = 1; ///< run-time scalars
  bool broadcasts = true;  ///< some inputs are [row] or [col]
  bool reductions = false; ///< also sums and maxima along rows, and tensors of all spaces
  bool over_rows = true;   ///< of these, also sums over rows, and outputs they are for
  bool places = false;     ///< also tables, an index of them, and the numbers of columns
  std::vector<std::uint32_t> groups = {1, 2, 3, 4, 8, 12}; ///< sizes; all divide 24
  /// Rows of groups of rows; 0: none. With them nothing is reduced along rows or over all of them,
  /// unless `rows_beside_groups`.
  std::uint32_t group_rows = 0;
  bool rows_beside_groups = false;
  bool orderless = false;        ///< no sums of floats down groups of rows
  bool special_constants = true; ///< infinities, NaN, -0 and extremes among the constants
  ir::MathMode math = ir::MathMode::accurate;
  std::vector<DType> dtypes = all_dtypes();
  std::vector<ir::Op> ops; ///< empty: every operation of the table

  /// Floats of up to 32 bits only, and the operations among them.
  static RandomKernelOptions narrow_floats() {
    RandomKernelOptions options;
    options.dtypes = {f32, f16, bf16};
    return options;
  }
};

/// A kernel of random operations on random operands, most of them used. Bool comes in by
/// comparisons even where `dtypes` leaves it out. Passes `ir::verify`.
inline ir::Kernel random_kernel(std::uint64_t seed, const RandomKernelOptions& options = {});

/// Every operation of the table that works on elements, and the cast.
inline std::vector<ir::Op> all_ops() {
  std::vector<ir::Op> ops;
  for (int i = 0; i < ir::kOpCount; ++i) {
    const auto op = static_cast<ir::Op>(i);
    if (ir::info(op).arity > 0 && !ir::reaches_beyond(op))
      ops.push_back(op);
  }
  return ops;
}

/// Those whose bits are promised everywhere. The sign of a NaN is nobody's promise, and copysign
/// would show it.
inline std::vector<ir::Op> ops_with_bits() {
  std::vector<ir::Op> ops = all_ops();
  std::erase_if(
      ops, [](ir::Op op) { return !ir::eval::is_exactly_rounded(op) || op == ir::Op::copysign; });
  return ops;
}

namespace detail {

class KernelMaker {
public:
  KernelMaker(std::uint64_t seed, const RandomKernelOptions& options)
      : random_(seed), options_(options), ops_(options.ops.empty() ? all_ops() : options.ops),
        params_(make_params()), builder_("random_" + std::to_string(seed), options.math, params_) {}

  ir::Kernel run() && {
    for (std::uint32_t p = 0; p < params_.size(); ++p) {
      if (params_[p].is_table())
        tables_.push_back(p);
      else if (params_[p].is_read())
        add(builder_.load(p));
      else if (!params_[p].is_tensor())
        add(builder_.scalar(p));
    }
    if (options_.places)
      add(builder_.col_index());
    for (std::size_t i = 0; i < options_.nodes; ++i)
      add_operation();
    for (std::uint32_t p = 0; p < params_.size(); ++p)
      if (params_[p].is_written())
        builder_.store(p, fitted(params_[p], value_for(params_[p].dtype)));
    return std::move(builder_).build();
  }

private:
  /// How many values back an operand is looked for: bounds the time that large kernels take.
  static constexpr std::size_t kReach = 200;

  std::vector<ir::Param> make_params() {
    std::vector<ir::Param> params;
    const auto several = [&](std::size_t count, std::string_view name, ir::ParamKind kind) {
      for (std::size_t i = 0; i < count; ++i) {
        ir::Param param{std::string(name) + std::to_string(i), kind, random_.pick(options_.dtypes)};
        if (kind == ir::ParamKind::in && options_.broadcasts && random_.one_in(4) &&
            !is_packed(param.dtype))
          param.broadcast = random_.one_in(2) ? ir::Broadcast::per_row : ir::Broadcast::per_column;
        if (options_.reductions && kind != ir::ParamKind::scalar && random_.one_in(3) &&
            !is_packed(param.dtype))
          spread(param);
        params.push_back(std::move(param));
      }
    };
    several(options_.inputs, "x", ir::ParamKind::in);
    several(options_.inouts, "t", ir::ParamKind::inout); // the printer's favourite letter
    several(options_.outputs, "y", ir::ParamKind::out);
    several(options_.scalars, "s", ir::ParamKind::scalar);
    if (options_.places) {
      const DType index = random_.one_in(3) ? i64 : random_.one_in(3) ? i8 : i32;
      params.push_back({"id", ir::ParamKind::in, index, ir::Broadcast::per_row});
      for (const char* name : {"a", "b"}) {
        DType type = random_.pick(options_.dtypes);
        while (is_packed(type)) // which a table is not of
          type = random_.pick(options_.dtypes);
        params.push_back({name, ir::ParamKind::in, type, ir::Broadcast::table});
      }
    }
    return params;
  }

  void spread(ir::Param& param) {
    static constexpr ir::Broadcast kSpaces[] = {ir::Broadcast::per_row, ir::Broadcast::per_column,
                                                ir::Broadcast::per_group,
                                                ir::Broadcast::per_tensor};
    param.broadcast = random_.pick(kSpaces);
    const bool any_space = options_.rows_beside_groups && random_.one_in(2);
    if (options_.group_rows > 0 && !any_space && (param.is_written() || random_.one_in(2)))
      param.broadcast = random_.one_in(3) && !options_.groups.empty()
                            ? ir::Broadcast::per_group
                            : ir::Broadcast::per_column_group;
    if (options_.groups.empty() && param.broadcast == ir::Broadcast::per_group)
      param.broadcast = ir::Broadcast::per_column_group;
    if (!options_.over_rows && param.is_written() &&
        (param.broadcast == ir::Broadcast::per_column ||
         param.broadcast == ir::Broadcast::per_tensor))
      param.broadcast = ir::Broadcast::per_row;
    param.group = param.broadcast == ir::Broadcast::per_group          ? group()
                  : param.broadcast == ir::Broadcast::per_column_group ? options_.group_rows
                                                                       : 0;
  }

  std::uint32_t group() { return random_.pick(options_.groups); }

  /// `id`, reduced until it can be stored to `param`.
  ir::NodeId fitted(const ir::Param& param, ir::NodeId id) {
    if (ir::may_store(param, builder_.node(id).space))
      return id;
    const auto reduce = [&](ir::Op op) { id = builder_.make(op, std::array{id}); };
    if (type(id) == boolean)
      id = builder_.cast(param.dtype, constant(compute_type(param.dtype)));
    else if (param.broadcast == ir::Broadcast::per_row)
      reduce(ir::Op::row_max);
    else if (param.broadcast == ir::Broadcast::per_group)
      id = builder_.make(ir::Op::group_max, std::array{id}, param.group);
    else if (param.broadcast == ir::Broadcast::per_column_group)
      id = builder_.make(ir::Op::col_group_max, std::array{id}, param.group);
    else
      reduce(ir::Op::col_sum);
    if (param.broadcast == ir::Broadcast::per_tensor && type(id) != boolean)
      reduce(ir::Op::row_sum);
    return id;
  }

  void add(ir::NodeId id) {
    if (in_pool_.size() <= id)
      in_pool_.resize(id + 1, false);
    if (!in_pool_[id])
      pool_.push_back(id);
    in_pool_[id] = true;
  }

  DType type(ir::NodeId id) const { return builder_.node(id).type; }

  /// A compute type that the parameters may have.
  DType any_type() { return compute_type(random_.pick(options_.dtypes)); }

  ir::NodeId constant(DType type) {
    static constexpr double kPlain[] = {0, 1, -1, 2, 0.5, -0.25, 3, 1.702, -0.044715, 100};
    static constexpr double kSpecial[] = {-0.0,      HUGE_VAL,
                                          -HUGE_VAL, std::numeric_limits<double>::quiet_NaN(),
                                          1e-45,     3.4028234663852886e38,
                                          0x1p-126,  16777216,
                                          0.1,       1e-310};
    static constexpr std::int64_t kIntegers[] = {0, 1, -1, 2, 3, -7, 127, 128, 255, -128, 65536};
    static constexpr std::int64_t kExtreme[] = {
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
    const bool special = options_.special_constants && random_.one_in(3);
    if (type == DType::boolean)
      return builder_.integer(type, random_.one_in(2));
    if (is_float(type))
      return builder_.real(type, special ? random_.pick(kSpecial) : random_.pick(kPlain));
    return builder_.integer(type, special ? random_.pick(kExtreme) : random_.pick(kIntegers));
  }

  /// A value of compute type `type`: one that nothing uses yet, any other, a constant, or a cast.
  ir::NodeId operand(DType type) {
    if (random_.one_in(6))
      return constant(type);
    std::vector<ir::NodeId> fitting, fresh;
    const std::size_t oldest = pool_.size() < kReach ? 0 : pool_.size() - kReach;
    for (std::size_t i = oldest; i < pool_.size(); ++i) {
      const ir::NodeId id = pool_[i];
      if (this->type(id) != type)
        continue;
      fitting.push_back(id);
      if (!used(id))
        fresh.push_back(id);
    }
    if (!fresh.empty() && !random_.one_in(3))
      return use(random_.pick(fresh));
    if (!fitting.empty())
      return use(random_.pick(fitting));
    if (type == DType::boolean || !allows(ir::Op::cast) || pool_.empty())
      return constant(type);
    return use(cast_to(type));
  }

  bool used(ir::NodeId id) const { return id < used_.size() && used_[id]; }
  ir::NodeId use(ir::NodeId id) {
    if (used_.size() <= id)
      used_.resize(id + 1, false);
    used_[id] = true;
    return id;
  }
  bool allows(ir::Op op) const { return std::find(ops_.begin(), ops_.end(), op) != ops_.end(); }

  ir::NodeId cast_to(DType storage) {
    const ir::NodeId id = builder_.cast(storage, use(random_.pick(pool_)));
    add(id);
    return id;
  }

  bool has(bool (*admits)(DType) noexcept) const {
    return std::any_of(options_.dtypes.begin(), options_.dtypes.end(), admits);
  }

  DType float_type() {
    for (;;)
      if (const DType type = any_type(); is_float(type))
        return type;
  }

  DType number_type() {
    for (;;)
      if (const DType type = any_type(); type != DType::boolean)
        return type;
  }

  /// Whether the types asked for give `rule` anything to work on.
  bool admitted(ir::TypeRule rule) const {
    switch (rule) {
    case ir::TypeRule::real:
    case ir::TypeRule::test: return has(is_float);
    case ir::TypeRule::number:
    case ir::TypeRule::order:
      return has([](DType type) noexcept { return type != DType::boolean; });
    default: return true;
    }
  }

  void add_reduction() {
    static constexpr ir::Op kReductions[] = {
        ir::Op::row_sum,   ir::Op::row_mean,  ir::Op::row_max,   ir::Op::row_min,
        ir::Op::group_sum, ir::Op::group_max, ir::Op::group_min, ir::Op::col_sum};
    static constexpr ir::Op kOfGroups[] = {ir::Op::group_sum,     ir::Op::group_max,
                                           ir::Op::col_group_sum, ir::Op::col_group_max,
                                           ir::Op::col_group_sum, ir::Op::col_group_min};
    const bool of_groups =
        options_.group_rows > 0 && !(options_.rows_beside_groups && random_.one_in(2));
    ir::Op op = of_groups ? random_.pick(kOfGroups) : random_.pick(kReductions);
    if (options_.groups.empty())
      op = op == ir::Op::group_sum   ? ir::Op::col_group_sum
           : op == ir::Op::group_max ? ir::Op::col_group_max
                                     : op;
    const bool mean = op == ir::Op::row_mean;
    if (!options_.over_rows && op == ir::Op::col_sum)
      return;
    if (!admitted(mean ? ir::TypeRule::real : ir::TypeRule::number))
      return;
    const ir::NodeId of = operand(mean ? float_type() : number_type());
    if (options_.orderless && op == ir::Op::col_group_sum && is_float(type(of)))
      op = ir::Op::col_group_min;
    add(builder_.make(op, std::array{of},
                      ir::info(op).form == ir::OpForm::over_group       ? group()
                      : ir::info(op).form == ir::OpForm::over_col_group ? options_.group_rows
                                                                        : 0));
  }

  /// A value of a table; any integer of one value a row, or one for all, is an index.
  void add_lookup() {
    std::vector<ir::NodeId> indices;
    for (const ir::NodeId id : pool_)
      if (is_integer(type(id)) &&
          ir::spreads_over(builder_.node(id).space, {ir::Broadcast::per_row}))
        indices.push_back(id);
    if (!indices.empty())
      add(builder_.lookup(random_.pick(tables_), use(random_.pick(indices))));
  }

  void add_operation() {
    if (options_.places && random_.one_in(6))
      return add_lookup();
    if (options_.reductions && random_.one_in(6))
      return add_reduction();
    const ir::Op op = random_.pick(ops_);
    if (!admitted(ir::info(op).rule))
      return;
    std::vector<ir::NodeId> args;
    const auto alike = [&](DType type) {
      for (int i = 0; i < ir::info(op).arity; ++i)
        args.push_back(operand(type));
    };
    switch (ir::info(op).rule) {
    case ir::TypeRule::leaf:
    case ir::TypeRule::reduce:
    case ir::TypeRule::reduce_real: return;
    case ir::TypeRule::cast:
      if (!pool_.empty())
        cast_to(random_.pick(options_.dtypes));
      return;
    case ir::TypeRule::number:
    case ir::TypeRule::order: alike(number_type()); break;
    case ir::TypeRule::real:
    case ir::TypeRule::test: alike(float_type()); break;
    case ir::TypeRule::compare: alike(random_.one_in(4) ? boolean : any_type()); break;
    case ir::TypeRule::logic: alike(boolean); break;
    case ir::TypeRule::select: {
      const DType type = random_.one_in(6) ? boolean : any_type();
      args = {operand(boolean), operand(type), operand(type)};
      break;
    }
    }
    add(builder_.make(op, args));
  }

  /// A late value of the type that a store to `dtype` takes.
  ir::NodeId value_for(DType dtype) {
    const DType wanted = compute_type(dtype);
    std::vector<ir::NodeId> fitting;
    for (auto id = pool_.rbegin(); id != pool_.rend() && fitting.size() < 3; ++id)
      if (type(*id) == wanted && !used(*id))
        fitting.push_back(*id);
    if (!fitting.empty())
      return use(random_.pick(fitting));
    for (auto id = pool_.rbegin(); id != pool_.rend(); ++id)
      if (type(*id) == wanted)
        return use(*id);
    return allows(ir::Op::cast) && !pool_.empty() ? use(cast_to(dtype)) : constant(wanted);
  }

  Random random_;
  const RandomKernelOptions& options_;
  std::vector<ir::Op> ops_;
  std::vector<ir::Param> params_;
  ir::KernelBuilder builder_;
  std::vector<std::uint32_t> tables_;
  std::vector<ir::NodeId> pool_;
  std::vector<bool> in_pool_; ///< by node
  std::vector<bool> used_;    ///< by node
};

} // namespace detail

inline ir::Kernel random_kernel(std::uint64_t seed, const RandomKernelOptions& options) {
  return detail::KernelMaker(seed, options).run();
}

inline std::uint64_t Random::element(DType type) {
  const std::uint64_t any = bits();
  if (type == DType::boolean)
    return any & 1;
  if (!is_float(type))
    return one_in(2) ? any : any % 9 - 4; // wraps to small negative and positive numbers
  if (is_byte_float(type))
    return any & 0xff; // every code is near something special
  struct Layout {
    int mantissa, exponent;
  };
  const Layout layout = type == f64   ? Layout{52, 11}
                        : type == f32 ? Layout{23, 8}
                        : type == f16 ? Layout{10, 5}
                                      : Layout{7, 8};
  const std::uint64_t fraction = any & ((std::uint64_t{1} << layout.mantissa) - 1);
  const std::uint64_t sign = (any >> 63) << (layout.mantissa + layout.exponent);
  const std::uint64_t bias = (std::uint64_t{1} << (layout.exponent - 1)) - 1;
  const auto field = [&](std::uint64_t exponent) { return exponent << layout.mantissa; };
  switch (below(8)) {
  case 0: return sign;                                                    // zero
  case 1: return sign | fraction;                                         // subnormal
  case 2: return sign | field(2 * bias + 1) | (one_in(2) ? 0 : fraction); // infinity or NaN
  case 3: return sign | field(any >> 52 & (2 * bias + 1)) | fraction;     // any size
  default: return sign | field(bias - 4 + below(8)) | fraction;           // near one
  }
}

/// `count` elements of `type` in storage format.
inline std::vector<std::byte> random_elements(Random& random, DType type, std::size_t count) {
  const auto size = static_cast<std::size_t>(size_of(type));
  std::vector<std::byte> bytes(count * size);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random.element(type);
    for (std::size_t k = 0; k < size; ++k)
      bytes[i * size + k] = static_cast<std::byte>(bits >> (8 * k));
  }
  return bytes;
}

/// Everything a row has, with operations whose bits are known.
inline const std::string kRowKernel =
    "kernel k<T>(x: in T, w: in T [col], r: in f32 [row], t: in f32 [tensor], s: f32, y: out T, "
    "total: out f32 [row], mean: out f32 [row], top: out f32 [row]) {"
    "  let a = f32(x) * s + t;"
    "  let m = row_mean(a);"
    "  let spread = row_sum((a - m) * (a - m));"
    "  total = spread; mean = m * r; top = row_max(abs(a)) + row_min(f32(w) * r);"
    "  y = T((a - m) / sqrt(spread + 1) * f32(w) + row_max(a)); }";

/// A kernel with reductions along its rows, of operations whose bits are defined. None for seeds
/// that give no tensor of one value an element, which would say how many columns there are.
inline std::optional<ir::Kernel> random_row_kernel(std::uint64_t seed, bool over_rows = false,
                                                   bool places = false) {
  RandomKernelOptions options;
  options.reductions = true;
  options.over_rows = over_rows;
  options.places = places;
  options.groups = {4};
  options.nodes = 20;
  options.ops = ops_with_bits();
  ir::Kernel kernel = random_kernel(seed, options);
  const bool shaped = std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
    return param.is_tensor() && param.broadcast == ir::Broadcast::none;
  });
  return shaped ? std::optional(std::move(kernel)) : std::nullopt;
}

/// A kernel with groups of `rows` rows and of `columns` columns, of operations whose bits are
/// defined. None for seeds that give no tensor of elements, or no groups of rows.
inline std::optional<ir::Kernel> random_tile_kernel(std::uint64_t seed, std::uint32_t rows,
                                                    std::uint32_t columns) {
  RandomKernelOptions options;
  options.reductions = true;
  options.over_rows = false;
  options.group_rows = rows;
  options.groups = {columns};
  options.nodes = 20;
  options.outputs = 3;
  options.inouts = seed % 3 == 0;
  options.ops = ops_with_bits();
  ir::Kernel kernel = random_kernel(seed, options);
  const bool shaped = std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
    return param.is_tensor() && param.broadcast == ir::Broadcast::none;
  });
  const bool grouped = std::ranges::any_of(kernel.nodes(), [](const ir::Node& node) {
    return node.space.broadcast == ir::Broadcast::per_column_group;
  });
  return shaped && grouped ? std::optional(std::move(kernel)) : std::nullopt;
}

/// Whether a GPU computes a division or a root of `kernel` by its approximate instructions: what
/// reaches 16-bit results alone. No bits are promised then.
inline bool divides_approximately(const ir::Kernel& kernel) {
  const std::vector<ir::Accuracy> accuracies = ir::accuracies(kernel);
  for (std::size_t id = 0; id < accuracies.size(); ++id) {
    const ir::Op op = kernel.nodes()[id].op;
    if (accuracies[id] == ir::Accuracy::half &&
        (op == ir::Op::div || op == ir::Op::rcp || op == ir::Op::sqrt || op == ir::Op::rsqrt))
      return true;
  }
  return false;
}

} // namespace swage::test
