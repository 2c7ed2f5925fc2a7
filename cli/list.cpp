// list.cpp -- `swage list`: the kernels of the catalogue, one line each.
#include <nlohmann/json.hpp>

#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"

namespace swage::cli {

namespace {

/// The first sentence of a kernel's comment.
std::string summary_of(const ir::KernelDeclaration& kernel) {
  std::string text = kernel.comment;
  for (char& c : text)
    if (c == '\n')
      c = ' ';
  const std::size_t end = text.find(". ");
  if (end != text.npos)
    text.resize(end);
  else if (text.ends_with('.'))
    text.pop_back();
  return text;
}

Report list_catalogue() {
  Table table({{"kernel"}, {"file"}, {"summary"}});
  nlohmann::ordered_json kernels = nlohmann::ordered_json::array();
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const ir::KernelDeclaration& kernel : ir::list_kernels({file.text, file.name})) {
      const std::string summary = summary_of(kernel);
      table.row({kernel.name, file.name, summary});
      kernels.push_back({{"name", kernel.name},
                         {"file", file.name},
                         {"summary", summary},
                         {"comment", kernel.comment},
                         {"generics", kernel.generics}});
    }
  return {0, table.render(stdout_takes_color()), dump_json({{"kernels", kernels}})};
}

} // namespace

Action add_list(CLI::App&) {
  return list_catalogue;
}

} // namespace swage::cli
