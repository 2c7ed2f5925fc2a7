// code_relocation.cpp -- the relocations that LLVM emits for kernels, and how each changes code.
//
// Numbers and formulas: "System V ABI, AMD64 supplement", 4.4.1, and "ELF for the Arm 64-bit
// Architecture", 5.7. S + A is `to`, P is `from`.
#include "runtime/host/code_relocation.hpp"

#include <cstring>

#include <elf.h>

namespace swage::host {
namespace {

using Target = RelocationTarget;

bool fits_signed(std::uint64_t value, int bits) {
  const auto number = static_cast<std::int64_t>(value);
  return number >= -(std::int64_t{1} << (bits - 1)) && number < (std::int64_t{1} << (bits - 1));
}

template <class Integer>
void store(std::byte* place, std::uint64_t value) {
  const auto narrow = static_cast<Integer>(value);
  std::memcpy(place, &narrow, sizeof narrow);
}

bool none(std::byte*, std::uint64_t, std::uint64_t) {
  return true;
}

bool absolute64(std::byte* place, std::uint64_t, std::uint64_t to) {
  store<std::uint64_t>(place, to);
  return true;
}

bool relative64(std::byte* place, std::uint64_t from, std::uint64_t to) {
  store<std::uint64_t>(place, to - from);
  return true;
}

bool relative32(std::byte* place, std::uint64_t from, std::uint64_t to) {
  store<std::uint32_t>(place, to - from);
  return fits_signed(to - from, 32);
}

bool unsigned32(std::byte* place, std::uint64_t, std::uint64_t to) {
  store<std::uint32_t>(place, to);
  return to >> 32 == 0;
}

bool signed32(std::byte* place, std::uint64_t, std::uint64_t to) {
  store<std::uint32_t>(place, to);
  return fits_signed(to, 32);
}

// AArch64: puts the low `bits` of `value` into the instruction, at bit `shift`.
void insert(std::byte* place, std::uint64_t value, int bits, int shift) {
  std::uint32_t instruction;
  std::memcpy(&instruction, place, sizeof instruction);
  const std::uint32_t mask = ((std::uint32_t{1} << bits) - 1) << shift;
  instruction = (instruction & ~mask) | (static_cast<std::uint32_t>(value << shift) & mask);
  std::memcpy(place, &instruction, sizeof instruction);
}

// b and bl: 26 bits of words.
bool branch26(std::byte* place, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t distance = to - from;
  insert(place, distance >> 2, 26, 0);
  return distance % 4 == 0 && fits_signed(distance, 28);
}

// adr and adrp: two low bits at 29, nineteen high ones at 5.
bool insert_adr(std::byte* place, std::uint64_t value) {
  insert(place, value, 2, 29);
  insert(place, value >> 2, 19, 5);
  return fits_signed(value, 21);
}

bool adr21(std::byte* place, std::uint64_t from, std::uint64_t to) {
  return insert_adr(place, to - from);
}

bool adrp21(std::byte* place, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t pages = (to & ~std::uint64_t{0xfff}) - (from & ~std::uint64_t{0xfff});
  return insert_adr(place, static_cast<std::uint64_t>(static_cast<std::int64_t>(pages) >> 12));
}

// ldr (literal): nineteen bits of words at 5.
bool literal19(std::byte* place, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t distance = to - from;
  insert(place, distance >> 2, 19, 5);
  return distance % 4 == 0 && fits_signed(distance, 21);
}

// The twelve low bits of an address, counted in units of the access.
template <int log2_bytes>
bool low12(std::byte* place, std::uint64_t, std::uint64_t to) {
  insert(place, (to & 0xfff) >> log2_bytes, 12, 10);
  return to % (1U << log2_bytes) == 0;
}

constexpr RelocationRule kX86_64[] = {
    {R_X86_64_NONE, Target::nothing, 0, none},
    {R_X86_64_64, Target::symbol, 8, absolute64},
    {R_X86_64_PC32, Target::call, 4, relative32},
    {R_X86_64_PLT32, Target::call, 4, relative32},
    {R_X86_64_GOTPCREL, Target::pointer, 4, relative32},
    {R_X86_64_GOTPCRELX, Target::pointer, 4, relative32},
    {R_X86_64_REX_GOTPCRELX, Target::pointer, 4, relative32},
    {R_X86_64_32, Target::symbol, 4, unsigned32},
    {R_X86_64_32S, Target::symbol, 4, signed32},
    {R_X86_64_PC64, Target::symbol, 8, relative64},
};

constexpr RelocationRule kAArch64[] = {
    {R_AARCH64_NONE, Target::nothing, 0, none},
    {R_AARCH64_ABS64, Target::symbol, 8, absolute64},
    {R_AARCH64_PREL64, Target::symbol, 8, relative64},
    {R_AARCH64_PREL32, Target::symbol, 4, relative32},
    {R_AARCH64_LD_PREL_LO19, Target::symbol, 4, literal19},
    {R_AARCH64_ADR_PREL_LO21, Target::symbol, 4, adr21},
    {R_AARCH64_ADR_PREL_PG_HI21, Target::symbol, 4, adrp21},
    {R_AARCH64_ADD_ABS_LO12_NC, Target::symbol, 4, low12<0>},
    {R_AARCH64_LDST8_ABS_LO12_NC, Target::symbol, 4, low12<0>},
    {R_AARCH64_LDST16_ABS_LO12_NC, Target::symbol, 4, low12<1>},
    {R_AARCH64_LDST32_ABS_LO12_NC, Target::symbol, 4, low12<2>},
    {R_AARCH64_LDST64_ABS_LO12_NC, Target::symbol, 4, low12<3>},
    {R_AARCH64_LDST128_ABS_LO12_NC, Target::symbol, 4, low12<4>},
    {R_AARCH64_JUMP26, Target::call, 4, branch26},
    {R_AARCH64_CALL26, Target::call, 4, branch26},
    {R_AARCH64_ADR_GOT_PAGE, Target::pointer, 4, adrp21},
    {R_AARCH64_LD64_GOT_LO12_NC, Target::pointer, 4, low12<3>},
};

} // namespace

const RelocationRule* relocation_rule(CodeObject::Machine machine, std::uint32_t type) noexcept {
  const std::span<const RelocationRule> rules = machine == CodeObject::Machine::x86_64
                                                    ? std::span<const RelocationRule>(kX86_64)
                                                    : std::span<const RelocationRule>(kAArch64);
  for (const auto& rule : rules)
    if (rule.type == type)
      return &rule;
  return nullptr;
}

} // namespace swage::host
