// decoder.hpp -- what an opcode's decode function works with: modifiers, operands, the step.
#pragma once

#include "emulator/execute.hpp"
#include "emulator/numbers.hpp"

#include <initializer_list>
#include <string_view>

namespace swage::emulator {

enum class Special : std::uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  smid,
  nsmid,
  gridid,
  lanemask_eq,
  lanemask_le,
  lanemask_lt,
  lanemask_ge,
  lanemask_gt,
  clock,
  globaltimer,
  dynamic_smem_size,
  total_smem_size,
};

// Generic addresses of shared, local and parameter memory are offsets into these windows, which no
// allocation of the host's user space can reach.
inline constexpr std::uint64_t kSharedWindow = 1ULL << 56;
/// Shared memory of block b of a cluster is seen (b + 1) times this further on.
inline constexpr std::uint64_t kClusterWindow = 1ULL << 24;
inline constexpr std::uint64_t kLocalWindow = 2ULL << 56;
inline constexpr std::uint64_t kParamWindow = 3ULL << 56;

/// State shared by the instructions of one kernel while they are decoded.
class ProgramBuilder;

/// One instruction while it is decoded. Every failure is a ParseError that names the instruction.
class Decoder {
public:
  Decoder(ProgramBuilder& builder, const Instruction& instruction, std::uint32_t index);

  Step step;

  const std::string& root() const { return root_; } ///< `ld` of `ld.global.nc.v4.b32`
  std::size_t operand_count() const { return instruction_.operands.size(); }
  const Operand& operand(std::size_t index) const;

  /// Consumes the modifier (without its dot) if it is there.
  bool take(std::string_view modifier);
  /// The position in `choices` of the first that is there, consumed; or `otherwise`.
  int take_one_of(std::initializer_list<std::string_view> choices, int otherwise);
  /// Consumes every modifier that begins so.
  void take_all(std::string_view prefix);
  Type take_type(); ///< the first type left
  Rounding take_rounding();
  void finish() const; ///< throws if a modifier is left
  /// Throws if the module is of an older PTX ISA (10 * major + minor) or architecture.
  void require(unsigned version, unsigned architecture) const;

  void expect_operands(std::size_t least, std::size_t most) const;
  void expect_operands(std::size_t count) const { expect_operands(count, count); }

  /// Operand 0 as the destination: a register exactly as wide as `type`.
  void destination(Type type);
  /// A destination of another operand, or wider than its type (ld, cvt).
  Row destination_row(const Operand& operand, unsigned least_size, bool exact);
  /// A source as wide as `type`: register, special register, literal or address.
  Row source(const Operand& operand, Type type, bool exact = true);
  Row source(std::size_t index, Type type) { return source(operand(index), type); }
  /// Operands 1.. into a, b, c; the destination and every source have this type.
  void same_type(std::size_t sources, Type type);

  Row constant(std::uint64_t bits);
  std::uint32_t list(const std::vector<Row>& rows);
  /// The width of a register operand, or 0 where it has none (literals, sinks).
  unsigned width(const Operand& operand) const;
  /// Space and offset, or device address, of a variable or parameter.
  struct Address {
    Space space;
    std::uint64_t value;
  };
  Address address_of(const std::string& symbol) const;
  std::uint32_t label(const std::string& name) const;
  Program& program();

  [[noreturn]] void fail(const std::string& message) const;

private:
  ProgramBuilder& builder_;
  const Instruction& instruction_;
  std::string root_;
  std::vector<std::string_view> modifiers_;
};

/// Each family of instructions decodes its own opcodes: it sets step.run and the operands.
using Decode = void (*)(Decoder&);

struct Opcode {
  std::string_view name;
  Decode decode;
};

// integer.cpp
void decode_add_sub(Decoder&); // add, sub: integer and float
void decode_mul(Decoder&);
void decode_mad(Decoder&);
void decode_div(Decoder&);
void decode_rem(Decoder&);
void decode_min_max(Decoder&);
void decode_neg_abs(Decoder&);
void decode_logic(Decoder&);
void decode_not(Decoder&);
void decode_shift(Decoder&);
void decode_funnel_shift(Decoder&);
void decode_bit_field(Decoder&);
void decode_bit_count(Decoder&);
void decode_prmt(Decoder&);
void decode_lop3(Decoder&);
void decode_szext(Decoder&);

// floating.cpp: the float halves of the above return a handler, or null if the type is none of
// theirs; `step` and the modifiers are theirs to read.
void decode_float_add_sub(Decoder&, Type type, bool subtract);
Handler float_mul(Decoder&, Type type);
Handler float_fma(Decoder&, Type type);
Handler float_min_max(Decoder&, Type type, bool maximum);
Handler float_neg_abs(Decoder&, Type type, bool absolute);
Handler float_div(Decoder&, Type type);
void decode_fma(Decoder&);
void decode_sqrt(Decoder&);
void decode_rcp(Decoder&);
void decode_copysign(Decoder&);
void decode_testp(Decoder&);

// approximate.cpp
void decode_approximate(Decoder&); // ex2, lg2, sin, cos, tanh, rsqrt
Handler approximate_rcp(Decoder&);
Handler approximate_sqrt(Decoder&);
Handler approximate_div(Decoder&, bool full_range);

// compare.cpp
void decode_setp(Decoder&);
void decode_set(Decoder&);
void decode_selp(Decoder&);
void decode_slct(Decoder&);

// convert.cpp
void decode_cvt(Decoder&);

// transfer.cpp
void decode_mov(Decoder&);
void decode_createpolicy(Decoder&);
void decode_cvta(Decoder&);
void decode_ld(Decoder&);
void decode_st(Decoder&);
void decode_prefetch(Decoder&);
void decode_atom(Decoder&);
void take_address(Decoder&, const Operand&); // into a, has_base, immediate; space, if it has none

// mbarrier.cpp
void decode_mbarrier(Decoder&);
void decode_fence_mbarrier_init(Decoder&);
void decode_st_async(Decoder&);

// control.cpp
void decode_bra(Decoder&);
void decode_exit(Decoder&);
void decode_trap(Decoder&);
void decode_barrier(Decoder&);
void decode_mapa(Decoder&);
void decode_fence(Decoder&);
void decode_nanosleep(Decoder&);
void decode_griddepcontrol(Decoder&);
void decode_activemask(Decoder&);
void decode_shfl(Decoder&);
void decode_vote(Decoder&);

} // namespace swage::emulator
