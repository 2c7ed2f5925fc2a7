// passes.hpp -- checks and rewrites of a bound kernel.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ir/kernel.hpp"

namespace swage::ir {

/// Throws Error(internal) naming the node if an invariant of Kernel is broken: operand order,
/// arity, types by rule, store types, parameter use. A kernel that came from `parse_kernel` passes.
void verify(const Kernel& kernel);

/// The same for the parts of a kernel that no builder made.
void verify(std::string_view name, std::span<const Param> params, std::span<const Node> nodes,
            std::span<const Store> stores, std::optional<NodeId> skip = {});

/// Replaces forms of sigmoid and erfc that are written out by the functions: n / (1 + exp(-x)), 1 +
/// tanh(x), 1 + erf(x) and their like, with any scale inside. In `accurate` and `fast` mode only.
Kernel recognise(const Kernel& kernel);

/// Folds constants as the machine would compute them in the compute type: what IEEE 754 defines to
/// the bit, to the bit; other functions in the next wider type, rounded once (not in triton and
/// torch modes, whose approximations are their own definition). Applies identities that hold for
/// every float including NaN, infinities and signed zeros, merges equal nodes, drops casts that
/// change nothing (to a type that holds the value already, or just before a store that does the
/// same) and code that nothing uses. Idempotent, linear in the size of the kernel.
Kernel simplify(const Kernel& kernel);

/// Forms `fma` from a product with a single use and the sum or difference that uses it, for float
/// types; in triton mode from any product, as LLVM does for Triton, in torch mode from none, as
/// PyTorch's operators are kernels of their own. The only place where
/// contraction is decided; back ends never contract. Idempotent.
Kernel contract(const Kernel& kernel);

/// The kernel as language text that parses back to an equal kernel, formatted to be read:
/// single-use values nested in expressions, `let` for shared ones. Types and constants are bound,
/// so the text has no generics; a mode other than accurate is printed as `@triton`, `@fast` or
/// `@torch`.
std::string print(const Kernel& kernel);

/// The same on one line: the canonical line that digests are made of.
std::string canonical(const Kernel& kernel);

} // namespace swage::ir
