// floating.cpp -- IEEE arithmetic: one rounding each, PTX's NaN and flush-to-zero rules.
#include "emulator/decoder.hpp"

#include <cfenv>
#include <type_traits>

namespace swage::emulator {
namespace {

template <class F, bool Ftz>
typename F::Value get(std::uint64_t bits) {
  if constexpr (Ftz && std::is_same_v<F, F32>)
    return flush(F::get(bits));
  else
    return F::get(bits);
}

template <class F, bool Ftz>
std::uint64_t put(typename F::Value value) {
  if constexpr (Ftz && std::is_same_v<F, F32>)
    return F::put(flush(value));
  else
    return F::put(value);
}

template <class F>
typename F::Value saturate(typename F::Value value) {
  using V = typename F::Value;
  return value > V{0} ? (value < V{1} ? value : V{1}) : V{0}; // NaN gives +0
}

enum class Clamp { none, sat, relu };

template <class F, bool Ftz, Clamp C>
std::uint64_t finish(typename F::Value value) {
  using V = typename F::Value;
  if constexpr (C == Clamp::sat)
    return put<F, Ftz>(saturate<F>(value));
  else if constexpr (C == Clamp::relu)
    return put<F, Ftz>(value < V{0} ? V{0} : value);
  else
    return put<F, Ftz>(value);
}

template <class F, bool Ftz, Clamp C>
struct Add {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return finish<F, Ftz, C>(F::add(get<F, Ftz>(a), get<F, Ftz>(b)));
  }
};
template <class F, bool Ftz, Clamp C>
struct Sub {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return finish<F, Ftz, C>(F::add(get<F, Ftz>(a), -get<F, Ftz>(b)));
  }
};
template <class F, bool Ftz, Clamp C>
struct Mul {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return finish<F, Ftz, C>(F::mul(get<F, Ftz>(a), get<F, Ftz>(b)));
  }
};
template <class F, bool Ftz, Clamp C>
struct Fma {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return finish<F, Ftz, C>(F::fma(get<F, Ftz>(a), get<F, Ftz>(b), get<F, Ftz>(c)));
  }
};

/// Op of f32 whose operands but the last are of 16 bits, widened.
template <class Narrow, template <class, bool, Clamp> class Op>
struct Mixed {
  template <class F, bool Ftz, Clamp C>
  struct Of {
    static std::uint64_t widen(std::uint64_t bits) {
      return F32::put(static_cast<float>(Narrow::get(bits)));
    }
    static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
      return Op<F, Ftz, C>::eval(widen(a), b);
    }
    static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
      return Op<F, Ftz, C>::eval(widen(a), widen(b), c);
    }
  };
};

template <class F, bool Ftz, Clamp>
struct Div {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return put<F, Ftz>(get<F, Ftz>(a) / get<F, Ftz>(b));
  }
};
template <class F, bool Ftz, Clamp>
struct Rcp {
  static std::uint64_t eval(std::uint64_t a) {
    return put<F, Ftz>(typename F::Value{1} / get<F, Ftz>(a));
  }
};
template <class F, bool Ftz, Clamp>
struct Sqrt {
  static std::uint64_t eval(std::uint64_t a) { return put<F, Ftz>(std::sqrt(get<F, Ftz>(a))); }
};

// Without .NaN a NaN loses against a number; -0 is less than +0.
template <class F, bool Ftz, bool Maximum, bool PropagateNaN, bool XorSignAbs>
struct MinMax {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t sign = XorSignAbs ? (a ^ b) & F::kSign : 0;
    const std::uint64_t kept = XorSignAbs ? ~F::kSign : ~0ULL;
    const auto x = get<F, Ftz>(a & kept);
    const auto y = get<F, Ftz>(b & kept);
    if (std::isnan(x) || std::isnan(y)) {
      if (PropagateNaN || (std::isnan(x) && std::isnan(y)))
        return F::kNaN;
      return F::put(std::isnan(x) ? y : x) | sign;
    }
    const bool x_less = x < y || (x == y && std::signbit(x));
    return F::put(x_less == Maximum ? y : x) | sign;
  }
};
template <class Op>
struct Twice {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return Op::eval(Op::eval(a, b), c);
  }
};

template <class F, bool Ftz, bool Absolute>
struct NegAbs {
  static std::uint64_t eval(std::uint64_t a) {
    if constexpr (Ftz && std::is_same_v<F, F32>)
      a = std::bit_cast<std::uint32_t>(flush(F::get(a)));
    return Absolute ? a & ~F::kSign : a ^ F::kSign;
  }
};

template <std::uint64_t Sign>
struct CopySign {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) { return (b & ~Sign) | (a & Sign); }
};

template <class F>
void test_property(Warp& warp, const Step& step) {
  for_lanes(warp, [&](unsigned lane) {
    const auto value = F::get(warp.row(step.a)[lane]);
    const int kind = std::fpclassify(value);
    const bool results[] = {
        kind != FP_NAN && kind != FP_INFINITE, kind == FP_INFINITE, kind != FP_NAN, kind == FP_NAN,
        kind == FP_NORMAL || kind == FP_ZERO,  kind == FP_SUBNORMAL};
    warp.row(step.d)[lane] = results[step.function] ? 1 : 0;
  });
}

// The host rounds as the handler says; the handler's code does not know.
template <Handler Inner, int Mode>
void rounded(Warp& warp, const Step& step) {
  std::fesetround(Mode);
  Inner(warp, step);
  std::fesetround(FE_TONEAREST);
}

template <Handler Inner>
Handler with_rounding(Decoder& d, Rounding rounding) {
  switch (rounding) {
  case Rounding::nearest_even: return Inner;
  case Rounding::toward_zero: return rounded<Inner, FE_TOWARDZERO>;
  case Rounding::toward_minus: return rounded<Inner, FE_DOWNWARD>;
  case Rounding::toward_plus: return rounded<Inner, FE_UPWARD>;
  default: d.fail("unsupported rounding");
  }
}

Clamp take_clamp(Decoder& d) {
  return d.take("sat") ? Clamp::sat : d.take("relu") ? Clamp::relu : Clamp::none;
}

template <unsigned Arity, class Op>
constexpr Handler handler() {
  if constexpr (Arity == 1)
    return unary<Op>;
  else if constexpr (Arity == 2)
    return binary<Op>;
  else
    return ternary<Op>;
}

/// The handler of Op<format, ftz, clamp> for a scalar or packed type.
template <unsigned Arity, template <class, bool, Clamp> class Op>
Handler arithmetic(Decoder& d, Type type) {
  const Rounding rounding = d.take_rounding();
  const bool ftz = d.take("ftz");
  const Clamp clamp = take_clamp(d);
  const auto wide = [&]<class F, bool Ftz>() -> Handler {
    if (clamp == Clamp::relu)
      d.fail("no .relu for this type");
    return clamp == Clamp::sat
               ? with_rounding<handler<Arity, Op<F, Ftz, Clamp::sat>>()>(d, rounding)
               : with_rounding<handler<Arity, Op<F, Ftz, Clamp::none>>()>(d, rounding);
  };
  const auto narrow_format = [&]<class F>() -> Handler {
    if (rounding != Rounding::nearest_even)
      d.fail("16-bit arithmetic rounds to nearest even only");
    const bool packed = size_of(type) == 4;
    const auto pick = [&]<Clamp C>() -> Handler {
      return packed ? handler<Arity, Packed<Op<F, false, C>, 16>>()
                    : handler<Arity, Op<F, false, C>>();
    };
    return clamp == Clamp::sat    ? pick.template operator()<Clamp::sat>()
           : clamp == Clamp::relu ? pick.template operator()<Clamp::relu>()
                                  : pick.template operator()<Clamp::none>();
  };
  switch (type) {
  case Type::f32:
    return ftz ? wide.template operator()<F32, true>() : wide.template operator()<F32, false>();
  case Type::f64: return wide.template operator()<F64, false>();
  case Type::f32x2:
    return ftz ? with_rounding<handler<Arity, Packed<Op<F32, true, Clamp::none>, 32>>()>(d,
                                                                                         rounding)
               : with_rounding<handler<Arity, Packed<Op<F32, false, Clamp::none>, 32>>()>(d,
                                                                                          rounding);
  case Type::f16:
  case Type::f16x2: return narrow_format.template operator()<F16>();
  case Type::bf16:
  case Type::bf16x2: return narrow_format.template operator()<BF16>();
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

template <class F, bool Ftz, bool Maximum, unsigned Bits>
Handler min_max(Decoder& d) {
  const bool nan = d.take("NaN");
  const bool xorsign = d.take("xorsign");
  if (xorsign)
    d.take("abs");
  const bool three = d.operand_count() == 4;
  const auto pick = [&]<bool NaN, bool Xor>() -> Handler {
    using Op = MinMax<F, Ftz, Maximum, NaN, Xor>;
    if constexpr (Bits != 0)
      return three ? ternary<Packed<Twice<Op>, Bits>> : binary<Packed<Op, Bits>>;
    else
      return three ? ternary<Twice<Op>> : binary<Op>;
  };
  return xorsign ? (nan ? pick.template operator()<true, true>()
                        : pick.template operator()<false, true>())
                 : (nan ? pick.template operator()<true, false>()
                        : pick.template operator()<false, false>());
}

template <class F, unsigned Bits, bool Ftz>
Handler neg_abs(bool absolute) {
  if constexpr (Bits != 0)
    return absolute ? unary<Packed<NegAbs<F, Ftz, true>, Bits>>
                    : unary<Packed<NegAbs<F, Ftz, false>, Bits>>;
  else
    return absolute ? unary<NegAbs<F, Ftz, true>> : unary<NegAbs<F, Ftz, false>>;
}

// Division and roots exist for .f32 and .f64; through a wider type they would round twice.
Type only_wide(Decoder& d, Type type) {
  if (type != Type::f32 && type != Type::f64)
    d.fail("unsupported type ." + std::string(spelling(type)));
  return type;
}

/// The type of 16 bits of add.f32.f16 and the like (sm_100), `type` if there is none.
Type take_narrow(Decoder& d, Type type) {
  if (type != Type::f32)
    return type;
  const Type narrow = d.take("f16") ? Type::f16 : d.take("bf16") ? Type::bf16 : type;
  if (narrow != type)
    d.require(86, 100);
  return narrow;
}

template <class Narrow>
Handler mixed_add_sub(Decoder& d, bool subtract) {
  return subtract ? arithmetic<2, Mixed<Narrow, Sub>::template Of>(d, Type::f32)
                  : arithmetic<2, Mixed<Narrow, Add>::template Of>(d, Type::f32);
}

} // namespace

void decode_float_add_sub(Decoder& d, Type type, bool subtract) {
  const Type first = take_narrow(d, type);
  d.step.run = first == type
                   ? (subtract ? arithmetic<2, Sub>(d, type) : arithmetic<2, Add>(d, type))
               : first == Type::f16 ? mixed_add_sub<F16>(d, subtract)
                                    : mixed_add_sub<BF16>(d, subtract);
  d.finish();
  d.expect_operands(3);
  d.destination(type);
  d.step.a = d.source(1, first);
  d.step.b = d.source(2, type);
}

Handler float_mul(Decoder& d, Type type) {
  return arithmetic<2, Mul>(d, type);
}
Handler float_fma(Decoder& d, Type type) {
  return arithmetic<3, Fma>(d, type);
}

Handler float_min_max(Decoder& d, Type type, bool maximum) {
  const bool ftz = d.take("ftz");
  const auto pick = [&]<class F, bool Ftz, unsigned Bits>() -> Handler {
    return maximum ? min_max<F, Ftz, true, Bits>(d) : min_max<F, Ftz, false, Bits>(d);
  };
  switch (type) {
  case Type::f32:
    return ftz ? pick.template operator()<F32, true, 0>()
               : pick.template operator()<F32, false, 0>();
  case Type::f64: return pick.template operator()<F64, false, 0>();
  case Type::f16: return pick.template operator()<F16, false, 0>();
  case Type::bf16: return pick.template operator()<BF16, false, 0>();
  case Type::f16x2: return pick.template operator()<F16, false, 16>();
  case Type::bf16x2: return pick.template operator()<BF16, false, 16>();
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

Handler float_neg_abs(Decoder& d, Type type, bool absolute) {
  const bool ftz = d.take("ftz");
  switch (type) {
  case Type::f32: return ftz ? neg_abs<F32, 0, true>(absolute) : neg_abs<F32, 0, false>(absolute);
  case Type::f64: return neg_abs<F64, 0, false>(absolute);
  case Type::f16:
  case Type::bf16: return neg_abs<F16, 0, false>(absolute);
  case Type::f16x2:
  case Type::bf16x2: return neg_abs<F16, 16, false>(absolute);
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

Handler float_div(Decoder& d, Type type) {
  if (type == Type::f32 && d.take("full"))
    return approximate_div(d, true);
  if (type == Type::f32 && d.take("approx"))
    return approximate_div(d, false);
  return arithmetic<2, Div>(d, only_wide(d, type));
}

void decode_fma(Decoder& d) {
  const Type type = d.take_type(), factors = take_narrow(d, type);
  if (factors == type) {
    d.step.run = float_fma(d, type);
    return d.same_type(3, type);
  }
  d.step.run = factors == Type::f16 ? arithmetic<3, Mixed<F16, Fma>::template Of>(d, Type::f32)
                                    : arithmetic<3, Mixed<BF16, Fma>::template Of>(d, Type::f32);
  d.finish();
  d.expect_operands(4);
  d.destination(type);
  d.step.a = d.source(1, factors);
  d.step.b = d.source(2, factors);
  d.step.c = d.source(3, type);
}

void decode_sqrt(Decoder& d) {
  const Type type = d.take_type();
  d.step.run = d.take("approx") ? approximate_sqrt(d) : arithmetic<1, Sqrt>(d, only_wide(d, type));
  d.same_type(1, type);
}

void decode_rcp(Decoder& d) {
  const Type type = d.take_type();
  if (d.take("approx")) {
    if (type != Type::f32)
      d.fail("rcp.approx is emulated for .f32 only");
    d.step.run = approximate_rcp(d);
  } else {
    d.step.run = arithmetic<1, Rcp>(d, only_wide(d, type));
  }
  d.same_type(1, type);
}

void decode_copysign(Decoder& d) {
  const Type type = d.take_type();
  d.step.run = type == Type::f64 ? binary<CopySign<F64::kSign>> : binary<CopySign<F32::kSign>>;
  d.same_type(2, type);
}

void decode_testp(Decoder& d) {
  d.step.function = static_cast<std::uint8_t>(
      d.take_one_of({"finite", "infinite", "number", "notanumber", "normal", "subnormal"}, 0));
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(2);
  d.destination(Type::pred);
  d.step.a = d.source(1, type);
  d.step.run = type == Type::f64 ? test_property<F64> : test_property<F32>;
}

} // namespace swage::emulator
