// print.cpp -- a bound kernel as language text that parses back to the same graph.
//
// Text is made bottom up, one pass over the nodes, so depth costs no stack: a value used once is
// kept as text until its user takes it in, and becomes a `let` where the line would grow too wide.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <unordered_set>
#include <vector>

#include "ir/float_environment.hpp"
#include "ir/passes.hpp"
#include "ir/rebuild.hpp"

namespace swage::ir {

namespace {

/// A line holds at most this many characters, indentation and `let t123 = ;` apart.
constexpr std::size_t kWidth = 84;
constexpr std::size_t kLine = 100;
/// Of parentheses and calls in one expression, for the reader; kMaxNesting is far above.
constexpr int kDepth = 8;

struct Text {
  std::string text;
  Precedence precedence = Precedence::primary;
  int depth = 0; ///< nested parentheses and calls
};

/// Digits that read back as exactly this value: those of an f32 where they are enough.
std::string digits_of(DType type, double value) {
  std::string digits = fmt::format("{}", value);
  if (type == DType::f32) {
    const std::string narrow = fmt::format("{}", static_cast<float>(value));
    double read = 0; // as the lexer will
    std::from_chars(narrow.data(), narrow.data() + narrow.size(), read);
    if (static_cast<double>(static_cast<float>(read)) == value)
      digits = narrow;
  }
  // An integer has no -0, and beyond f32's integers it would have to be exact.
  const bool whole = digits.find_first_of(".e") == std::string::npos;
  const bool plain = (value != 0 || !std::signbit(value)) && std::abs(value) <= 0x1p24;
  if (whole && !plain)
    digits += ".0";
  return digits;
}

/// A constant as a literal that takes its type from what stands beside it.
Text literal(const Node& node) {
  if (node.type == DType::boolean)
    return {node.integer() != 0 ? "true" : "false"};
  if (!is_float(node.type))
    return {fmt::format("{}", node.integer()),
            node.integer() < 0 ? Precedence::prefix : Precedence::primary};
  const double value = node.real();
  if (std::isnan(value))
    return {"nan"};
  if (std::isinf(value))
    return value > 0 ? Text{"inf"} : Text{"-inf", Precedence::prefix};
  return {digits_of(node.type, value),
          std::signbit(value) ? Precedence::prefix : Precedence::primary};
}

/// A constant whose type nothing else says: `f32(1.5)`.
Text typed(const Node& node) {
  return {fmt::format("{}({})", name_of(node.type), literal(node).text), Precedence::primary, 1};
}

class Printer {
public:
  explicit Printer(const Kernel& kernel) : kernel_(kernel), uses_(count_uses(kernel)) {
    for (const Param& param : kernel.params())
      taken_.insert(param.name);
    texts_.resize(kernel.nodes().size());
  }

  /// The statements of the body, each with its ';'.
  std::vector<std::string> statements() &&;

private:
  void print_node(NodeId id);
  Text compose(const Node& node) const;
  Text operand(const Node& node, std::size_t i) const;
  bool says_type(const Node& node, std::size_t i) const;
  bool is_constant(NodeId id) const { return kernel_.node(id).op == Op::constant; }
  /// A value that can get a name of its own, and has none yet.
  bool is_nested(NodeId id) const { return info(kernel_.node(id).op).arity > 0 && !named_[id]; }
  void name(NodeId id);

  const Kernel& kernel_;
  std::vector<std::uint32_t> uses_;
  std::unordered_set<std::string> taken_;
  std::vector<Text> texts_;
  std::vector<bool> named_ = std::vector<bool>(kernel_.nodes().size(), false);
  std::vector<std::string> lines_;
  unsigned next_name_ = 0;
};

std::vector<std::string> Printer::statements() && {
  for (NodeId id = 0; id < kernel_.nodes().size(); ++id) {
    print_node(id);
    if (kernel_.skip() == id)
      lines_.push_back(fmt::format("skip where {};", kernel_.node(id).op == Op::constant
                                                         ? typed(kernel_.node(id)).text
                                                         : texts_[id].text));
  }
  for (const Store& store : kernel_.stores()) {
    const Node& node = kernel_.node(store.node);
    lines_.push_back(
        fmt::format("{} = {};", kernel_.params()[store.param].name,
                    node.op == Op::constant ? typed(node).text : texts_[store.node].text));
  }
  return std::move(lines_);
}

void Printer::print_node(NodeId id) {
  const Node& node = kernel_.node(id);
  if (node.op == Op::constant)
    return; // written where it is used
  if (node.op == Op::load || node.op == Op::scalar) {
    texts_[id] = {kernel_.params()[node.param].name};
    return;
  }
  Text text = compose(node);
  while (text.text.size() > kWidth || text.depth > kDepth) {
    NodeId widest = id;
    for (int i = 0; i < info(node.op).arity; ++i) {
      const NodeId candidate = node.args[static_cast<std::size_t>(i)];
      if (is_nested(candidate) &&
          (widest == id || texts_[candidate].text.size() > texts_[widest].text.size()))
        widest = candidate;
    }
    if (widest == id)
      break; // names alone are this long
    name(widest);
    text = compose(node);
  }
  texts_[id] = std::move(text);
  if (uses_[id] > 1)
    name(id);
}

void Printer::name(NodeId id) {
  std::string name;
  do
    name = fmt::format("t{}", next_name_++);
  while (taken_.contains(name));
  lines_.push_back(fmt::format("let {} = {};", name, texts_[id].text));
  texts_[id] = {std::move(name)};
  named_[id] = true;
}

/// Whether an operand of `node` other than the i-th gives a literal in its place the type.
bool Printer::says_type(const Node& node, std::size_t i) const {
  if (node.op == Op::cast || (node.op == Op::select && i == 0))
    return false;
  for (std::size_t k = node.op == Op::select ? 1 : 0;
       k < static_cast<std::size_t>(info(node.op).arity); ++k)
    if (k != i && !is_constant(node.args[k]))
      return true;
  return false;
}

Text Printer::operand(const Node& node, std::size_t i) const {
  const Node& argument = kernel_.node(node.args[i]);
  if (argument.op != Op::constant)
    return texts_[node.args[i]];
  return says_type(node, i) ? literal(argument) : typed(argument);
}

Text in_parentheses(Text text, bool needed) {
  return needed ? Text{fmt::format("({})", text.text), Precedence::primary, text.depth + 1} : text;
}

Text Printer::compose(const Node& node) const {
  const OpInfo& row = info(node.op);
  const Precedence precedence = info(node.op).binds;
  if (node.op == Op::select) {
    const Text condition = operand(node, 0), yes = operand(node, 1), no = operand(node, 2);
    const Text c = in_parentheses(condition, condition.precedence == Precedence::ternary);
    const Text y = in_parentheses(yes, yes.precedence == Precedence::ternary);
    return {fmt::format("{} ? {} : {}", c.text, y.text, no.text), Precedence::ternary,
            std::max({c.depth, y.depth, no.depth})};
  }
  if (row.form == OpForm::infix) {
    // Infix operators associate to the left; comparisons do not associate, and mixed && and || are
    // easily misread.
    Text a = operand(node, 0), b = operand(node, 1);
    const bool strict = precedence == Precedence::equality || precedence == Precedence::order;
    a = in_parentheses(
        a, a.precedence < precedence || (strict && a.precedence == precedence) ||
               (precedence == Precedence::logical_or && a.precedence == Precedence::logical_and));
    b = in_parentheses(b, b.precedence <= precedence || (precedence == Precedence::logical_or &&
                                                         b.precedence == Precedence::logical_and));
    return {fmt::format("{} {} {}", a.text, row.spelling, b.text), precedence,
            std::max(a.depth, b.depth)};
  }
  if (row.form == OpForm::prefix) {
    const Text argument = operand(node, 0);
    const Text a = in_parentheses(argument, argument.precedence <= Precedence::prefix);
    return {fmt::format("{}{}", row.spelling, a.text), Precedence::prefix, a.depth};
  }
  if (node.op == Op::lookup) {
    const Text index = operand(node, 0);
    return {fmt::format("{}[{}]", kernel_.params()[node.param].name, index.text),
            Precedence::primary, index.depth + 1};
  }
  Text call{fmt::format("{}(", node.op == Op::cast ? name_of(node.storage) : row.spelling)};
  for (std::size_t i = 0; i < static_cast<std::size_t>(row.arity); ++i) {
    const Text argument = operand(node, i);
    call.text.append(i ? ", " : "").append(argument.text);
    call.depth = std::max(call.depth, argument.depth + 1);
  }
  if (takes_size(row.form))
    call.text += fmt::format(", {}", node.space.group);
  call.text += ")";
  return call;
}

std::string declaration_of(const Param& param) {
  const std::string_view kind = param.kind == ParamKind::in      ? "in "
                                : param.kind == ParamKind::out   ? "out "
                                : param.kind == ParamKind::inout ? "inout "
                                                                 : "";
  const std::string broadcast =
      param.broadcast == Broadcast::none ? "" : fmt::format("[{}]", name_of(param.space()));
  return fmt::format("{}: {}{}{}", param.name, kind, name_of(param.dtype), broadcast);
}

/// Up to and with the opening brace; lines longer than `width` are broken between parameters.
std::string head_of(const Kernel& kernel, std::size_t width) {
  std::string head = kernel.math() == MathMode::accurate
                         ? std::string()
                         : fmt::format("@{} ", name_of(kernel.math()));
  head += fmt::format("kernel {}(", kernel.name());
  std::size_t line = 0; // where the current line begins
  for (std::size_t i = 0; i < kernel.params().size(); ++i) {
    const std::string declaration = declaration_of(kernel.params()[i]);
    const bool last = i + 1 == kernel.params().size();
    if (i > 0 && head.size() - line + 1 + declaration.size() + (last ? 3 : 1) > width) {
      head += "\n";
      line = head.size();
      head += "   ";
    }
    head += i > 0 ? " " : "";
    head += declaration;
    head += last ? "" : ",";
  }
  head += ") {";
  return head;
}

} // namespace

std::string print(const Kernel& kernel) {
  const DefaultFloatEnvironment environment;
  std::string text = kernel.owes_full_accuracy() ? "// Every value is owed full accuracy.\n" : "";
  text += head_of(kernel, kLine);
  for (const std::string& line : Printer(kernel).statements())
    text.append("\n  ").append(line);
  text += "\n}\n";
  return text;
}

std::string canonical(const Kernel& kernel) {
  const DefaultFloatEnvironment environment;
  std::string text = kernel.owes_full_accuracy() ? "full " : "";
  text += head_of(kernel, std::string::npos);
  for (const std::string& line : Printer(kernel).statements())
    text.append(" ").append(line);
  text += " }";
  return text;
}

} // namespace swage::ir
