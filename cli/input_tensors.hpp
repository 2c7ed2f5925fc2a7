// input_tensors.hpp -- the tensors of files that a run takes for its parameters.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/checkpoint.hpp"
#include "cli/shape.hpp"
#include "ir/kernel.hpp"

namespace swage::cli {

/// What the values of --input name, each FILE (parameters by their own names) or NAME=FILE:TENSOR.
class InputTensors {
public:
  /// Opens the files. Throws Error(io), Error(invalid_argument).
  explicit InputTensors(const std::vector<std::string>& values);

  bool empty() const noexcept { return checkpoints_.empty(); }
  /// The tensor for the parameter of this name; null if there is none.
  const SafetensorsEntry* find(std::string_view param) const;
  /// As above; throws Error(invalid_argument) with what the files hold if there is none.
  const SafetensorsEntry& require(std::string_view param) const;
  /// "tensor 'norm.weight' of a.safetensors for parameter 'w'": what `find` gives.
  std::string describe(std::string_view param) const;
  /// The bytes for a parameter of this shape. Throws Error(invalid_argument) where the tensor for
  /// it has another type or shape. One of U8 is taken for codes of 8 bits, and with half the
  /// columns for those of 4.
  std::span<const std::byte> entry(const ir::Param& param, const Shape& shape) const;
  /// Throws Error(invalid_argument) if a NAME is no tensor that the kernel reads.
  void check_names(const ir::Kernel& kernel) const;

private:
  struct Named {
    std::string param;
    SafetensorsEntry entry;
    std::string file;
  };
  const Named* named(std::string_view param) const;
  const Checkpoint& open(const std::string& path);
  Named take(const std::string& param, const std::string& file, const std::string& tensor);

  std::map<std::string, std::unique_ptr<Checkpoint>> checkpoints_; ///< by path
  std::vector<const Checkpoint*> whole_;                           ///< in the order given
  std::vector<Named> named_;
};

/// The shape of the call that tensors of files make: that of the first parameter without broadcast
/// which is read. Throws Error(invalid_argument) if there is none for it.
Shape shape_of_input(const ir::Kernel& kernel, const InputTensors& input);

enum class TensorTypes : std::uint8_t {
  as_said,   ///< as files name them
  codes_too, ///< those of U8 may hold codes of 8 and 4 bits
};
/// Whether every parameter that is read has an entry of its type in the files.
bool types_match(const ir::Kernel& kernel, const InputTensors& input, TensorTypes types);

} // namespace swage::cli
