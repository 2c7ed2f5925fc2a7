// cache.cpp -- `swage cache`: what compiled code is kept, and moving it about.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/kernel_text.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "codegen/calling_convention.hpp"
#include "codegen/compile.hpp"
#include "ir/passes.hpp"
#include "runtime/functions/load.hpp"
#include "runtime/launch/ahead.hpp"
#include "runtime/store/admin.hpp"
#include "runtime/store/bundle.hpp"

namespace swage::cli {

namespace {

using Json = nlohmann::ordered_json;
using store::CacheEntry;
using store::StoredEntry;

struct CacheOptions {
  std::string size, bundle, math;
  std::vector<std::string> kernels, archs, defines;
  bool remove = false;
};

store::CacheSettings settings() {
  std::vector<std::string> complaints;
  store::CacheSettings result = functions::cache_settings(&complaints);
  if (!complaints.empty())
    throw Error(ErrorCode::invalid_argument, complaints.front());
  return result;
}

std::uint64_t total_bytes(const std::vector<StoredEntry>& list) {
  std::uint64_t total = 0;
  for (const StoredEntry& stored : list)
    total += stored.bytes;
  return total;
}

std::string format_size(std::uint64_t bytes) {
  return format_bytes(static_cast<std::int64_t>(bytes));
}

std::int64_t now_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

/// "3 d": in the largest unit that gives at least one.
std::string format_age(std::int64_t seconds) {
  if (seconds < 60)
    return fmt::format("{} s", std::max<std::int64_t>(seconds, 0));
  if (seconds < 3600)
    return fmt::format("{} min", seconds / 60);
  if (seconds < 86400)
    return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::string form_of(const CacheEntry& entry) {
  return !entry.object.empty() ? "object" : !entry.cubin.empty() ? "cubin" : "ptx";
}

/// "cuda sm_90 ptx78", "host x86_64 znver5": without the features.
std::string short_target(const CacheEntry& entry) {
  const std::string& target = entry.key.target;
  return target.substr(0, target.find(" +"));
}

Json to_json(const StoredEntry& stored) {
  Json object = {{"file", stored.path}, {"bytes", stored.bytes}, {"last_used", stored.last_used}};
  if (!stored.defect.empty()) {
    object["defect"] = stored.defect;
    return object;
  }
  const CacheEntry& entry = stored.entry;
  object.update({{"kernel", entry.kernel_name},
                 {"form", form_of(entry)},
                 {"target", entry.key.target},
                 {"specialization", entry.key.specialization},
                 {"schedule", entry.key.schedule},
                 {"toolchain", entry.key.toolchain},
                 {"driver", entry.key.driver},
                 {"created", entry.created},
                 {"compile_us", entry.compile_microseconds}});
  return object;
}

Json to_json(const std::vector<StoredEntry>& list) {
  Json entries = Json::array();
  for (const StoredEntry& stored : list)
    entries.push_back(to_json(stored));
  return entries;
}

Report show_path() {
  const store::CacheSettings where = settings();
  return {0, where.directory + "\n",
          dump_json({{"directory", where.directory},
                     {"max_bytes", where.max_bytes},
                     {"bundle", where.bundle}})};
}

/// No directory is an empty cache, to those who look.
std::vector<StoredEntry> list_or_nothing(const store::CacheSettings& where) {
  std::string reason;
  if (!store::CacheDirectory::open(where.directory, false, reason) &&
      !std::filesystem::exists(where.directory))
    return {};
  return store::list_entries(where);
}

Report list_cache() {
  const store::CacheSettings where = settings();
  const std::vector<StoredEntry> list = list_or_nothing(where);
  Table table({{"kernel"},
               {"form"},
               {"target"},
               {"specialization"},
               {"size", Align::right},
               {"made", Align::right},
               {"used", Align::right}});
  const std::int64_t now = now_seconds();
  for (const StoredEntry& stored : list) {
    const CacheEntry& entry = stored.entry;
    if (stored.defect.empty())
      table.row({entry.kernel_name, form_of(entry), short_target(entry), entry.key.specialization,
                 format_size(stored.bytes), format_age(now - entry.created),
                 format_age(now - stored.last_used)});
    else
      table.row({{"damaged", Tone::bad}, "", "", stored.defect, format_size(stored.bytes)});
  }
  const std::string summary =
      where.directory.empty()
          ? "kernels are kept in memory alone; set SWAGE_CACHE_DIR to a directory to keep them\n"
          : fmt::format("{} entries, {} of {} in {}\n", list.size(), format_size(total_bytes(list)),
                        format_size(where.max_bytes), where.directory);
  return {0, (list.empty() ? "" : table.render(stdout_takes_color())) + summary,
          dump_json({{"directory", where.directory},
                     {"max_bytes", where.max_bytes},
                     {"bytes", total_bytes(list)},
                     {"entries", to_json(list)}})};
}

Report verify_cache(bool remove) {
  const store::CacheSettings where = settings();
  std::vector<StoredEntry> list = list_or_nothing(where);
  const std::size_t count = list.size();
  std::erase_if(list, [](const StoredEntry& stored) { return stored.defect.empty(); });
  std::string text;
  for (const StoredEntry& stored : list)
    text += fmt::format("{}: {}\n", printable(stored.path), stored.defect);
  const int removed = remove && !list.empty() ? store::remove_defective(where, list).entries : 0;
  text += fmt::format("{} entries, {} damaged{}\n", count, list.size(),
                      remove ? fmt::format(", {} removed", removed) : "");
  return {list.empty() ? 0 : 1, text,
          dump_json({{"entries", count}, {"damaged", to_json(list)}, {"removed", removed}})};
}

Report report_removal(const store::Removal& removal) {
  return {0,
          fmt::format("removed {} entries, {}, and {} leftovers; {} are left\n", removal.entries,
                      format_size(removal.bytes), removal.leftovers,
                      format_size(removal.bytes_left)),
          dump_json({{"removed", removal.entries},
                     {"removed_bytes", removal.bytes},
                     {"leftovers", removal.leftovers},
                     {"bytes_left", removal.bytes_left}})};
}

Report prune_cache(const std::string& size) {
  const store::CacheSettings where = settings();
  const auto limit = size.empty() ? std::optional(where.max_bytes) : store::parse_byte_count(size);
  if (!limit)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is no size; expected bytes such as 512M or 2G", size));
  return report_removal(store::prune(where, *limit));
}

Report import_into_cache(const std::string& bundle) {
  const store::CacheSettings where = settings();
  const int count = store::import_bundle(where, bundle);
  return {0, fmt::format("imported {} entries into {}\n", count, where.directory),
          dump_json({{"imported", count}, {"directory", where.directory}})};
}

/// The kernels that `name` means: one of the catalogue, or all of a file.
std::vector<ir::Kernel> kernels_of(const std::string& name, const CacheOptions& options) {
  KernelOptionsText text;
  text.what = name;
  text.defines = options.defines;
  text.math = options.math;
  const KernelText program = read_program(text);
  std::vector<ir::Kernel> kernels;
  for (const ir::KernelDeclaration& declared : program.declared) {
    if (program.from_catalogue && declared.name != name)
      continue;
    text.kernel = declared.name;
    kernels.push_back(bind_kernel(read_kernel(text)));
  }
  return kernels;
}

std::vector<CacheEntry> compile_entries(const CacheOptions& options) {
  std::vector<codegen::Target> targets;
  for (const std::string& arch : options.archs)
    targets.push_back(codegen::target_from_name(arch));
  if (targets.empty())
    targets.push_back(codegen::host_target());
  std::vector<CacheEntry> entries;
  for (const std::string& name : options.kernels)
    for (const ir::Kernel& kernel : kernels_of(name, options))
      for (const codegen::Target& target : targets)
        for (CacheEntry& entry : launch::compile_ahead(kernel, target))
          entries.push_back(std::move(entry));
  return entries;
}

/// What the directory holds of this compiler; --arch chooses. `others`: how many of other compilers
/// were left out, whose calling convention nobody knows.
std::vector<CacheEntry> stored_entries(const CacheOptions& options, std::size_t& others) {
  std::vector<std::string> targets;
  for (const std::string& arch : options.archs)
    targets.push_back(codegen::canonical(codegen::target_from_name(arch)));
  std::vector<CacheEntry> entries;
  for (StoredEntry& stored : store::list_entries(settings()))
    if (stored.defect.empty() &&
        (targets.empty() ||
         std::find(targets.begin(), targets.end(), stored.entry.key.target) != targets.end())) {
      if (stored.entry.key.toolchain == codegen::toolchain_identity())
        entries.push_back(std::move(stored.entry));
      else
        ++others;
    }
  return entries;
}

Report export_bundle(const CacheOptions& options) {
  std::size_t others = 0;
  const std::vector<CacheEntry> entries =
      options.kernels.empty() ? stored_entries(options, others) : compile_entries(options);
  store::write_bundle(options.bundle, codegen::kCallingConvention, entries);
  const auto bytes = std::filesystem::file_size(options.bundle);
  return {0,
          fmt::format("wrote {} entries, {}, to {}\n{}", entries.size(), format_size(bytes),
                      options.bundle,
                      others == 0 ? ""
                                  : fmt::format("left out {} entries of other builds of Swage; "
                                                "export them with the 'swage' that made them\n",
                                                others)),
          dump_json({{"bundle", options.bundle},
                     {"entries", entries.size()},
                     {"others", others},
                     {"bytes", bytes},
                     {"calling_convention", codegen::kCallingConvention}})};
}

void add_export(CLI::App& app, CacheOptions& options) {
  app.add_option("bundle", options.bundle, "File to write")->required()->type_name("BUNDLE");
  app.add_option("--kernel", options.kernels,
                 "Compile this kernel, or all of a file, instead of taking what is in the cache; "
                 "may be repeated")
      ->type_name("NAME|FILE")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--arch", options.archs,
                 "sm_75 to sm_121, or host (the default for --kernel); may be repeated")
      ->type_name("ARCH")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("-D,--define", options.defines, "Bind a type or constant, as in -D T=bf16")
      ->type_name("NAME=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--math", options.math, "accurate, triton, fast or torch")->type_name("MODE");
}

} // namespace

Action add_cache(CLI::App& app) {
  const auto options = std::make_shared<CacheOptions>();
  const auto action = std::make_shared<Action>();
  const auto add = [&](const char* name, const char* summary, Action run) {
    CLI::App* verb = app.add_subcommand(name, summary);
    verb->fallthrough();
    verb->callback([action, run] { *action = run; });
    return verb;
  };
  add("path", "Show where the cache lies", show_path);
  add("list", "Show every entry: kernel, target, size, age", list_cache);
  add("verify", "Check every byte of every entry; exit status 1 if some are damaged", [options] {
    return verify_cache(options->remove);
  })->add_flag("--remove", options->remove, "Remove the damaged ones");
  add("prune", "Remove what was used least recently, and leftovers of dead processes",
      [options] { return prune_cache(options->size); })
      ->add_option("--size", options->size, "Down to this size; default: SWAGE_CACHE_MAX_SIZE")
      ->type_name("SIZE");
  add("clear", "Remove every entry", [] { return report_removal(store::clear(settings())); });
  add_export(*add("export", "Write a bundle for SWAGE_CACHE_BUNDLE",
                  [options] { return export_bundle(*options); }),
             *options);
  add("import", "Put the entries of a bundle into the cache",
      [options] { return import_into_cache(options->bundle); })
      ->add_option("bundle", options->bundle, "File to read")
      ->required()
      ->type_name("BUNDLE");
  app.require_subcommand(1);
  return [action] { return (*action)(); };
}

} // namespace swage::cli
