// ptx.hpp -- PTX text as a tree: modules, variables, kernels, instructions.
#pragma once

#include "emulator/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace swage::emulator {

/// The text is not PTX, or uses a part of PTX that the emulator does not know. `what()` reads like
/// a line of the assembler's log: `line 12: ...`.
class ParseError : public std::runtime_error {
public:
  ParseError(unsigned line, const std::string& message)
      : std::runtime_error("line " + std::to_string(line) + ": " + message), line_(line) {}
  unsigned line() const noexcept { return line_; }

private:
  unsigned line_;
};

enum class Space : std::uint8_t { generic, param, global, shared, local, constant };

enum class OperandKind : std::uint8_t {
  reg,     ///< a declared register, perhaps negated (`!%p1`)
  special, ///< a special register such as `%tid.x`
  integer, ///< an integer literal
  real32,  ///< `0f...`
  real64,  ///< `0d...` or a decimal fraction
  symbol,  ///< a label, a variable or a parameter
  memory,  ///< `[base+offset]`; the base, if any, is parts[0]
  vector,  ///< `{a, b, ...}`
  pair,    ///< `%p1|%p2`
  sink,    ///< `_`
};

struct Operand {
  OperandKind kind = OperandKind::sink;
  bool negated = false;
  std::uint32_t reg = 0;   ///< index into Kernel::registers
  std::uint64_t bits = 0;  ///< of a literal
  std::int64_t offset = 0; ///< of a memory operand
  std::string name;        ///< of a symbol or special register
  std::vector<Operand> parts;
};

struct Instruction {
  std::optional<Operand> guard; ///< the predicate register of `@%p1` or `@!%p1`
  std::string opcode;           ///< with its modifiers: `ld.global.nc.v4.b32`
  std::vector<Operand> operands;
  unsigned line = 0;
  std::string text; ///< as written, on one line, for messages
};

/// A variable in .global, .const, .shared or .local memory.
struct Variable {
  std::string name;
  Space space = Space::global;
  std::size_t size = 0; ///< bytes; 0 for `extern .shared x[]`
  std::size_t align = 1;
  std::vector<std::byte> initial; ///< empty, or `size` bytes
};

struct Parameter {
  std::string name;
  std::size_t offset = 0;
  std::size_t size = 0;
};

struct Register {
  std::string name;
  Type type;
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  std::size_t parameter_bytes = 0;
  std::optional<std::array<unsigned, 3>> required_threads; ///< .reqntid
  std::optional<std::array<unsigned, 3>> maximum_threads;  ///< .maxntid
  unsigned cluster = 1;                                    ///< .reqnctapercluster, along x
  std::vector<Register> registers;
  std::vector<Variable> variables;
  std::vector<Instruction> instructions;
  std::unordered_map<std::string, std::uint32_t> labels; ///< the index of the instruction after it
};

struct Module {
  unsigned version = 0;      ///< 10 * major + minor
  std::string target;        ///< `sm_90`, `sm_90a`
  unsigned architecture = 0; ///< 90
  std::vector<Variable> variables;
  std::vector<Kernel> kernels;

  const Kernel* find(std::string_view name) const;
};

/// Parses PTX as LLVM's back end and people write it. Throws ParseError.
Module parse(std::string_view text);

} // namespace swage::emulator
