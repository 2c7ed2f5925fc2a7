// module.hpp -- PTX or machine code to a function that the driver can launch.
#pragma once

#include <string>

#include "runtime/cuda/context.hpp"
#include "runtime/cuda/driver.hpp"

namespace swage::cuda {

/// What the assembler made of a kernel.
struct CodeFacts {
  int registers = 0;   ///< 32-bit ones, a thread
  int local_bytes = 0; ///< a thread; what did not fit the registers
};

/// A module loaded into the context that is current when it is made. Unloads with the object, if
/// that context is still there: only once nothing that uses it can run any more.
class LoadedModule {
public:
  /// `image` is what `image_of` gave. Harmless while any stream captures. Throws Error(driver) with
  /// the assembler's messages as its build log.
  explicit LoadedModule(const std::string& image);
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;
  ~LoadedModule();

  /// The kernel `entry`, loaded now rather than at its first launch. Throws Error(driver).
  Function function(const std::string& entry, CodeFacts* facts = nullptr) const;

private:
  Module module_ = nullptr;
  ContextRef context_;
};

/// PTX to machine code for the current context's device. Every module goes this way, whether it is
/// timed, launched, kept on disk or printed: the driver's linker and its loader assemble one text
/// to different code, and what was timed must be what runs. Throws Error(driver) with the
/// assembler's messages as its build log.
std::string assemble(const std::string& ptx);

/// What to load for `ptx`: its machine code, or the text where this driver's linker does not work.
/// The error of code that is wrong comes from loading it, then.
std::string image_of(const std::string& ptx);

/// Blocks of `threads` that a multiprocessor holds at once.
int resident_blocks(Function function, int threads);

} // namespace swage::cuda
