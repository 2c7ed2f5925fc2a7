// opaque_negation.hpp -- integer negations that the assembler cannot lose.
#pragma once

namespace llvm {
class Module;
}

namespace swage::codegen {

/// ptxas 12.9 and 13.0 make one instruction of max(max(a, -b), c) on sm_90 and sm_100, and of
/// minima alike, and drop the minus: an H200 gave wrong maxima of integers. Negations of 16 and 32
/// bits are written as ~x + 1 here, which it does not take for one. To be called on optimised code
/// for CUDA, for LLVM would undo it.
void make_negations_opaque(llvm::Module& module);

} // namespace swage::codegen
