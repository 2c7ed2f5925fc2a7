// tensor_place.hpp -- `w=FILE:TENSOR`: the tensor of a file that stands for a parameter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace swage::cli {

struct TensorPlace {
  std::string param; ///< empty: every parameter, by its own name
  std::string file;
  std::string tensor; ///< empty: called as the parameter
};

/// "FILE", "NAME=FILE" or "NAME=FILE:TENSOR". In names of files that are there, colons and '='
/// belong to the name; of a file to be written the last colon ends the name. Throws
/// Error(invalid_argument) where a part is empty.
TensorPlace parse_input_place(std::string_view text);
TensorPlace parse_output_place(std::string_view text);

/// A part of a tensor along its first dimension: row `begin` alone, without that dimension, or rows
/// `begin` up to `end`.
struct RowRange {
  std::string tensor;
  std::int64_t begin = 0;
  std::optional<std::int64_t> end;
};

/// "NAME[3]" or "NAME[2:5]"; nothing for a plain name.
std::optional<RowRange> parse_row_range(std::string_view text);

} // namespace swage::cli
