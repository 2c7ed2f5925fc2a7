// catalogue.hpp -- the kernels that come with Swage, by name.
#pragma once

#include <span>
#include <string_view>

namespace swage::kernels {

/// One `.swg` file of this folder, embedded at build time.
struct CatalogueFile {
  std::string_view name; ///< "swiglu.swg"
  std::string_view text; ///< the whole file
};

/// All files, ordered by name.
std::span<const CatalogueFile> files() noexcept;

/// The file that declares kernel `name`, or null. Looks for the words `kernel NAME` in the text.
const CatalogueFile* find(std::string_view name) noexcept;

} // namespace swage::kernels
