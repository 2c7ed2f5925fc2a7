// list.cpp -- `swage list`: the kernels of the catalogue, or the tensors of a file, one line each.
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/checkpoint.hpp"
#include "cli/excerpt.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"

namespace swage::cli {

namespace {

/// The first sentence of a kernel's comment; without one, how it is derived.
std::string summary_of(const ir::KernelDeclaration& kernel, std::string_view text) {
  std::string summary = kernel.comment.empty() ? derivation(text, kernel) : kernel.comment;
  for (char& c : summary)
    if (c == '\n')
      c = ' ';
  const std::size_t end = summary.find(". ");
  if (end != summary.npos)
    summary.resize(end);
  else if (summary.ends_with('.'))
    summary.pop_back();
  return summary;
}

/// The comment that a file opens with.
std::string heading_of(std::string_view text) {
  std::string heading;
  while (text.starts_with("//")) {
    const std::string_view line = text.substr(0, text.find('\n'));
    heading += heading.empty() ? "" : " ";
    heading += line.substr(std::min<std::size_t>(3, line.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return heading;
}

/// docs/kernels.md.
std::string markdown() {
  std::string page = "# The catalogue\n\n"
                     "Kernels that come with Swage, usable by name. Made from the files in "
                     "`kernels/` by `swage list --markdown`.\n";
  for (const kernels::CatalogueFile& file : kernels::files()) {
    page += fmt::format("\n## {}\n\n{}\n", file.name, heading_of(file.text));
    for (const ir::KernelDeclaration& kernel : ir::list_kernels({file.text, file.name}))
      page +=
          fmt::format("\n### {}\n\n{}\n\n```\n{}\n```\n", kernel.name,
                      kernel.comment.empty() ? summary_of(kernel, file.text) + "." : kernel.comment,
                      kernel.text);
  }
  return page;
}

Report list_catalogue() {
  Table table({{"kernel"}, {"file"}, {"summary"}});
  nlohmann::ordered_json kernels = nlohmann::ordered_json::array();
  for (const kernels::CatalogueFile& file : kernels::files())
    for (const ir::KernelDeclaration& kernel : ir::list_kernels({file.text, file.name})) {
      const std::string summary = summary_of(kernel, file.text);
      table.row({kernel.name, file.name, summary});
      kernels.push_back({{"name", kernel.name},
                         {"file", file.name},
                         {"summary", summary},
                         {"comment", kernel.comment},
                         {"generics", kernel.generics}});
    }
  return {0, table.render(stdout_takes_color()), dump_json({{"kernels", kernels}})};
}

/// What a model file or its index holds.
Report list_tensors(const std::string& path) {
  const Checkpoint checkpoint(path);
  Table table({{"tensor"}, {"type"}, {"shape"}, {"size", Align::right}});
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  const std::vector<std::string> names = checkpoint.names();
  for (const std::string& name : names) {
    const SafetensorsEntry& entry = *checkpoint.find(name);
    table.row({printable(name), printable(entry.dtype_name), format_shape(entry.shape),
               format_bytes(static_cast<std::int64_t>(entry.data.size()))});
    tensors.push_back({{"name", name},
                       {"dtype", entry.dtype_name},
                       {"shape", entry.shape},
                       {"bytes", entry.data.size()},
                       {"file", checkpoint.file_of(name)}});
  }
  return {0,
          names.empty() ? fmt::format("{} holds no tensors\n", path)
                        : table.render(stdout_takes_color()),
          dump_json({{"tensors", tensors}})};
}

struct ListOptions {
  std::string file;
  bool markdown = false;
};

} // namespace

Action add_list(CLI::App& app) {
  const auto options = std::make_shared<ListOptions>();
  app.add_option("file", options->file,
                 "List the tensors of a safetensors file or its index, not the catalogue")
      ->type_name("FILE");
  app.add_flag("--markdown", options->markdown, "Print the catalogue as a page: docs/kernels.md");
  return [options] {
    if (!options->file.empty())
      return list_tensors(options->file);
    return options->markdown ? Report{0, markdown(), dump_json({{"markdown", markdown()}})}
                             : list_catalogue();
  };
}

} // namespace swage::cli
