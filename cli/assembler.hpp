// assembler.hpp -- PTX to machine code on a machine that need not have the GPU.
#pragma once

#include <string>
#include <string_view>

#include "codegen/target.hpp"

namespace swage::cli {

/// Who turns PTX into machine code.
class Assembler {
public:
  /// "none"; "driver": that of a GPU of the architecture; "ptxas": the one found in PATH, in
  /// $CUDA_HOME/bin or in /usr/local/cuda/bin; the path of one; or "auto": ptxas if there is one,
  /// else a driver. Throws Error(invalid_argument) for one that is asked for and not there.
  explicit Assembler(const std::string& choice);

  /// Machine code for an architecture, or nothing where there is nobody who makes it. Throws Error
  /// for PTX that is refused. Equal PTX gives equal bytes.
  std::string assemble(const std::string& ptx, const codegen::Target& target) const;

  /// "ptxas", "the driver", "nobody": for reports.
  std::string_view name() const noexcept;

private:
  std::string run_ptxas(const std::string& ptx, int sm) const;

  std::string ptxas_; ///< its path, if that is who
  bool driver_ = false;
  bool must_ = false; ///< asked for by name
};

} // namespace swage::cli
