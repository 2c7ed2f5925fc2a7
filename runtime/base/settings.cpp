// settings.cpp -- the environment variables that Swage reads.
#include "runtime/base/settings.hpp"

#include <cstdlib>

namespace swage::runtime {

namespace {

constexpr SettingInfo kSettings[] = {
#define SWAGE_SETTING(id, name, fallback, description) {name, fallback, description},
#include "runtime/base/settings.def"
};

} // namespace

std::span<const SettingInfo> settings() noexcept {
  return kSettings;
}

const SettingInfo& info(Setting setting) noexcept {
  return kSettings[static_cast<std::size_t>(setting)];
}

std::optional<std::string> value(Setting setting) {
  const char* text = std::getenv(info(setting).name);
  return text ? std::optional<std::string>(text) : std::nullopt;
}

} // namespace swage::runtime
