// log.cpp -- lines to standard error, as many as SWAGE_LOG asks for.
#include "runtime/base/log.hpp"

#include <cstdio>
#include <string>

#include "runtime/base/file.hpp"
#include "runtime/base/settings.hpp"

namespace swage::base {

namespace {

LogLevel read_level() {
  constexpr std::string_view names[] = {"off", "error", "warn", "info", "debug"};
  const std::string text = value(Setting::log).value_or("warn");
  for (int i = 0; i < 5; ++i)
    if (text == names[i])
      return static_cast<LogLevel>(i);
  write_log("SWAGE_LOG=" + text + " is none of off, error, warn, info, debug; using warn");
  return LogLevel::warn;
}

} // namespace

LogLevel log_level() {
  static const LogLevel level = read_level();
  return level;
}

void write_log(std::string_view line) noexcept {
  try {
    if (const auto& sink = log_sink())
      return sink(line);
    const WriteSignalsHeld held; // standard error may be a pipe that nobody reads
    // One write, so that lines of several processes stay apart.
    std::string text = "swage: ";
    text += line;
    text += '\n';
    std::fwrite(text.data(), 1, text.size(), stderr);
  } catch (...) {
    if (log_sink())
      return; // what a sink throws is its own
    const WriteSignalsHeld held;
    std::fwrite(line.data(), 1, line.size(), stderr); // no memory for a copy
  }
}

} // namespace swage::base
