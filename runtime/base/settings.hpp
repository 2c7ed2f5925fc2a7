// settings.hpp -- the environment variables that Swage reads.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace swage::base {

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

/// What `configure` gave, else the value in the environment now, if the variable is set (it may be
/// empty).
std::optional<std::string> value(Setting setting);

/// Takes the place of the environment: values by the names of their variables, and where lines of
/// the log go (null: standard error). Throws Error(invalid_argument) for a name that is no setting,
/// once a setting was read, and the second time.
void configure(std::vector<std::pair<std::string, std::string>> values,
               std::function<void(std::string_view)> log);

/// Where lines of the log go; null: standard error.
const std::function<void(std::string_view)>& log_sink() noexcept;

} // namespace swage::base
