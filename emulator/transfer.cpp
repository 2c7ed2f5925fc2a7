// transfer.cpp -- mov, address conversion, loads, stores and atomics.
#include "emulator/grid.hpp"

#include <cstring>
#include <type_traits>

namespace swage::emulator {
namespace {

struct Copy {
  static std::uint64_t eval(std::uint64_t a) { return a; }
};

// The elements of `list`, first in the low bits, `step.size` bytes each.
void pack(Warp& warp, const Step& step) {
  const Row* const rows = warp.grid->program.lists.data() + step.list;
  std::uint64_t* const d = warp.row(step.d);
  for_lanes(warp, [&](unsigned lane) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < step.count; ++i)
      value |= warp.row(rows[i])[lane] << i * step.size * 8;
    d[lane] = value;
  });
}

void unpack(Warp& warp, const Step& step) {
  const Row* const rows = warp.grid->program.lists.data() + step.list;
  const std::uint64_t* const a = warp.row(step.a);
  const std::uint64_t mask = (1ULL << step.size * 8) - 1;
  for_lanes(warp, [&](unsigned lane) {
    const std::uint64_t value = a[lane];
    for (unsigned i = 0; i < step.count; ++i)
      warp.row(rows[i])[lane] = value >> i * step.size * 8 & mask;
  });
}

template <class T>
void load(Warp& warp, const Step& step) {
  const Row* const rows = warp.grid->program.lists.data() + step.list;
  const unsigned bytes = sizeof(T) * step.count;
  const std::uint64_t mask = step.mask;
  for_lanes(warp, [&](unsigned lane) {
    const std::byte* const from =
        warp.grid->locate(warp, step, lane, address_of(warp, step, lane), bytes);
    for (unsigned i = 0; i < step.count; ++i) {
      T value;
      std::memcpy(&value, from + i * sizeof(T), sizeof(T));
      if constexpr (std::is_signed_v<T>)
        warp.row(rows[i])[lane] = static_cast<std::uint64_t>(std::int64_t{value}) & mask;
      else
        warp.row(rows[i])[lane] = value;
    }
  });
}

template <class T>
void store(Warp& warp, const Step& step) {
  const Row* const rows = warp.grid->program.lists.data() + step.list;
  const unsigned bytes = sizeof(T) * step.count;
  for_lanes(warp, [&](unsigned lane) {
    std::byte* const to = warp.grid->locate(warp, step, lane, address_of(warp, step, lane), bytes);
    for (unsigned i = 0; i < step.count; ++i) {
      const auto value = static_cast<T>(warp.row(rows[i])[lane]);
      std::memcpy(to + i * sizeof(T), &value, sizeof(T));
    }
  });
}

// It changes nothing, but of memory that is nobody's it is a mistake all the same.
void prefetch(Warp& warp, const Step& step) {
  for_lanes(warp, [&](unsigned lane) {
    warp.grid->check_allocated(warp, step, lane, address_of(warp, step, lane));
  });
}

Handler load_of(Type type) {
  switch (type) {
  case Type::s8: return load<std::int8_t>;
  case Type::s16: return load<std::int16_t>;
  case Type::s32: return load<std::int32_t>;
  default: break;
  }
  return size_of(type) == 1   ? load<std::uint8_t>
         : size_of(type) == 2 ? load<std::uint16_t>
         : size_of(type) == 4 ? load<std::uint32_t>
                              : load<std::uint64_t>;
}

Handler store_of(Type type) {
  return size_of(type) == 1   ? store<std::uint8_t>
         : size_of(type) == 2 ? store<std::uint16_t>
         : size_of(type) == 4 ? store<std::uint32_t>
                              : store<std::uint64_t>;
}

enum class Atomic : std::uint8_t { add, min, max, exch, cas, and_, or_, xor_, inc, dec };

template <class T>
T combine(Atomic operation, T old, T b, T c) {
  switch (operation) {
  case Atomic::add:
    if constexpr (std::is_integral_v<T>) // wraps
      return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) +
                            static_cast<std::make_unsigned_t<T>>(b));
    else
      return old + b;
  case Atomic::min: return b < old ? b : old;
  case Atomic::max: return b > old ? b : old;
  case Atomic::exch: return b;
  case Atomic::cas: return old == b ? c : old;
  default: break;
  }
  if constexpr (std::is_integral_v<T>) {
    switch (operation) {
    case Atomic::and_: return static_cast<T>(old & b);
    case Atomic::or_: return static_cast<T>(old | b);
    case Atomic::xor_: return static_cast<T>(old ^ b);
    case Atomic::inc: return old >= b ? T{0} : static_cast<T>(old + 1);
    case Atomic::dec: return old == 0 || old > b ? b : static_cast<T>(old - 1);
    default: break;
    }
  }
  return old;
}

// Lanes run one after the other, so nothing more is needed to be atomic.
template <class T>
void atomic(Warp& warp, const Step& step) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  for_lanes(warp, [&](unsigned lane) {
    std::byte* const at =
        warp.grid->locate(warp, step, lane, address_of(warp, step, lane), sizeof(T));
    T old;
    std::memcpy(&old, at, sizeof(T));
    const auto b = std::bit_cast<T>(static_cast<Bits>(warp.row(step.b)[lane]));
    const auto c = std::bit_cast<T>(static_cast<Bits>(warp.row(step.c)[lane]));
    const T result = combine(static_cast<Atomic>(step.function), old, b, c);
    std::memcpy(at, &result, sizeof(T));
    warp.row(step.d)[lane] = std::bit_cast<Bits>(old);
  });
}

Handler atomic_of(Decoder& d, Type type) {
  switch (type) {
  case Type::b32:
  case Type::u32: return atomic<std::uint32_t>;
  case Type::s32: return atomic<std::int32_t>;
  case Type::b64:
  case Type::u64: return atomic<std::uint64_t>;
  case Type::s64: return atomic<std::int64_t>;
  case Type::f32: return atomic<float>;
  case Type::f64: return atomic<double>;
  default: d.fail("unsupported type ." + std::string(spelling(type)));
  }
}

std::uint64_t window_of(Space space) {
  switch (space) {
  case Space::shared: return kSharedWindow;
  case Space::local: return kLocalWindow;
  case Space::param: return kParamWindow;
  default: return 0;
  }
}

Space take_space(Decoder& d) {
  if (d.take("param") || d.take("param::entry"))
    return Space::param;
  if (d.take("shared") || d.take("shared::cta") || d.take("shared::cluster"))
    return Space::shared;
  constexpr Space kSpaces[] = {Space::global, Space::local, Space::constant};
  const int found = d.take_one_of({"global", "local", "const"}, -1);
  return found < 0 ? Space::generic : kSpaces[found];
}

// Ordering and caching change nothing where threads run one after the other, but in what races.
void take_hints(Decoder& d) {
  for (const char* const prefix : {"L1::", "L2::"})
    d.take_all(prefix);
  d.step.strong |=
      d.take_one_of({"weak", "volatile", "relaxed", "acquire", "release", "acq_rel"}, 0) != 0;
  d.take_one_of({"cta", "cluster", "gpu", "sys"}, 0);
  d.take_one_of({"ca", "cg", "cs", "lu", "cv", "wb", "wt"}, 0);
  d.take("noftz");
}

std::vector<Operand> elements(Decoder& d, const Operand& operand, unsigned count) {
  if (count == 1)
    return {operand};
  if (operand.kind != OperandKind::vector || operand.parts.size() != count)
    d.fail("expected a vector of " + std::to_string(count) + " elements");
  return operand.parts;
}

unsigned take_count(Decoder& d) {
  const int found = d.take_one_of({"v2", "v4", "v8"}, -1);
  return found < 0 ? 1 : 2U << found;
}

void check_access(Decoder& d, Type type) {
  const unsigned bytes = size_of(type) * d.step.count;
  if (size_of(type) > 8 || bytes > 32 || (bytes == 32 && size_of(type) < 4))
    d.fail("unsupported access of " + std::to_string(bytes) + " bytes");
}

} // namespace

void take_address(Decoder& d, const Operand& operand) {
  if (operand.kind != OperandKind::memory)
    d.fail("expected an address in brackets");
  d.step.immediate = operand.offset;
  if (operand.parts.empty())
    return;
  const Operand& base = operand.parts[0];
  if (base.kind == OperandKind::symbol) {
    const Decoder::Address address = d.address_of(base.name);
    d.step.immediate += static_cast<std::int64_t>(address.value);
    if (d.step.space == Space::generic)
      d.step.space = address.space;
  } else {
    d.step.a = d.source(base, Type::u32, false);
    d.step.has_base = true;
  }
}

void decode_mov(Decoder& d) {
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(2);
  const bool unpacks = d.operand(0).kind == OperandKind::vector;
  const bool packs = d.operand(1).kind == OperandKind::vector;
  if (!unpacks && !packs) {
    d.step.run = unary<Copy>;
    d.destination(type);
    d.step.a = d.source(1, type);
    return;
  }
  const std::vector<Operand>& parts = d.operand(unpacks ? 0 : 1).parts;
  if (size_of(type) > 8 || size_of(type) % parts.size() != 0)
    d.fail("unsupported vector move");
  d.step.count = static_cast<std::uint8_t>(parts.size());
  d.step.size = static_cast<std::uint8_t>(size_of(type) / parts.size());
  const Type element = d.step.size == 4 ? Type::b32 : d.step.size == 2 ? Type::b16 : Type::b8;
  std::vector<Row> rows;
  for (const Operand& part : parts)
    rows.push_back(unpacks ? d.destination_row(part, d.step.size, d.step.size > 1)
                           : d.source(part, element, d.step.size > 1));
  d.step.list = d.list(rows);
  d.step.run = unpacks ? unpack : pack;
  if (unpacks)
    d.step.a = d.source(1, type);
  else
    d.destination(type);
}

void decode_cvta(Decoder& d) {
  const bool to = d.take("to");
  const Space space = take_space(d);
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(2);
  d.destination(type);
  d.step.a = d.source(1, type);
  const std::uint64_t window = window_of(space);
  d.step.b = d.constant(to ? 0 - window : window);
  struct Rebase {
    static std::uint64_t eval(std::uint64_t a, std::uint64_t b) { return a + b; }
  };
  d.step.run = binary<Rebase>;
}

// What a cache policy says changes nothing either, so all are one value.
void decode_createpolicy(Decoder& d) {
  if (!d.take("fractional"))
    d.fail("unsupported kind of cache policy");
  d.take_all("L2::");
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(1, 2); // the second is a fraction of the accesses
  d.destination(type);
  d.step.a = d.constant(0);
  d.step.run = unary<Copy>;
}

void decode_ld(Decoder& d) {
  d.step.space = take_space(d);
  d.step.read_only = d.take("nc");
  take_hints(d);
  d.step.count = static_cast<std::uint8_t>(take_count(d));
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(2, 3); // the third is a cache policy
  if (d.step.read_only && d.step.space != Space::global)
    d.fail(".nc applies to .global only");
  d.program().has_read_only_loads |= d.step.read_only;
  d.step.size = static_cast<std::uint8_t>(size_of(type));
  check_access(d, type);
  std::vector<Row> rows;
  for (const Operand& element : elements(d, d.operand(0), d.step.count))
    rows.push_back(d.destination_row(element, size_of(type), false));
  d.step.list = d.list(rows);
  take_address(d, d.operand(1));
  d.step.run = load_of(type);
}

void decode_st(Decoder& d) {
  if (d.take("async")) {
    decode_st_async(d);
    return;
  }
  d.step.space = take_space(d);
  d.step.stores = true;
  take_hints(d);
  d.step.count = static_cast<std::uint8_t>(take_count(d));
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(2, 3);
  if (d.step.space == Space::param || d.step.space == Space::constant)
    d.fail("this memory cannot be stored to");
  d.step.size = static_cast<std::uint8_t>(size_of(type));
  check_access(d, type);
  std::vector<Row> rows;
  for (const Operand& element : elements(d, d.operand(1), d.step.count))
    rows.push_back(d.source(element, type, false));
  d.step.list = d.list(rows);
  take_address(d, d.operand(0));
  d.step.run = store_of(type);
}

void decode_prefetch(Decoder& d) {
  d.step.space = take_space(d);
  if (!d.take("L1") && !d.take("L2"))
    d.fail("expected .L1 or .L2");
  d.finish();
  d.expect_operands(1);
  take_address(d, d.operand(0));
  if (d.step.space != Space::global)
    d.fail("only a prefetch of .global is supported");
  d.step.run = prefetch;
}

void decode_atom(Decoder& d) {
  const bool returns = d.root() == "atom";
  d.program().has_atomics = true;
  d.step.space = take_space(d);
  d.step.stores = true;
  d.step.strong = true;
  take_hints(d);
  const int operation =
      d.take_one_of({"add", "min", "max", "exch", "cas", "and", "or", "xor", "inc", "dec"}, -1);
  if (operation < 0)
    d.fail("unsupported atomic operation");
  d.step.function = static_cast<std::uint8_t>(operation);
  const Type type = d.take_type();
  d.finish();
  d.step.size = static_cast<std::uint8_t>(size_of(type));
  d.step.count = 1;
  const std::size_t first = returns ? 1 : 0;
  d.step.d = d.destination_row(returns ? d.operand(0) : Operand{}, size_of(type), true);
  take_address(d, d.operand(first));
  d.step.b = d.source(first + 1, type);
  d.step.c = static_cast<Atomic>(operation) == Atomic::cas ? d.source(first + 2, type) : d.step.b;
  d.step.run = atomic_of(d, type);
}

} // namespace swage::emulator
