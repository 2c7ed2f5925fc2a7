// evaluate.cpp -- the op table run over columns of values, one loop an operation.
#include "ir/evaluate.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "ir/arithmetic.hpp"
#include "ir/float_environment.hpp"
#include "ir/float_format.hpp"
#include "ir/rebuild.hpp"
#include "swage/error.hpp"

namespace swage::ir {

namespace {

/// The i-th element of `elements` as an unsigned word of its size.
template <class Word>
Word word_at(const Elements& elements, std::size_t i) noexcept {
  Word word;
  std::memcpy(&word,
              static_cast<const char*>(elements.data) +
                  static_cast<std::ptrdiff_t>(i) * elements.stride,
              sizeof word);
  return word;
}

template <DType type>
using StorageWord = std::conditional_t<
    type == DType::f64, std::uint64_t,
    std::conditional_t<type == DType::f32, std::uint32_t,
                       std::conditional_t<is_byte_float(type), std::uint8_t, std::uint16_t>>>;

/// Calls `visit(Word{})` with the C++ type that an integer type or bool is stored in.
template <class Visit>
decltype(auto) with_integer_word(DType type, Visit&& visit) {
  switch (type) {
  case DType::i8: return visit(std::int8_t{});
  case DType::i16: return visit(std::int16_t{});
  case DType::i32: return visit(std::int32_t{});
  case DType::i64: return visit(std::int64_t{});
  default: return visit(std::uint8_t{});
  }
}

} // namespace

/// The workspace of one call seen as columns of `count` values. The loops are all that costs time.
template <class Real>
struct Evaluator::Frame {
  Real* reals;
  std::int64_t* integers;
  std::size_t count;

  Real* real(std::uint32_t slot) const noexcept { return reals + slot * count; }
  std::int64_t* integer(std::uint32_t slot) const noexcept { return integers + slot * count; }

  /// out[i] = f(a[i], b[i], c[i]); the result's type says which columns it goes to.
  template <class Value, class F>
  void apply(const Step& step, F f, const Value* a, const Value* b, const Value* c) const noexcept {
    using Result = std::invoke_result_t<F, Value, Value, Value>;
    if constexpr (std::is_same_v<Result, Real>) {
      Real* __restrict out = real(step.to);
      for (std::size_t i = 0; i < count; ++i)
        out[i] = f(a[i], b[i], c[i]);
    } else if constexpr (!std::is_same_v<Result, eval::None>) {
      std::int64_t* __restrict out = integer(step.to);
      if (step.node.type == DType::i32)
        for (std::size_t i = 0; i < count; ++i)
          out[i] = static_cast<std::int32_t>(f(a[i], b[i], c[i]));
      else
        for (std::size_t i = 0; i < count; ++i)
          out[i] = static_cast<std::int64_t>(f(a[i], b[i], c[i]));
    }
  }

  void compute(const Step& step) const noexcept {
    const std::uint32_t a = step.from[0], b = step.from[1], c = step.from[2];
    const Op op = step.node.op;
    if (is_float(step.operand))
      eval::with_real<Real>(op, [&](auto f) { apply(step, f, real(a), real(b), real(c)); });
    else
      eval::with_integer(op, [&](auto f) { apply(step, f, integer(a), integer(b), integer(c)); });
  }

  void constant(const Step& step) const noexcept {
    if (is_float(step.node.type))
      std::fill_n(real(step.to), count, static_cast<Real>(step.node.real()));
    else
      std::fill_n(integer(step.to), count, step.node.integer());
  }

  template <class Value>
  void select(const std::int64_t* condition, const Value* yes, const Value* no,
              Value* __restrict out) const noexcept {
    for (std::size_t i = 0; i < count; ++i)
      out[i] = condition[i] != 0 ? yes[i] : no[i];
  }

  void select(const Step& step) const noexcept {
    const auto& [condition, yes, no] = step.from;
    if (is_float(step.node.type))
      select(integer(condition), real(yes), real(no), real(step.to));
    else
      select(integer(condition), integer(yes), integer(no), integer(step.to));
  }

  void cast(const Step& step) const noexcept {
    const DType storage = step.node.storage;
    const bool from_real = is_float(step.operand);
    if (storage == step.operand) { // to the type it is computed in: the identity
      if (from_real)
        std::copy_n(real(step.from[0]), count, real(step.to));
      else
        std::copy_n(integer(step.from[0]), count, integer(step.to));
    } else if (is_float(storage)) {
      with_float(storage, [&]<DType format>() {
        if (from_real)
          round<format>(real(step.from[0]), real(step.to));
        else
          round<format>(integer(step.from[0]), real(step.to));
      });
    } else {
      std::int64_t* __restrict out = integer(step.to);
      for (std::size_t i = 0; i < count; ++i)
        out[i] = from_real ? to_integer(storage, real(step.from[0])[i])
                           : eval::wrap(storage, integer(step.from[0])[i]);
    }
  }

  static std::int64_t to_integer(DType storage, Real value) noexcept {
    return storage == DType::boolean ? value != 0 : eval::saturate(storage, value);
  }

  template <DType format, class Value>
  void round(const Value* from, Real* __restrict to) const noexcept {
    for (std::size_t i = 0; i < count; ++i)
      to[i] = round_float<format, Real>(from[i]);
  }

  void load(const Step& step, DType dtype, const Scalar& value) const noexcept {
    if (is_float(dtype))
      *real(step.to) = static_cast<Real>(value.real);
    else
      *integer(step.to) = value.integer;
  }

  void load(const Step& step, DType dtype, const Elements& elements) const noexcept {
    if (is_float(dtype)) {
      with_float(dtype, [&]<DType format>() {
        Real* out = real(step.to);
        for (std::size_t i = 0; i < count; ++i)
          out[i] = decode_float<format, Real>(word_at<StorageWord<format>>(elements, i));
      });
    } else {
      with_integer_word(dtype, [&]<class Word>(Word) {
        std::int64_t* out = integer(step.to);
        for (std::size_t i = 0; i < count; ++i)
          out[i] = word_at<Word>(elements, i);
        if (dtype == DType::boolean)
          std::transform(out, out + count, out, [](std::int64_t byte) { return byte != 0; });
      });
    }
  }

  template <class Arguments>
  void run(const Evaluator& evaluator, const Arguments& arguments) const noexcept {
    for (const Step& step : evaluator.steps_) {
      switch (step.node.op) {
      case Op::load:
      case Op::scalar:
        load(step, evaluator.kernel_.params()[step.node.param].dtype, arguments[step.node.param]);
        break;
      case Op::constant: constant(step); break;
      case Op::cast: cast(step); break;
      case Op::select: select(step); break;
      default: compute(step);
      }
    }
  }
};

namespace {

/// The kernel with 1 - sigmoid(x) as sigmoid(-x), which has all its digits: what is multiplied by
/// the difference may be of any size.
Kernel with_complements(const Kernel& kernel) {
  KernelBuilder builder(kernel.name(), kernel.math(),
                        {kernel.params().begin(), kernel.params().end()});
  std::vector<NodeId> made;
  made.reserve(kernel.nodes().size());
  for (const Node& node : kernel.nodes()) {
    const auto [a, b, unused] = renamed_args(node, made);
    const bool complement = node.op == Op::sub && builder.node(a).op == Op::constant &&
                            is_float(node.type) && builder.node(a).real() == 1 &&
                            builder.node(b).op == Op::sigmoid;
    made.push_back(
        complement ? builder.make(Op::sigmoid, {builder.make(Op::neg, {builder.node(b).args[0]})})
                   : rebuild(builder, node, made));
  }
  for (const Store& store : kernel.stores())
    builder.store(store.param, made[store.node]);
  return std::move(builder).build();
}

} // namespace

Evaluator::Evaluator(Kernel kernel) : kernel_(std::move(kernel)) {
  if (std::ranges::any_of(kernel_.nodes(),
                          [](const Node& node) { return reaches_beyond(node.op); }))
    throw Error(ErrorCode::invalid_argument, "kernel '" + kernel_.name() + "' uses " +
                                                 beyond_elements(kernel_) +
                                                 ", so it is evaluated by rows, not by elements");
  const auto nodes = kernel_.nodes();
  wide_ = std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
    return node.type == DType::f64 || node.storage == DType::f64;
  });
  place(with_complements(kernel_));
}

void Evaluator::place(const Kernel& computed) {
  const auto nodes = computed.nodes();
  std::vector<NodeId> last_use(nodes.size(), 0);
  for (NodeId id = 0; id < nodes.size(); ++id)
    for (int i = 0; i < info(nodes[id].op).arity; ++i)
      last_use[nodes[id].args[static_cast<std::size_t>(i)]] = id;
  for (const Store& store : computed.stores())
    last_use[store.node] = static_cast<NodeId>(nodes.size());

  std::vector<std::uint32_t> slot(nodes.size(), 0);
  std::vector<std::uint32_t> free_reals, free_integers;
  steps_.reserve(nodes.size());
  for (NodeId id = 0; id < nodes.size(); ++id) {
    const Node& node = nodes[id];
    const bool real = is_float(node.type);
    auto& free = real ? free_reals : free_integers;
    // Taken before the operands' slots are given back, so that no loop writes what it reads.
    if (free.empty()) {
      slot[id] = real ? real_slots_++ : integer_slots_++;
    } else {
      slot[id] = free.back();
      free.pop_back();
    }
    Step step{.node = node, .operand = node.type, .to = slot[id]};
    const int arity = info(node.op).arity;
    if (arity > 0)
      step.operand = nodes[node.args[0]].type;
    for (int i = 0; i < arity; ++i) {
      const NodeId operand = node.args[static_cast<std::size_t>(i)];
      step.from[static_cast<std::size_t>(i)] = slot[operand];
      if (last_use[operand] == id) {
        (is_float(nodes[operand].type) ? free_reals : free_integers).push_back(slot[operand]);
        last_use[operand] = ~NodeId{0}; // an operand may occur twice, its slot is free once
      }
    }
    steps_.push_back(step);
  }
  for (const Store& store : computed.stores())
    stores_.push_back({nodes[store.node].type, slot[store.node]});
}

template <class Real>
Evaluator::Frame<Real> Evaluator::frame(std::size_t count, Workspace& workspace) const {
  const auto grown = [](auto& values, std::size_t size) {
    if (values.size() < size)
      values.resize(size);
    return values.data();
  };
  Real* reals;
  if constexpr (std::is_same_v<Real, double>)
    reals = grown(workspace.reals_, real_slots_ * count);
  else
    reals = grown(workspace.wides_, real_slots_ * count);
  return {reals, grown(workspace.integers_, integer_slots_ * count), count};
}

void Evaluator::operator()(std::span<const Scalar> arguments, std::span<Scalar> results,
                           Workspace& workspace) const {
  const DefaultFloatEnvironment environment;
  const auto evaluate = [&]<class Real>(Real) {
    const Frame<Real> values = frame<Real>(1, workspace);
    values.run(*this, arguments);
    for (std::size_t i = 0; i < stores_.size(); ++i) {
      results[i] = {};
      if (is_float(stores_[i].type))
        results[i].real = *values.real(stores_[i].index);
      else
        results[i].integer = *values.integer(stores_[i].index);
    }
  };
  if (wide_)
    evaluate(0.0L);
  else
    evaluate(0.0);
}

void Evaluator::batch(std::size_t count, std::span<const Elements> arguments,
                      std::span<Column> results, Workspace& workspace) const {
  if (count > kBatch)
    throw Error(ErrorCode::internal, "a batch of " + std::to_string(count) +
                                         " elements was asked for, expected at most " +
                                         std::to_string(kBatch));
  const DefaultFloatEnvironment environment;
  const auto evaluate = [&]<class Real>(Real) {
    const Frame<Real> values = frame<Real>(count, workspace);
    values.run(*this, arguments);
    for (std::size_t i = 0; i < stores_.size(); ++i) {
      results[i] = {};
      if (!is_float(stores_[i].type))
        results[i].integer = values.integer(stores_[i].index);
      else if constexpr (std::is_same_v<Real, double>)
        results[i].real = values.real(stores_[i].index);
      else
        results[i].wide = values.real(stores_[i].index);
    }
  };
  if (wide_)
    evaluate(0.0L);
  else
    evaluate(0.0);
}

void encode_column(DType type, const Column& column, std::size_t count, void* out) {
  auto* bytes = static_cast<char*>(out);
  const auto write = [&](std::size_t i, auto word) {
    std::memcpy(bytes + i * sizeof word, &word, sizeof word);
  };
  if (!is_float(type)) {
    for (std::size_t i = 0; i < count; ++i)
      store_bits(type, bytes + i * static_cast<std::size_t>(size_of(type)),
                 encode(type, {.integer = column.integer[i]}));
    return;
  }
  with_float(type, [&]<DType format>() {
    for (std::size_t i = 0; i < count; ++i)
      write(i,
            static_cast<StorageWord<format>>(column.wide ? encode_float<format>(column.wide[i])
                                                         : encode_float<format>(column.real[i])));
  });
}

namespace {

template <DType format, class Real>
void float_errors(const Elements& got, const Real* exact, std::size_t count, double* errors) {
  for (std::size_t i = 0; i < count; ++i)
    errors[i] = static_cast<double>(ulp_distance<format, Real>(
        decode_float<format, Real>(word_at<StorageWord<format>>(got, i)), exact[i]));
}

} // namespace

void ulp_errors(DType type, const Elements& got, const Column& exact, std::size_t count,
                double* errors) {
  const DefaultFloatEnvironment environment;
  if (is_float(type)) {
    with_float(type, [&]<DType format>() {
      if (exact.wide)
        float_errors<format>(got, exact.wide, count, errors);
      else if constexpr (format != DType::f64) // an f64 store makes its kernel a wide one
        float_errors<format>(got, exact.real, count, errors);
    });
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const void* element =
        static_cast<const char*>(got.data) + static_cast<std::ptrdiff_t>(i) * got.stride;
    const bool equal = load_bits(type, element) == encode(type, {.integer = exact.integer[i]});
    errors[i] = equal ? 0 : std::numeric_limits<double>::infinity();
  }
}

} // namespace swage::ir
