// settings_test.cpp -- the environment variables and the page that describes them.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "runtime/base/settings.hpp"
#include "tests/support/catch.hpp"

using namespace swage::base;

TEST_CASE("docs/settings.md has the table of the settings, word for word") {
  std::ostringstream page;
  page << std::ifstream(SWAGE_SOURCE_DIR "/docs/settings.md").rdbuf();
  for (const SettingInfo& setting : settings()) {
    const std::string row =
        fmt::format("| `{}` | {} | {} |\n", setting.name, setting.fallback, setting.description);
    INFO("expected this row: " << row);
    CHECK(page.str().find(row) != std::string::npos);
  }
}

TEST_CASE("a setting is what the environment says now") {
  unsetenv("SWAGE_AUTOTUNE");
  CHECK_FALSE(value(Setting::autotune).has_value());
  setenv("SWAGE_AUTOTUNE", "1", 1);
  CHECK(value(Setting::autotune) == "1");
  setenv("SWAGE_AUTOTUNE", "", 1);
  CHECK(value(Setting::autotune) == "");
  unsetenv("SWAGE_AUTOTUNE");
}
