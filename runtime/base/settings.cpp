// settings.cpp -- the environment variables that Swage reads.
#include "runtime/base/settings.hpp"

#include <atomic>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::base {

namespace {

constexpr SettingInfo kSettings[] = {
#define SWAGE_SETTING(id, name, fallback, description) {name, fallback, description},
#include "runtime/base/settings.def"
};

/// What `configure` was given. Written once, before anything reads.
struct Configuration {
  std::optional<std::string> values[std::size(kSettings)];
  std::function<void(std::string_view)> log;
};

std::atomic<const Configuration*> g_configuration =
    nullptr; ///< never freed: the log may outlive main
std::atomic<bool> g_was_read = false;

std::size_t index_of(std::string_view name) {
  std::string known;
  for (std::size_t i = 0; i < std::size(kSettings); ++i) {
    if (name == kSettings[i].name)
      return i;
    known += (i == 0 ? "" : ", ") + std::string(kSettings[i].name);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("there is no setting '{}'; there are {}", name, known));
}

} // namespace

std::span<const SettingInfo> settings() noexcept {
  return kSettings;
}

const SettingInfo& info(Setting setting) noexcept {
  return kSettings[static_cast<std::size_t>(setting)];
}

std::optional<std::string> value(Setting setting) {
  g_was_read.store(true, std::memory_order_relaxed);
  if (const Configuration* given = g_configuration.load(std::memory_order_acquire))
    if (const auto& text = given->values[static_cast<std::size_t>(setting)])
      return text;
  const char* text = std::getenv(info(setting).name);
  return text ? std::optional<std::string>(text) : std::nullopt;
}

void configure(std::vector<std::pair<std::string, std::string>> values,
               std::function<void(std::string_view)> log) {
  auto configuration = std::make_unique<Configuration>();
  for (auto& [name, text] : values)
    configuration->values[index_of(name)] = std::move(text);
  configuration->log = std::move(log);
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (g_configuration.load() || g_was_read.load())
    throw Error(ErrorCode::invalid_argument,
                g_configuration.load()
                    ? "the settings were configured before; configure once"
                    : "settings were already read; call configure before anything else of Swage");
  g_configuration.store(configuration.release(), std::memory_order_release);
}

const std::function<void(std::string_view)>& log_sink() noexcept {
  static const std::function<void(std::string_view)> kNone;
  const Configuration* given = g_configuration.load(std::memory_order_acquire);
  return given ? given->log : kNone;
}

} // namespace swage::base
