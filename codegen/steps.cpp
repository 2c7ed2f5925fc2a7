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
#include "ir/accuracy.hpp"
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
      : kernel_(kernel), has_tiles_(rows_of_groups(kernel) > 0), rounds_(kernel.nodes().size(), 0),
        reduces_row_(rounds_.size(), false), costs_row_(rounds_.size(), false),
        is_full_(rounds_.size(), false), left_(rounds_.size(), false), values_(rounds_.size(), 0) {
    for (NodeId id = 0; id < rounds_.size(); ++id) {
      const ir::Node& node = kernel.node(id);
      reduces_row_[id] = is_along_row(node);
      costs_row_[id] = reduces_row_[id] && kernel.node(node.args[0]).op != ir::Op::constant;
      for (int i = 0; i < arity(id); ++i) {
        const NodeId arg = node.args[static_cast<std::size_t>(i)];
        rounds_[id] = std::max(rounds_[id], rounds_[arg]);
        reduces_row_[id] = reduces_row_[id] || reduces_row_[arg];
        costs_row_[id] = costs_row_[id] || costs_row_[arg];
      }
      if (is_over_rows(node)) {
        ++rounds_[id];
        reduces_row_[id] = costs_row_[id] = false;
      }
    }
  }

  /// From the last step to the first, for each says what those before it leave.
  Steps run() {
    const int last = last_round();
    // All of them, for one may overwrite what another is made of.
    const bool has_columns = std::ranges::any_of(kernel_.stores(), [&](const ir::Store& store) {
      return is_stored_shared(kernel_, store) &&
             (has_tiles_ || reduces_row_[store.node] || rounds_[store.node] <= last);
    });
    std::vector<Root> of_rows, of_columns;
    for (const ir::Store& store : kernel_.stores())
      (has_columns && is_stored_shared(kernel_, store) ? of_columns : of_rows)
          .push_back({store.node, store.param});
    plan({last + 1, Kind::columns}, std::move(of_columns));
    if (has_tiles_)
      plan({last + 1, Kind::stores}, std::move(of_rows));
    for (int round = last; round >= 0; --round) {
      if (has_tiles_ || round < last)
        plan({round + 1, Kind::columns}, left_of(round + 1, true));
      std::vector<Root> roots = left_of(round + 1, false);
      if (!has_tiles_ && round == last)
        roots.insert(roots.begin(), of_rows.begin(), of_rows.end());
      plan({round, !has_tiles_ && round == last ? Kind::stores : Kind::rows}, std::move(roots));
    }
    plan({0, Kind::columns}, left_of(0, true));
    number_values();
    find_shared_functions();
    for (auto planned = planned_.rbegin(); planned != planned_.rend(); ++planned)
      add_step(*planned);
    return std::move(result_);
  }

private:
  /// What a step stores: to a parameter, or for other steps.
  struct Root {
    NodeId node;
    std::optional<std::uint32_t> param;
  };
  enum class Kind : std::uint8_t {
    rows,    ///< leaves something that rows have, or sums over them
    stores,  ///< stores what rows have
    columns, ///< of one row
  };
  struct Place {
    int round; ///< so many sums over rows after one another have been left, or what is made of them
    Kind kind;
  };
  struct Planned {
    Place place;
    std::vector<Root> roots;
    std::vector<bool> needed; ///< by node
  };

  int arity(NodeId id) const { return ir::info(kernel_.node(id).op).arity; }
  bool is_shared_value(NodeId id) const { return is_shared(kernel_.node(id).space.broadcast); }

  /// Whether a step at `place` loads a value that a step before has left. What is the same for all
  /// rows is computed once where it takes a sum over rows or a reduction along the row; and tiles
  /// reduce no row.
  bool is_loaded(NodeId id, Place place) const {
    const bool is_early = rounds_[id] <= place.round;
    if (place.kind == Kind::columns)
      return is_early && rounds_[id] > 0 && !reduces_row_[id] && is_shared_value(id);
    const bool tiles = has_tiles_ && place.kind == Kind::stores;
    const bool is_late_value = rounds_[id] > 0 || (tiles ? reduces_row_ : costs_row_)[id];
    const bool counts_columns = reduces_row_[id] && !costs_row_[id] &&
                                kernel_.node(id).space.broadcast == Broadcast::per_tensor;
    if (counts_columns && !tiles) // rows know how many there are
      return false;
    if (is_shared_value(id))
      return is_early && is_late_value;
    // Tiles combine what a row has with sums themselves.
    return tiles && rounds_[id] < place.round && reduces_row_[id] &&
           kernel_.node(id).space.broadcast == Broadcast::per_row;
  }

  /// The last round that rows take part in; -1: none.
  int last_round() const {
    int last = -1;
    for (NodeId id = 0; id < rounds_.size(); ++id)
      if (is_over_rows(kernel_.node(id)))
        last = std::max(last, rounds_[id] - 1);
      else if (has_tiles_ && is_along_row(kernel_.node(id)))
        last = std::max(last, rounds_[id]);
    for (const ir::Store& store : kernel_.stores())
      if (!is_stored_shared(kernel_, store) && !has_tiles_)
        last = std::max(last, rounds_[store.node]);
    return last;
  }

  /// What is left of `round`, or before it by rows: that which reduces the row itself, or not.
  std::vector<Root> left_of(int round, bool by_columns) const {
    std::vector<Root> roots;
    for (NodeId id = 0; id < left_.size(); ++id) {
      const bool is_of_round = is_shared_value(id)
                                   ? reduces_row_[id] == by_columns && rounds_[id] == round
                                   : !by_columns && rounds_[id] == round - 1;
      if (left_[id] && is_of_round)
        roots.push_back({id, std::nullopt});
    }
    return roots;
  }

  /// Nothing where `roots` is empty.
  void plan(Place place, std::vector<Root> roots) {
    if (roots.empty())
      return;
    std::vector<bool> needed(rounds_.size(), false);
    for (const Root& root : roots)
      needed[root.node] = true;
    if (kernel_.skip() && place.kind != Kind::columns)
      needed[*kernel_.skip()] = true;
    for (auto id = static_cast<NodeId>(needed.size()); id-- > 0;) { // users before operands
      const bool is_leaf = needed[id] && is_loaded(id, place);
      left_[id] = left_[id] || is_leaf;
      for (int i = 0; needed[id] && !is_leaf && i < arity(id); ++i)
        needed[kernel_.node(id).args[static_cast<std::size_t>(i)]] = true;
    }
    planned_.push_back({place, std::move(roots), std::move(needed)});
  }

  void number_values() {
    for (NodeId id = 0; id < left_.size(); ++id) {
      const auto is_root = [&](const Planned& planned) {
        return std::ranges::any_of(
            planned.roots, [&](const Root& root) { return root.node == id && !root.param; });
      };
      if (std::ranges::count_if(planned_, is_root) != left_[id])
        throw Error(
            ErrorCode::internal,
            fmt::format("the steps of kernel '{}' leave node {} not once; this is a defect in "
                        "swage, please report it",
                        kernel_.name(), id));
      values_[id] = result_.values.size();
      if (left_[id])
        result_.values.push_back({kernel_.node(id).type, kernel_.node(id).space.broadcast});
    }
  }

  /// Functions that several steps compute, or that the whole kernel owes full accuracy: they have
  /// the same bits everywhere, whatever a step makes of them.
  void find_shared_functions() {
    const std::vector<ir::Accuracy> owed = ir::accuracies(kernel_);
    for (NodeId id = 0; id < owed.size(); ++id) {
      const auto computing = std::ranges::count_if(planned_, [&](const Planned& planned) {
        return planned.needed[id] && !is_loaded(id, planned.place);
      });
      is_full_[id] = ir::is_approximate(kernel_.node(id).op) &&
                     (computing > 1 || owed[id] == ir::Accuracy::full);
    }
  }

  void add_step(const Planned& planned) {
    const auto& [place, roots, needed] = planned;
    Step step;
    step.of_columns = place.kind == Kind::columns;
    std::vector<Param> params;
    const auto add = [&](Param param, StepSource source) {
      params.push_back(std::move(param));
      step.sources.push_back(source);
    };
    for (std::uint32_t p = 0; p < kernel_.params().size(); ++p)
      if (auto param = used(p, planned))
        add(in_step(*std::move(param), step.of_columns), {StepSource::Kind::param, p});
    for (NodeId id = 0; id < needed.size(); ++id)
      if (needed[id] && is_loaded(id, place))
        add(in_step(value_param(id, ParamKind::in), step.of_columns), source_of(id));
    for (const Root& root : roots)
      if (!root.param)
        add(in_step(value_param(root.node, ParamKind::out), step.of_columns), source_of(root.node));
    if (has_tiles_ && place.kind == Kind::stores)
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
    step.kernel = build(planned, step, params, false);
    if (approximates(planned, step))
      step.kernel = build(planned, step, params, true);
    result_.steps.push_back(std::move(step));
  }

  /// Parameter `p` as the step has it, which may read less of it than the kernel does.
  std::optional<Param> used(std::uint32_t p, const Planned& planned) const {
    bool is_read = false;
    for (NodeId id = 0; id < planned.needed.size(); ++id) {
      const ir::Op op = kernel_.node(id).op;
      is_read = is_read || (planned.needed[id] && kernel_.node(id).param == p &&
                            (op == ir::Op::load || op == ir::Op::scalar || op == ir::Op::lookup));
    }
    const bool is_stored =
        std::ranges::any_of(planned.roots, [&](const Root& root) { return root.param == p; });
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

  /// Whether the kernel of `step` has half accuracy for a function that owes full accuracy.
  bool approximates(const Planned& planned, const Step& step) const {
    const std::vector<ir::Accuracy> owed = ir::accuracies(step.kernel);
    std::vector<NodeId> in_step(planned.needed.size(), 0);
    if (kernel_.skip() && step.kernel.skip())
      in_step[*kernel_.skip()] = *step.kernel.skip();
    for (const Root& root : planned.roots)
      for (const ir::Store& store : step.kernel.stores()) {
        const StepSource& source = step.sources[store.param];
        if (root.param
                ? source.kind == StepSource::Kind::param && source.index == *root.param
                : source.kind == StepSource::Kind::value && source.index == values_[root.node])
          in_step[root.node] = store.node;
      }
    for (auto id = static_cast<NodeId>(in_step.size()); id-- > 0;) { // users before operands
      if (!planned.needed[id] || is_loaded(id, planned.place))
        continue;
      if (is_full_[id] && owed[in_step[id]] == ir::Accuracy::half)
        return true;
      for (std::size_t i = 0; i < static_cast<std::size_t>(arity(id)); ++i)
        in_step[kernel_.node(id).args[i]] = step.kernel.node(in_step[id]).args[i];
    }
    return false;
  }

  ir::Kernel build(const Planned& planned, const Step& step, const std::vector<Param>& params,
                   bool owes_full_accuracy) const {
    const auto& [place, roots, needed] = planned;
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
      made[id] = is_loaded(id, place) ? builder.load(of_value[values_[id]])
                                      : ir::rebuild(builder, node, made);
    }
    if (owes_full_accuracy)
      builder.owe_full_accuracy();
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
  std::vector<int> rounds_;       ///< by node: how many sums over rows follow one another up to it
  std::vector<bool> reduces_row_; ///< by node: reduces along the row but by way of a sum over rows
  std::vector<bool> costs_row_;   ///< by node: so, and more than the number of columns
  std::vector<bool> is_full_;     ///< by node: a function that owes full accuracy in every step
  std::vector<bool> left_;        ///< by node: one step leaves it to others
  std::vector<std::size_t> values_; ///< by node that is left: its number among Steps::values
  std::vector<Planned> planned_;    ///< the last one first
  Steps result_;
};

} // namespace

std::size_t Steps::leading() const noexcept {
  const auto found = std::ranges::find(steps, false, &Step::of_columns);
  return found == steps.end() ? 0 : static_cast<std::size_t>(found - steps.begin());
}

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
