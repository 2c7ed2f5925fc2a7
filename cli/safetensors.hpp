// safetensors.hpp -- the safetensors format: named tensors in one file.
//
// Layout (https://huggingface.co/docs/safetensors): 8 bytes header length, little endian; a JSON
// object name -> {"dtype", "shape", "data_offsets": [begin, end]}; then the tensors' bytes, row
// major, little endian, without gaps or overlaps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/files.hpp"
#include "cli/shape.hpp"
#include "swage/dtype.hpp"

namespace swage::cli {

inline constexpr std::uint64_t kMaxSafetensorsHeader =
    100'000'000; ///< the reference reader's bound

/// One tensor of a file.
struct SafetensorsEntry {
  std::string name;
  std::string dtype_name;     ///< as written: "BF16"
  std::optional<DType> dtype; ///< empty for the format's types that Swage does not store
  Shape shape;
  /// Where its bytes are, or are going to be: `load` reads them. Valid as long as the file object;
  /// any alignment.
  std::span<const std::byte> data;
  const FileImage* image = nullptr; ///< null: the bytes are there
};

/// The bytes of an entry or of rows of one, read from its file now. Throws Error(io).
std::span<const std::byte> load(const SafetensorsEntry& entry);

/// The tensors of a header and the bytes after it, by ascending offset. Every bound is checked:
/// header length, nesting, duplicate names and keys, offsets inside the data, in order and without
/// gaps, sizes equal to shape times element. Throws Error(io) that names `file`.
std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> bytes,
                                                const std::string& file);

/// A safetensors file. The header is read at once, tensors by `load`.
class SafetensorsFile {
public:
  explicit SafetensorsFile(const std::string& path);
  std::span<const SafetensorsEntry> entries() const noexcept { return entries_; }
  const SafetensorsEntry* find(std::string_view name) const noexcept; ///< null if there is none
  const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
  std::unique_ptr<FileImage> image_; ///< entries point to it
  std::vector<SafetensorsEntry> entries_;
};

/// A tensor to write; `data` holds element_count(shape) elements.
struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> data;
};

/// Writes a file in one step. Wider types come first, so that every tensor is aligned to its type.
/// Throws Error(io).
void write_safetensors(const std::string& path, std::vector<SafetensorsTensor> tensors);

} // namespace swage::cli
