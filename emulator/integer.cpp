// integer.cpp -- integer arithmetic, logic, shifts and bit fields.
#include "emulator/decoder.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace swage::emulator {
namespace {

/// `choose.operator()<T>()` for the C++ type of an integer type of 16 bits and up.
template <class Choose>
Handler for_integer(Decoder& d, Type type, Choose choose) {
  switch (type) {
  case Type::u16:
  case Type::b16: return choose.template operator()<std::uint16_t>();
  case Type::u32:
  case Type::b32: return choose.template operator()<std::uint32_t>();
  case Type::u64:
  case Type::b64: return choose.template operator()<std::uint64_t>();
  case Type::s16: return choose.template operator()<std::int16_t>();
  case Type::s32: return choose.template operator()<std::int32_t>();
  case Type::s64: return choose.template operator()<std::int64_t>();
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
constexpr std::uint64_t keep(T value) {
  return static_cast<Unsigned<T>>(value);
}
template <class T>
constexpr unsigned kBits = sizeof(T) * 8;

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

struct And {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) { return a & b; }
};
struct Or {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) { return a | b; }
};
struct Xor {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) { return a ^ b; }
};
template <std::uint64_t Mask>
struct Not {
  static std::uint64_t eval(std::uint64_t a) { return ~a & Mask; }
};
struct LogicalNot {
  static std::uint64_t eval(std::uint64_t a) { return a == 0 ? 1 : 0; }
};

// Shift amounts above the width act as the width.
template <class T>
struct ShiftLeft {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    return b >= kBits<T> ? 0 : keep<T>(static_cast<T>(a << b));
  }
};
template <class T>
struct ShiftRight {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    const auto x = static_cast<T>(a);
    if (b >= kBits<T>)
      return keep<T>(static_cast<T>(x < 0 ? -1 : 0));
    return keep<T>(static_cast<T>(x >> b));
  }
};

template <bool Left, bool Wrap>
struct FunnelShift {
  static std::uint64_t eval(std::uint64_t low, std::uint64_t high, std::uint64_t amount) {
    const std::uint64_t n = Wrap ? amount & 31 : std::min<std::uint64_t>(amount, 32);
    const std::uint64_t both = high << 32 | low;
    return static_cast<std::uint32_t>(Left ? both >> (32 - n) : both >> n);
  }
};

template <class T>
struct FieldExtract {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    const unsigned at = b & 0xff;
    const unsigned length = c & 0xff;
    const auto value = static_cast<T>(a);
    if (length == 0)
      return 0;
    const bool negative =
        std::is_signed_v<T> && (keep<T>(value) >> std::min(at + length - 1, kBits<T> - 1) & 1) != 0;
    const std::uint64_t taken = at >= kBits<T> ? 0 : keep<T>(value) >> at;
    const unsigned present = at >= kBits<T> ? 0 : std::min(length, kBits<T> - at);
    const std::uint64_t ones = present >= 64 ? ~0ULL : (1ULL << present) - 1;
    return keep<T>(static_cast<T>((taken & ones) | (negative ? ~ones : 0)));
  }
};

template <class T>
void field_insert(Warp& warp, const Step& step) {
  const std::uint64_t* const length_row = warp.row(static_cast<Row>(step.immediate));
  for_lanes(warp, [&](unsigned lane) {
    const unsigned at = warp.row(step.c)[lane] & 0xff;
    const unsigned length = length_row[lane] & 0xff;
    const std::uint64_t base = warp.row(step.b)[lane];
    if (at >= kBits<T> || length == 0) {
      warp.row(step.d)[lane] = base;
      return;
    }
    const std::uint64_t ones = length >= 64 ? ~0ULL : (1ULL << length) - 1;
    const std::uint64_t field = ones << at;
    warp.row(step.d)[lane] =
        keep<T>(static_cast<T>((base & ~field) | (warp.row(step.a)[lane] << at & field)));
  });
}

template <class T>
struct CountLeadingZeros {
  static std::uint64_t eval(std::uint64_t a) {
    return static_cast<std::uint64_t>(std::countl_zero(static_cast<Unsigned<T>>(a)));
  }
};
template <class T>
struct PopulationCount {
  static std::uint64_t eval(std::uint64_t a) {
    return static_cast<std::uint64_t>(std::popcount(static_cast<Unsigned<T>>(a)));
  }
};
template <class T>
struct ReverseBits {
  static std::uint64_t eval(std::uint64_t a) {
    std::uint64_t result = 0;
    for (unsigned i = 0; i < kBits<T>; ++i)
      result |= (a >> i & 1) << (kBits<T> - 1 - i);
    return result;
  }
};
template <class T, bool ShiftAmount>
struct FindLeading {
  static std::uint64_t eval(std::uint64_t a) {
    auto bits = static_cast<Unsigned<T>>(a);
    if (std::is_signed_v<T> && static_cast<T>(a) < 0)
      bits = static_cast<Unsigned<T>>(~bits);
    if (bits == 0)
      return 0xffffffff;
    const auto zeros = static_cast<unsigned>(std::countl_zero(bits));
    return ShiftAmount ? zeros : kBits<T> - 1 - zeros;
  }
};

struct Permute {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b, std::uint64_t selector) {
    const std::uint64_t bytes = b << 32 | a;
    std::uint64_t result = 0;
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned select = selector >> 4 * i & 0xf;
      std::uint64_t byte = bytes >> 8 * (select & 7) & 0xff;
      if ((select & 8) != 0) // replicate the sign
        byte = (byte & 0x80) != 0 ? 0xff : 0;
      result |= byte << 8 * i;
    }
    return result;
  }
};

void lop3(Warp& warp, const Step& step) {
  const auto table = static_cast<unsigned>(step.immediate);
  for_lanes(warp, [&](unsigned lane) {
    const std::uint64_t a = warp.row(step.a)[lane];
    const std::uint64_t b = warp.row(step.b)[lane];
    const std::uint64_t c = warp.row(step.c)[lane];
    std::uint64_t result = 0;
    for (unsigned i = 0; i < 8; ++i)
      if ((table >> i & 1) != 0)
        result |= ((i & 4) != 0 ? a : ~a) & ((i & 2) != 0 ? b : ~b) & ((i & 1) != 0 ? c : ~c);
    warp.row(step.d)[lane] = result & 0xffffffff;
  });
}

template <bool Signed, bool Wrap>
struct Extend {
  static std::uint64_t eval(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t n = Wrap ? b & 31 : std::min<std::uint64_t>(b, 32);
    if (n == 0)
      return 0;
    const auto lifted = static_cast<std::uint32_t>(a << (32 - n));
    return Signed ? static_cast<std::uint32_t>(static_cast<std::int32_t>(lifted) >> (32 - n))
                  : lifted >> (32 - n);
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
  if (is_float(type)) {
    d.step.run = float_add_sub(d, type, subtract);
  } else if (is_pair(type)) {
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

void decode_logic(Decoder& d) {
  d.step.run = d.root() == "and" ? binary<And> : d.root() == "or" ? binary<Or> : binary<Xor>;
  d.same_type(2, d.take_type());
}

void decode_not(Decoder& d) {
  const Type type = d.take_type();
  d.step.run = d.root() == "cnot"   ? unary<LogicalNot>
               : type == Type::pred ? unary<Not<1>>
               : size_of(type) == 2 ? unary<Not<0xffff>>
               : size_of(type) == 4 ? unary<Not<0xffffffff>>
                                    : unary<Not<~0ULL>>;
  d.same_type(1, type);
}

void decode_shift(Decoder& d) {
  const bool left = d.root() == "shl";
  const Type type = d.take_type();
  d.step.run = for_integer(d, type, [=]<class T>() -> Handler {
    return left ? binary<ShiftLeft<T>> : binary<ShiftRight<T>>;
  });
  d.finish();
  d.expect_operands(3);
  d.destination(type);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, Type::u32);
}

void decode_funnel_shift(Decoder& d) {
  const bool left = d.take_one_of({"l", "r"}, 0) == 0;
  const bool wrap = d.take_one_of({"wrap", "clamp"}, 0) == 0;
  d.step.run =
      left ? (wrap ? ternary<FunnelShift<true, true>> : ternary<FunnelShift<true, false>>)
           : (wrap ? ternary<FunnelShift<false, true>> : ternary<FunnelShift<false, false>>);
  d.same_type(3, d.take_type());
}

void decode_bit_field(Decoder& d) {
  const Type type = d.take_type();
  d.finish();
  const bool extract = d.root() == "bfe";
  d.expect_operands(extract ? 4 : 5);
  d.destination(type);
  d.step.a = d.source(1, type);
  if (extract) {
    d.step.run =
        for_integer(d, type, []<class T>() -> Handler { return ternary<FieldExtract<T>>; });
    d.step.b = d.source(2, Type::u32);
    d.step.c = d.source(3, Type::u32);
  } else {
    d.step.run = for_integer(d, type, []<class T>() -> Handler { return field_insert<T>; });
    d.step.b = d.source(2, type);
    d.step.c = d.source(3, Type::u32);
    d.step.immediate = d.source(4, Type::u32);
  }
}

void decode_bit_count(Decoder& d) {
  const Type type = d.take_type();
  const bool amount = d.take("shiftamt");
  const std::string& root = d.root();
  d.step.run = for_integer(d, type, [&]<class T>() -> Handler {
    return root == "clz"    ? unary<CountLeadingZeros<T>>
           : root == "popc" ? unary<PopulationCount<T>>
           : root == "brev" ? unary<ReverseBits<T>>
           : amount         ? unary<FindLeading<T, true>>
                            : unary<FindLeading<T, false>>;
  });
  d.finish();
  d.expect_operands(2);
  d.destination(root == "brev" ? type : Type::u32);
  d.step.a = d.source(1, type);
}

void decode_prmt(Decoder& d) {
  d.step.run = ternary<Permute>;
  d.same_type(3, d.take_type());
}

void decode_lop3(Decoder& d) {
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(5);
  d.destination(type);
  d.step.a = d.source(1, type);
  d.step.b = d.source(2, type);
  d.step.c = d.source(3, type);
  if (d.operand(4).kind != OperandKind::integer)
    d.fail("the table of lop3 must be a literal");
  d.step.immediate = static_cast<std::int64_t>(d.operand(4).bits & 0xff);
  d.step.run = lop3;
}

void decode_szext(Decoder& d) {
  const bool wrap = d.take_one_of({"wrap", "clamp"}, 0) == 0;
  const Type type = d.take_type();
  d.step.run = is_signed(type)
                   ? (wrap ? binary<Extend<true, true>> : binary<Extend<true, false>>)
                   : (wrap ? binary<Extend<false, true>> : binary<Extend<false, false>>);
  d.same_type(2, type);
}

} // namespace swage::emulator
