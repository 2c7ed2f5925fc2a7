// parameters.hpp -- a bound kernel's parameters and size, for tables and JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "ir/kernel.hpp"

namespace swage::cli {

/// "gate up -> h": what is read, then what is written; an inout name stands on both sides.
std::string parameter_names(const ir::Kernel& kernel);

/// [{"name": "gate", "kind": "in", "dtype": "bf16", "broadcast": "none"}, ...]
nlohmann::ordered_json parameters_json(const ir::Kernel& kernel);

std::string_view name_of(ir::ParamKind kind) noexcept;
std::string_view name_of(ir::Broadcast broadcast) noexcept;

/// Nodes that compute: loads, scalars and constants left out.
std::size_t operation_count(const ir::Kernel& kernel);

} // namespace swage::cli
