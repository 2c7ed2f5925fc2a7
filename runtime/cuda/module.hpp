// module.hpp -- PTX or machine code to a function that the driver can launch.
#pragma once

#include <string>

#include "runtime/cuda/driver.hpp"

namespace swage::cuda {

/// A module loaded into the context that is current when it is made. Unloads with the object: only
/// once nothing that uses it can run any more.
class LoadedModule {
public:
  /// `image` is PTX text or a cubin. Harmless while any stream captures. Throws Error(driver) with
  /// the assembler's messages as its build log.
  explicit LoadedModule(const std::string& image);
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;
  ~LoadedModule();

  /// The kernel `entry`, loaded now rather than at its first launch. Throws Error(driver).
  Function function(const std::string& entry) const;

private:
  Module module_ = nullptr;
  Context context_ = nullptr;
};

/// PTX to machine code for the current context's device, by the driver's assembler.
std::string assemble(const std::string& ptx);

} // namespace swage::cuda
