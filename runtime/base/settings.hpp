// settings.hpp -- the environment variables that Swage reads.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace swage::runtime {

enum class Setting {
#define SWAGE_SETTING(id, ...) id,
#include "runtime/base/settings.def"
};

struct SettingInfo {
  const char* name;             ///< "SWAGE_LOG"
  std::string_view fallback;    ///< what holds when it is not set, in words
  std::string_view description; ///< one line
};

/// The table, indexed by Setting.
std::span<const SettingInfo> settings() noexcept;
const SettingInfo& info(Setting setting) noexcept;

/// The value in the environment now, if the variable is set (it may be empty).
std::optional<std::string> value(Setting setting);

} // namespace swage::runtime
