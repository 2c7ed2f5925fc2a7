// diagnostics_test.cpp -- how errors are drawn under their source lines.
#include "ir/diagnostics.hpp"

#include "ir/nearest.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"

namespace swage::ir {

namespace {

std::string drawn(std::string_view text, Span span, std::uint32_t caret) {
  Diagnostics diagnostics;
  diagnostics.error(span, "wrong").at(caret);
  return render({text, "f"}, diagnostics);
}

std::string drawn(std::string_view text, Span span) {
  return drawn(text, span, span.begin);
}

} // namespace

TEST_CASE("the caret stands below its column and marks the span") {
  CHECK(drawn("one\ntwo + three\nfour", {4, 15}, 8) == "f:2:5: error: wrong\n"
                                                       "  2 | two + three\n"
                                                       "    | ~~~~^~~~~~~");
}

TEST_CASE("tabs are widened alike in the line and below it") {
  CHECK(drawn("\ta\tbc = 1", {3, 5}) == "f:1:4: error: wrong\n"
                                        "  1 |     a    bc = 1\n"
                                        "    |          ^~");
}

TEST_CASE("columns count characters, not bytes") {
  CHECK(drawn("\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82 x", {10, 11}) ==
        "f:1:5: error: wrong\n"
        "  1 | \xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82 x\n"
        "    |     ^");
}

TEST_CASE("bytes that cannot be shown are question marks") {
  CHECK(drawn("a\x01\xff\x7f z", {5, 6}) == "f:1:6: error: wrong\n"
                                            "  1 | a??? z\n"
                                            "    |      ^");
}

TEST_CASE("a long line is shown around the caret") {
  const std::string text = std::string(300, 'a') + "X" + std::string(300, 'b');
  const std::string middle = drawn(text, {300, 301});
  CHECK(middle == "f:1:301: error: wrong\n"
                  "  1 | ..." +
                      std::string(60, 'a') + "X" + std::string(39, 'b') +
                      "...\n"
                      "    |    " +
                      std::string(60, ' ') + "^");
  CHECK(drawn(text, {0, 1}) == "f:1:1: error: wrong\n"
                               "  1 | " +
                                   std::string(100, 'a') +
                                   "...\n"
                                   "    | ^");
  CHECK(drawn(text, {601, 601}) == "f:1:602: error: wrong\n"
                                   "  1 | ..." +
                                       std::string(60, 'b') +
                                       "\n"
                                       "    |    " +
                                       std::string(60, ' ') + "^");
  const std::string exact(100, 'c');
  CHECK(drawn(exact, {99, 100}) == "f:1:100: error: wrong\n"
                                   "  1 | " +
                                       exact +
                                       "\n"
                                       "    | " +
                                       std::string(99, ' ') + "^");
}

TEST_CASE("a span over several lines is marked on the line of its caret") {
  CHECK(drawn("aa\nbb\ncc", {1, 7}, 4) == "f:2:2: error: wrong\n"
                                          "  2 | bb\n"
                                          "    | ~^");
}

TEST_CASE("the end of a line, of a text and an empty text can be pointed at") {
  CHECK(drawn("ab\r\ncd", {2, 3}) == "f:1:3: error: wrong\n"
                                     "  1 | ab\n"
                                     "    |   ^");
  CHECK(drawn("ab\rcd\r\ref", {3, 4}) == "f:2:1: error: wrong\n"
                                         "  2 | cd\n"
                                         "    | ^");
  CHECK(drawn("ab\r\ncd\r\ref", {8, 9}) == "f:4:1: error: wrong\n"
                                           "  4 | ef\n"
                                           "    | ^");
  CHECK(drawn("ab\n", {3, 3}) == "f:2:1: error: wrong\n"
                                 "  2 | \n"
                                 "    | ^");
  CHECK(drawn("", {0, 0}) == "f:1:1: error: wrong\n"
                             "  1 | \n"
                             "    | ^");
}

TEST_CASE("line numbers widen the margin") {
  const std::string text = std::string(12344, '\n') + "x";
  CHECK(drawn(text, {12344, 12345}) == "f:12345:1: error: wrong\n"
                                       "12345 | x\n"
                                       "      | ^");
}

TEST_CASE("errors come in the order of the text, those about the whole text first") {
  Diagnostics diagnostics;
  diagnostics.error({4, 5}, "second").help("do this").note({0, 1}, "here");
  diagnostics.error({0, 1}, "first");
  diagnostics.error(kNoPlace, "about all");
  CHECK(render({"abcde", "f"}, diagnostics) == "f: error: about all\n"
                                               "f:1:1: error: first\n"
                                               "  1 | abcde\n"
                                               "    | ^\n"
                                               "f:1:5: error: second\n"
                                               "  1 | abcde\n"
                                               "    |     ^\n"
                                               "    = help: do this\n"
                                               "f:1:1: note: here\n"
                                               "  1 | abcde\n"
                                               "    | ^");
}

TEST_CASE("one place reports one thing once") {
  Diagnostics diagnostics;
  diagnostics.error({0, 1}, "wrong");
  diagnostics.error({0, 1}, "wrong").help("lost with its error");
  diagnostics.error({0, 1}, "otherwise");
  CHECK(diagnostics.sorted().size() == 2);
  CHECK(diagnostics.sorted()[0].helps.empty());
}

TEST_CASE("a full list stops the run and says so") {
  Diagnostics diagnostics;
  for (std::uint32_t i = 0; i < kMaxErrors; ++i)
    diagnostics.error({i, i + 1}, "wrong");
  CHECK(!diagnostics.truncated());
  CHECK_NOTHROW(diagnostics.error({0, 1}, "wrong")); // known
  CHECK_THROWS_AS(diagnostics.error({0, 1}, "one more"), Stop);
  CHECK(diagnostics.truncated());
  const std::string text = render({std::string(30, 'x'), "f"}, diagnostics);
  CHECK(text.substr(text.rfind('\n') + 1) == "f: more than 20 errors: correct these first");
}

TEST_CASE("diagnostics are thrown as one error, and none as nothing") {
  Diagnostics diagnostics;
  CHECK_NOTHROW(throw_if_any({"x", "f"}, diagnostics));
  diagnostics.error({0, 1}, "wrong");
  try {
    throw_if_any({"x", "f"}, diagnostics);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_kernel);
    CHECK(std::string(error.what()) == "f:1:1: error: wrong\n  1 | x\n    | ^");
  }
}

TEST_CASE("the nearest name is near") {
  const std::string_view names[] = {"gate", "up", "sigmoid", "T", "limit"};
  CHECK(nearest_name("gat", names) == "gate");
  CHECK(nearest_name("gaet", names) == "gate"); // a swap is one edit
  CHECK(nearest_name("sgimoid", names) == "sigmoid");
  CHECK(nearest_name("Sigmoid", names) == "sigmoid");
  CHECK(nearest_name("t", names) == "T");
  CHECK(nearest_name("lim", names).empty());
  CHECK(nearest_name("x", names).empty()); // all of it would change
  CHECK(nearest_name("", names).empty());
  CHECK(nearest_name(std::string(1000, 'a'), names).empty());
  CHECK(did_you_mean("limt", names) == "did you mean 'limit'?");
  CHECK(did_you_mean("zzz", names).empty());
}

} // namespace swage::ir
