// output_files.hpp -- the files that the outputs of a run are written to.
#pragma once

#include <string>
#include <vector>

#include "ir/kernel.hpp"
#include "runtime/verify/operands.hpp"

namespace swage::cli {

/// What the values of --output ask for, each FILE (all outputs that no other value names, by their
/// own names) or NAME=FILE:TENSOR. Outputs that share a file are written into it together.
class OutputFiles {
public:
  /// Throws Error(invalid_argument): a NAME that is no output, or one tensor asked for twice.
  OutputFiles(const std::vector<std::string>& values, const ir::Kernel& kernel);

  /// Throws Error(io).
  void write(const verify::Operands& operands) const;
  std::vector<std::string> paths() const;

private:
  struct Tensor {
    std::size_t param; ///< index in the kernel
    std::string name;  ///< in the file
  };
  struct File {
    std::string path;
    std::vector<Tensor> tensors;
  };
  void add(const std::string& path, Tensor tensor);

  std::vector<File> files_; ///< in the order given
};

} // namespace swage::cli
