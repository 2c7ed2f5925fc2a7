// signature.cpp -- the parameters of a kernel as a launch needs them.
#include "runtime/launch/signature.hpp"

namespace swage::launch {

Signature::Signature(const ir::Kernel& kernel) : kernel_name(kernel.name()) {
  by_rows = !ir::is_elementwise(kernel);
  broadcasts = by_rows || kernel.skip();
  for (const ir::Node& node : kernel.nodes()) {
    extremes |= ir::is_extreme(node.op) && ir::info(node.op).form == ir::OpForm::over_row;
    if (node.space.broadcast == ir::Broadcast::per_group)
      group = node.space.group;
    if (node.space.broadcast == ir::Broadcast::per_column_group)
      group_rows = node.space.group;
  }
  bool shaped = false;
  bool stored = false;
  for (const ir::Param& param : kernel.params()) {
    const auto tensor = static_cast<std::uint8_t>(tensors.size());
    params.push_back({param.kind, param.dtype, param.broadcast, tensor, param.is_tensor(),
                      param.is_tensor() && param.is_read(), param.is_tensor() && param.is_written(),
                      param.group});
    names.push_back(param.name);
    if (!param.is_tensor())
      continue;
    tensors.push_back(static_cast<std::uint8_t>(params.size() - 1));
    broadcasts |= param.broadcast != ir::Broadcast::none;
    if (param.broadcast == ir::Broadcast::per_group)
      group = param.group;
    if (param.broadcast == ir::Broadcast::per_column_group)
      group_rows = param.group;
    writes_columns |= param.is_written() && (param.broadcast == ir::Broadcast::per_column ||
                                             param.broadcast == ir::Broadcast::per_tensor);
    writes_rows |= param.is_written() && param.broadcast == ir::Broadcast::per_row;
    updates |= param.kind == ir::ParamKind::inout;
    packed |= is_packed(param.dtype);
    if (!shaped && param.broadcast == ir::Broadcast::none) {
      shape_of = tensor;
      shaped = true;
    }
    if (!stored && param.is_written()) {
      written = tensor;
      stored = true;
    }
  }
}

} // namespace swage::launch
