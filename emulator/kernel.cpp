// kernel.cpp -- the PTX parser: kernels and their instructions.
#include "emulator/parser.hpp"

namespace swage::emulator {
namespace {

std::size_t align_up(std::size_t value, std::size_t align) {
  return (value + align - 1) / align * align;
}

class KernelParser {
public:
  explicit KernelParser(Reader& in) : in_(in) {}

  Kernel run() {
    kernel_.name = in_.word("a kernel name");
    if (in_.accept("(") && !in_.accept(")")) {
      do
        parameter();
      while (in_.accept(","));
      in_.expect(")");
    }
    while (!in_.peek().is("{"))
      tuning_directive();
    body();
    return std::move(kernel_);
  }

private:
  void parameter() {
    in_.expect(".param");
    std::size_t align = 0;
    std::optional<Type> type;
    while (in_.peek().text.substr(0, 1) == ".") {
      const std::string directive(in_.next().text);
      if (directive == ".ptr") { // what follows describes the memory pointed to
        while (in_.peek().text.substr(0, 1) == ".")
          if (in_.next().is(".align"))
            in_.size_literal();
      } else if (directive == ".align") {
        align = in_.size_literal();
      } else if (!(type = find_type(std::string_view(directive).substr(1)))) {
        in_.fail("syntax error: unknown parameter directive '" + directive + "'");
      }
    }
    if (!type)
      in_.fail("syntax error: a parameter has no type");
    Parameter result;
    result.name = in_.word("a parameter name");
    result.size = size_of(*type) * read_array_length(in_);
    result.offset = align_up(kernel_.parameter_bytes, align != 0 ? align : size_of(*type));
    kernel_.parameter_bytes = result.offset + result.size;
    kernel_.parameters.push_back(std::move(result));
  }

  std::array<unsigned, 3> dimensions() {
    std::array<unsigned, 3> result{1, 1, 1};
    for (std::size_t i = 0; i < 3; ++i) {
      result[i] = static_cast<unsigned>(in_.size_literal());
      if (!in_.accept(","))
        break;
    }
    return result;
  }

  void cluster() {
    const std::array<unsigned, 3> blocks = dimensions();
    if (blocks[0] == 0 || blocks[1] != 1 || blocks[2] != 1)
      in_.fail("clusters are emulated along x alone");
    kernel_.cluster = blocks[0];
  }

  void tuning_directive() {
    if (in_.accept(".reqntid"))
      kernel_.required_threads = dimensions();
    else if (in_.accept(".maxntid"))
      kernel_.maximum_threads = dimensions();
    else if (in_.accept(".minnctapersm") || in_.accept(".maxnreg") || in_.accept(".maxclusterrank"))
      in_.size_literal();
    else if (in_.accept(".reqnctapercluster"))
      cluster();
    else if (in_.peek().is(".pragma"))
      in_.skip_statement();
    else if (!in_.accept(".noreturn") && !in_.accept(".explicitcluster"))
      in_.fail("syntax error: unexpected '" + in_.near() + "' before the body of '" + kernel_.name +
               "'");
  }

  using Scope = std::unordered_map<std::string, std::uint32_t>;

  void body() {
    in_.expect("{");
    scopes_.assign(1, {});
    while (!scopes_.empty()) {
      if (in_.peek().kind == TokenKind::end)
        in_.fail("syntax error: missing '}' at the end of '" + kernel_.name + "'");
      if (in_.accept("{"))
        scopes_.emplace_back();
      else if (in_.accept("}"))
        scopes_.pop_back();
      else
        statement();
    }
  }

  void statement() {
    if (in_.accept(";"))
      return;
    if (in_.accept(".reg"))
      return registers();
    if (find_space(in_.peek().text))
      return static_cast<void>(kernel_.variables.emplace_back(read_variable(in_)));
    if (in_.peek().is(".loc") || in_.peek().is(".file"))
      return in_.skip_line();
    if (in_.peek().is(".pragma"))
      return in_.skip_statement();
    if (in_.peek().kind == TokenKind::word && in_.peek(1).is(":")) {
      kernel_.labels.emplace(in_.next().text,
                             static_cast<std::uint32_t>(kernel_.instructions.size()));
      in_.next();
      return;
    }
    if (in_.peek().text.substr(0, 1) == ".")
      in_.fail("unsupported directive '" + in_.near() + "'");
    kernel_.instructions.push_back(instruction());
  }

  void registers() {
    const std::string type_name = in_.word("a register type");
    const std::optional<Type> type = find_type(std::string_view(type_name).substr(1));
    if (!type)
      in_.fail("syntax error: unknown register type '" + type_name + "'");
    do {
      const std::string name = in_.word("a register name");
      if (in_.accept("<")) {
        const std::size_t count = in_.size_literal();
        in_.expect(">");
        if (count > 1U << 20)
          in_.fail("too many registers in one declaration");
        for (std::size_t i = 0; i < count; ++i)
          declare(name + std::to_string(i), *type);
      } else {
        declare(name, *type);
      }
    } while (in_.accept(","));
    in_.expect(";");
  }

  void declare(std::string name, Type type) {
    const auto index = static_cast<std::uint32_t>(kernel_.registers.size());
    if (!scopes_.back().emplace(name, index).second)
      in_.fail("duplicate definition of register '" + name + "'");
    kernel_.registers.push_back({std::move(name), type});
  }

  Instruction instruction() {
    Instruction result;
    result.line = in_.peek().line;
    const char* const begin = in_.peek().text.data();
    if (in_.accept("@")) {
      const bool negated = in_.accept("!");
      result.guard = name_operand();
      result.guard->negated = negated;
      if (result.guard->kind != OperandKind::reg ||
          kernel_.registers[result.guard->reg].type != Type::pred)
        in_.fail("the guard of an instruction must be a predicate register");
    }
    result.opcode = in_.word("an instruction");
    if (!in_.peek().is(";")) {
      do
        result.operands.push_back(operand());
      while (in_.accept(","));
    }
    const char* const end = in_.peek().text.data();
    in_.expect(";");
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
    if (in_.accept("[")) {
      result = memory_operand();
    } else if (in_.accept("{")) {
      result.kind = OperandKind::vector;
      do
        result.parts.push_back(operand());
      while (in_.accept(","));
      in_.expect("}");
    } else if (in_.accept("!")) {
      result = name_operand();
      result.negated = true;
    } else if (in_.peek().is("-") || is_number(in_.peek().text)) {
      const Literal value = in_.literal();
      result.kind = value.kind;
      result.bits = value.bits;
    } else {
      result = name_operand();
    }
    if (in_.accept("|")) {
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
    if (is_number(in_.peek().text)) {
      result.offset = static_cast<std::int64_t>(in_.literal().bits);
    } else {
      result.parts.push_back(name_operand());
      if (in_.accept("+"))
        result.offset = static_cast<std::int64_t>(in_.literal().bits);
      else if (in_.peek().is("-"))
        result.offset = static_cast<std::int64_t>(in_.literal().bits);
    }
    in_.expect("]");
    return result;
  }

  Operand name_operand() {
    Operand result;
    const std::string name = in_.word("an operand");
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

  Reader& in_;
  Kernel kernel_;
  std::vector<Scope> scopes_; ///< names of registers, of every block that is open
};

} // namespace

Kernel read_kernel(Reader& in) {
  return KernelParser(in).run();
}

} // namespace swage::emulator
