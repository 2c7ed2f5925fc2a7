// host.hpp -- the host back end's machine.
#pragma once

#include <memory>

#include <llvm/Target/TargetMachine.h>

#include "codegen/target.hpp"

namespace swage::codegen {

/// Makes position-independent code whose only relocations are relative to itself.
std::unique_ptr<llvm::TargetMachine> make_host_machine(const Target& target);

} // namespace swage::codegen
