// checkpoint.cpp -- the tensors of a model: one safetensors file, or an index over several.
#include "cli/checkpoint.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/table.hpp"
#include "swage/error.hpp"

namespace swage::cli {

namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& path, const std::string& found) {
  throw Error(ErrorCode::io,
              fmt::format("{} is not a valid index of safetensors files: found {}", path, found));
}

/// A file beside the index: its name alone, so that an index leads nowhere else.
std::string beside(const std::string& index, const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
      name.find('\0') != name.npos)
    refuse(index, fmt::format("the file name '{}', expected that of a file in the same folder",
                              printable(name)));
  const std::size_t slash = index.rfind('/');
  return slash == index.npos ? name : index.substr(0, slash + 1) + name;
}

std::map<std::string, std::string, std::less<>> read_index(const std::string& path) {
  const Json index = Json::parse(read_file(path, kMaxSafetensorsHeader), nullptr, false);
  if (index.is_discarded())
    refuse(path, "text that is not JSON");
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (map == index.end() || !map->is_object())
    refuse(path, "no object \"weight_map\"");
  std::map<std::string, std::string, std::less<>> shards;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string())
      refuse(path, fmt::format("no file name for tensor '{}'", printable(tensor)));
    shards.emplace(tensor, beside(path, file.get<std::string>()));
  }
  return shards;
}

} // namespace

Checkpoint::Checkpoint(const std::string& path) : path_(path), indexed_(path.ends_with(".json")) {
  if (indexed_)
    shards_ = read_index(path);
  else
    open(path);
}

const SafetensorsFile& Checkpoint::open(const std::string& path) const {
  auto& file = open_[path];
  if (!file)
    file = std::make_unique<SafetensorsFile>(path);
  return *file;
}

const SafetensorsEntry* Checkpoint::find(std::string_view name) const {
  if (!indexed_)
    return open(path_).find(name);
  const auto shard = shards_.find(name);
  if (shard == shards_.end())
    return nullptr;
  const SafetensorsEntry* entry = open(shard->second).find(name);
  if (!entry)
    refuse(path_, fmt::format("tensor '{}' in {}, which does not hold it", printable(name),
                              shard->second));
  return entry;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [tensor, file] : shards_)
    names.push_back(tensor);
  if (!indexed_)
    for (const SafetensorsEntry& entry : open(path_).entries())
      names.push_back(entry.name);
  return names;
}

std::string Checkpoint::file_of(std::string_view name) const {
  const auto shard = shards_.find(name);
  return shard == shards_.end() ? path_ : shard->second;
}

} // namespace swage::cli
