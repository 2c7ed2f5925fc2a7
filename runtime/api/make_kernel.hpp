// make_kernel.hpp -- a public kernel from a graph.
#pragma once

#include "ir/kernel.hpp"
#include "swage/swage.hpp"

namespace swage::api {

/// A kernel from a graph; `options.math` and `options.file` are not used.
Kernel make_kernel(const Device& device, ir::Kernel graph, const KernelOptions& options = {},
                   std::vector<Constant> constants = {});

} // namespace swage::api
