// ast.hpp -- a kernel text as parsed. Flat: an expression is a run of nodes in one array, operands
// before their users, so that passes over it are loops and a chain of any length is no recursion.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/diagnostics.hpp"
#include "ir/kernel.hpp"
#include "ir/literal.hpp"

namespace swage::ir {

using ExprId = std::uint32_t;

/// Nodes that one text may hold.
inline constexpr std::size_t kMaxExprs = 1'000'000;

struct Name {
  std::string_view text; ///< part of the source text, which outlives the AST
  Span span;
};

enum class ExprKind : std::uint8_t {
  poison, ///< its error has been reported
  literal,
  name,  ///< a value by name
  op,    ///< infix, prefix or ternary
  call,  ///< NAME(arguments): a function or a cast
  index, ///< NAME[argument]: a value of a table
};

/// What a name or a call refers to; `resolve` finds it out.
enum class Ref : std::uint8_t {
  unknown,  ///< reported
  param,    ///< `target`: index into the kernel's declared parameters
  let,      ///< `target`: index of the statement
  argument, ///< `target`: index of the function's parameter
  builtin,  ///< the operation is Expr::op
  function, ///< `target`: index into Program::functions
  type,     ///< cast to the type with number `target`
  generic,  ///< cast to the kernel's generic with index `target`
};

struct Expr {
  ExprKind kind = ExprKind::poison;
  Op op = Op::constant;
  Ref ref = Ref::unknown;
  Span span;
  std::uint32_t caret = 0; ///< of an operation: its operator
  Span name = {};          ///< of a name or call: the name, without parentheses around it
  std::uint32_t target = 0;
  std::uint32_t first_arg = 0; ///< into Program::args
  std::uint32_t arg_count = 0;
  Literal literal = {};
};

/// The nodes [begin, root], `root` being the expression itself.
struct Body {
  ExprId begin = 0;
  ExprId root = 0;
};

struct TypeName {
  Name name;
  std::optional<DType> dtype = {}; ///< a concrete type
  int generic = -1;                ///< or the index of a generic of the kernel; or unknown
};

struct FunctionDecl {
  Name name;
  std::vector<Name> params;
  Body body;
  bool broken = false; ///< its parameters are not known: calls cannot be checked
};

struct ParamDecl {
  Name name;
  ParamKind kind = ParamKind::scalar;
  bool is_const = false;
  TypeName type;
  Broadcast broadcast = Broadcast::none;
  Name group = {};                               ///< `[group n]`, `[col group n]`: n as written
  std::int64_t group_size = 0;                   ///< n where it is a number
  std::optional<std::uint32_t> group_const = {}; ///< else the const parameter that n is
  std::optional<Body> default_value;
};

/// `let name = value;`, `name = value;` or `skip where value;`, whose name is the word `skip`.
struct Statement {
  bool is_let = false;
  Name name;
  Body value;
  std::optional<std::uint32_t> target; ///< of an assignment: the parameter assigned
  bool is_skip = false;
};

struct KernelDecl {
  Name name;
  std::uint32_t begin = 0; ///< of `kernel` or of the `@` before it
  MathMode math = MathMode::accurate;
  std::vector<Name> generics;
  std::vector<ParamDecl> params;
  std::vector<Statement> statements;
  bool incomplete = false; ///< something was skipped, an assignment perhaps
  bool names_lost = false; ///< a parameter or a let was skipped
  std::uint32_t end = 0;   ///< behind the closing brace
};

/// `gate` or `gate -> up` in the list of a gradient.
struct GradItem {
  Name what;
  std::optional<Name> into;
};

/// `kernel name = grad forward(gate, up -> gate);`
struct GradDecl {
  Name name;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;             ///< behind the semicolon
  std::optional<MathMode> math = {}; ///< as written; else that of the forward kernel
  Name forward = {};
  std::vector<GradItem> items = {};
  /// What `forward` names; `resolve_gradients` finds it out. Index into Program::gradients where
  /// `of_gradient`, else into Program::kernels.
  bool of_gradient = false;
  std::optional<std::uint32_t> target = {};
};

struct Program {
  std::string_view text;
  std::vector<Expr> exprs;
  std::vector<ExprId> args;
  std::vector<FunctionDecl> functions;
  std::vector<KernelDecl> kernels;
  std::vector<GradDecl> gradients;
  bool incomplete = false; ///< a declaration was skipped

  std::string_view text_of(Span span) const noexcept {
    return text.substr(span.begin, span.end - span.begin);
  }
};

} // namespace swage::ir
