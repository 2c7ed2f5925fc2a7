// table_test.cpp -- aligned tables, units and colour.
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <limits>

#include "cli/table.hpp"
#include "cli/units.hpp"
#include "ir/number.hpp"

using namespace swage;
using namespace swage::cli;

TEST_CASE("a table aligns columns left or right and leaves no trailing spaces") {
  Table table({{"name"}, {"size", Align::right}, {"note"}});
  table.row({"a", "1", "x"});
  table.row({"longer", "1234", ""});
  CHECK(table.render(false) == "name    size  note\n"
                               "a          1  x\n"
                               "longer  1234\n");
}

TEST_CASE("columns without names make a table without a header") {
  Table table({{""}, {""}});
  table.row({"a", "b"});
  CHECK(table.render(false) == "a  b\n");
}

TEST_CASE("a table counts code points, so that umlauts keep columns straight") {
  Table table({{"k"}, {"v"}});
  table.row({"größe", "1"});
  table.row({"width", "2"});
  CHECK(table.render(false) == "k      v\ngröße  1\nwidth  2\n");
}

TEST_CASE("control characters in a cell cannot reach the terminal") {
  Table table({{"name"}});
  table.row({"\033[31mred\n"});
  CHECK(table.render(false) == "name\n?[31mred?\n");
}

TEST_CASE("colour wraps the text and not the padding") {
  Table table({{"a", Align::right}, {"b"}});
  table.row({Cell("x", Tone::bad), Cell("yy")});
  table.row({Cell("long"), Cell("z", Tone::good)});
  const std::string text = table.render(true);
  CHECK(text.find("   \033[31mx\033[0m  yy\n") != text.npos);
  CHECK(text.find("long  \033[32mz\033[0m\n") != text.npos);
  CHECK(table.render(false).find('\033') == std::string::npos);
}

TEST_CASE("bytes, seconds and rates are written with three digits") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(999) == "999 B");
  CHECK(format_bytes(352'321'536) == "352 MB");
  CHECK(format_bytes(999'999) == "1.00 MB");
  CHECK(format_memory(std::int64_t{141} << 30) == "141 GiB");
  CHECK(format_memory(1 << 20) == "1.00 MiB");
  CHECK(format_seconds(42.1e-6) == "42.10 us");
  CHECK(format_seconds(0.0311) == "31.100 ms");
  CHECK(format_rate(0) == "-");
  CHECK(format_rate(4.183e12) == "4183 GB/s");
  CHECK(format_count(58'720'256) == "58 720 256");
  CHECK(format_count(-1234) == "-1 234");
  CHECK(format_count(-123) == "-123");
  CHECK(format_number(std::numeric_limits<double>::infinity(), 3) == "inf");
}

TEST_CASE("a value is written with the digits that tell it from its neighbours") {
  for (const DType type : {f16, bf16}) {
    std::string last;
    for (std::uint64_t bits = 0; bits < 0x7c00; ++bits) {
      const std::string text = format_value(type, bits);
      REQUIRE(text != last);
      last = text;
    }
  }
  CHECK(format_value(boolean, 1) == "true");
  CHECK(format_value(i8, 0xff) == "-1");
  CHECK(format_value(f32, 0x7fc00000) == "nan");
  CHECK(format_value(f32, 0xffc00000) == "nan");
}

TEST_CASE("NO_COLOR and a dumb terminal turn colour off") {
  // Whether or not stdout is a terminal here, these never colour.
  ::setenv("TERM", "xterm", 1);
  ::setenv("NO_COLOR", "1", 1);
  CHECK_FALSE(stdout_takes_color());
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  CHECK_FALSE(stdout_takes_color());
}
