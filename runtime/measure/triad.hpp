// triad.hpp -- the memory bandwidth of the host.
#pragma once

#include <cstdint>

namespace swage::measure {

/// Bytes a second of a[i] = b[i] + s * c[i] in f32 on all threads, with streaming stores where
/// `streaming`, counting two reads and one write of `elements` each; the best of several passes.
double host_triad(std::int64_t elements, bool streaming);

} // namespace swage::measure
