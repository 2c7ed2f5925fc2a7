// passes.hpp -- checks and rewrites of a bound kernel.
#pragma once

#include <string>

#include "ir/kernel.hpp"

namespace swage::ir {

/// Throws Error(internal) naming the node if an invariant of Kernel is broken: operand order,
/// arity, types by rule, store types, parameter use. A kernel that came from `parse_kernel` passes.
void verify(const Kernel& kernel);

/// Folds constants exactly as the evaluator would compute them in the compute type, applies
/// identities that hold for every float including NaN, infinities and signed zeros, merges equal
/// nodes, drops casts that change nothing and code that nothing uses. Idempotent.
Kernel simplify(const Kernel& kernel);

/// Forms `fma` from a product with a single use and the sum or difference that uses it, for float
/// types. The only place where contraction is decided; back ends never contract. Idempotent.
Kernel contract(const Kernel& kernel);

/// The kernel as language text that parses back to an equal kernel, formatted to be read:
/// single-use values nested in expressions, `let` for shared ones. Types and constants are bound,
/// so the text has no generics; a mode other than accurate is printed as `@triton` or `@fast`.
std::string print(const Kernel& kernel);

/// The same on one line: the canonical line that digests are made of.
std::string canonical(const Kernel& kernel);

} // namespace swage::ir
