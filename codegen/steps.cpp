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

bool is_column_sum(const ir::Node& node) {
  return ir::info(node.op).form == OpForm::over_col;
}

bool is_stored_shared(const ir::Kernel& kernel, const ir::Store& store) {
  return is_shared(kernel.params()[store.param].broadcast);
}

/// Whether a value needs a reduction along a row other than by way of a sum over rows.
bool needs_row(const ir::Kernel& kernel, NodeId root) {
  const std::vector<bool> needed = needed_nodes(
      kernel, std::array{root}, [&](NodeId id) { return !is_column_sum(kernel.node(id)); });
  for (NodeId id = 0; id <= root; ++id)
    if (needed[id] && ir::is_reduction(kernel.node(id).op))
      return true;
  return false;
}

/// By node: how many sums over rows follow one another up to its value.
std::vector<int> rounds_of(const ir::Kernel& kernel) {
  std::vector<int> rounds(kernel.nodes().size(), 0);
  for (NodeId id = 0; id < rounds.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      rounds[id] = std::max(rounds[id], rounds[node.args[static_cast<std::size_t>(i)]]);
    rounds[id] += is_column_sum(node);
  }
  return rounds;
}

class Splitter {
public:
  explicit Splitter(const ir::Kernel& kernel) : kernel_(kernel), rounds_(rounds_of(kernel)) {
    for (NodeId id = 0; id < rounds_.size(); ++id) {
      sums_.push_back(result_.sums.size());
      if (is_column_sum(kernel.node(id)))
        result_.sums.push_back(
            {kernel.node(id).type, kernel.node(id).space.broadcast == Broadcast::per_tensor});
    }
  }

  Steps run() {
    const int last = last_round();
    const bool has_columns = std::ranges::any_of(kernel_.stores(), [&](const ir::Store& store) {
      return is_stored_shared(kernel_, store) && needs_row(kernel_, store.node);
    });
    for (int round = 0; round <= last; ++round) {
      std::vector<Root> roots;
      const bool stores = round == last;
      for (NodeId id = 0; id < rounds_.size(); ++id)
        if (is_column_sum(kernel_.node(id)) && rounds_[id] == round + 1 && (!stores || has_columns))
          roots.push_back({id, std::nullopt});
      for (const ir::Store& store : kernel_.stores())
        if (stores && !(has_columns && is_stored_shared(kernel_, store)))
          roots.push_back({store.node, store.param});
      add_step(round, roots, false);
    }
    if (has_columns) {
      std::vector<Root> roots;
      for (const ir::Store& store : kernel_.stores())
        if (is_stored_shared(kernel_, store))
          roots.push_back({store.node, store.param});
      add_step(last + 1, roots, true);
    }
    return std::move(result_);
  }

private:
  /// What a step stores: to a parameter, or as a sum.
  struct Root {
    NodeId node;
    std::optional<std::uint32_t> param;
  };

  /// The last one that rows take part in; -1: none does.
  int last_round() const {
    int last = -1;
    for (const ir::Node& node : kernel_.nodes())
      if (is_column_sum(node))
        last = std::max(last, rounds_[node.args[0]]);
    for (const ir::Store& store : kernel_.stores())
      if (!is_stored_shared(kernel_, store))
        last = std::max(last, rounds_[store.node]);
    return last;
  }

  /// Whether an earlier step has stored this sum.
  bool is_loaded(NodeId id, int round) const {
    return is_column_sum(kernel_.node(id)) && rounds_[id] <= round;
  }

  void add_step(int round, const std::vector<Root>& roots, bool of_columns) {
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
      if (needed[id] && is_loaded(id, round))
        add(in_step(sum_param(id, ParamKind::in), of_columns), sum_source(id));
    for (const Root& root : roots)
      if (!root.param)
        add(sum_param(root.node, ParamKind::out), sum_source(root.node));
    if (std::ranges::none_of(params, [](const Param& param) {
          return param.is_tensor() && param.broadcast == Broadcast::none;
        }))
      add_shape(of_columns, add);
    if (params.size() > ir::kMaxParams)
      throw Error(ErrorCode::unsupported,
                  fmt::format("step {} of kernel '{}' takes {} tensors and scalars, sums over rows "
                              "among them, expected at most {}; split the kernel",
                              result_.steps.size() + 1, kernel_.name(), params.size(),
                              ir::kMaxParams));
    step.kernel = build(round, roots, needed, step.sources, params);
    result_.steps.push_back(std::move(step));
  }

  /// By node; sums that are loaded are leaves.
  std::vector<bool> needed_by(int round, const std::vector<Root>& roots, bool of_columns) const {
    std::vector<bool> needed(rounds_.size(), false);
    for (const Root& root : roots)
      needed[root.node] = true;
    if (kernel_.skip() && !of_columns)
      needed[*kernel_.skip()] = true;
    for (auto id = static_cast<NodeId>(needed.size()); id-- > 0;) // users before operands
      for (int i = 0; needed[id] && !is_loaded(id, round) && i < arity(id); ++i)
        needed[kernel_.node(id).args[static_cast<std::size_t>(i)]] = true;
    return needed;
  }
  int arity(NodeId id) const { return ir::info(kernel_.node(id).op).arity; }

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

  StepSource sum_source(NodeId id) const {
    return {StepSource::Kind::sum, static_cast<std::uint32_t>(sums_[id])};
  }
  Param sum_param(NodeId id, ParamKind kind) const {
    const StepSum& sum = result_.sums[sums_[id]];
    return {unused_name(fmt::format("sum{}", sums_[id] + 1)), kind, sum.type,
            sum.for_all ? Broadcast::per_tensor : Broadcast::per_column};
  }
  std::string unused_name(std::string name) const {
    while (std::ranges::any_of(kernel_.params(),
                               [&](const Param& param) { return param.name == name; }))
      name += '_';
    return name;
  }

  /// What says how many columns there are: a tensor of elements, which rows have anyhow.
  template <class Add>
  void add_shape(bool of_columns, const Add& add) const {
    if (of_columns)
      return add({unused_name("shape"), ParamKind::in}, {StepSource::Kind::shape});
    for (std::uint32_t p = 0; p < kernel_.params().size(); ++p) {
      Param param = kernel_.params()[p];
      if (!param.is_tensor() || param.broadcast != Broadcast::none)
        continue;
      param.kind = ParamKind::in;
      return add(std::move(param), {StepSource::Kind::param, p});
    }
  }

  ir::Kernel build(int round, const std::vector<Root>& roots, const std::vector<bool>& needed,
                   const std::vector<StepSource>& sources, const std::vector<Param>& params) const {
    // Where parameters of the kernel and sums are among those of the step, the last one of a sum
    // that is stored.
    std::vector<std::uint32_t> of_param(kernel_.params().size()), of_sum(result_.sums.size());
    for (std::uint32_t p = 0; p < sources.size(); ++p)
      if (sources[p].kind != StepSource::Kind::shape)
        (sources[p].kind == StepSource::Kind::sum ? of_sum : of_param)[sources[p].index] = p;
    ir::KernelBuilder builder(fmt::format("{}_step{}", kernel_.name(), result_.steps.size() + 1),
                              kernel_.math(), params);
    std::vector<NodeId> made(needed.size(), 0);
    for (NodeId id = 0; id < needed.size(); ++id) {
      if (!needed[id])
        continue;
      ir::Node node = kernel_.node(id);
      node.param = of_param[node.param];
      made[id] =
          is_loaded(id, round) ? builder.load(of_sum[sums_[id]]) : ir::rebuild(builder, node, made);
    }
    if (kernel_.skip() && needed[*kernel_.skip()])
      builder.skip(made[*kernel_.skip()]);
    for (const Root& root : roots)
      builder.store(root.param ? of_param[*root.param] : of_sum[sums_[root.node]], made[root.node]);
    ir::Kernel kernel = std::move(builder).build();
    ir::verify(kernel);
    return kernel;
  }

  const ir::Kernel& kernel_;
  const std::vector<int> rounds_;
  std::vector<std::size_t> sums_; ///< by node: the number of a sum over rows
  Steps result_;
};

} // namespace

std::int64_t Steps::offset(std::size_t sum, std::int64_t columns) const noexcept {
  Wide bytes = kWorkspaceAlignment; // what stands for a shape has an address
  for (std::size_t i = 0; i < sum; ++i) {
    const Wide each = Wide{size_of(sums[i].type)} * (sums[i].for_all ? 1 : columns);
    bytes += (each + kWorkspaceAlignment - 1) / kWorkspaceAlignment * kWorkspaceAlignment;
  }
  return static_cast<std::int64_t>(std::min(bytes, Wide{1} << 61));
}

bool runs_by_itself(const ir::Kernel& kernel) {
  const std::vector<bool> after = needs_column_sums(kernel);
  for (NodeId id = 0; id < after.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    const bool is_used_by_rows =
        is_column_sum(node)
            ? after[node.args[0]]
            : after[id] && (!is_shared(node.space.broadcast) || ir::is_reduction(node.op));
    if (is_used_by_rows)
      return false;
  }
  return std::ranges::all_of(kernel.stores(), [&](const ir::Store& store) {
    return is_stored_shared(kernel, store) ? !needs_row(kernel, store.node) : !after[store.node];
  });
}

Steps make_steps(const ir::Kernel& kernel) {
  // Groups of rows have no sums over rows beside them.
  if (rows_of_groups(kernel) > 0 || runs_by_itself(kernel))
    return {};
  return Splitter(kernel).run();
}

} // namespace swage::codegen
