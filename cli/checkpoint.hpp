// checkpoint.hpp -- the tensors of a model: one safetensors file, or an index over several.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/safetensors.hpp"

namespace swage::cli {

/// A safetensors file, or what `model.safetensors.index.json` names: an object whose "weight_map"
/// gives every tensor the file beside the index that holds it. Files of an index are opened when a
/// tensor of theirs is asked for.
class Checkpoint {
public:
  /// A path that ends in ".json" is an index. Throws Error(io).
  explicit Checkpoint(const std::string& path);

  /// The tensor of this name; null if there is none. Lives as long as the checkpoint. Throws
  /// Error(io) where the index names a file that cannot be read or lacks the tensor.
  const SafetensorsEntry* find(std::string_view name) const;

  /// All of them: a file's in the order of their bytes, an index's by name.
  std::vector<std::string> names() const;
  const std::string& path() const noexcept { return path_; }
  /// The file that holds a tensor.
  std::string file_of(std::string_view name) const;

private:
  const SafetensorsFile& open(const std::string& path) const;

  std::string path_;
  bool indexed_ = false;
  std::map<std::string, std::string, std::less<>> shards_; ///< of an index: tensor to file
  mutable std::map<std::string, std::unique_ptr<SafetensorsFile>> open_;
};

} // namespace swage::cli
