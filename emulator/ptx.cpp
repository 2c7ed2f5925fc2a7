// ptx.cpp -- the PTX parser.
#include "emulator/ptx.hpp"

#include "emulator/lexer.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace swage::emulator {
namespace {

std::size_t align_up(std::size_t value, std::size_t align) {
  return (value + align - 1) / align * align;
}

bool is_number(std::string_view word) {
  return !word.empty() && word[0] >= '0' && word[0] <= '9';
}

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

struct Literal {
  OperandKind kind;
  std::uint64_t bits;
};

class Parser {
public:
  explicit Parser(std::string_view text) : tokens_(tokenize(text)) {}

  Module run() {
    if (!peek().is(".version"))
      fail("missing .version directive at the start of the file");
    while (peek().kind != TokenKind::end)
      top_level();
    if (module_.target.empty())
      fail("missing .target directive");
    return std::move(module_);
  }

private:
  // -- tokens --------------------------------------------------------------------------------

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& next() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size())
      ++at_;
    return token;
  }
  bool accept(std::string_view text) {
    if (!peek().is(text))
      return false;
    next();
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text))
      fail("syntax error: expected '" + std::string(text) + "' near '" + near() + "'");
  }
  std::string near() const {
    return peek().kind == TokenKind::end ? "end of file" : std::string(peek().text);
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw ParseError(peek().line, message);
  }
  std::string word(const char* what) {
    if (peek().kind != TokenKind::word)
      fail(std::string("syntax error: expected ") + what + " near '" + near() + "'");
    return std::string(next().text);
  }
  void skip_line() {
    for (const unsigned line = peek().line; peek().kind != TokenKind::end && peek().line == line;)
      next();
  }
  void skip_statement() {
    while (peek().kind != TokenKind::end && !accept(";"))
      next();
  }
  void skip_braces() {
    expect("{");
    for (int depth = 1; depth != 0;) {
      if (peek().kind == TokenKind::end)
        fail("syntax error: missing '}'");
      const Token& token = next();
      depth += token.is("{") ? 1 : token.is("}") ? -1 : 0;
    }
  }

  // -- literals ------------------------------------------------------------------------------

  std::uint64_t digits(std::string_view text, int base) const {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size())
      fail("syntax error: '" + std::string(text) + "' is not a number");
    return value;
  }

  Literal literal() {
    const bool minus = accept("-");
    const std::string_view text = peek().text;
    if (peek().kind != TokenKind::word || !is_number(text))
      fail("syntax error: expected a number near '" + near() + "'");
    Literal value = unsigned_literal(text);
    next();
    if (minus)
      value.bits = value.kind == OperandKind::integer  ? 0 - value.bits
                   : value.kind == OperandKind::real32 ? value.bits ^ 0x80000000U
                                                       : value.bits ^ (1ULL << 63);
    return value;
  }

  Literal unsigned_literal(std::string_view text) const {
    const char tag = text.size() > 1 ? text[1] : '\0';
    if (text[0] == '0' && (tag == 'f' || tag == 'F') && text.size() == 10)
      return {OperandKind::real32, digits(text.substr(2), 16)};
    if (text[0] == '0' && (tag == 'd' || tag == 'D') && text.size() == 18)
      return {OperandKind::real64, digits(text.substr(2), 16)};
    const bool hex = text[0] == '0' && (tag == 'x' || tag == 'X');
    if (!hex && text.find_first_of(".eE") != std::string_view::npos)
      return {OperandKind::real64, decimal_fraction(text)};
    if (text.back() == 'U')
      text.remove_suffix(1);
    if (hex)
      return {OperandKind::integer, digits(text.substr(2), 16)};
    if (text[0] == '0' && (tag == 'b' || tag == 'B'))
      return {OperandKind::integer, digits(text.substr(2), 2)};
    return {OperandKind::integer, digits(text, text[0] == '0' && text.size() > 1 ? 8 : 10)};
  }

  std::uint64_t decimal_fraction(std::string_view text) const {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      fail("syntax error: '" + std::string(text) + "' is not a number");
    return std::bit_cast<std::uint64_t>(value);
  }

  std::size_t size_literal() {
    const Literal value = literal();
    if (value.kind != OperandKind::integer)
      fail("syntax error: expected an integer");
    return value.bits;
  }

  // -- the module ----------------------------------------------------------------------------

  void top_level() {
    if (accept(".version"))
      return version();
    if (accept(".target"))
      return target();
    if (accept(".address_size")) {
      if (size_literal() != 64)
        fail("only .address_size 64 is supported");
      return;
    }
    if (accept(".section"))
      return next(), skip_braces();
    if (peek().is(".file") || peek().is(".loc"))
      return skip_line();
    if (peek().is(".pragma") || peek().is(".alias"))
      return skip_statement();
    bool external = false;
    while (peek().is(".visible") || peek().is(".extern") || peek().is(".weak") ||
           peek().is(".common"))
      external |= next().is(".extern");
    if (accept(".entry"))
      return entry();
    if (accept(".func"))
      return device_function();
    const std::optional<Space> space = find_space(peek().text);
    if (!space)
      fail("syntax error: unexpected '" + near() + "' outside a kernel");
    variable(module_.variables, external);
  }

  void version() {
    const std::string text = word("a version");
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos)
      fail("syntax error: '" + text + "' is not a PTX version");
    module_.version = static_cast<unsigned>(digits(std::string_view(text).substr(0, dot), 10) * 10 +
                                            digits(std::string_view(text).substr(dot + 1), 10));
  }

  void target() {
    module_.target = word("a target");
    std::string_view number = module_.target;
    if (number.substr(0, 3) != "sm_")
      fail("unknown target '" + module_.target + "'");
    number.remove_prefix(3);
    while (!number.empty() && !is_number(number.substr(number.size() - 1)))
      number.remove_suffix(1);
    module_.architecture = static_cast<unsigned>(digits(number, 10));
    while (accept(","))
      word("a target option");
  }

  // Calls are not emulated, so a device function matters only when something calls it.
  void device_function() {
    while (!peek().is("{") && !peek().is(";")) {
      if (peek().kind == TokenKind::end)
        fail("syntax error: a .func has no body");
      next();
    }
    if (!accept(";"))
      skip_braces();
  }

  void variable(std::vector<Variable>& into, bool external = false) {
    Variable result;
    result.space = *find_space(next().text);
    std::optional<Type> type;
    std::size_t lanes = 1;
    bool aligned = false;
    while (peek().text.substr(0, 1) == ".") {
      if (accept(".align")) {
        result.align = size_literal();
        aligned = true;
      } else if (accept(".attribute")) {
        while (!accept(")"))
          next();
      } else if (peek().is(".v2") || peek().is(".v4")) {
        lanes = next().is(".v2") ? 2 : 4;
      } else {
        type = find_type(peek().text.substr(1));
        if (!type)
          fail("syntax error: unknown directive '" + near() + "'");
        next();
      }
    }
    if (!type)
      fail("syntax error: a variable has no type");
    const std::size_t element = size_of(*type) * lanes;
    if (!aligned)
      result.align = element;
    result.name = word("a variable name");
    result.size = element * array_length();
    if (accept("="))
      initializer(result, *type);
    expect(";");
    if (external && result.space != Space::shared)
      fail("unresolved extern symbol '" + result.name + "'");
    into.push_back(std::move(result));
  }

  std::size_t array_length() {
    std::size_t count = 1;
    while (accept("[")) {
      count *= peek().is("]") ? 0 : size_literal();
      expect("]");
    }
    return count;
  }

  void initializer(Variable& result, Type type) {
    result.initial.assign(result.size, std::byte{0});
    std::size_t at = 0;
    int depth = 0;
    do {
      while (accept("{"))
        ++depth;
      if (peek().kind == TokenKind::word && !is_number(peek().text))
        fail("an initializer that names a symbol is not supported: '" + near() + "'");
      const std::uint64_t bits = convert(literal(), type);
      if (at + size_of(type) > result.size)
        fail("too many initializers for '" + result.name + "'");
      std::memcpy(result.initial.data() + at, &bits, size_of(type));
      at += size_of(type);
      while (accept("}"))
        --depth;
    } while (accept(","));
    if (depth != 0)
      fail("syntax error: unbalanced braces in the initializer of '" + result.name + "'");
  }

  static std::uint64_t convert(const Literal& value, Type type) {
    if (value.kind == OperandKind::real64 && type == Type::f32)
      return std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(value.bits)));
    return value.bits;
  }

  // -- a kernel ------------------------------------------------------------------------------

  void entry() {
    Kernel kernel;
    kernel.name = word("a kernel name");
    if (accept("(") && !accept(")")) {
      do
        parameter(kernel);
      while (accept(","));
      expect(")");
    }
    while (!peek().is("{"))
      tuning_directive(kernel);
    body(kernel);
    module_.kernels.push_back(std::move(kernel));
  }

  void parameter(Kernel& kernel) {
    expect(".param");
    std::size_t align = 0;
    std::optional<Type> type;
    while (peek().text.substr(0, 1) == ".") {
      const std::string directive(next().text);
      if (directive == ".ptr") { // what follows describes the memory pointed to
        while (peek().text.substr(0, 1) == ".")
          if (next().is(".align"))
            size_literal();
      } else if (directive == ".align") {
        align = size_literal();
      } else if (!(type = find_type(std::string_view(directive).substr(1)))) {
        fail("syntax error: unknown parameter directive '" + directive + "'");
      }
    }
    if (!type)
      fail("syntax error: a parameter has no type");
    Parameter result;
    result.name = word("a parameter name");
    result.size = size_of(*type) * array_length();
    result.offset = align_up(kernel.parameter_bytes, align != 0 ? align : size_of(*type));
    kernel.parameter_bytes = result.offset + result.size;
    kernel.parameters.push_back(std::move(result));
  }

  std::array<unsigned, 3> dimensions() {
    std::array<unsigned, 3> result{1, 1, 1};
    for (std::size_t i = 0; i < 3; ++i) {
      result[i] = static_cast<unsigned>(size_literal());
      if (!accept(","))
        break;
    }
    return result;
  }

  void cluster(Kernel& kernel) {
    const std::array<unsigned, 3> blocks = dimensions();
    if (blocks[0] == 0 || blocks[1] != 1 || blocks[2] != 1)
      fail("clusters are emulated along x alone");
    kernel.cluster = blocks[0];
  }

  void tuning_directive(Kernel& kernel) {
    if (accept(".reqntid"))
      kernel.required_threads = dimensions();
    else if (accept(".maxntid"))
      kernel.maximum_threads = dimensions();
    else if (accept(".minnctapersm") || accept(".maxnreg") || accept(".maxclusterrank"))
      size_literal();
    else if (accept(".reqnctapercluster"))
      cluster(kernel);
    else if (peek().is(".pragma"))
      skip_statement();
    else if (!accept(".noreturn") && !accept(".explicitcluster"))
      fail("syntax error: unexpected '" + near() + "' before the body of '" + kernel.name + "'");
  }

  using Scope = std::unordered_map<std::string, std::uint32_t>;

  void body(Kernel& kernel) {
    expect("{");
    scopes_.assign(1, {});
    while (!scopes_.empty()) {
      if (peek().kind == TokenKind::end)
        fail("syntax error: missing '}' at the end of '" + kernel.name + "'");
      if (accept("{"))
        scopes_.emplace_back();
      else if (accept("}"))
        scopes_.pop_back();
      else
        statement(kernel);
    }
  }

  void statement(Kernel& kernel) {
    if (accept(";"))
      return;
    if (accept(".reg"))
      return registers(kernel);
    if (find_space(peek().text))
      return variable(kernel.variables);
    if (peek().is(".loc") || peek().is(".file"))
      return skip_line();
    if (peek().is(".pragma"))
      return skip_statement();
    if (peek().kind == TokenKind::word && peek(1).is(":")) {
      kernel.labels.emplace(next().text, static_cast<std::uint32_t>(kernel.instructions.size()));
      next();
      return;
    }
    if (peek().text.substr(0, 1) == ".")
      fail("unsupported directive '" + near() + "'");
    kernel.instructions.push_back(instruction(kernel));
  }

  void registers(Kernel& kernel) {
    const std::string type_name = word("a register type");
    const std::optional<Type> type = find_type(std::string_view(type_name).substr(1));
    if (!type)
      fail("syntax error: unknown register type '" + type_name + "'");
    do {
      const std::string name = word("a register name");
      if (accept("<")) {
        const std::size_t count = size_literal();
        expect(">");
        if (count > 1U << 20)
          fail("too many registers in one declaration");
        for (std::size_t i = 0; i < count; ++i)
          declare(kernel, name + std::to_string(i), *type);
      } else {
        declare(kernel, name, *type);
      }
    } while (accept(","));
    expect(";");
  }

  void declare(Kernel& kernel, std::string name, Type type) {
    const auto index = static_cast<std::uint32_t>(kernel.registers.size());
    if (!scopes_.back().emplace(name, index).second)
      fail("duplicate definition of register '" + name + "'");
    kernel.registers.push_back({std::move(name), type});
  }

  // -- instructions --------------------------------------------------------------------------

  Instruction instruction(const Kernel& kernel) {
    Instruction result;
    result.line = peek().line;
    const char* const begin = peek().text.data();
    if (accept("@")) {
      const bool negated = accept("!");
      result.guard = name_operand();
      result.guard->negated = negated;
      if (result.guard->kind != OperandKind::reg ||
          kernel.registers[result.guard->reg].type != Type::pred)
        fail("the guard of an instruction must be a predicate register");
    }
    result.opcode = word("an instruction");
    if (!peek().is(";")) {
      do
        result.operands.push_back(operand());
      while (accept(","));
    }
    const char* const end = peek().text.data();
    expect(";");
    for (const char* c = begin; c != end; ++c) {
      const bool blank = *c == ' ' || *c == '\t' || *c == '\n' || *c == '\r';
      if (!blank)
        result.text += *c;
      else if (!result.text.empty() && result.text.back() != ' ')
        result.text += ' ';
    }
    return result;
  }

  Operand operand() {
    Operand result;
    if (accept("[")) {
      result = memory_operand();
    } else if (accept("{")) {
      result.kind = OperandKind::vector;
      do
        result.parts.push_back(operand());
      while (accept(","));
      expect("}");
    } else if (accept("!")) {
      result = name_operand();
      result.negated = true;
    } else if (peek().is("-") || is_number(peek().text)) {
      const Literal value = literal();
      result.kind = value.kind;
      result.bits = value.bits;
    } else {
      result = name_operand();
    }
    if (accept("|")) {
      Operand pair;
      pair.kind = OperandKind::pair;
      pair.parts = {std::move(result), name_operand()};
      return pair;
    }
    return result;
  }

  Operand memory_operand() {
    Operand result;
    result.kind = OperandKind::memory;
    if (is_number(peek().text)) {
      result.offset = static_cast<std::int64_t>(literal().bits);
    } else {
      result.parts.push_back(name_operand());
      if (accept("+"))
        result.offset = static_cast<std::int64_t>(literal().bits);
      else if (peek().is("-"))
        result.offset = static_cast<std::int64_t>(literal().bits);
    }
    expect("]");
    return result;
  }

  Operand name_operand() {
    Operand result;
    const std::string name = word("an operand");
    if (name == "_")
      return result;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name);
      if (found == scope->end())
        continue;
      result.kind = OperandKind::reg;
      result.reg = found->second;
      return result;
    }
    result.kind = name[0] == '%' ? OperandKind::special : OperandKind::symbol;
    result.name = name;
    return result;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Module module_;
  std::vector<Scope> scopes_;
};

} // namespace

const Kernel* Module::find(std::string_view name) const {
  const auto found = std::find_if(kernels.begin(), kernels.end(),
                                  [&](const Kernel& kernel) { return kernel.name == name; });
  return found == kernels.end() ? nullptr : &*found;
}

Module parse(std::string_view text) {
  return Parser(text).run();
}

} // namespace swage::emulator
