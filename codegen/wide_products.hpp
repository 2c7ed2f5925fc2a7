// wide_products.hpp -- products that may be normal where one factor, a sigmoid or erfc, is not.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::codegen {

/// The product left * right * function(x), the function being sigmoid or erfc and used for nothing
/// else. silu(gate) * up is one: silu(gate) is subnormal from gate = -92 on, the product need not
/// be.
struct WideProduct {
  ir::NodeId function;
  std::optional<ir::NodeId> left; ///< 1 if absent
  ir::NodeId right;
};

/// By node: the product that it is, where that is worth computing as (left * outer) * (right *
/// inner) with outer * inner = function(x). Its inner product and its function have no other use.
std::vector<std::optional<WideProduct>> find_wide_products(const ir::Kernel& kernel);

} // namespace swage::codegen
