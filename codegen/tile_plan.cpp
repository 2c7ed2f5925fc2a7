// tile_plan.cpp -- passes over a tile of rows and columns, and what has no code yet.
#include "codegen/tile_plan.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>

#include "codegen/kept_values.hpp"
#include "codegen/needed_nodes.hpp"
#include "codegen/row_plan.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

using ir::Broadcast;
using ir::NodeId;
using ir::OpForm;

namespace {

bool is_by_tile(const ir::Kernel& kernel, NodeId id) {
  const Broadcast broadcast = kernel.node(id).space.broadcast;
  return (broadcast == Broadcast::none || broadcast == Broadcast::per_group) &&
         kernel.node(id).op != ir::Op::constant;
}

} // namespace

std::uint32_t rows_of_groups(const ir::Kernel& kernel) noexcept {
  for (const ir::Param& param : kernel.params())
    if (param.broadcast == Broadcast::per_column_group)
      return param.group;
  for (const ir::Node& node : kernel.nodes())
    if (node.space.broadcast == Broadcast::per_column_group)
      return node.space.group;
  return 0;
}

std::uint32_t columns_of_groups(const ir::Kernel& kernel) noexcept {
  for (const ir::Param& param : kernel.params())
    if (param.broadcast == Broadcast::per_group)
      return param.group;
  for (const ir::Node& node : kernel.nodes())
    if (node.space.broadcast == Broadcast::per_group)
      return node.space.group;
  return 0;
}

TilePlan make_tile_plan(const ir::Kernel& kernel) {
  TilePlan plan;
  plan.rows = rows_of_groups(kernel);
  plan.group = columns_of_groups(kernel);
  plan.stage.resize(kernel.nodes().size(), 0);
  plan.reductions.resize(1);
  std::vector<bool> leaves(plan.stage.size(), false); // goes to other spaces, or is stored
  for (NodeId id = 0; id < plan.stage.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    const bool reduces = ir::info(node.op).form == OpForm::over_col_group;
    for (int i = 0; i < ir::info(node.op).arity; ++i) {
      const NodeId arg = node.args[static_cast<std::size_t>(i)];
      plan.stage[id] = std::max(plan.stage[id], plan.stage[arg]);
      leaves[arg] = leaves[arg] || node.space.broadcast != Broadcast::per_column_group || reduces;
    }
    if (!reduces)
      continue;
    const auto pass = static_cast<std::size_t>(plan.stage[id]++);
    plan.reductions.resize(std::max(plan.reductions.size(), pass + 2));
    plan.reductions[pass].push_back(id);
  }
  for (const ir::Store& store : kernel.stores())
    leaves[store.node] = true;
  for (NodeId id = 0; id < plan.stage.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    if (node.space.broadcast == Broadcast::per_column_group && node.op != ir::Op::load &&
        (leaves[id] || ir::is_reduction(node.op)))
      plan.values.push_back(id);
  }
  return plan;
}

void check_tiles(const ir::Kernel& kernel, const Target& target) {
  const bool cuda = target.kind == Target::Kind::cuda;
  const std::string none = fmt::format("no {} code is made for yet", cuda ? "CUDA" : "CPU");
  const std::string beside = none + " beside groups of rows";
  if (const auto sizes = group_sizes(kernel, Broadcast::per_column_group); sizes.size() > 1)
    refuse_unlowered(kernel, fmt::format("groups of {} and of {} rows", sizes[0], sizes[1]),
                     none + ": one kernel has groups of rows of one size");
  for (const ir::Node& node : kernel.nodes())
    if (const OpForm form = ir::info(node.op).form;
        form == OpForm::over_row || form == OpForm::over_col)
      refuse_unlowered(kernel, ir::info(node.op).spelling,
                       beside + " where it needs what these have; reduce what does not, or make "
                                "it a kernel of its own");
  for (const ir::Param& param : kernel.params())
    if (param.kind == ir::ParamKind::inout && param.broadcast == Broadcast::per_row)
      refuse_unlowered(kernel, fmt::format("'{}', an inout [row]", param.name),
                       beside + ", as several tiles read it; make it an input and an output");
    else if (param.is_written() && param.broadcast != Broadcast::none &&
             param.broadcast != Broadcast::per_row && !ir::has_groups(param.broadcast))
      refuse_unlowered(kernel,
                       fmt::format("'{}', an output [{}]", param.name, name_of(param.space())),
                       beside + "; make it a kernel of its own");
  if (!cuda)
    return;
  int widest = 1;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && param.broadcast == Broadcast::none)
      widest = std::max(widest, size_of(param.dtype));
  const auto most = static_cast<std::uint32_t>(32 * 16 / widest); // what a warp accesses at once
  const std::uint32_t group = columns_of_groups(kernel);
  if (group > most || !std::has_single_bit(std::max(group, 1u)))
    refuse_unlowered(
        kernel, fmt::format("groups of {} columns beside groups of rows", group),
        fmt::format("CUDA code takes as powers of two up to {}; it runs on the CPU, device 'cpu'",
                    most));
}

std::int64_t host_tile_columns(std::uint32_t group) noexcept {
  constexpr std::int64_t kColumns = 512; // a tile of 32 rows lies in the cache of its core
  const std::int64_t size = std::max<std::int64_t>(group, 1);
  return (kColumns + size - 1) / size * size;
}

std::int64_t host_tile_bytes(std::int64_t values, std::uint32_t group) noexcept {
  return (values * host_tile_columns(group) * 8 + 63) / 64 * 64; // of the widest type
}

std::int64_t host_tiles(std::uint32_t group_rows, std::uint32_t group, std::int64_t rows,
                        std::int64_t columns) noexcept {
  const std::int64_t each = host_tile_columns(group);
  return rows / group_rows * ((columns + each - 1) / each);
}

int held_bytes(const ir::Kernel& kernel, NodeId id) noexcept {
  const ir::Node& node = kernel.node(id);
  return node.op == ir::Op::load ? size_of(kernel.params()[node.param].dtype) : kept_bytes(node);
}

int pass_of(const TilePlan& plan, const ir::Store& store, bool late) noexcept {
  return late ? plan.last() : plan.stage[store.node];
}

std::vector<NodeId> passed_on(const ir::Kernel& kernel, const TilePlan& plan, bool late, int warps,
                              const std::vector<bool>& may_hold) {
  std::vector<NodeId> roots;
  for (int pass = 1; pass < plan.passes(); ++pass)
    for (const NodeId id : plan.reductions[static_cast<std::size_t>(pass)])
      roots.push_back(kernel.node(id).args[0]);
  for (const ir::Store& store : kernel.stores())
    if (is_by_tile(kernel, store.node) && pass_of(plan, store, late) > 0)
      roots.push_back(store.node);
  // Down to what is read, or to the first value that the first pass knows.
  const auto down_to = [&](bool values) {
    const auto is_held = [&](NodeId id) {
      const ir::Node& node = kernel.node(id);
      const bool known = plan.stage[id] == 0 && may_hold[id] && node.type != DType::boolean;
      return node.op == ir::Op::load || (values && known);
    };
    std::vector<bool> seen(kernel.nodes().size(), false);
    std::vector<NodeId> ahead = roots, found;
    while (!ahead.empty()) {
      const NodeId id = ahead.back();
      ahead.pop_back();
      if (seen[id] || !is_by_tile(kernel, id))
        continue;
      seen[id] = true;
      if (is_held(id)) {
        found.push_back(id);
        continue;
      }
      const ir::Node& node = kernel.node(id);
      for (int i = 0; i < ir::info(node.op).arity; ++i)
        ahead.push_back(node.args[static_cast<std::size_t>(i)]);
    }
    std::ranges::sort(found);
    return found;
  };
  const auto bytes = [&](const std::vector<NodeId>& held) {
    int sum = 0; // of an element; a value of a group counts little
    for (const NodeId id : held)
      if (kernel.node(id).space.broadcast == Broadcast::none)
        sum += held_bytes(kernel, id);
    return sum;
  };
  const std::vector<NodeId> values = down_to(true), read = down_to(false);
  return bytes(values) <= (warps > 1 ? 2 : 1) * bytes(read) ? values : read;
}

} // namespace swage::codegen
