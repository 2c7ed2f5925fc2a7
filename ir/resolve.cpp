// resolve.cpp -- names of the text: functions and kernels, parameters, lets, assignments.
#include "ir/resolve.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "ir/nearest.hpp"
#include "ir/recursion.hpp"
#include "ir/resolve_gradients.hpp"
#include "ir/rewordings.hpp"

namespace swage::ir {

namespace {

struct Entry {
  Ref ref = Ref::unknown;
  std::uint32_t target = 0;
  Span span;
};

using Scope = std::unordered_map<std::string_view, Entry>;

class Resolver {
public:
  Resolver(Program& program, Diagnostics& diagnostics)
      : program_(program), diagnostics_(diagnostics) {}

  void run();

private:
  void declare_functions();
  void declare_kernels();
  void function(FunctionDecl& function);
  void kernel(KernelDecl& kernel);
  void params(KernelDecl& kernel);
  void type(const KernelDecl& kernel, TypeName& type);
  void group(const KernelDecl& kernel, ParamDecl& param);
  void assignment(KernelDecl& kernel, Statement& statement);
  void outputs(const KernelDecl& kernel);

  bool declare(Name name, Ref ref, std::uint32_t target, std::string_view what);
  bool is_free(Name name, std::string_view what, bool with_functions);

  void body(Body body, const KernelDecl* kernel, const FunctionDecl* function);
  void default_value(Body body);
  void name(Expr& expr);
  void call(Expr& expr);
  void index(Expr& expr);
  void check_count(Expr& expr, std::size_t expected, std::string_view what);
  void unknown_name(const Expr& expr, std::string_view name);
  void unknown_call(const Expr& expr, std::string_view name);
  std::string suggestion(std::string_view name, bool calls) const;

  Program& program_;
  Diagnostics& diagnostics_;
  Scope functions_;
  Scope generics_of_kernels_; // of all kernels, to explain them where a function uses one
  Scope scope_;               // of the function or kernel at hand
  const KernelDecl* kernel_ = nullptr;
  const FunctionDecl* function_ = nullptr;
};

void Resolver::run() {
  declare_functions();
  declare_kernels();
  for (FunctionDecl& decl : program_.functions)
    function(decl);
  for (KernelDecl& decl : program_.kernels)
    kernel(decl);
  resolve_gradients(program_, diagnostics_);
  reject_recursion(program_, diagnostics_);
}

// Built-in functions and types keep their meaning; functions of the text too, where they can be
// called.
bool Resolver::is_free(Name name, std::string_view what, bool with_functions) {
  const auto taken = [&](std::string_view by) -> Diagnostic& {
    return diagnostics_.error(
        name.span, fmt::format("{} cannot be called '{}': that is {}", what, name.text, by));
  };
  if (dtype_from_name(name.text))
    taken("a type").help("choose another name");
  else if (function_from_name(name.text))
    taken("a built-in function").help("choose another name");
  else if (const auto found = functions_.find(name.text);
           with_functions && found != functions_.end())
    taken("a function of this text").note(found->second.span, "declared here");
  else
    return true;
  return false;
}

void Resolver::declare_functions() {
  for (std::uint32_t i = 0; i < program_.functions.size(); ++i) {
    const Name name = program_.functions[i].name;
    is_free(name, "a function", false);
    const auto [first, added] =
        functions_.try_emplace(name.text, Entry{Ref::function, i, name.span});
    if (!added)
      diagnostics_.error(name.span, fmt::format("function '{}' is declared twice", name.text))
          .note(first->second.span, "first declared here");
  }
}

void Resolver::declare_kernels() {
  Scope kernels;
  const auto declare_kernel = [&](Name name) {
    if (dtype_from_name(name.text))
      diagnostics_
          .error(name.span,
                 fmt::format("a kernel cannot be called '{}': that is a type", name.text))
          .help("choose another name");
    const auto [first, added] = kernels.try_emplace(name.text, Entry{Ref::unknown, 0, name.span});
    if (!added)
      diagnostics_.error(name.span, fmt::format("kernel '{}' is declared twice", name.text))
          .note(first->second.span, "first declared here");
  };
  for (const KernelDecl& kernel : program_.kernels) {
    declare_kernel(kernel.name);
    for (const Name& generic : kernel.generics)
      generics_of_kernels_.try_emplace(generic.text, Entry{Ref::generic, 0, generic.span});
  }
  for (const GradDecl& gradient : program_.gradients)
    declare_kernel(gradient.name);
}

bool Resolver::declare(Name name, Ref ref, std::uint32_t target, std::string_view what) {
  if (!is_free(name, what, true))
    return false;
  const auto [first, added] = scope_.try_emplace(name.text, Entry{ref, target, name.span});
  if (!added)
    diagnostics_.error(name.span, fmt::format("'{}' is declared twice", name.text))
        .help("every name has one meaning in a kernel: choose another")
        .note(first->second.span, "first declared here");
  return added;
}

void Resolver::function(FunctionDecl& function) {
  scope_ = {};
  for (std::uint32_t i = 0; i < function.params.size(); ++i)
    declare(function.params[i], Ref::argument, i, "a parameter");
  body(function.body, nullptr, &function);
}

void Resolver::kernel(KernelDecl& kernel) {
  scope_ = {};
  for (std::uint32_t i = 0; i < kernel.generics.size(); ++i)
    declare(kernel.generics[i], Ref::generic, i, "a generic type");
  params(kernel);
  for (std::uint32_t i = 0; i < kernel.statements.size(); ++i) {
    Statement& statement = kernel.statements[i];
    body(statement.value, &kernel, nullptr);
    if (statement.is_let)
      declare(statement.name, Ref::let, i, "a let");
    else if (!statement.is_skip)
      assignment(kernel, statement);
  }
  outputs(kernel);
}

void Resolver::params(KernelDecl& kernel) {
  for (std::uint32_t i = 0; i < kernel.params.size(); ++i) {
    ParamDecl& param = kernel.params[i];
    type(kernel, param.type);
    declare(param.name, Ref::param, i, "a parameter");
    if (param.default_value)
      default_value(*param.default_value);
  }
  // Constants may be declared behind what they size.
  for (ParamDecl& param : kernel.params)
    if (has_groups(param.broadcast) && param.group_size == 0)
      group(kernel, param);
}

// `[group n]` with a name.
void Resolver::group(const KernelDecl& kernel, ParamDecl& param) {
  for (std::uint32_t i = 0; i < kernel.params.size(); ++i)
    if (kernel.params[i].is_const && kernel.params[i].name.text == param.group.text) {
      param.group_const = i;
      return;
    }
  if (kernel.names_lost)
    return;
  std::vector<std::string_view> known;
  for (const ParamDecl& candidate : kernel.params)
    if (candidate.is_const)
      known.push_back(candidate.name.text);
  std::string help = did_you_mean(param.group.text, known);
  if (help.empty())
    help = "write a number, as in [group 128], or declare const " + std::string(param.group.text) +
           ": i32";
  diagnostics_
      .error(
          param.group.span,
          fmt::format("unknown group size '{}', expected a const of the kernel", param.group.text))
      .help(std::move(help));
}

void Resolver::type(const KernelDecl& kernel, TypeName& type) {
  if (type.dtype)
    return;
  for (std::size_t i = 0; i < kernel.generics.size(); ++i)
    if (kernel.generics[i].text == type.name.text)
      type.generic = static_cast<int>(i);
  if (type.generic >= 0)
    return;
  std::string help(rewording_of_type(type.name.text));
  if (help.empty()) {
    std::vector<std::string_view> known;
    for (const Name& generic : kernel.generics)
      known.push_back(generic.text);
    for (int i = 0; i < kDTypeCount; ++i)
      known.push_back(name_of(static_cast<DType>(i)));
    help = did_you_mean(type.name.text, known);
  }
  if (help.empty())
    help = fmt::format("for a generic type write kernel {}<{}>(...)", kernel.name.text,
                       type.name.text);
  diagnostics_
      .error(type.name.span, fmt::format("unknown type '{}', expected a storage type or a generic "
                                         "of the kernel",
                                         type.name.text))
      .help(std::move(help));
}

void Resolver::assignment(KernelDecl& kernel, Statement& statement) {
  const Name name = statement.name;
  const auto found = scope_.find(name.text);
  if (found == scope_.end()) {
    if (kernel.names_lost)
      return;
    std::vector<std::string_view> written;
    for (const ParamDecl& param : kernel.params)
      if (param.kind == ParamKind::out || param.kind == ParamKind::inout)
        written.push_back(param.name.text);
    std::string help = did_you_mean(name.text, written);
    if (help.empty())
      help = fmt::format("for a value of your own write let {} = ...", name.text);
    diagnostics_
        .error(name.span, fmt::format("unknown name '{}', expected an output to assign", name.text))
        .help(std::move(help));
    return;
  }
  const Entry& entry = found->second;
  const bool is_output =
      entry.ref == Ref::param && (kernel.params[entry.target].kind == ParamKind::out ||
                                  kernel.params[entry.target].kind == ParamKind::inout);
  if (is_output) {
    statement.target = entry.target;
    return;
  }
  const std::string_view what = entry.ref == Ref::let                  ? "a let"
                                : entry.ref == Ref::generic            ? "a type"
                                : kernel.params[entry.target].is_const ? "a const"
                                : kernel.params[entry.target].kind == ParamKind::in
                                    ? "an `in` parameter"
                                    : "a scalar";
  diagnostics_
      .error(name.span, fmt::format("'{}' is {} and cannot be assigned, expected an out or inout "
                                    "parameter",
                                    name.text, what))
      .note(entry.span, "declared here");
}

// Each output is assigned exactly once.
void Resolver::outputs(const KernelDecl& kernel) {
  std::vector<const Statement*> first(kernel.params.size(), nullptr);
  const Statement* skips = nullptr;
  for (const Statement& statement : kernel.statements) {
    if (statement.is_skip && skips)
      diagnostics_.error(statement.name.span, "rows are skipped twice")
          .help("join the conditions with ||")
          .note(skips->name.span, "first skipped here");
    if (statement.is_skip)
      skips = &statement;
    if (!statement.target)
      continue;
    const Statement*& seen = first[*statement.target];
    if (seen)
      diagnostics_
          .error(statement.name.span, fmt::format("'{}' is assigned twice", statement.name.text))
          .help("name what comes between with let")
          .note(seen->name.span, "first assigned here");
    else
      seen = &statement;
  }
  if (kernel.incomplete)
    return;
  bool writes = false;
  for (std::size_t i = 0; i < kernel.params.size(); ++i) {
    const ParamDecl& param = kernel.params[i];
    if (param.kind != ParamKind::out && param.kind != ParamKind::inout)
      continue;
    writes = true;
    if (!first[i])
      diagnostics_
          .error(param.name.span, fmt::format("output '{}' is never assigned", param.name.text))
          .help(param.kind == ParamKind::inout ? "if it is only read, declare it `in`" : "");
  }
  if (!writes)
    diagnostics_
        .error(kernel.name.span, fmt::format("kernel '{}' writes nothing", kernel.name.text))
        .help("declare an output, as in h: out T, and assign it");
}

// Expressions

void Resolver::body(Body body, const KernelDecl* kernel, const FunctionDecl* function) {
  kernel_ = kernel;
  function_ = function;
  for (ExprId id = body.begin; id <= body.root; ++id) {
    Expr& expr = program_.exprs[id];
    if (expr.kind == ExprKind::name)
      name(expr);
    else if (expr.kind == ExprKind::call)
      call(expr);
    else if (expr.kind == ExprKind::index)
      index(expr);
    if (expr.kind != ExprKind::literal && expr.kind != ExprKind::op && expr.ref == Ref::unknown)
      expr.kind = ExprKind::poison;
  }
}

void Resolver::default_value(Body body) {
  for (ExprId id = body.begin; id <= body.root; ++id) {
    Expr& expr = program_.exprs[id];
    const std::string_view text = program_.text_of(expr.name);
    const auto op = function_from_name(text);
    if (expr.kind == ExprKind::call && op && !reaches_beyond(*op)) {
      call(expr);
    } else if (expr.kind == ExprKind::name || expr.kind == ExprKind::call ||
               expr.kind == ExprKind::index) {
      diagnostics_.error(expr.name, fmt::format("'{}' in the default of a const, expected numbers "
                                                "and built-in functions only",
                                                text));
    }
    if (expr.kind != ExprKind::literal && expr.kind != ExprKind::op && expr.ref == Ref::unknown)
      expr.kind = ExprKind::poison;
  }
}

void Resolver::name(Expr& expr) {
  const std::string_view text = program_.text_of(expr.name);
  const auto found = scope_.find(text);
  if (found == scope_.end() || found->second.ref == Ref::generic)
    return unknown_name(expr, text);
  const Entry& entry = found->second;
  if (entry.ref == Ref::param && kernel_->params[entry.target].kind == ParamKind::out) {
    diagnostics_.error(expr.name, fmt::format("'{}' is an output and has no value to read", text))
        .help(fmt::format("name its value with let first, or declare it inout to read what '{}' "
                          "held on entry",
                          text))
        .note(entry.span, "declared here");
    return;
  }
  if (entry.ref == Ref::param && kernel_->params[entry.target].broadcast == Broadcast::table) {
    diagnostics_
        .error(expr.name, fmt::format("'{}' is a [table] and has no value of its own", text))
        .help(fmt::format("read it by an index of one value a row, as in {}[id]", text))
        .note(entry.span, "declared here");
    return;
  }
  expr.ref = entry.ref;
  expr.target = entry.target;
}

void Resolver::index(Expr& expr) {
  const std::string_view text = program_.text_of(expr.name);
  const auto found = scope_.find(text);
  if (found == scope_.end() || found->second.ref == Ref::generic)
    return unknown_name(expr, text);
  const Entry& entry = found->second;
  if (entry.ref == Ref::param && kernel_->params[entry.target].broadcast == Broadcast::table) {
    expr.ref = entry.ref;
    expr.target = entry.target;
    return;
  }
  const bool is_input =
      entry.ref == Ref::param && kernel_->params[entry.target].kind == ParamKind::in;
  diagnostics_.error(expr.name, fmt::format("'{}' is no [table], expected one before '['", text))
      .help(is_input   ? fmt::format("to read it by an index declare it {}: in TYPE [table]", text)
            : !kernel_ ? "functions have no tables: index it in the kernel and pass the value"
                       : "")
      .note(entry.span, "declared here");
}

void Resolver::call(Expr& expr) {
  const std::string_view text = program_.text_of(expr.name);
  if (const auto type = dtype_from_name(text)) {
    expr.ref = Ref::type;
    expr.target = static_cast<std::uint32_t>(*type);
    return check_count(expr, 1, "a cast");
  }
  if (const auto op = function_from_name(text)) {
    expr.ref = Ref::builtin;
    expr.op = *op;
    // The size of a group is written as an argument.
    const int arity = info(*op).arity + (takes_size(info(*op).form) ? 1 : 0);
    return check_count(expr, static_cast<std::size_t>(arity), fmt::format("'{}'", text));
  }
  const auto local = scope_.find(text);
  if (local != scope_.end() && local->second.ref == Ref::generic) {
    expr.ref = Ref::generic;
    expr.target = local->second.target;
    return check_count(expr, 1, "a cast");
  }
  const auto found = functions_.find(text);
  if (found == functions_.end())
    return unknown_call(expr, text);
  const FunctionDecl& callee = program_.functions[found->second.target];
  if (callee.broken)
    return;
  expr.ref = Ref::function;
  expr.target = found->second.target;
  check_count(expr, callee.params.size(), fmt::format("function '{}'", text));
}

void Resolver::check_count(Expr& expr, std::size_t expected, std::string_view what) {
  if (expr.arg_count == expected)
    return;
  Diagnostic& error =
      diagnostics_.error(expr.span, fmt::format("{} takes {} argument{}, found {}", what, expected,
                                                expected == 1 ? "" : "s", expr.arg_count));
  if (expr.ref == Ref::function)
    error.note(program_.functions[expr.target].name.span, "declared here");
  expr.ref = Ref::unknown;
}

std::string Resolver::suggestion(std::string_view name, bool calls) const {
  std::vector<std::string_view> known;
  for (const auto& [text, entry] : scope_)
    if (calls == (entry.ref == Ref::generic))
      known.push_back(text);
  if (calls) {
    for (int i = 0; i < kOpCount; ++i)
      if (is_call(info(static_cast<Op>(i)).form))
        known.push_back(info(static_cast<Op>(i)).spelling);
    for (int i = 0; i < kDTypeCount; ++i)
      known.push_back(name_of(static_cast<DType>(i)));
    for (const auto& [text, entry] : functions_)
      known.push_back(text);
  }
  // Maps have no order of their own; equally near names must not depend on it.
  std::sort(known.begin(), known.end());
  return did_you_mean(name, known);
}

void Resolver::unknown_name(const Expr& expr, std::string_view name) {
  const auto op = function_from_name(name);
  const bool calls = functions_.contains(name) || op;
  if (calls || dtype_from_name(name) || scope_.contains(name)) {
    diagnostics_
        .error(expr.name,
               fmt::format("'{}' is a {}, expected a value", name, calls ? "function" : "type"))
        .help(fmt::format("{} it, as in {}({})", calls ? "call" : "cast with", name,
                          op && info(*op).arity == 0 ? "" : "x"));
    return;
  }
  if (kernel_) {
    if (kernel_->names_lost)
      return;
    for (const Statement& statement : kernel_->statements)
      if (statement.is_let && statement.name.text == name) {
        diagnostics_.error(expr.name, fmt::format("'{}' is used before its let", name))
            .note(statement.name.span, "declared here");
        return;
      }
    diagnostics_
        .error(expr.name,
               fmt::format("unknown name '{}', expected a parameter, let or function", name))
        .help(suggestion(name, false));
    return;
  }
  diagnostics_
      .error(expr.name, fmt::format("unknown name '{}', expected a parameter of function '{}'",
                                    name, function_->name.text))
      .help(suggestion(name, false));
}

void Resolver::unknown_call(const Expr& expr, std::string_view name) {
  if (const auto found = scope_.find(name); found != scope_.end()) {
    diagnostics_.error(expr.name, fmt::format("'{}' is a value, expected a function", name))
        .help(fmt::format("to multiply write {} * (...)", name))
        .note(found->second.span, "declared here");
    return;
  }
  if (function_ && generics_of_kernels_.contains(name)) {
    diagnostics_
        .error(expr.name,
               fmt::format("'{}' is a generic type of a kernel, which a function cannot see", name))
        .help("a function can cast to concrete types only, such as f32: cast in the kernel")
        .note(generics_of_kernels_.at(name).span, "declared here");
    return;
  }
  if (program_.incomplete || (kernel_ && kernel_->names_lost))
    return;
  std::string help(rewording_of_function(name));
  if (help.empty())
    help = rewording_of_type(name);
  if (help.empty())
    help = suggestion(name, true);
  diagnostics_
      .error(expr.name,
             fmt::format("unknown function '{}', expected a built-in function, a function of this "
                         "text or a type",
                         name))
      .help(std::move(help));
}

} // namespace

void resolve(Program& program, Diagnostics& diagnostics) {
  Resolver(program, diagnostics).run();
}

} // namespace swage::ir
