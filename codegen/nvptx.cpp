// nvptx.cpp -- PTX: what its versions have, and what its text says.
#include "codegen/nvptx.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "codegen/row_geometry.hpp"

namespace swage::codegen {

namespace {

/// Whether values are rounded to floats of one byte, or widened from them. Those of less are made
/// of integers.
bool converts_bytes(const ir::Kernel& kernel) {
  const auto is_byte = [](DType type) { return is_byte_float(type) && !is_packed(type); };
  return std::ranges::any_of(kernel.params(),
                             [&](const ir::Param& param) { return is_byte(param.dtype); }) ||
         std::ranges::any_of(kernel.nodes(),
                             [&](const ir::Node& node) { return is_byte(node.storage); });
}

} // namespace

// Versions from the PTX ISA's notes to each instruction.
Target with_ptx_for(const ir::Kernel& kernel, const Target& target,
                    std::span<const Schedule> schedules) {
  Target raised = target;
  if (target.sm == 89 && converts_bytes(kernel)) // sm_90 has them from its first version on
    raised.ptx = std::max(raised.ptx, 81);
  for (const Schedule& schedule : schedules) {
    const auto* cuda = std::get_if<CudaSchedule>(&schedule);
    if (!cuda)
      continue;
    if (cuda->load == LoadPolicy::no_l1_allocate || cuda->load == LoadPolicy::evict_last)
      raised.ptx = std::max(raised.ptx, 74);
    if (cuda->dependent_launch != DependentLaunch::none)
      raised.ptx = std::max(raised.ptx, 78);
    if (in_clusters(kernel, *cuda))
      raised.ptx = std::max(raised.ptx, kClusterPtx);
    if (cuda->access_bytes > 16)
      raised.ptx = std::max(raised.ptx, 88);
  }
  return raised;
}

bool waits_for_dependencies(std::string_view ptx, std::string_view entry) {
  const std::size_t start = ptx.find(fmt::format(".entry {}(", entry));
  if (start == std::string_view::npos)
    return false;
  const std::string_view rest = ptx.substr(start);
  const std::string_view body = rest.substr(0, rest.find("\n}"));
  const std::size_t wait = body.find("griddepcontrol.wait;");
  if (wait == std::string_view::npos)
    return false;
  // A branch, a label, an exit or an access in front of it would each make the promise false.
  // Parameters carry the kernel's name, and one instruction ends as another begins, so a mnemonic
  // counts with the blank before it.
  constexpr std::string_view obstacles[] = {" bra",      "\tbra",     "ret;",  "exit;",
                                            "ld.global", "st.global", "$L",    " ld.b",
                                            "\tld.b",    " st.b",     "\tst.b"};
  return std::ranges::none_of(obstacles,
                              [&](std::string_view text) { return body.find(text) < wait; });
}

} // namespace swage::codegen
