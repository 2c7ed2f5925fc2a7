// parser.hpp -- the parts of the PTX parser: variables, kernels.
#pragma once

#include "emulator/reader.hpp"

namespace swage::emulator {

/// The space of a variable's declaration that begins with `word`.
std::optional<Space> find_space(std::string_view word);

/// A variable in any space, from the space to the `;`. An `external` one has to be shared.
Variable read_variable(Reader& in, bool external = false);

/// `[4][2]` as 8; 1 where there is none, 0 for `[]`.
std::size_t read_array_length(Reader& in);

/// A kernel, from the name after `.entry` to the end of its body.
Kernel read_kernel(Reader& in);

} // namespace swage::emulator
