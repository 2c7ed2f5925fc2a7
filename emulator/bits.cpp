// bits.cpp -- integers as rows of bits: logic, shifts, fields, counts, bytes.
#include "emulator/integer_types.hpp"

#include <algorithm>
#include <bit>

namespace swage::emulator {
namespace {

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

} // namespace

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
