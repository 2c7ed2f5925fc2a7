// advice.hpp -- what a kernel computes that it had better not.
#pragma once

#include <string>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::cli {

/// Sentences about a kernel as `ir::load_kernel` gives it, without a full stop; usually none.
std::vector<std::string> advice(const ir::Kernel& kernel);

} // namespace swage::cli
