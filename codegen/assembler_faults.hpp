// assembler_faults.hpp -- what ptxas gets wrong is written in another way.
#pragma once

#include <string>

namespace llvm {
class Module;
}

namespace swage::codegen {

/// ptxas 12.9 and 13.0 make one instruction of max(max(a, -b), c) on sm_90 and sm_100, and of
/// minima alike, and drop the minus: an H200 gave wrong maxima of integers. Negations of 16 and 32
/// bits are written as ~x + 1 here, which it does not take for one. To be called on optimised code
/// for CUDA, for LLVM would undo it.
void make_negations_opaque(llvm::Module& module);

/// ptxas 13.0 multiplies by 2^31 where a loop surrounds `shl.b64 x, 31`, or comes before it, and
/// takes the factor for a negative number of 32 bits: an H200 gave -(x << 31). In the text `ptx`
/// they become multiplications by 2147483648, which it gets right. LLVM makes shifts of products
/// until the very end, so only its text shows them all.
void replace_faulty_shifts(std::string& ptx);

} // namespace swage::codegen
