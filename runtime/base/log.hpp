// log.hpp -- lines to standard error, as many as SWAGE_LOG asks for.
#pragma once

#include <string_view>

#include <fmt/format.h>

namespace swage::base {

enum class LogLevel : int { off, error, warn, info, debug };

/// The level of SWAGE_LOG, read once.
LogLevel log_level();
inline bool logs(LogLevel level) {
  return level <= log_level();
}

/// Writes "swage: LINE\n" in one write, so that lines of many threads do not mix.
void write_log(std::string_view line) noexcept;

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (logs(level))
    write_log(fmt::format(format, std::forward<Args>(args)...));
}

} // namespace swage::base
