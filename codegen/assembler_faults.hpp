// assembler_faults.hpp -- what ptxas gets wrong is written in another way.
#pragma once

#include <string>

namespace llvm {
class Module;
}

namespace swage::codegen {

/// Changes what ptxas would make wrong code of. To be called on optimised code for CUDA, for LLVM
/// would undo it. What was seen, on an H200 where no other GPU is named:
///
/// - 12.9 and 13.0 make one instruction of max(max(a, -b), c) on sm_90 and sm_100, and of minima
///   alike, and drop the minus, that of a product with a negative power of two or of -1 - x + 1
///   too. Negations of 16 and 32 bits are written as ~x + 1, which it does not take for one; and a
///   factor that threads exchange is written as a constant where it is one, for the assembler finds
///   out.
/// - 13.0 makes an instruction that sm_90 does not have, F2IP with .RELU, where two floats become
///   bytes and both are maxima with 0; the kernel then ends with "illegal instruction". A minimum
///   with what the conversion saturates anyway is put between them.
/// - 13.0 at -O2 and above takes two roundings of f64 to f32 for one where their operands differ in
///   the upper word alone, as chosen constants do. The choice is made among rounded constants.
void avoid_assembler_faults(llvm::Module& module);

/// The same for what LLVM makes at the very end, in its text `ptx`:
///
/// - 13.0 multiplies by 2^31 where a loop surrounds `shl.b64 x, 31`, or comes before it, and takes
///   the factor for a negative number of 32 bits. They become multiplications by 2147483648, which
///   it gets right.
/// - 13.0 counts on abs.s16 and its like being positive, and converts what they give as signed
///   numbers, so that the greatest of all, of the least number, becomes negative. They become
///   max(x, ~x + 1).
void avoid_assembler_faults(std::string& ptx);

} // namespace swage::codegen
