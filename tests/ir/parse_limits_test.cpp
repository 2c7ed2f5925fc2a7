// parse_limits_test.cpp -- sizes, depths and counts are bounded, each with a message of its own.
#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"

namespace swage::ir::testing {

namespace {

std::string repeated(std::string_view text, std::size_t count) {
  std::string result;
  result.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i)
    result += text;
  return result;
}

std::string kernel_of(std::string_view expression) {
  return fmt::format("kernel k(x: in f32, p: in bool, y: out f32) {{ y = {}; }}", expression);
}

/// What follows the first "error: ", to the end of the line.
std::string message_of(const std::string& text, std::string_view name = {}) {
  const std::string errors = errors_of(text, {}, name);
  const std::size_t begin = errors.find("error: ");
  if (begin == errors.npos)
    return errors;
  return errors.substr(begin + 7, errors.find('\n', begin) - begin - 7);
}

std::string list_of(std::string_view format, int count) {
  std::string result;
  for (int i = 0; i < count; ++i)
    result += fmt::format(fmt::runtime(format), i);
  return result;
}

} // namespace

TEST_CASE("the text is bounded") {
  const std::string kernel = kernel_of("x");
  const std::string fits = kernel + std::string(kMaxSourceBytes - kernel.size(), ' ');
  CHECK(message_of(fits).empty());
  CHECK(errors_of(fits + " ") ==
        "k.swg: error: the text has 4194305 bytes, expected at most 4194304");
}

TEST_CASE("nesting is bounded, in parentheses, calls and '?:'") {
  const std::string message = "nesting is deeper than 256 levels";
  const auto nested = [](std::string_view open, std::string_view close, std::size_t depth) {
    return kernel_of(repeated(open, depth) + "x" + repeated(close, depth));
  };
  CHECK(message_of(nested("(", ")", 255)).empty());
  CHECK(message_of(nested("(", ")", 256)) == message);
  CHECK(message_of(nested("(", ")", 1'000'000)) == message);
  CHECK(message_of(nested("exp(", ")", 255)).empty());
  CHECK(message_of(nested("exp(", ")", 100'000)) == message);
  CHECK(message_of(nested("p ? ", " : 1", 255)).empty());
  CHECK(message_of(nested("p ? ", " : 1", 100'000)) == message);
  CHECK(message_of(nested("-(", ")", 100'000)) == message);
}

TEST_CASE("parsing goes on after nesting that is too deep") {
  const std::string errors =
      errors_of("kernel k(y: out f32, z: out f32) { y = " + repeated("(", 300) + "1" +
                repeated(")", 300) + "; z = q; }");
  CHECK(errors.find("nesting is deeper") != errors.npos);
  CHECK(errors.find("unknown name 'q'") != errors.npos);
}

TEST_CASE("chains are not nesting") {
  const Kernel sum = parse_text(kernel_of("x" + repeated(" + x", 99'998)));
  CHECK(sum.nodes().size() == 99'999);
  CHECK(message_of(kernel_of(repeated("-", 90'000) + "x")).empty());
  CHECK(message_of(kernel_of(repeated("p ? x : ", 50'000) + "1")).empty());
  CHECK(message_of(kernel_of("1" + repeated(" - 1", 100'000))).empty());
}

TEST_CASE("operations of a kernel are bounded") {
  CHECK(message_of(kernel_of("x" + repeated(" + x", 100'001))) ==
        "kernel 'k' has more than 100000 operations");
}

TEST_CASE("terms of a text are bounded") {
  CHECK(message_of(kernel_of("1" + repeated("+1", 600'000))) ==
        "the text has more than 1000000 terms");
}

TEST_CASE("names are bounded") {
  const auto text = [](std::size_t length) {
    return fmt::format("kernel k(y: out f32) {{ let {0} = 1; y = 1; }}", std::string(length, 'a'));
  };
  CHECK(message_of(text(128)).empty());
  CHECK(message_of(text(129)) == "this name has 129 characters, expected at most 128");
}

TEST_CASE("parameters, generic types and items of a gradient are bounded") {
  CHECK(message_of("kernel k(" + list_of("a{}: in f32, ", 63) + "y: out f32) { y = 1; }").empty());
  CHECK(message_of("kernel k(" + list_of("a{}: in f32, ", 64) + "y: out f32) { y = 1; }") ==
        "more than 64 parameters");
  CHECK(message_of("fn f(" + list_of("a{}, ", 64) + ") = 1; kernel k(y: out f32) { y = 1; }")
            .empty());
  CHECK(message_of("fn f(" + list_of("a{}, ", 65) + ") = 1; kernel k(y: out f32) { y = 1; }") ==
        "more than 64 parameters");
  CHECK(message_of("kernel k<" + list_of("T{}, ", 65) + ">(y: out f32) { y = 1; }") ==
        "more than 64 generic types");
  CHECK(message_of("kernel k = grad f(" + list_of("a{}, ", 65) + ");") == "more than 64 items");
}

TEST_CASE("inlined calls are bounded") {
  std::string text = "fn g0(x) = x + 1;";
  for (int i = 1; i <= 40; ++i)
    text += fmt::format("fn g{0}(x) = g{1}(x) + g{1}(x);", i, i - 1);
  CHECK(message_of(text + kernel_of("g10(x)")).empty());
  CHECK(message_of(text + kernel_of("g40(x)")) == "kernel 'k' calls functions more than 100000 "
                                                  "times");
}

TEST_CASE("the depth of inlined calls is bounded") {
  std::string text = "fn g0(x) = x + 1;";
  for (int i = 1; i <= 300; ++i)
    text += fmt::format("fn g{}(x) = g{}(x) + 1;", i, i - 1);
  CHECK(message_of(text + kernel_of("g255(x)")).empty());
  CHECK(message_of(text + kernel_of("g256(x)")) ==
        "functions call each other more than 256 levels deep");
}

TEST_CASE("a cycle through very many functions is found without recursion") {
  std::string text = "fn g0(x) = g20000(x);";
  for (int i = 1; i <= 20'000; ++i)
    text += fmt::format("fn g{}(x) = g{}(x);", i, i - 1);
  CHECK(message_of(text + kernel_of("1")).find("function 'g0' calls itself: g0 -> g20000 -> ") ==
        0);
}

TEST_CASE("the work of inlining is bounded where it makes no operations") {
  const std::string text = "fn f(x) = 1" + repeated(" - 1", 5000) + ";";
  CHECK(message_of(text + kernel_of("f(x)" + repeated(" + f(x)", 1000))) ==
        "kernel 'k' expands to more than 4000000 operations");
}

TEST_CASE("choices between literals are bounded") {
  std::string text = "kernel k(p: in bool, y: out f32) { let a0 = p ? 1 : 2;";
  for (int i = 1; i <= 60; ++i)
    text += fmt::format("let a{0} = p ? a{1} : a{1};", i, i - 1);
  CHECK(message_of(text + "y = a60; }") == "a choice between more than 256 literals");
}

TEST_CASE("a text that is wrong everywhere is refused at once") {
  CHECK(message_of(repeated("$", kMaxSourceBytes)) == "unexpected character '$'");
  CHECK(message_of(repeated(";", kMaxSourceBytes)) == "found ';', expected 'fn' or 'kernel'");
  CHECK(message_of(repeated("fn ", kMaxSourceBytes / 3)) ==
        "found keyword 'fn', expected the name of the function");
  CHECK(message_of(repeated("@", kMaxSourceBytes)).find("found '@', expected a math mode") == 0);
  CHECK(message_of("kernel k(y: out f32) {" + repeated("{", 1'000'000)) ==
        "found '{', expected 'let', an output to assign, or '}'");
}

TEST_CASE("a listing of very many kernels takes no longer than its text") {
  const std::string text =
      repeated("// comment\n", 150'000) + repeated("kernel k{", 1) + repeated("\n// comment", 10);
  CHECK(!message_of(text).empty());
  const auto list = list_kernels({repeated("// comment\n", 100'000) +
                                      [] {
                                        std::string kernels;
                                        for (int i = 0; i < 20'000; ++i)
                                          kernels +=
                                              fmt::format("kernel k{}(y: out f32){{y=1;}} ", i);
                                        return kernels;
                                      }(),
                                  "k.swg"});
  REQUIRE(list.size() == 20'000);
  CHECK(list[0].comment.size() == 100'000 * 8 - 1);
  CHECK(list[19'999].comment.empty());
  CHECK(list[19'999].line == 100'001);
}

} // namespace swage::ir::testing
