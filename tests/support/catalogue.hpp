// catalogue.hpp -- the kernels of the catalogue for tests, read from the source tree.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "ir/source.hpp"

namespace swage::test {

/// Every generic of a kernel bound to `type`.
inline std::vector<Binding> bind_all(const ir::KernelDeclaration& declaration, DType type) {
  std::vector<Binding> result;
  for (const std::string& generic : declaration.generics)
    result.push_back({generic, type});
  return result;
}

struct CatalogueKernel {
  std::string name;
  std::string text; ///< of the whole file
  ir::KernelDeclaration declaration;

  /// Every generic bound to `type`, every constant without a default to 1.
  std::vector<Binding> bindings(DType type) const {
    std::vector<Binding> result = bind_all(declaration, type);
    for (const auto& constant : declaration.constants)
      if (!constant.has_default)
        result.push_back({constant.name, 1.0});
    return result;
  }

  /// The kernel with `type` for every generic.
  ir::Kernel bound(DType type) const { return ir::parse_kernel({text}, name, bindings(type)); }
};

/// Every kernel of every file in kernels/, by file name, then in the order of the file.
inline std::vector<CatalogueKernel> catalogue_kernels() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(SWAGE_SOURCE_DIR) / "kernels"))
    if (entry.path().extension() == ".swg")
      paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<CatalogueKernel> kernels;
  for (const auto& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    for (auto& declaration : ir::list_kernels({text.str()}))
      kernels.push_back({declaration.name, text.str(), std::move(declaration)});
  }
  return kernels;
}

} // namespace swage::test
