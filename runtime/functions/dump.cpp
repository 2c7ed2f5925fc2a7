// dump.cpp -- writes what was compiled to the directory of SWAGE_DUMP.
#include "runtime/functions/dump.hpp"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "runtime/base/file.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/settings.hpp"

namespace swage::functions {

namespace {

void write(const std::filesystem::path& path, std::string_view text) {
  const base::WriteSignalsHeld held;
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.flush())
    base::log(base::LogLevel::warn, "SWAGE_DUMP: {} could not be written", path.string());
}

void write_all(const std::filesystem::path& directory, const store::CacheEntry& entry) {
  std::error_code ignored; // the write that follows says what is wrong
  std::filesystem::create_directories(directory, ignored);
  const std::string stem = fmt::format("{}-{}", entry.kernel_name,
                                       base::to_hex(store::digest_of(entry.key)).substr(0, 12));
  write(directory / (stem + ".txt"),
        fmt::format("{}\n{}\n{}\n{}\n{}\n", entry.key.toolchain, entry.key.target, entry.key.kernel,
                    entry.key.specialization, entry.key.schedule));
  if (!entry.ptx.empty())
    write(directory / (stem + ".ptx"), entry.ptx);
  if (!entry.object.empty())
    write(directory / (stem + ".o"), entry.object);
}

} // namespace

void dump(const store::CacheEntry& entry) noexcept {
  try {
    if (const auto directory = base::value(base::Setting::dump); directory && !directory->empty())
      write_all(*directory, entry);
  } catch (const std::exception& error) {
    base::write_log("SWAGE_DUMP could not be written:");
    base::write_log(error.what());
  }
}

} // namespace swage::functions
