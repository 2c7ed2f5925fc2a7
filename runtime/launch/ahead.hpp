// ahead.hpp -- compiling for calls, and machines, that are still to come.
#pragma once

#include <vector>

#include "codegen/target.hpp"
#include "ir/kernel.hpp"
#include "runtime/store/entry.hpp"

namespace swage::launch {

/// Compiles `kernel` for `target`, which need not be here, as calls with contiguous tensors would
/// have it compiled: 16-byte aligned, of every size class, sizes that are multiples of 64 elements
/// and others, with the default schedules. For a CUDA target the entries hold PTX, and a process
/// that finds one needs the driver's assembler once.
std::vector<store::CacheEntry> compile_ahead(const ir::Kernel& kernel,
                                             const codegen::Target& target);

} // namespace swage::launch
