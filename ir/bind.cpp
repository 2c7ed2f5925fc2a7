// bind.cpp -- parameters, constants, statements.
#include "ir/bind.hpp"

#include <fmt/format.h>

#include "ir/binder.hpp"

namespace swage::ir {

namespace {

/// What makes a value of space `to` of one of space `from`.
std::string reducing(Space to, Space from) {
  switch (to.broadcast) {
  case Broadcast::per_row: return "reduce it along the row, as in row_sum(...)";
  case Broadcast::per_column: return "reduce it over the rows, as in col_sum(...)";
  case Broadcast::per_group:
    return fmt::format("{}, as in group_max(..., {})",
                       from == Space{Broadcast::per_row}
                           ? "to repeat it in every group reduce it there"
                           : "reduce it in each group",
                       to.group);
  case Broadcast::per_column_group:
    return fmt::format("{}, as in col_group_max(..., {})",
                       from == Space{Broadcast::per_column}
                           ? "to repeat it in every group of rows reduce it there"
                           : "reduce it over groups of rows",
                       to.group);
  default: return "reduce it over all, as in col_sum(row_sum(...))";
  }
}

Constant::Number number_of(const Literal& literal) {
  if (literal.kind == LiteralKind::real)
    return literal.real;
  return literal.integer;
}

} // namespace

std::optional<Kernel> bind_kernel(const Program& program, const KernelDecl& kernel,
                                  const std::vector<Binding>& bindings,
                                  std::optional<MathMode> math, Diagnostics& diagnostics,
                                  std::vector<Constant>* constants) {
  return Binder(program, kernel, bindings, math, diagnostics, constants).run();
}

Binder::Binder(const Program& program, const KernelDecl& kernel,
               const std::vector<Binding>& bindings, std::optional<MathMode> math,
               Diagnostics& diagnostics, std::vector<Constant>* constants)
    : program_(program), kernel_(kernel), diagnostics_(diagnostics), constants_(constants),
      math_(math.value_or(kernel.math)), bound_(match_bindings(kernel, bindings, diagnostics)) {}

std::optional<Kernel> Binder::run() {
  builder_.emplace(std::string(kernel_.name.text), math_, run_time_params());
  bind_params();
  lets_.resize(kernel_.statements.size());
  for (std::size_t i = 0; i < kernel_.statements.size(); ++i) {
    const Statement& statement = kernel_.statements[i];
    const Value value = evaluate(statement.value, {});
    if (statement.is_let)
      lets_[i] = value;
    else if (statement.is_skip)
      bind_skip(statement, value);
    else if (statement.target)
      bind_store(statement, value);
  }
  for (std::size_t i = 0; i < kernel_.params.size(); ++i)
    check_packed(i);
  if (!diagnostics_.empty())
    return std::nullopt;
  return std::move(*builder_).build();
}

std::optional<DType> Binder::dtype_of(const TypeName& type) const {
  if (type.dtype || type.generic < 0)
    return type.dtype;
  return bound_.generics[static_cast<std::size_t>(type.generic)];
}

std::vector<Param> Binder::run_time_params() const {
  std::vector<Param> result;
  for (const ParamDecl& param : kernel_.params)
    if (!param.is_const)
      // Where the type is not known an error has been reported and the kernel is never built.
      result.push_back({std::string(param.name.text), param.kind,
                        dtype_of(param.type).value_or(DType::f32), param.broadcast,
                        static_cast<std::uint32_t>(param.group_size)});
  return result;
}

void Binder::bind_params() {
  params_.resize(kernel_.params.size());
  indices_.resize(kernel_.params.size());
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < kernel_.params.size(); ++i)
    if (kernel_.params[i].is_const)
      params_[i] = constant(i);
  for (std::size_t i = 0; i < kernel_.params.size(); ++i) {
    const ParamDecl& param = kernel_.params[i];
    if (param.is_const)
      continue;
    indices_[i] = next++;
    if (!dtype_of(param.type))
      continue;
    if (param.group_const)
      bind_group(i);
    if (param.broadcast == Broadcast::table)
      continue; // read by an index alone
    if (param.kind == ParamKind::scalar)
      params_[i] = Value::of(builder_->scalar(indices_[i]));
    else if (param.kind != ParamKind::out)
      params_[i] = Value::of(builder_->load(indices_[i]));
  }
}

// `[group n]` or `[col group n]` of a constant.
void Binder::bind_group(std::size_t index) {
  const ParamDecl& param = kernel_.params[index];
  const Value& size = params_[*param.group_const];
  if (size.kind == Value::Kind::poison)
    return;
  const auto each = integer_of(size);
  if (each && *each >= 1 && *each <= kMaxGroup)
    return builder_->set_group(indices_[index], static_cast<std::uint32_t>(*each));
  const std::string_view what = what_groups_hold(param.broadcast);
  const Name& name = kernel_.params[*param.group_const].name;
  diagnostics_
      .error(param.group.span,
             each ? fmt::format("a group of {} {}, expected 1 to {}", *each, what, kMaxGroup)
                  : fmt::format("'{}' is no integer, expected the {} of a group", name.text, what))
      .help(each ? "" : fmt::format("declare const {}: i32", name.text))
      .note(name.span, "declared here");
}

// Two elements share a byte, so no row, group or thread may end between them.
void Binder::check_packed(std::size_t index) {
  const ParamDecl& param = kernel_.params[index];
  const auto dtype = dtype_of(param.type);
  if (param.is_const || param.kind == ParamKind::scalar || !dtype || !is_packed(*dtype))
    return;
  if (param.broadcast != Broadcast::none) {
    diagnostics_
        .error(param.name.span,
               fmt::format("'{}' has one value {} and is {}, two of which share a byte",
                           param.name.text, per_what(builder_->params()[indices_[index]].space()),
                           name_of(*dtype)))
        .help(fmt::format("store it as f8e4m3, which holds every {}", name_of(*dtype)));
    return;
  }
  std::uint32_t odd = 0;
  const auto see = [&](const Space& space) {
    if (space.broadcast == Broadcast::per_group && space.group % 2 == 1)
      odd = space.group;
  };
  for (const Param& other : builder_->params())
    see(other.space());
  for (NodeId id = 0; id < builder_->size(); ++id)
    see(builder_->node(id).space);
  if (odd != 0)
    diagnostics_
        .error(param.name.span,
               fmt::format("'{}' is {}, two of which share a byte, and the kernel has groups of {} "
                           "columns",
                           param.name.text, name_of(*dtype), odd))
        .help("take groups of an even number of columns");
}

// A constant has a value that its storage type holds. A float adapts like a literal, so that one
// `const limit: f32` serves a kernel for f64 as well; an integer is typed, so that it divides and
// wraps as integers do.
Value Binder::constant(std::size_t index) {
  const ParamDecl& param = kernel_.params[index];
  Expr place{.kind = ExprKind::literal, .span = param.name.span, .caret = param.name.span.begin};
  Value value;
  if (param.default_value) {
    value = evaluate(*param.default_value, {});
    place = program_.exprs[param.default_value->root];
  }
  const auto storage = dtype_of(param.type);
  if (!storage)
    return {};
  std::optional<Constant::Number> default_value;
  if (value.kind == Value::Kind::literal)
    default_value = number_of(convert(*storage, value.literal));
  if (const auto& literal = bound_.params[index]) {
    value = Value::of(*literal);
    place.span = param.name.span;
    place.caret = place.span.begin;
    // A caller that has only doubles or only integers may still mean the other, or a bool.
    if (literal->kind == LiteralKind::real && !is_float(*storage) && literal->real < 0x1p63) {
      const Literal whole = convert(DType::i64, *literal);
      if (whole.as_real() == literal->real)
        value = Value::of(whole);
    }
    const Literal known = value.literal;
    if (*storage == DType::boolean && known.kind == LiteralKind::integer &&
        (known.integer == 0 || known.integer == 1))
      value = Value::of(Literal::of_bool(known.integer != 0));
  }
  if (value.kind != Value::Kind::literal)
    return {};
  const DType type = compute_type(*storage);
  if (!adapt(value, type, *storage, place))
    return {};
  const Literal held = convert(*storage, value.literal);
  if (constants_)
    constants_->push_back({std::string(param.name.text), *storage, number_of(held), default_value});
  return is_float(*storage) ? Value::of(held) : cast_value(*storage, value, place);
}

void Binder::bind_skip(const Statement& statement, Value value) {
  if (value.kind == Value::Kind::poison)
    return;
  const Expr& expr = program_.exprs[statement.value.root];
  if (value.kind == Value::Kind::literal && value.literal.kind == LiteralKind::boolean)
    value = Value::of(builder_->integer(DType::boolean, value.literal.integer));
  if (value.kind != Value::Kind::node || type_of(value.index) != DType::boolean) {
    error(expr, fmt::format("the condition is {}, expected a bool for each row", kind_of(value)))
        .help("compare an input [row], as in id < 0");
    return;
  }
  std::vector<bool> needed(std::size_t{value.index} + 1, false);
  needed.back() = true;
  for (NodeId id = value.index + 1; id-- > 0;) { // users before their operands
    if (!needed[id])
      continue;
    const Node& node = builder_->node(id);
    for (int i = 0; i < info(node.op).arity; ++i)
      needed[node.args[static_cast<std::size_t>(i)]] = true;
    const Broadcast of = node.space.broadcast;
    if ((of == Broadcast::per_row || of == Broadcast::per_tensor) && !reaches_beyond(node.op))
      continue;
    const std::string found =
        node.op == Op::lookup ? "a table is read after rows are skipped"
        : is_reduction(node.op)
            ? fmt::format("rows are skipped before their elements are read, and '{}' reads them",
                          info(node.op).spelling)
            : fmt::format("found one value {}, expected one a row: rows are skipped as a whole",
                          per_what(node.space));
    error(expr, found).help("compare inputs [row], inputs [tensor] and scalars, as in id < 0");
    return;
  }
  builder_->skip(value.index);
}

void Binder::bind_store(const Statement& statement, Value value) {
  if (value.kind == Value::Kind::poison)
    return;
  const ParamDecl& param = kernel_.params[*statement.target];
  const auto storage = dtype_of(param.type);
  if (!storage)
    return;
  const DType type = compute_type(*storage);
  const Expr& expr = program_.exprs[statement.value.root];
  if (value.kind == Value::Kind::node && type_of(value.index) != type) {
    const std::string_view stored = type == *storage ? "" : name_of(*storage);
    error(expr,
          fmt::format("the value is {}, but '{}' takes {}{}{}", kind_of(value), param.name.text,
                      name_of(type), stored.empty() ? "" : ", stored as ", stored))
        .help(fmt::format("convert it: {} = {}({});", param.name.text, param.type.name.text,
                          text_of(expr)))
        .note(param.name.span, "declared here");
    return;
  }
  const auto node = adapt(value, type, *storage, expr);
  if (!node)
    return;
  const std::uint32_t index = indices_[*statement.target];
  const Space takes = builder_->params()[index].space();
  const Space found = builder_->node(*node).space;
  if (has_groups(takes.broadcast) && takes.group == 0)
    return; // its size has been reported
  if (may_store(builder_->params()[index], found))
    return builder_->store(index, *node);
  error(expr, fmt::format("found one value {}, but '{}' is [{}] and takes one {}", per_what(found),
                          param.name.text, name_of(takes), per_what(takes)))
      .help(reducing(takes, found))
      .note(param.name.span, "declared here");
}

} // namespace swage::ir
