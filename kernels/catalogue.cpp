// catalogue.cpp -- look-up in the embedded kernel files.
#include "kernels/catalogue.hpp"

namespace swage::kernels {

namespace {

constexpr CatalogueFile kFiles[] = {
#include "catalogue_files.inc"
};

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool declares(std::string_view text, std::string_view name) noexcept {
  constexpr std::string_view keyword = "kernel ";
  for (std::size_t line = 0; line < text.size();) {
    std::string_view rest = text.substr(line);
    const std::size_t end = rest.find('\n');
    rest = rest.substr(0, end);
    if (const std::size_t at = rest.find(keyword); at == 0 || (at != rest.npos && rest[0] == '@')) {
      std::string_view after = rest.substr(at + keyword.size());
      if (after.substr(0, name.size()) == name &&
          (after.size() == name.size() || !is_name_character(after[name.size()])))
        return true;
    }
    if (end == std::string_view::npos)
      break;
    line += end + 1;
  }
  return false;
}

} // namespace

std::span<const CatalogueFile> files() noexcept {
  return kFiles;
}

const CatalogueFile* find(std::string_view name) noexcept {
  if (name.empty())
    return nullptr;
  for (const CatalogueFile& file : kFiles)
    if (declares(file.text, name))
      return &file;
  return nullptr;
}

} // namespace swage::kernels
