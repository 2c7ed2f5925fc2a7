// integer.cpp -- integer arithmetic.
#include "emulator/integer_types.hpp"

#include <algorithm>
#include <limits>

namespace swage::emulator {
namespace {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

template <class T>
using Wide = std::conditional_t<std::is_signed_v<T>,
                                std::conditional_t<sizeof(T) == 8, Int128, std::int64_t>,
                                std::conditional_t<sizeof(T) == 8, UInt128, std::uint64_t>>;

template <class T>
struct Add {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return keep<T>(static_cast<T>(a + b));
  }
};
template <class T>
struct Sub {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return keep<T>(static_cast<T>(a - b));
  }
};
template <class T, bool Subtract>
struct AddSat {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    const auto x = static_cast<std::int64_t>(static_cast<T>(a));
    const auto y = static_cast<std::int64_t>(static_cast<T>(b));
    return keep<T>(static_cast<T>(std::clamp<std::int64_t>(
        Subtract ? x - y : x + y, std::numeric_limits<T>::min(), std::numeric_limits<T>::max())));
  }
};
template <class T>
struct MulLow {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return keep<T>(static_cast<T>(a * b));
  }
};
template <class T>
struct MulHigh {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return keep<T>(
        static_cast<T>(Wide<T>{static_cast<T>(a)} * Wide<T>{static_cast<T>(b)} >> kBits<T>));
  }
};
template <class T>
struct MulWide {
  static constexpr std::uint64_t kMask = kBits<T> == 16 ? 0xffffffff : ~0ULL;
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return static_cast<std::uint64_t>(Wide<T>{static_cast<T>(a)} * Wide<T>{static_cast<T>(b)}) &
           kMask;
  }
};
template <class Mul, std::uint64_t Mask>
struct MulAdd {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return (Mul::eval(a, b) + c) & Mask;
  }
};
template <class T>
constexpr std::uint64_t kMaskOf = keep<T>(static_cast<T>(-1));

// Division by zero is unspecified in PTX; devices return all ones, and the dividend for rem. The
// least value over -1 wraps.
template <class T>
struct Div {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    const auto x = static_cast<T>(a);
    const auto y = static_cast<T>(b);
    if (y == 0)
      return kMaskOf<T>;
    if (std::is_signed_v<T> && y == static_cast<T>(-1))
      return keep<T>(static_cast<T>(0 - static_cast<Unsigned<T>>(x)));
    return keep<T>(static_cast<T>(x / y));
  }
};
template <class T>
struct Rem {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    const auto x = static_cast<T>(a);
    const auto y = static_cast<T>(b);
    if (y == 0)
      return keep<T>(x);
    if (std::is_signed_v<T> && y == static_cast<T>(-1))
      return 0;
    return keep<T>(static_cast<T>(x % y));
  }
};
template <class T, bool Maximum, bool Relu>
struct MinMax {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    const auto x = static_cast<T>(a);
    const auto y = static_cast<T>(b);
    const T result = Maximum ? std::max(x, y) : std::min(x, y);
    return keep<T>(Relu ? std::max(result, T{0}) : result);
  }
};
template <class T>
struct Neg {
  static std::uint64_t eval(std::uint64_t a) { return keep<T>(static_cast<T>(0 - a)); }
};
template <class T>
struct Abs {
  static std::uint64_t eval(std::uint64_t a) {
    return keep<T>(static_cast<T>(static_cast<T>(a) < 0 ? 0 - a : a));
  }
};

Type doubled(Decoder& d, Type type) {
  switch (type) {
  case Type::u16: return Type::u32;
  case Type::s16: return Type::s32;
  case Type::u32: return Type::u64;
  case Type::s32: return Type::s64;
  default: d.fail("no wide form of this type");
  }
}

bool is_pair(Type type) {
  return type == Type::u16x2 || type == Type::s16x2;
}

} // namespace

void decode_add_sub(Decoder& d) {
  const bool subtract = d.root() == "sub";
  const Type type = d.take_type();
  if (is_float(type))
    return decode_float_add_sub(d, type, subtract);
  if (is_pair(type)) {
    d.step.run =
        subtract ? binary<Packed<Sub<std::uint16_t>, 16>> : binary<Packed<Add<std::uint16_t>, 16>>;
  } else if (d.take("sat")) {
    if (type != Type::s32)
      d.fail(".sat applies to .s32 only");
    d.step.run =
        subtract ? binary<AddSat<std::int32_t, true>> : binary<AddSat<std::int32_t, false>>;
  } else {
    d.step.run = for_integer(
        d, type, [=]<class T>() -> Handler { return subtract ? binary<Sub<T>> : binary<Add<T>>; });
  }
  d.same_type(2, type);
}

void decode_mul(Decoder& d) {
  const Type type = d.take_type();
  if (is_float(type)) {
    d.step.run = float_mul(d, type);
    return d.same_type(2, type);
  }
  const int part = d.take_one_of({"lo", "hi", "wide"}, -1);
  if (part < 0)
    d.fail("an integer multiplication needs .lo, .hi or .wide");
  d.step.run = for_integer(d, type, [=]<class T>() -> Handler {
    return part == 0 ? binary<MulLow<T>> : part == 1 ? binary<MulHigh<T>> : binary<MulWide<T>>;
  });
  d.finish();
  d.expect_operands(3);
  d.destination(part == 2 ? doubled(d, type) : type);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, type);
}

void decode_mad(Decoder& d) {
  const Type type = d.take_type();
  if (is_float(type)) {
    d.step.run = float_fma(d, type);
    return d.same_type(3, type);
  }
  const int part = d.take_one_of({"lo", "hi", "wide"}, -1);
  if (part < 0)
    d.fail("an integer multiplication needs .lo, .hi or .wide");
  d.step.run = for_integer(d, type, [=]<class T>() -> Handler {
    return part == 0   ? ternary<MulAdd<MulLow<T>, kMaskOf<T>>>
           : part == 1 ? ternary<MulAdd<MulHigh<T>, kMaskOf<T>>>
                       : ternary<MulAdd<MulWide<T>, MulWide<T>::kMask>>;
  });
  d.finish();
  d.expect_operands(4);
  const Type result = part == 2 ? doubled(d, type) : type;
  d.destination(result);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, type);
  d.step.c = d.source(3, result);
}

void decode_div(Decoder& d) {
  const Type type = d.take_type();
  d.step.run = is_float(type)
                   ? float_div(d, type)
                   : for_integer(d, type, []<class T>() -> Handler { return binary<Div<T>>; });
  d.same_type(2, type);
}

void decode_rem(Decoder& d) {
  const Type type = d.take_type();
  d.step.run = for_integer(d, type, []<class T>() -> Handler { return binary<Rem<T>>; });
  d.same_type(2, type);
}

void decode_min_max(Decoder& d) {
  const bool maximum = d.root() == "max";
  const Type type = d.take_type();
  if (is_float(type)) {
    d.step.run = float_min_max(d, type, maximum);
    return d.same_type(d.operand_count() == 4 ? 3 : 2, type);
  }
  const bool relu = d.take("relu");
  if (is_pair(type))
    d.step.run = for_integer(d, element_of(type), [=]<class T>() -> Handler {
      return relu      ? (maximum ? binary<Packed<MinMax<T, true, true>, 16>>
                                  : binary<Packed<MinMax<T, false, true>, 16>>)
             : maximum ? binary<Packed<MinMax<T, true, false>, 16>>
                       : binary<Packed<MinMax<T, false, false>, 16>>;
    });
  else
    d.step.run = for_integer(d, type, [=]<class T>() -> Handler {
      return relu      ? (maximum ? binary<MinMax<T, true, true>> : binary<MinMax<T, false, true>>)
             : maximum ? binary<MinMax<T, true, false>>
                       : binary<MinMax<T, false, false>>;
    });
  d.same_type(2, type);
}

void decode_neg_abs(Decoder& d) {
  const bool absolute = d.root() == "abs";
  const Type type = d.take_type();
  d.step.run = is_float(type) ? float_neg_abs(d, type, absolute)
                              : for_integer(d, type, [=]<class T>() -> Handler {
                                  return absolute ? unary<Abs<T>> : unary<Neg<T>>;
                                });
  d.same_type(1, type);
}

} // namespace swage::emulator
