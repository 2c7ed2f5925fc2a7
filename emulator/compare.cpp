// compare.cpp -- comparisons and selections.
#include "emulator/decoder.hpp"

#include <array>

namespace swage::emulator {
namespace {

enum class Comparison { eq, ne, lt, le, gt, ge, equ, neu, ltu, leu, gtu, geu, num, nan };

template <class T>
constexpr bool is_unordered(T, T) {
  return false;
}
bool is_unordered(float a, float b) {
  return std::isnan(a) || std::isnan(b);
}
bool is_unordered(double a, double b) {
  return std::isnan(a) || std::isnan(b);
}

template <Comparison C, class T>
bool compare(T a, T b) {
  switch (C) {
  case Comparison::eq: return a == b;
  case Comparison::ne: return !is_unordered(a, b) && a != b;
  case Comparison::lt: return a < b;
  case Comparison::le: return a <= b;
  case Comparison::gt: return a > b;
  case Comparison::ge: return a >= b;
  case Comparison::equ: return is_unordered(a, b) || a == b;
  case Comparison::neu: return is_unordered(a, b) || a != b;
  case Comparison::ltu: return is_unordered(a, b) || a < b;
  case Comparison::leu: return is_unordered(a, b) || a <= b;
  case Comparison::gtu: return is_unordered(a, b) || a > b;
  case Comparison::geu: return is_unordered(a, b) || a >= b;
  case Comparison::num: return !is_unordered(a, b);
  case Comparison::nan: return is_unordered(a, b);
  }
  return false;
}

template <class T>
struct Integer {
  using Value = T;
  static T get(std::uint64_t bits) { return static_cast<T>(bits); }
};
struct FlushedF32 {
  using Value = float;
  static float get(std::uint64_t bits) { return flush(F32::get(bits)); }
};

// Predicate results, combined with `c` as the step says.
void combine(Warp& warp, const Step& step, const std::uint64_t* result) {
  std::uint64_t* const d = warp.row(step.d);
  std::uint64_t* const e = step.e != step.d ? warp.row(step.e) : nullptr;
  const std::uint64_t* const c = warp.row(step.c);
  for_lanes(warp, [&](unsigned lane) {
    const std::uint64_t with = c[lane] ^ (step.negated ? 1 : 0);
    const auto join = [&](std::uint64_t value) {
      switch (step.combine) {
      case Combine::conjunction: return value & with;
      case Combine::disjunction: return value | with;
      case Combine::exclusive: return value ^ with;
      case Combine::none: break;
      }
      return value;
    };
    if (e != nullptr)
      e[lane] = join(result[lane] ^ 1);
    d[lane] = join(result[lane]);
  });
}

template <class F, Comparison C>
void setp(Warp& warp, const Step& step) {
  const std::uint64_t* const a = warp.row(step.a);
  const std::uint64_t* const b = warp.row(step.b);
  if (step.combine == Combine::none && step.e == step.d) {
    std::uint64_t* const d = warp.row(step.d);
    for_lanes(warp, [=](unsigned lane) { d[lane] = compare<C>(F::get(a[lane]), F::get(b[lane])); });
    return;
  }
  std::uint64_t result[kLanes] = {};
  for_lanes(warp,
            [&](unsigned lane) { result[lane] = compare<C>(F::get(a[lane]), F::get(b[lane])); });
  combine(warp, step, result);
}

// Two comparisons of packed halves give two predicates.
template <class F, Comparison C>
void setp_packed(Warp& warp, const Step& step) {
  for_lanes(warp, [&](unsigned lane) {
    const std::uint64_t a = warp.row(step.a)[lane];
    const std::uint64_t b = warp.row(step.b)[lane];
    warp.row(step.d)[lane] = compare<C>(F::get(a & 0xffff), F::get(b & 0xffff));
    warp.row(step.e)[lane] = compare<C>(F::get(a >> 16), F::get(b >> 16));
  });
}

// The predicate of setp as all ones or 1.0.
template <Handler Inner>
void set_value(Warp& warp, const Step& step) {
  Inner(warp, step);
  std::uint64_t* const d = warp.row(step.d);
  const auto ones = static_cast<std::uint64_t>(step.immediate);
  for_lanes(warp, [=](unsigned lane) { d[lane] = d[lane] != 0 ? ones : 0; });
}

using Row14 = std::array<Handler, 14>;

template <class F, std::size_t... C>
constexpr Row14 setp_row(std::index_sequence<C...>) {
  return {setp<F, static_cast<Comparison>(C)>...};
}
template <class F, std::size_t... C>
constexpr Row14 set_row(std::index_sequence<C...>) {
  return {set_value<setp<F, static_cast<Comparison>(C)>>...};
}
template <class F, std::size_t... C>
constexpr Row14 packed_row(std::index_sequence<C...>) {
  return {setp_packed<F, static_cast<Comparison>(C)>...};
}

template <class Choose>
auto for_format(Decoder& d, Type type, bool ftz, Choose choose) {
  switch (type) {
  case Type::b16:
  case Type::u16: return choose.template operator()<Integer<std::uint16_t>>();
  case Type::b32:
  case Type::u32: return choose.template operator()<Integer<std::uint32_t>>();
  case Type::b64:
  case Type::u64: return choose.template operator()<Integer<std::uint64_t>>();
  case Type::s16: return choose.template operator()<Integer<std::int16_t>>();
  case Type::s32: return choose.template operator()<Integer<std::int32_t>>();
  case Type::s64: return choose.template operator()<Integer<std::int64_t>>();
  case Type::f32:
    return ftz ? choose.template operator()<FlushedF32>() : choose.template operator()<F32>();
  case Type::f64: return choose.template operator()<F64>();
  case Type::f16: return choose.template operator()<F16>();
  case Type::bf16: return choose.template operator()<BF16>();
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

int take_comparison(Decoder& d) {
  const int found = d.take_one_of(
      {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"},
      -1);
  if (found >= 0)
    return found;
  const int unsigned_order = d.take_one_of({"lo", "ls", "hi", "hs"}, -1);
  if (unsigned_order < 0)
    d.fail("the instruction names no comparison");
  return static_cast<int>(Comparison::lt) + unsigned_order;
}

void take_combination(Decoder& d, std::size_t operand) {
  d.step.combine = static_cast<Combine>(d.take_one_of({"and", "or", "xor"}, -1) + 1);
  d.expect_operands(d.step.combine == Combine::none ? operand : operand + 1);
  if (d.step.combine == Combine::none)
    return;
  d.step.c = d.source(operand, Type::pred);
  d.step.negated = d.operand(operand).negated;
}

constexpr auto kAll = std::make_index_sequence<14>();

struct Select {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return c != 0 ? a : b;
  }
};

template <bool Float>
struct SelectBySign {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return (Float ? F32::get(c) >= 0 : static_cast<std::int32_t>(c) >= 0) ? a : b;
  }
};

} // namespace

void decode_setp(Decoder& d) {
  const auto comparison = static_cast<std::size_t>(take_comparison(d));
  const bool ftz = d.take("ftz");
  const Type type = d.take_type();
  take_combination(d, 3);
  d.finish();
  const Operand& target = d.operand(0);
  const bool pair = target.kind == OperandKind::pair;
  d.step.d = d.destination_row(pair ? target.parts[0] : target, 1, true);
  d.step.e = pair ? d.destination_row(target.parts[1], 1, true) : d.step.d;
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, type);
  if (type == Type::f16x2 || type == Type::bf16x2) {
    if (!pair || d.step.combine != Combine::none)
      d.fail("a packed comparison needs two predicates and no combination");
    d.step.run = type == Type::f16x2 ? packed_row<F16>(kAll)[comparison]
                                     : packed_row<BF16>(kAll)[comparison];
    return;
  }
  d.step.run =
      for_format(d, type, ftz, [&]<class F>() -> Handler { return setp_row<F>(kAll)[comparison]; });
}

void decode_set(Decoder& d) {
  const auto comparison = static_cast<std::size_t>(take_comparison(d));
  const bool ftz = d.take("ftz");
  const Type result = d.take_type();
  const Type type = d.take_type();
  take_combination(d, 3);
  d.finish();
  d.destination(result);
  d.step.e = d.step.d;
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, type);
  d.step.immediate = result == Type::f32    ? 0x3f800000
                     : result == Type::f16  ? 0x3c00
                     : result == Type::bf16 ? 0x3f80
                     : size_of(result) == 2 ? 0xffff
                                            : 0xffffffff;
  d.step.run =
      for_format(d, type, ftz, [&]<class F>() -> Handler { return set_row<F>(kAll)[comparison]; });
}

void decode_selp(Decoder& d) {
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(4);
  d.destination(type);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, type);
  d.step.c = d.source(3, Type::pred);
  d.step.run = ternary<Select>;
}

void decode_slct(Decoder& d) {
  const Type type = d.take_type();
  const Type by = d.take_type();
  d.take("ftz");
  d.finish();
  d.expect_operands(4);
  d.destination(type);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, type);
  d.step.c = d.source(3, by);
  d.step.run = by == Type::f32 ? ternary<SelectBySign<true>> : ternary<SelectBySign<false>>;
}

} // namespace swage::emulator
