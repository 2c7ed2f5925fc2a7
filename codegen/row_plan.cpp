// row_plan.cpp -- stages of a row, and what has no code yet.
#include "codegen/row_plan.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "codegen/kept_values.hpp"
#include "codegen/needed_nodes.hpp"
#include "codegen/steps.hpp"
#include "codegen/tile_plan.hpp"
#include "ir/sum_order.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

using ir::Broadcast;
using ir::OpForm;

std::vector<bool> needs_column_sums(const ir::Kernel& kernel) {
  std::vector<bool> needs(kernel.nodes().size(), false);
  for (ir::NodeId id = 0; id < needs.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    bool any = ir::info(node.op).form == OpForm::over_col;
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      any = any || needs[node.args[static_cast<std::size_t>(i)]];
    needs[id] = any;
  }
  return needs;
}

void refuse_unlowered(const ir::Kernel& kernel, std::string_view what, std::string_view help) {
  throw Error(ErrorCode::unsupported,
              fmt::format("kernel '{}' uses {}, which {}", kernel.name(), what, help));
}

std::vector<std::uint32_t> group_sizes(const ir::Kernel& kernel, Broadcast kind) {
  std::vector<std::uint32_t> sizes;
  const auto add = [&](ir::Space space) {
    if (space.broadcast == kind && std::ranges::find(sizes, space.group) == sizes.end())
      sizes.push_back(space.group);
  };
  for (const ir::Param& param : kernel.params())
    add(param.space());
  for (const ir::Node& node : kernel.nodes())
    add(node.space);
  return sizes;
}

namespace {

std::size_t tensors_before(const ir::Kernel& kernel, std::uint32_t param) {
  return static_cast<std::size_t>(
      std::count_if(kernel.params().begin(), kernel.params().begin() + param,
                    [](const ir::Param& before) { return before.is_tensor(); }));
}

/// `code` is what is missing: "CPU" or "CUDA".
void check_both(const ir::Kernel& kernel, std::string_view code) {
  if (!runs_by_itself(kernel))
    throw Error(ErrorCode::unsupported,
                fmt::format("kernel '{}' is computed in steps, which are compiled one by one",
                            kernel.name()));
  if (const auto sizes = group_sizes(kernel, Broadcast::per_group); sizes.size() > 1)
    refuse_unlowered(
        kernel, fmt::format("groups of {} and of {} columns", sizes[0], sizes[1]),
        fmt::format("no {} code is made for yet: one kernel has groups of one size", code));
}

/// RowPlan::stage.
std::vector<int> stages_of(const ir::Kernel& kernel) {
  std::vector<int> stages(kernel.nodes().size(), 0);
  for (ir::NodeId id = 0; id < stages.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    if (ir::info(node.op).form == OpForm::over_col)
      continue; // known when all rows are done
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      stages[id] = std::max(stages[id], stages[node.args[static_cast<std::size_t>(i)]]);
    stages[id] += ir::info(node.op).form == OpForm::over_row;
  }
  return stages;
}

void check_row_size(const ir::Kernel& kernel) {
  const std::vector<int> stage = stages_of(kernel);
  std::size_t reductions = 0, passes = 1;
  if (rows_of_groups(kernel) > 0)
    passes = static_cast<std::size_t>(make_tile_plan(kernel).passes());
  for (ir::NodeId id = 0; id < stage.size(); ++id) {
    reductions += ir::is_reduction(kernel.node(id).op);
    passes = std::max(passes, static_cast<std::size_t>(stage[id]) + 1);
  }
  constexpr std::string_view help = "split it into several kernels";
  if (reductions > kMaxReductions)
    throw Error(ErrorCode::unsupported,
                fmt::format("kernel '{}' has {} reductions, expected at most {}; {}", kernel.name(),
                            reductions, kMaxReductions, help));
  if (stage.size() * passes > kMaxRowOperations)
    throw Error(ErrorCode::unsupported,
                fmt::format("kernel '{}' is too long for {} passes over a row: it has {} "
                            "operations, expected at most {}; {}",
                            kernel.name(), passes, stage.size(), kMaxRowOperations / passes, help));
}

void check_cuda(const ir::Kernel& kernel) {
  constexpr std::string_view help =
      "no CUDA code is made for yet; it runs on the CPU, device 'cpu'";
  for (const ir::Param& param : kernel.params())
    if (param.kind == ir::ParamKind::inout && param.broadcast == Broadcast::per_group)
      refuse_unlowered(
          kernel, fmt::format("'{}', an inout [{}]", param.name, name_of(param.space())), help);
}

} // namespace

bool is_shared(Broadcast broadcast) noexcept {
  return broadcast == Broadcast::per_column || broadcast == Broadcast::per_tensor;
}

bool stores_after_rows(const ir::Kernel& kernel) noexcept {
  return std::ranges::any_of(kernel.stores(), [&](const ir::Store& store) {
    return is_shared(kernel.params()[store.param].broadcast);
  });
}

bool computes_columns_apart(const ir::Kernel& kernel) noexcept {
  const bool reduces = std::ranges::any_of(kernel.nodes(), [](const ir::Node& node) {
    const OpForm form = ir::info(node.op).form;
    return form == OpForm::over_row || form == OpForm::over_col;
  });
  return !reduces && std::ranges::all_of(kernel.stores(), [&](const ir::Store& store) {
    const Broadcast broadcast = kernel.params()[store.param].broadcast;
    return broadcast == Broadcast::none || broadcast == Broadcast::per_group;
  });
}

RowPlan make_row_plan(const ir::Kernel& kernel) {
  RowPlan plan;
  plan.stage = stages_of(kernel);
  for (ir::NodeId id = 0; id < plan.stage.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    if (ir::info(node.op).form == OpForm::over_col) {
      plan.column_sums.push_back(id);
      plan.column_sum_bytes.push_back(size_of(node.type));
      plan.column_sum_for_all.push_back(is_for_all_columns(kernel, id));
    }
    if (ir::info(node.op).form != OpForm::over_row)
      continue;
    const auto stage = static_cast<std::size_t>(plan.stage[id]);
    plan.reductions.resize(std::max(plan.reductions.size(), stage));
    plan.reductions[stage - 1].push_back(id);
  }
  if (const auto sizes = group_sizes(kernel, Broadcast::per_group); !sizes.empty())
    plan.group = sizes[0];
  plan.after_rows = stores_after_rows(kernel);
  if ((plan.group_rows = rows_of_groups(kernel)) > 0) {
    const TilePlan tiles = make_tile_plan(kernel);
    plan.tile_passes = tiles.passes();
    plan.tile_values = static_cast<int>(tiles.values.size());
  }
  plan.apart = computes_columns_apart(kernel);
  plan.kept = kept_values(kernel, plan);
  return plan;
}

void check_lowered(const ir::Kernel& kernel, const Target& target) {
  if (ir::is_elementwise(kernel))
    return;
  const bool shaped = std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
    return param.is_tensor() && param.broadcast == Broadcast::none;
  });
  if (!shaped)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("kernel '{}' has no tensor of one value an element, which would say how "
                    "many columns there are; give it one",
                    kernel.name()));
  check_row_size(kernel);
  if (rows_of_groups(kernel) > 0)
    check_tiles(kernel, target);
  if (target.kind == Target::Kind::cuda)
    check_cuda(kernel);
  check_both(kernel, target.kind == Target::Kind::cuda ? "CUDA" : "CPU");
  check_totals_in_place(kernel, nullptr);
}

void check_totals_in_place(const ir::Kernel& kernel, const Specialization* call) {
  std::vector<ir::NodeId> roots;
  for (const ir::Store& store : kernel.stores())
    if (kernel.params()[store.param].broadcast == Broadcast::per_column)
      roots.push_back(store.node);
  const std::vector<bool> needed = needed_nodes(kernel, roots, [&](ir::NodeId id) {
    return ir::info(kernel.node(id).op).form != OpForm::over_col; // known by then
  });
  for (ir::NodeId id = 0; id < needed.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    if (!needed[id] || node.op != ir::Op::load || node.space.broadcast != Broadcast::per_tensor)
      continue;
    const ir::Param& param = kernel.params()[node.param];
    if (param.is_written() || (call && call->tensors[tensors_before(kernel, node.param)].aliased))
      throw Error(ErrorCode::unsupported,
                  fmt::format("'{}', one value for all, is overwritten in place and read for an "
                              "output [col], which no code does at once; {}",
                              param.name,
                              param.is_written() ? "make it an input and an output of its own"
                                                 : "pass another output"));
  }
}

bool is_for_all_columns(const ir::Kernel& kernel, ir::NodeId reduction) noexcept {
  return kernel.node(reduction).space.broadcast == Broadcast::per_tensor;
}

std::int64_t strands_of(std::int64_t rows) noexcept {
  return std::min(rows, ir::kSumStrands);
}

namespace {

__extension__ using Wide = __int128;

/// No more than nobody has: a view with strides of 0 may have 2^60 elements.
std::int64_t as_bytes(Wide bytes) noexcept {
  return static_cast<std::int64_t>(std::min(bytes, Wide{1} << 62));
}

} // namespace

std::int64_t workspace_bytes(const RowPlan& plan, std::int64_t rows,
                             std::int64_t columns) noexcept {
  Wide bytes = 0;
  for (const int size : plan.column_sum_bytes)
    bytes += size;
  return as_bytes(bytes * strands_of(rows) * std::max<std::int64_t>(columns, 1));
}

std::int64_t cuda_workspace_bytes(const RowPlan& plan, std::int64_t rows,
                                  std::int64_t columns) noexcept {
  const std::int64_t pitch = (columns + kWorkspacePitch - 1) / kWorkspacePitch * kWorkspacePitch;
  Wide bytes = 0;
  for (std::size_t i = 0; i < plan.column_sums.size(); ++i)
    bytes += Wide{plan.column_sum_bytes[i]} *
             (plan.column_sum_for_all[i] ? ir::kSumStrands : Wide{strands_of(rows)} * pitch);
  return as_bytes(bytes);
}

std::int64_t sum_arrays(std::int64_t count) noexcept {
  const std::int64_t passes =
      std::max<std::int64_t>((count + ir::kSumLanes - 1) / ir::kSumLanes, 1);
  return 1 + std::bit_width(static_cast<std::uint64_t>(passes));
}

std::int64_t kept_bytes(const RowPlan& plan, std::int64_t columns) noexcept {
  const Wide bytes = Wide{plan.kept.size()} * 8 * columns;
  return as_bytes((bytes + 63) / 64 * 64);
}

std::int64_t scratch_bytes(const RowPlan& plan, std::int64_t columns) noexcept {
  constexpr std::int64_t kArray = ir::kSumLanes * 8; // of the widest type
  std::size_t most = 0;
  for (const auto& stage : plan.reductions)
    most = std::max(most, stage.size());
  const std::int64_t of_groups = plan.group > 0 ? sum_arrays(plan.group) * kArray : 0;
  constexpr std::int64_t kStrands = ir::kSumStrands * 8;
  return kept_bytes(plan, columns) + host_tile_bytes(plan.tile_values, plan.group) +
         std::max(kStrands,
                  of_groups + static_cast<std::int64_t>(most) * sum_arrays(columns) * kArray);
}

} // namespace swage::codegen
