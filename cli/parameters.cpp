// parameters.cpp -- a bound kernel's parameters and size, for tables and JSON.
#include "cli/parameters.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace swage::cli {

std::string parameter_names(const ir::Kernel& kernel) {
  std::string read, written;
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor() || param.is_read())
      read += (read.empty() ? "" : " ") + param.name;
    if (param.is_written())
      written += ' ' + param.name;
  }
  return read + (read.empty() ? "->" : " ->") + written;
}

nlohmann::ordered_json parameters_json(const ir::Kernel& kernel) {
  nlohmann::ordered_json params = nlohmann::ordered_json::array();
  for (const ir::Param& param : kernel.params())
    params.push_back({{"name", param.name},
                      {"kind", name_of(param.kind)},
                      {"dtype", swage::name_of(param.dtype)},
                      {"broadcast", name_of(param.broadcast)}});
  return params;
}

std::string_view name_of(ir::ParamKind kind) noexcept {
  switch (kind) {
  case ir::ParamKind::in: return "in";
  case ir::ParamKind::out: return "out";
  case ir::ParamKind::inout: return "inout";
  case ir::ParamKind::scalar: break;
  }
  return "scalar";
}

std::string_view name_of(ir::Broadcast broadcast) noexcept {
  switch (broadcast) {
  case ir::Broadcast::none: return "none";
  case ir::Broadcast::per_row: return "row";
  case ir::Broadcast::per_column: return "col";
  case ir::Broadcast::per_group: return "group";
  case ir::Broadcast::per_column_group: return "col group";
  case ir::Broadcast::table: return "table";
  case ir::Broadcast::per_tensor: break;
  }
  return "tensor";
}

std::size_t operation_count(const ir::Kernel& kernel) {
  const auto computes = [](const ir::Node& node) {
    return node.op != ir::Op::load && node.op != ir::Op::scalar && node.op != ir::Op::constant;
  };
  return static_cast<std::size_t>(
      std::count_if(kernel.nodes().begin(), kernel.nodes().end(), computes));
}

} // namespace swage::cli
