// dump.hpp -- writes what was compiled to the directory of SWAGE_DUMP.
#pragma once

#include "runtime/store/entry.hpp"

namespace swage::functions {

/// Writes NAME-DIGEST.txt (the key) and .ptx or .o if SWAGE_DUMP names a directory. Failures are
/// warned of and change nothing.
void dump(const store::CacheEntry& entry) noexcept;

} // namespace swage::functions
