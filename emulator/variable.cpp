// variable.cpp -- variables of a PTX module or kernel, and their initial values.
#include "emulator/parser.hpp"

#include <bit>
#include <cstring>

namespace swage::emulator {
namespace {

std::uint64_t convert(const Literal& value, Type type) {
  if (value.kind == OperandKind::real64 && type == Type::f32)
    return std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(value.bits)));
  return value.bits;
}

void read_initializer(Reader& in, Variable& result, Type type) {
  result.initial.assign(result.size, std::byte{0});
  std::size_t at = 0;
  int depth = 0;
  do {
    while (in.accept("{"))
      ++depth;
    if (in.peek().kind == TokenKind::word && !is_number(in.peek().text))
      in.fail("an initializer that names a symbol is not supported: '" + in.near() + "'");
    const std::uint64_t bits = convert(in.literal(), type);
    if (at + size_of(type) > result.size)
      in.fail("too many initializers for '" + result.name + "'");
    std::memcpy(result.initial.data() + at, &bits, size_of(type));
    at += size_of(type);
    while (in.accept("}"))
      --depth;
  } while (in.accept(","));
  if (depth != 0)
    in.fail("syntax error: unbalanced braces in the initializer of '" + result.name + "'");
}

} // namespace

std::optional<Space> find_space(std::string_view word) {
  if (word == ".global")
    return Space::global;
  if (word == ".const")
    return Space::constant;
  if (word == ".shared")
    return Space::shared;
  if (word == ".local")
    return Space::local;
  return std::nullopt;
}

Variable read_variable(Reader& in, bool external) {
  Variable result;
  result.space = *find_space(in.next().text);
  std::optional<Type> type;
  std::size_t lanes = 1;
  bool aligned = false;
  while (in.peek().text.substr(0, 1) == ".") {
    if (in.accept(".align")) {
      result.align = in.size_literal();
      aligned = true;
    } else if (in.accept(".attribute")) {
      while (!in.accept(")"))
        in.next();
    } else if (in.peek().is(".v2") || in.peek().is(".v4")) {
      lanes = in.next().is(".v2") ? 2 : 4;
    } else {
      type = find_type(in.peek().text.substr(1));
      if (!type)
        in.fail("syntax error: unknown directive '" + in.near() + "'");
      in.next();
    }
  }
  if (!type)
    in.fail("syntax error: a variable has no type");
  const std::size_t element = size_of(*type) * lanes;
  if (!aligned)
    result.align = element;
  result.name = in.word("a variable name");
  result.size = element * read_array_length(in);
  if (in.accept("="))
    read_initializer(in, result, *type);
  in.expect(";");
  if (external && result.space != Space::shared)
    in.fail("unresolved extern symbol '" + result.name + "'");
  return result;
}

std::size_t read_array_length(Reader& in) {
  std::size_t count = 1;
  while (in.accept("[")) {
    count *= in.peek().is("]") ? 0 : in.size_literal();
    in.expect("]");
  }
  return count;
}

} // namespace swage::emulator
