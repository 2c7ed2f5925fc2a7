// machine.hpp -- LLVM's target machines of both back ends, kept from compile to compile.
#pragma once

#include <memory>

#include <llvm/IR/Function.h>
#include <llvm/Target/TargetMachine.h>

#include "codegen/target.hpp"

namespace swage::codegen {

/// A machine for `target` that nobody else uses: making one costs as much as a small compile, and
/// machines keep state, so two compiles never share one. On the host it makes position-independent
/// code whose only relocations are relative to itself. Throws Error(unsupported) where this LLVM
/// has no back end for the target.
std::unique_ptr<llvm::TargetMachine> take_machine(const Target& target);

/// Keeps `machine` for the next compile for `target`.
void give_machine(const Target& target, std::unique_ptr<llvm::TargetMachine> machine);

/// What every function for the host says of its processor. A machine keeps what it works out for
/// functions that say the same.
void set_host_attributes(llvm::Function& function, const Target& target);

} // namespace swage::codegen
