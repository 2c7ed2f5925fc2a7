// row_plan.cpp -- stages of a row, and what has no code yet.
#include "codegen/row_plan.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "ir/sum_order.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

using ir::Broadcast;
using ir::OpForm;

namespace {

[[noreturn]] void refuse(const ir::Kernel& kernel, std::string_view what, std::string_view help) {
  throw Error(ErrorCode::unsupported,
              fmt::format("kernel '{}' uses {}, which {}", kernel.name(), what, help));
}

/// The sizes of all groups of `kernel`.
std::vector<std::uint32_t> groups_of(const ir::Kernel& kernel) {
  std::vector<std::uint32_t> sizes;
  const auto add = [&](ir::Space space) {
    if (space.broadcast == Broadcast::per_group &&
        std::ranges::find(sizes, space.group) == sizes.end())
      sizes.push_back(space.group);
  };
  for (const ir::Param& param : kernel.params())
    add(param.space());
  for (const ir::Node& node : kernel.nodes())
    add(node.space);
  return sizes;
}

void check_host(const ir::Kernel& kernel) {
  constexpr std::string_view kNotYet = "no CPU code is made for yet";
  for (const ir::Node& node : kernel.nodes())
    if (ir::info(node.op).form == OpForm::over_col)
      refuse(kernel, "col_sum", kNotYet);
  for (const ir::Param& param : kernel.params()) {
    const bool shared =
        param.broadcast == Broadcast::per_column || param.broadcast == Broadcast::per_tensor;
    if (param.is_written() && shared)
      refuse(kernel, fmt::format("'{}', an output [{}]", param.name, name_of(param.space())),
             kNotYet);
  }
  if (const auto sizes = groups_of(kernel); sizes.size() > 1)
    refuse(kernel, fmt::format("groups of {} and of {} columns", sizes[0], sizes[1]),
           "no CPU code is made for yet: one kernel has groups of one size");
}

} // namespace

RowPlan make_row_plan(const ir::Kernel& kernel) {
  RowPlan plan;
  plan.stage.resize(kernel.nodes().size(), 0);
  for (ir::NodeId id = 0; id < plan.stage.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    int& stage = plan.stage[id];
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      stage = std::max(stage, plan.stage[node.args[static_cast<std::size_t>(i)]]);
    if (ir::info(node.op).form != OpForm::over_row)
      continue;
    ++stage;
    if (plan.reductions.size() < static_cast<std::size_t>(stage))
      plan.reductions.resize(static_cast<std::size_t>(stage));
    plan.reductions[static_cast<std::size_t>(stage) - 1].push_back(id);
  }
  if (const auto sizes = groups_of(kernel); !sizes.empty())
    plan.group = sizes[0];
  return plan;
}

void check_lowered(const ir::Kernel& kernel, const Target& target) {
  if (ir::is_elementwise(kernel))
    return;
  if (target.kind == Target::Kind::cuda)
    refuse(kernel, ir::beyond_elements(kernel),
           "no CUDA code is made for yet; it runs on the CPU, device 'cpu'");
  const bool shaped = std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
    return param.is_tensor() && param.broadcast == Broadcast::none;
  });
  if (!shaped)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("kernel '{}' has no tensor of one value an element, which would say how "
                    "many columns there are; give it one",
                    kernel.name()));
  check_host(kernel);
}

std::int64_t sum_arrays(std::int64_t count) noexcept {
  const std::int64_t passes =
      std::max<std::int64_t>((count + ir::kSumLanes - 1) / ir::kSumLanes, 1);
  return 1 + std::bit_width(static_cast<std::uint64_t>(passes));
}

std::int64_t scratch_bytes(const RowPlan& plan, std::int64_t columns) noexcept {
  constexpr std::int64_t kArray = ir::kSumLanes * 8; // of the widest type
  std::size_t most = 0;
  for (const auto& stage : plan.reductions)
    most = std::max(most, stage.size());
  const std::int64_t of_groups = plan.group > 0 ? sum_arrays(plan.group) * kArray : 0;
  return of_groups + static_cast<std::int64_t>(most) * sum_arrays(columns) * kArray;
}

} // namespace swage::codegen
