// verify.cpp -- the invariants of a kernel, each with its own message.
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

#include "ir/arithmetic.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "ir/rebuild.hpp"
#include "swage/error.hpp"

namespace swage::ir {

namespace {

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::internal, message + "; this is a defect in swage, please report it");
}

template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition)
    fail(fmt::format(format, std::forward<Args>(args)...));
}

void check_params(std::span<const Param> params) {
  require(params.size() <= kMaxParams, "kernel has {} parameters, expected at most {}",
          params.size(), kMaxParams);
  std::unordered_set<std::string_view> names;
  for (const Param& param : params) {
    require(!param.name.empty() && param.name.size() <= kMaxNameBytes,
            "parameter name '{}' has {} bytes, expected 1 to {}", param.name, param.name.size(),
            kMaxNameBytes);
    require(names.insert(param.name).second, "parameter '{}' is declared twice, expected once",
            param.name);
    require(!param.is_table() || param.kind == ParamKind::in,
            "parameter '{}' is a table that is written, expected `in`", param.name);
    require(param.broadcast == Broadcast::none || param.is_tensor(),
            "parameter '{}' is a broadcast, expected of tensors only", param.name);
    require(!param.is_tensor() || !is_packed(param.dtype) || param.broadcast == Broadcast::none,
            "parameter '{}' is {} and a broadcast, expected one value an element", param.name,
            name_of(param.dtype));
    const bool grouped = has_groups(param.broadcast);
    require(grouped ? param.group >= 1 && param.group <= kMaxGroup : param.group == 0,
            "parameter '{}' has groups of {} {}, expected {}", param.name, param.group,
            what_groups_hold(param.broadcast),
            grouped ? fmt::format("1 to {}", kMaxGroup) : "none");
  }
}

struct Checker {
  std::span<const Param> params;
  std::span<const Node> nodes;

  /// "node 7 (add)", for messages.
  std::string label(NodeId id) const {
    return fmt::format("node {} ({})", id, info(nodes[id].op).id);
  }

  void check_node(NodeId id) const {
    const Node& node = nodes[id];
    require(static_cast<int>(node.op) < kOpCount,
            "node {} has operation number {}, expected below {}", id, static_cast<int>(node.op),
            kOpCount);
    require(compute_type(node.type) == node.type, "{} has type {}, expected a compute type",
            label(id), name_of(node.type));
    require(node.op == Op::cast || node.storage == node.type,
            "{} has storage {}, expected its type {}", label(id), name_of(node.storage),
            name_of(node.type));
    check_operands(id);
    switch (node.op) {
    case Op::load:
    case Op::scalar: check_leaf(id); break;
    case Op::lookup: check_lookup(id); break;
    case Op::col_index:
      require(node.type == DType::i64, "{} has type {}, expected i64", label(id),
              name_of(node.type));
      break;
    case Op::constant: check_constant(id); break;
    case Op::cast:
      require(compute_type(node.storage) == node.type, "{} to {} has type {}, expected {}",
              label(id), name_of(node.storage), name_of(node.type),
              name_of(compute_type(node.storage)));
      break;
    default: check_rule(id);
    }
    // Fields an operation does not use are zero, or equal nodes would compare different.
    require(node.bits == 0 || node.op == Op::constant, "{} holds constant bits, expected none",
            label(id));
    require(node.param == 0 || node.op == Op::load || node.op == Op::scalar ||
                node.op == Op::lookup,
            "{} names parameter {}, expected none", label(id), node.param);
  }

  void check_operands(NodeId id) const {
    const Node& node = nodes[id];
    for (std::size_t i = 0; i < node.args.size(); ++i) {
      if (static_cast<int>(i) < info(node.op).arity)
        require(node.args[i] < id, "{} has operand {}, expected a node before it", label(id),
                node.args[i]);
      else
        require(node.args[i] == 0, "{} has {} as operand {}, expected {} operands", label(id),
                node.args[i], i + 1, info(node.op).arity);
    }
  }

  void check_leaf(NodeId id) const {
    const Node& node = nodes[id];
    require(node.param < params.size(), "{} reads parameter {}, expected one of {}", label(id),
            node.param, params.size());
    const Param& param = params[node.param];
    require(node.op == Op::load ? param.is_read() && !param.is_table() : !param.is_tensor(),
            "{} reads parameter '{}', expected {}", label(id), param.name,
            node.op == Op::load ? "a tensor that is `in` or `inout`" : "a scalar");
    require(node.type == compute_type(param.dtype), "{} of '{}' has type {}, expected {}",
            label(id), param.name, name_of(node.type), name_of(compute_type(param.dtype)));
  }

  void check_lookup(NodeId id) const {
    const Node& node = nodes[id];
    require(node.param < params.size() && params[node.param].is_table(),
            "{} reads parameter {}, expected a table", label(id), node.param);
    const Param& param = params[node.param];
    require(node.type == compute_type(param.dtype), "{} of '{}' has type {}, expected {}",
            label(id), param.name, name_of(node.type), name_of(compute_type(param.dtype)));
    const Node& index = nodes[node.args[0]];
    require(is_integer(index.type), "{} has an index of type {}, expected an integer", label(id),
            name_of(index.type));
    require(spreads_over(index.space, {Broadcast::per_row}),
            "{} has an index of space {}, expected row or tensor", label(id), name_of(index.space));
  }

  void check_constant(NodeId id) const {
    const Node& node = nodes[id];
    const double real = node.real();
    if (!is_float(node.type))
      require(eval::wrap(node.type, node.integer()) == node.integer(),
              "{} holds {}, expected a value of {}", label(id), node.integer(), name_of(node.type));
    else if (std::isnan(real))
      require(node.bits == std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN()),
              "{} holds NaN bits {:#x}, expected the canonical NaN", label(id), node.bits);
    else
      require(node.type == DType::f64 || std::isinf(real) ||
                  static_cast<double>(round_to(DType::f32, real)) == real,
              "{} holds {}, expected a value of f32", label(id), real);
  }

  void check_rule(NodeId id) const {
    const Node& node = nodes[id];
    std::array<DType, 3> types{};
    const auto arity = static_cast<std::size_t>(info(node.op).arity);
    for (std::size_t i = 0; i < arity; ++i)
      types[i] = nodes[node.args[i]].type;
    const auto type = result_type(node.op, std::span(types.data(), arity));
    std::string given;
    for (std::size_t i = 0; i < arity; ++i)
      given.append(i ? ", " : "").append(name_of(types[i]));
    require(type.has_value(), "{} has operands of type {}, expected what its rule admits",
            label(id), given);
    const bool grouped = takes_size(info(node.op).form);
    require(!grouped || (node.space.group >= 1 && node.space.group <= kMaxGroup),
            "{} goes over groups of {} {}, expected 1 to {}", label(id), node.space.group,
            info(node.op).form == OpForm::over_group ? "columns" : "rows", kMaxGroup);
    require(*type == node.type, "{} of {} has type {}, expected {}", label(id), given,
            name_of(node.type), name_of(*type));
  }

  void check_stores(std::span<const Store> stores) const {
    std::size_t next = 0;
    for (std::uint32_t p = 0; p < params.size(); ++p) {
      if (!params[p].is_written())
        continue;
      require(
          next < stores.size() && stores[next].param == p,
          "parameter '{}' has no store in its place, expected one store a written parameter, in "
          "parameter order",
          params[p].name);
      const NodeId id = stores[next++].node;
      require(id < nodes.size(), "store to '{}' takes node {}, expected one of {}", params[p].name,
              id, nodes.size());
      require(nodes[id].type == compute_type(params[p].dtype),
              "store to '{}' takes {} of type {}, expected {}", params[p].name, label(id),
              name_of(nodes[id].type), name_of(compute_type(params[p].dtype)));
      // Not may_store, which is of texts: a simplified kernel may have found that a value of one a
      // group is one a row.
      require(spreads_over(nodes[id].space, params[p].space()),
              "store to '{}' takes {} of space {}, expected {}", params[p].name, label(id),
              name_of(nodes[id].space), name_of(params[p].space()));
    }
    require(next == stores.size(), "kernel has {} stores, expected {}", stores.size(), next);
    require(!stores.empty(),
            "kernel stores nothing, expected a parameter that is `out` or `inout`");
  }

  /// What skips rows may read nothing of their elements.
  void check_skip(NodeId skip) const {
    require(skip < nodes.size(), "rows are skipped by node {}, expected one of {}", skip,
            nodes.size());
    require(nodes[skip].type == DType::boolean, "rows are skipped by {} of type {}, expected bool",
            label(skip), name_of(nodes[skip].type));
    for (NodeId id = 0; id <= skip; ++id) {
      const Broadcast of = nodes[id].space.broadcast;
      require(!reaches_beyond(nodes[id].op) &&
                  (of == Broadcast::per_row || of == Broadcast::per_tensor),
              "rows are skipped by {}, expected nothing of their elements", label(id));
    }
    require(nodes[skip].op != Op::constant || nodes[skip].integer() != 0,
            "rows are skipped where {} holds, expected a condition that may hold", label(skip));
  }

  /// The same graph built anew: hash-consing and canonical order have one answer.
  void check_canonical(std::span<const Store> stores, std::optional<NodeId> skip) const {
    KernelBuilder builder("canonical", MathMode::accurate, {params.begin(), params.end()});
    std::vector<NodeId> made;
    made.reserve(nodes.size());
    for (NodeId id = 0; id < nodes.size(); ++id) {
      made.push_back(rebuild(builder, nodes[id], made));
      require(made[id] == id, "{} equals node {}, expected equal nodes to be one", label(id),
              made[id]);
    }
    if (skip)
      builder.skip(made[*skip]);
    for (const Store& store : stores)
      builder.store(store.param, made[store.node]);
    const Kernel canonical = std::move(builder).build();
    require(canonical.nodes().size() == nodes.size(),
            "{} nodes are used by no store, expected none",
            nodes.size() - canonical.nodes().size());
    for (NodeId id = 0; id < nodes.size(); ++id) {
      const Node& expected = canonical.node(id);
      Node found = nodes[id];
      found.space = expected.space;
      require(found == expected, "{} is out of canonical order, expected {} there", label(id),
              info(expected.op).id);
      require(nodes[id].space == expected.space, "{} is of space {}, expected {}", label(id),
              name_of(nodes[id].space), name_of(expected.space));
    }
  }
};

} // namespace

void verify(std::string_view name, std::span<const Param> params, std::span<const Node> nodes,
            std::span<const Store> stores, std::optional<NodeId> skip) {
  require(!name.empty() && name.size() <= kMaxNameBytes,
          "kernel name '{}' has {} bytes, expected 1 to {}", name, name.size(), kMaxNameBytes);
  require(nodes.size() <= kMaxNodes, "kernel has {} nodes, expected at most {}", nodes.size(),
          kMaxNodes);
  check_params(params);
  const Checker checker{params, nodes};
  for (NodeId id = 0; id < nodes.size(); ++id)
    checker.check_node(id);
  checker.check_stores(stores);
  if (skip)
    checker.check_skip(*skip);
  checker.check_canonical(stores, skip);
}

void verify(const Kernel& kernel) {
  verify(kernel.name(), kernel.params(), kernel.nodes(), kernel.stores(), kernel.skip());
}

} // namespace swage::ir
