// steps.cpp -- a kernel that needs more than one pass over its rows, as several kernels.
#include "codegen/steps.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "codegen/needed_nodes.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/tile_plan.hpp"
#include "ir/passes.hpp"
#include "ir/rebuild.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

using ir::Broadcast;
using ir::NodeId;
using ir::OpForm;
using ir::Param;
using ir::ParamKind;

namespace {

__extension__ using Wide = __int128;

bool is_over_rows(const ir::Node& node) {
  return ir::info(node.op).form == OpForm::over_col;
}

bool is_along_row(const ir::Node& node) {
  return ir::info(node.op).form == OpForm::over_row;
}

bool is_stored_shared(const ir::Kernel& kernel, const ir::Store& store) {
  return is_shared(kernel.params()[store.param].broadcast);
}

/// Whether a value needs a reduction along a row other than by way of a sum over rows.
bool needs_row(const ir::Kernel& kernel, NodeId root) {
  const std::vector<bool> needed = needed_nodes(
      kernel, std::array{root}, [&](NodeId id) { return !is_over_rows(kernel.node(id)); });
  for (NodeId id = 0; id <= root; ++id)
    if (needed[id] && ir::is_reduction(kernel.node(id).op))
      return true;
  return false;
}

class Splitter {
public:
  explicit Splitter(const ir::Kernel& kernel)
      : kernel_(kernel), has_tiles_(rows_of_groups(kernel) > 0), rounds_(kernel.nodes().size(), 0) {
    for (NodeId id = 0; id < rounds_.size(); ++id) {
      const ir::Node& node = kernel.node(id);
      for (int i = 0; i < arity(id); ++i)
        rounds_[id] = std::max(rounds_[id], rounds_[node.args[static_cast<std::size_t>(i)]]);
      rounds_[id] += is_left(id);
      values_.push_back(result_.values.size());
      if (is_left(id))
        result_.values.push_back({node.type, node.space.broadcast});
    }
    std::vector<NodeId> roots;
    for (NodeId id = 0; id < rounds_.size(); ++id)
      if (is_over_rows(kernel.node(id)))
        roots.push_back(id);
    for (const ir::Store& store : kernel.stores())
      if (!is_stored_shared(kernel, store))
        roots.push_back(store.node);
    of_rows_ = needed_nodes(kernel, roots, [](NodeId) { return true; });
  }

  Steps run() {
    const bool has_columns = std::ranges::any_of(kernel_.stores(), [&](const ir::Store& store) {
      return is_stored_shared(kernel_, store) && (has_tiles_ || needs_row(kernel_, store.node));
    });
    const int last = last_round();
    std::vector<Root> of_rows, of_columns;
    for (const ir::Store& store : kernel_.stores())
      (has_columns && is_stored_shared(kernel_, store) ? of_columns : of_rows)
          .push_back({store.node, store.param});
    for (int round = 0; round < last + has_tiles_; ++round)
      add_steps(round, left_in(round));
    // Rows of tiles reduce nothing; others leave what they do to the columns.
    if (!has_tiles_ && has_columns)
      for (const NodeId id : left_in(last))
        of_rows.push_back({id, std::nullopt});
    add_step(last + has_tiles_, of_rows, false);
    add_step(last + 1, of_columns, true);
    return std::move(result_);
  }

private:
  /// What a step stores: to a parameter, or for other steps.
  struct Root {
    NodeId node;
    std::optional<std::uint32_t> param;
  };

  int arity(NodeId id) const { return ir::info(kernel_.node(id).op).arity; }
  /// Whether a node is computed in one step and loaded in the others.
  bool is_left(NodeId id) const {
    const ir::Node& node = kernel_.node(id);
    return is_over_rows(node) || (has_tiles_ && is_along_row(node));
  }
  /// Whether it is loaded by steps of this round: an earlier one has left it. Steps over the
  /// columns reduce along their row themselves.
  bool is_loaded(NodeId id, int round, bool of_columns) const {
    return is_left(id) && rounds_[id] <= round && (!of_columns || is_over_rows(kernel_.node(id)));
  }
  bool is_of_columns(NodeId id) const {
    return is_along_row(kernel_.node(id)) && is_shared(kernel_.node(id).space.broadcast);
  }

  /// The last one that rows take part in; -1: none does.
  int last_round() const {
    int last = -1;
    for (NodeId id = 0; id < rounds_.size(); ++id)
      if (is_left(id))
        last = std::max(last, rounds_[id] - 1);
    for (const ir::Store& store : kernel_.stores())
      if (!is_stored_shared(kernel_, store) && !has_tiles_)
        last = std::max(last, rounds_[store.node]);
    return last;
  }

  std::vector<NodeId> left_in(int round) const {
    std::vector<NodeId> found;
    for (NodeId id = 0; id < rounds_.size(); ++id)
      if (is_left(id) && rounds_[id] == round + 1 && of_rows_[id])
        found.push_back(id);
    return found;
  }

  /// One over the rows, and one over the columns for what does not differ by row.
  void add_steps(int round, const std::vector<NodeId>& left) {
    std::vector<Root> of_rows, of_columns;
    for (const NodeId id : left)
      (is_of_columns(id) ? of_columns : of_rows).push_back({id, std::nullopt});
    add_step(round, of_rows, false);
    add_step(round, of_columns, true);
  }

  void add_step(int round, const std::vector<Root>& roots, bool of_columns) {
    if (roots.empty())
      return;
    const std::vector<bool> needed = needed_by(round, roots, of_columns);
    Step step;
    step.of_columns = of_columns;
    std::vector<Param> params;
    const auto add = [&](Param param, StepSource source) {
      params.push_back(std::move(param));
      step.sources.push_back(source);
    };
    for (std::uint32_t p = 0; p < kernel_.params().size(); ++p)
      if (auto param = used(p, needed, roots))
        add(in_step(*std::move(param), of_columns), {StepSource::Kind::param, p});
    for (NodeId id = 0; id < needed.size(); ++id)
      if (needed[id] && is_loaded(id, round, of_columns))
        add(in_step(value_param(id, ParamKind::in), of_columns), source_of(id));
    for (const Root& root : roots)
      if (!root.param)
        add(in_step(value_param(root.node, ParamKind::out), of_columns), source_of(root.node));
    if (has_tiles_ && round > last_round() && !of_columns)
      keep_tiles(needed, params, add);
    const bool is_shaped = std::ranges::any_of(params, [](const Param& param) {
      return param.is_tensor() && param.broadcast == Broadcast::none;
    });
    if (!is_shaped)
      add({unused_name("shape"), ParamKind::in}, {StepSource::Kind::shape});
    if (params.size() > ir::kMaxParams)
      throw Error(ErrorCode::unsupported,
                  fmt::format("step {} of kernel '{}' takes {} tensors and scalars, what it has of "
                              "other steps among them, expected at most {}; split the kernel",
                              result_.steps.size() + 1, kernel_.name(), params.size(),
                              ir::kMaxParams));
    step.kernel = build(round, roots, needed, step, params);
    result_.steps.push_back(std::move(step));
  }

  /// By node; what is loaded are leaves.
  std::vector<bool> needed_by(int round, const std::vector<Root>& roots, bool of_columns) const {
    std::vector<bool> needed(rounds_.size(), false);
    for (const Root& root : roots)
      needed[root.node] = true;
    if (kernel_.skip() && !of_columns)
      needed[*kernel_.skip()] = true;
    for (auto id = static_cast<NodeId>(needed.size()); id-- > 0;) // users before operands
      for (int i = 0; needed[id] && !is_loaded(id, round, of_columns) && i < arity(id); ++i)
        needed[kernel_.node(id).args[static_cast<std::size_t>(i)]] = true;
    return needed;
  }

  /// Parameter `p` as the step has it, which may read less of it than the kernel does.
  std::optional<Param> used(std::uint32_t p, const std::vector<bool>& needed,
                            const std::vector<Root>& roots) const {
    bool is_read = false;
    for (NodeId id = 0; id < needed.size(); ++id) {
      const ir::Op op = kernel_.node(id).op;
      is_read = is_read || (needed[id] && kernel_.node(id).param == p &&
                            (op == ir::Op::load || op == ir::Op::scalar || op == ir::Op::lookup));
    }
    const bool is_stored =
        std::ranges::any_of(roots, [&](const Root& root) { return root.param == p; });
    if (!is_read && !is_stored)
      return std::nullopt;
    Param param = kernel_.params()[p];
    if (param.is_tensor())
      param.kind = !is_stored ? ParamKind::in : is_read ? ParamKind::inout : ParamKind::out;
    return param;
  }

  static Param in_step(Param param, bool of_columns) {
    if (of_columns && param.broadcast == Broadcast::per_column)
      param.broadcast = Broadcast::none;
    else if (of_columns && param.is_tensor() && param.broadcast == Broadcast::per_tensor)
      param.broadcast = Broadcast::per_row;
    return param;
  }

  StepSource source_of(NodeId id) const {
    return {StepSource::Kind::value, static_cast<std::uint32_t>(values_[id])};
  }
  Param value_param(NodeId id, ParamKind kind) const {
    const StepValue& value = result_.values[values_[id]];
    return {unused_name(fmt::format("left{}", values_[id] + 1)), kind, value.type, value.broadcast};
  }
  std::string unused_name(std::string name) const {
    while (std::ranges::any_of(kernel_.params(),
                               [&](const Param& param) { return param.name == name; }))
      name += '_';
    return name;
  }

  /// The step that stores what rows have goes over tiles as the kernel would, for the layouts that
  /// these take, also where it reads and stores no group of rows.
  template <class Add>
  void keep_tiles(const std::vector<bool>& needed, const std::vector<Param>& params,
                  const Add& add) const {
    const auto is_group = [](const auto& value) {
      return value.space().broadcast == Broadcast::per_column_group;
    };
    for (NodeId id = 0; id < needed.size(); ++id)
      if (needed[id] && kernel_.node(id).space.broadcast == Broadcast::per_column_group)
        return;
    if (std::ranges::any_of(params, is_group))
      return;
    for (std::uint32_t p = 0; p < kernel_.params().size(); ++p)
      if (Param param = kernel_.params()[p]; is_group(param)) {
        param.kind = ParamKind::in;
        return add(std::move(param), {StepSource::Kind::param, p});
      }
  }

  ir::Kernel build(int round, const std::vector<Root>& roots, const std::vector<bool>& needed,
                   const Step& step, const std::vector<Param>& params) const {
    // Where they are among the parameters of the step.
    std::vector<std::uint32_t> of_param(kernel_.params().size()), of_value(result_.values.size());
    for (std::uint32_t p = 0; p < step.sources.size(); ++p)
      if (step.sources[p].kind == StepSource::Kind::param)
        of_param[step.sources[p].index] = p;
      else if (step.sources[p].kind == StepSource::Kind::value)
        of_value[step.sources[p].index] = p;
    ir::KernelBuilder builder(fmt::format("{}_step{}", kernel_.name(), result_.steps.size() + 1),
                              kernel_.math(), params);
    std::vector<NodeId> made(needed.size(), 0);
    for (NodeId id = 0; id < needed.size(); ++id) {
      if (!needed[id])
        continue;
      ir::Node node = kernel_.node(id);
      node.param = of_param[node.param];
      made[id] = is_loaded(id, round, step.of_columns) ? builder.load(of_value[values_[id]])
                                                       : ir::rebuild(builder, node, made);
    }
    if (kernel_.skip() && !step.of_columns)
      builder.skip(made[*kernel_.skip()]);
    for (const Root& root : roots)
      builder.store(root.param ? of_param[*root.param] : of_value[values_[root.node]],
                    made[root.node]);
    ir::Kernel kernel = std::move(builder).build();
    ir::verify(kernel);
    return kernel;
  }

  const ir::Kernel& kernel_;
  const bool has_tiles_;
  std::vector<int> rounds_; ///< by node: how many that are left follow one another up to its value
  std::vector<bool> of_rows_;       ///< by node: whether a step over the rows needs it
  std::vector<std::size_t> values_; ///< by node: its number among Steps::values
  Steps result_;
};

} // namespace

std::int64_t Steps::offset(std::size_t value, std::int64_t rows,
                           std::int64_t columns) const noexcept {
  Wide bytes = kWorkspaceAlignment; // what stands for a shape has an address
  for (std::size_t i = 0; i < value; ++i) {
    const Broadcast broadcast = values[i].broadcast;
    const Wide each = Wide{size_of(values[i].type)} * (broadcast == Broadcast::per_column ? columns
                                                       : broadcast == Broadcast::per_row  ? rows
                                                                                          : 1);
    bytes += (each + kWorkspaceAlignment - 1) / kWorkspaceAlignment * kWorkspaceAlignment;
  }
  return static_cast<std::int64_t>(std::min(bytes, Wide{1} << 61));
}

bool runs_by_itself(const ir::Kernel& kernel) {
  const auto is_shared_store = [&](const ir::Store& store) {
    return is_stored_shared(kernel, store);
  };
  if (rows_of_groups(kernel) > 0)
    return std::ranges::none_of(kernel.stores(), is_shared_store) &&
           std::ranges::none_of(kernel.nodes(), [](const ir::Node& node) {
             return is_over_rows(node) || is_along_row(node);
           });
  const std::vector<bool> after = needs_column_sums(kernel);
  for (NodeId id = 0; id < after.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    const bool is_used_by_rows =
        is_over_rows(node)
            ? after[node.args[0]]
            : after[id] && (!is_shared(node.space.broadcast) || ir::is_reduction(node.op));
    if (is_used_by_rows)
      return false;
  }
  return std::ranges::all_of(kernel.stores(), [&](const ir::Store& store) {
    return is_shared_store(store) ? !needs_row(kernel, store.node) : !after[store.node];
  });
}

Steps make_steps(const ir::Kernel& kernel) {
  return runs_by_itself(kernel) ? Steps{} : Splitter(kernel).run();
}

} // namespace swage::codegen
