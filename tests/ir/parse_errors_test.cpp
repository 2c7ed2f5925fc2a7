// parse_errors_test.cpp -- every error of the language, provoked.
#include <algorithm>

#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"

namespace swage::ir::testing {

namespace {

struct Refused {
  std::string_view text;
  std::string_view message; ///< of the first error
  std::string_view help;    ///< "" if it gives none
};

/// The first "error: ..." line of `text`, and its first help.
std::pair<std::string, std::string> first_error(const std::string& text) {
  const auto after = [&](std::string_view mark, std::size_t from) -> std::string {
    const std::size_t begin = text.find(mark, from);
    if (begin == text.npos)
      return {};
    return text.substr(begin + mark.size(), text.find('\n', begin) - begin - mark.size());
  };
  const std::size_t second = text.find("error: ", text.find("error: ") + 1);
  return {after("error: ", 0), [&] {
            const std::size_t help = text.find("help: ");
            return help > second ? std::string() : after("help: ", 0);
          }()};
}

int error_count(const std::string& text) {
  int count = 0;
  for (std::size_t at = text.find(": error: "); at != text.npos;
       at = text.find(": error: ", at + 1))
    ++count;
  return count;
}

void check_all(const std::vector<Refused>& table) {
  for (const Refused& row : table) {
    INFO(row.text);
    const std::string errors = errors_of(row.text);
    INFO(errors);
    const auto [message, help] = first_error(errors);
    CHECK(message == row.message);
    CHECK(help == row.help);
    CHECK(error_count(errors) == 1); // no cascades
  }
}

} // namespace

TEST_CASE("an unknown name is shown with the nearest known one") {
  CHECK(errors_of("fn silu(x) = x * sigmoid(x);\n"
                  "kernel swiglu(gate: in f32, up: in f32, h: out f32) {\n"
                  "  h = silu(gat) * up;\n"
                  "}\n") ==
        "k.swg:3:12: error: unknown name 'gat', expected a parameter, let or function\n"
        "  3 |   h = silu(gat) * up;\n"
        "    |            ^~~\n"
        "    = help: did you mean 'gate'?");
}

TEST_CASE("a mix of types is shown with the operator, both types and a cast") {
  CHECK(errors_of("kernel k(x: in bf16, n: in i32, y: out bf16) {\n"
                  "  y = x * (n + 1);\n"
                  "}\n") == "k.swg:2:9: error: '*' mixes f32 and i32\n"
                            "  2 |   y = x * (n + 1);\n"
                            "    |       ~~^~~~~~~~~\n"
                            "    = help: cast one of them, as in f32(n + 1)");
}

TEST_CASE("an error in a function shows the calls that led to it") {
  CHECK(errors_of("fn scale(a, b) = a * b;\n"
                  "fn twice(a) = scale(a, 2.5);\n"
                  "kernel k(n: in i32, y: out i32) { y = twice(n); }\n") ==
        "k.swg:1:20: error: '*' mixes i32 and a float literal\n"
        "  1 | fn scale(a, b) = a * b;\n"
        "    |                  ~~^~~\n"
        "    = help: cast one of them, as in f32(a)\n"
        "k.swg:2:15: note: in 'scale', called here\n"
        "  2 | fn twice(a) = scale(a, 2.5);\n"
        "    |               ^~~~~~~~~~~~~\n"
        "k.swg:3:39: note: in 'twice', called here\n"
        "  3 | kernel k(n: in i32, y: out i32) { y = twice(n); }\n"
        "    |                                       ^~~~~~~~");
}

TEST_CASE("a double declaration is shown with the first") {
  CHECK(errors_of("fn f(x) = x;\nfn f(y) = y;\nkernel k(y: out f32) { y = f(1); }") ==
        "k.swg:2:4: error: function 'f' is declared twice\n"
        "  2 | fn f(y) = y;\n"
        "    |    ^\n"
        "k.swg:1:4: note: first declared here\n"
        "  1 | fn f(x) = x;\n"
        "    |    ^");
}

TEST_CASE("several independent errors are reported in one run, in the order of the text") {
  const std::string errors = errors_of("fn f(x) = x * ;\n"
                                       "kernel k<T>(x: in T, n: in i32, y: out T, z: out T) {\n"
                                       "  let a = x + + 2;\n"
                                       "  let b = a * 2 + f(a);\n" // both poisoned: no cascade
                                       "  let c = x * n;\n"
                                       "  let d = c * true + b;\n"
                                       "  y = xx;\n"
                                       "  z = (x;\n"
                                       "}\n"
                                       "kernel l(y: out f32) { y = unknown(1); }\n",
                                       {{"T", f32}}, "k");
  INFO(errors);
  CHECK(error_count(errors) == 6);
  std::size_t last = 0;
  for (std::string_view line :
       {"k.swg:1:15: error: found ';', expected a value",
        "k.swg:3:15: error: found '+', expected a value",
        "k.swg:5:13: error: '*' mixes f32 and i32", "k.swg:7:7: error: unknown name 'xx'",
        "k.swg:8:9: error: found ';', expected ')'",
        "k.swg:10:28: error: unknown function 'unknown'"}) {
    const std::size_t at = errors.find(line);
    CHECK(at != errors.npos);
    CHECK((at == 0 || at > last));
    last = at;
  }
}

TEST_CASE("at most 20 errors are shown") {
  std::string text = "kernel k(y: out f32) {\n";
  for (int i = 0; i < 30; ++i)
    text += fmt::format("let a{0} = b{0};\n", i);
  const std::string errors = errors_of(text + "y = 1; }");
  CHECK(error_count(errors) == 20);
  CHECK(errors.find("k.swg: more than 20 errors: correct these first") != errors.npos);
}

TEST_CASE("syntax errors say what was found and what was expected") {
  check_all({
      {"", "the text declares no kernel", "write kernel name(x: in f32, y: out f32) { y = x; }"},
      {"kernel", "found the end of the text, expected the name of the kernel", ""},
      {"y = 1;", "found 'y', expected 'fn' or 'kernel'", ""},
      {"fn (x) = x;", "found '(', expected the name of the function", ""},
      {"fn in(x) = x;", "found keyword 'in', expected the name of the function",
       "a keyword cannot be a name"},
      {"fn f x = x; kernel k(y: out f32) { y = f(1); }",
       "found 'x', expected '(' after the name of the function", ""},
      {"fn f(x y) = x; kernel k(y: out f32) { y = f(1); }",
       "found 'y', expected ',' or ')' after 'x'", ""},
      {"fn f(x) x; kernel k(y: out f32) { y = f(1); }",
       "found 'x', expected '=' after the parameters", ""},
      {"fn f(x) = x\nkernel k(y: out f32) { y = f(1); }",
       "found keyword 'kernel', expected ';' after the body of function 'f'", ""},
      {"@tritn kernel k(y: out f32) { y = 1; }",
       "found 'tritn', expected a math mode: 'accurate', 'triton', 'fast' or 'torch'",
       "did you mean 'triton'?"},
      {"@fast fn f(x) = x; kernel k(y: out f32) { y = 1; }",
       "found keyword 'fn', expected 'kernel' after the math mode", ""},
      {"kernel k<>(y: out f32) { y = 1; }", "found '>', expected the name of a generic type", ""},
      {"kernel k<T(y: out f32) { y = 1; }", "found '(', expected '>' after the generic types", ""},
      {"kernel k { y = 1; }", "found '{', expected '(' after the name of the kernel", ""},
      {"kernel k(out y: f32) { y = 1; }",
       "found keyword 'out', expected a parameter, as in 'gate: in T'",
       "a keyword cannot be a name"},
      {"kernel k(y out f32) { y = 1; }",
       "found keyword 'out', expected ':' after the name of parameter 'y'", ""},
      {"kernel k(y: out) { y = 1; }",
       "found ')', expected a type, such as f32 or a generic of the kernel", ""},
      {"kernel k(c: const f32, y: out f32) { y = c; }",
       "found keyword 'const', expected 'in', 'out', 'inout' or a type",
       "'const' comes first: const c: TYPE"},
      {"kernel k(const c: in f32, y: out f32) { y = c; }",
       "'c' is const and cannot be a tensor too", "write const c: TYPE"},
      {"kernel k(c: f32 = 1, y: out f32) { y = c; }", "found '=', expected ',' or ')'",
       "only const parameters have a default"},
      {"kernel k(x: in f32 [rows], y: out f32) { y = x; }",
       "found 'rows', expected 'row', 'col', 'group', 'tensor' or 'table'",
       "[row] is one value per row, [col] is one value per column, [group 128] is one value per "
       "128 "
       "columns of a row, [col group 32] is one value per 32 rows of a column, [tensor] is one "
       "value for all, [table] is read by an index"},
      {"kernel k(x: in f32 [row, y: out f32) { y = x; }", "found ',', expected ']' after 'row'",
       ""},
      {"kernel k(x: f32 [col], y: out f32) { y = x; }",
       "'x' is a scalar, which cannot be broadcast",
       "only tensors can be [row], [col], [group n], [col group n], [tensor] or [table]"},
      {"kernel k(x: in f32 y: out f32) { y = x; }",
       "found 'y', expected ',' or ')' after parameter 'x'", ""},
      {"kernel k(y: out f32);", "found ';', expected '{' after the parameters", ""},
      {"kernel k(y: out f32) { y = 1;",
       "found the end of the text, expected '}' at the end of "
       "kernel 'k'",
       ""},
      {"kernel k(y: out f32) { y = 1; kernel l(y: out f32) { y = 1; }",
       "found keyword 'kernel', expected '}' at the end of kernel 'k'", ""},
      {"kernel k(y: out f32) { y = 1 }", "found '}', expected ';' after the value of 'y'", ""},
      {"kernel k(y: out f32) { let a = 1 y = 1; }",
       "found 'y', expected ';' after the value of 'a'", ""},
      {"kernel k(y: out f32) { let = 1; y = 1; }", "found '=', expected a name after 'let'", ""},
      {"kernel k(y: out f32) { let a: f32 = 1; y = 1; }", "found ':', expected '=' after 'a'",
       "a let has the type of its expression"},
      {"kernel k(y: out f32) { 3; y = 1; }",
       "found '3', expected 'let', an output to assign, or '}'", ""},
      {"kernel k(y: out f32) { return 1; }", "found '1', expected '=' after 'return'",
       "a kernel assigns its outputs by name, as in h = x;"},
      {"kernel k(y: out f32) { if (true) { y = 1; } }", "found '(', expected '=' after 'if'",
       "there is no control flow: write c ? a : b"},
      {"kernel k(y: out f32) { float z = 1; y = z; }", "found 'z', expected '=' after 'float'",
       "a value is named with let, and has the type of its expression"},
      {"kernel k(y: inout f32) { y *= 2; }", "found '*', expected '=' after 'y'",
       "a name is assigned once, with '=': y = y * ..."},
      {"kernel k(y: out f32) { y = ; }", "found ';', expected a value", ""},
      {"kernel k(y: out f32) { y = +1; }", "found '+', expected a value",
       "there is no unary plus: leave it out"},
      {"kernel k(y: out f32) { y = (1; }", "found ';', expected ')'", ""},
      {"kernel k(y: out f32) { y = max(1 2); }", "found '2', expected ',' or ')'", ""},
      {"kernel k(y: out f32) { y = true ? 1; }",
       "found ';', expected ':' after the first value of '?:'", ""},
      {"kernel g = fwd(a);", "found 'fwd', expected 'grad' after '='", ""},
      {"kernel g = grad (a);", "found '(', expected the name of the forward kernel", ""},
      {"kernel g = grad f(a b);", "found 'b', expected ',', '->' or ')' after 'a'", ""},
      {"kernel g = grad f(a -> 1);", "found '1', expected the name of a tensor after '->'", ""},
  });
}

TEST_CASE("characters and numbers that the language has not are named") {
  check_all({
      {"kernel k(x: in i32, y: out i32) { y = x % 2; }", "unexpected character '%'",
       "there is no remainder operator: write a - b * trunc(a / b)"},
      {"kernel k(x: in i32, y: out i32) { y = x & 2; }", "unexpected character '&'",
       "logical and is '&&'; there are no bitwise operators"},
      {"kernel k(x: in i32, y: out i32) { y = x | 2; }", "unexpected character '|'",
       "logical or is '||'; there are no bitwise operators"},
      {"kernel k(x: in i32, y: out i32) { y = x ^ 2; }", "unexpected character '^'",
       "there are no bitwise operators; a power is pow(a, b)"},
      {"kernel k(x: in i32, y: out i32) { y = ~x; }", "unexpected character '~'",
       "there are no bitwise operators; logical not is '!'"},
      {"# comment\nkernel k(y: out i32) { y = 1; }", "unexpected character '#'",
       "a comment begins with '//'"},
      {"kernel k(y: out i32) { y = \"1; }", "unexpected character '\"'",
       "there are no strings in the language"},
      {"kernel k(y: out i32) { y = 1 \\ 2; }", "unexpected character '\\'", ""},
      {"kernel k(y: out i32) { y = 1 \x01 2; }", "unexpected character 0x01", ""},
      {"kernel k(y: out f32) { y = \xce\xb1; }", "unexpected character '\xce\xb1'",
       "outside comments the text is ASCII: names are letters, digits and '_'"},
      {"kernel k(y: out f32) { y = 1.0f; }", "'1.0f' is not a number",
       "numbers have no suffix: they take the type of what they are combined with"},
      {"kernel k(y: out f32) { y = 1.2.3; }", "'1.2.3' is not a number",
       "numbers have no suffix: they take the type of what they are combined with"},
      {"kernel k(y: out f32) { y = 1e; }", "'1e' is not a number",
       "numbers have no suffix: they take the type of what they are combined with"},
      {"kernel k(y: out f32) { y = 0x; }", "'0x' is not a number",
       "hexadecimal numbers are written 0xff, hexadecimal floats 0x1.8p3, with exponent"},
      {"kernel k(y: out f32) { y = 0x1.8; }", "'0x1.8' is not a number",
       "hexadecimal numbers are written 0xff, hexadecimal floats 0x1.8p3, with exponent"},
      {"kernel k(y: out f64) { y = 1e999; }", "number is out of the range of f64",
       "infinity is written inf, and what is too small for f64 is 0.0"},
      {"kernel k(y: out i64) { y = 99999999999999999999; }", "integer is too large for i64",
       "i64 ends at 9223372036854775807; beyond it integers serve where they meet a float"},
      {"kernel k(y: out i64) { y = 9223372036854775808; }", "integer is too large for i64",
       "i64 ends at 9223372036854775807; beyond it integers serve where they meet a float"},
      {"kernel k(y: out i64) { y = 0xfffffffffffffffff; }", "integer is too large for i64",
       "i64 ends at 9223372036854775807; beyond it integers serve where they meet a float"},
      {"kernel k(y: out i32) { y = i32(0xffffffffffffffff); }", "integer is too large for i64",
       "i64 ends at 9223372036854775807; beyond it integers serve where they meet a float"},
      {"kernel k(x: in f32, y: out u8) { y = u8(x > 0 ? 1 : -9223372036854775809); }",
       "integer is too large for i64",
       "i64 ends at 9223372036854775807; beyond it integers serve where they meet a float"},
  });
}

TEST_CASE("bytes that are no text end the run at once") {
  using namespace std::string_view_literals;
  CHECK(first_error(errors_of("kernel k(y: out f32) { y = 1; } // \xff\xfe")).first ==
        "byte 0xff is not UTF-8");
  CHECK(first_error(errors_of("kernel k(y: out f32) { y = 1; } // \xc0\x80")).first ==
        "byte 0xc0 is not UTF-8");
  CHECK(first_error(errors_of("kernel k(y: out f32) { y = 1; } // \xed\xa0\x80")).first ==
        "byte 0xed is not UTF-8");
  CHECK(first_error(errors_of("kernel \0 k"sv)) ==
        std::pair<std::string, std::string>(
            "NUL byte in the text",
            "kernel text is UTF-8 without NUL bytes: is this the right file?"));
}

TEST_CASE("comparisons do not chain") {
  CHECK(refusal_of("0 < x < 1 ? 1 : 0") == "comparisons do not chain");
  CHECK(help_of("0 < x < 1 ? 1 : 0") == "write 0 < x && x < 1");
  CHECK(help_of("x == 1 != 2 ? 1 : 0") == "write x == 1 && 1 != 2");
  CHECK(error_count(errors_of("kernel k(x: in f32, y: out bool) { y = 0 < x < 1 < 2 <= 3; }")) ==
        1);
  CHECK(refusal_of("(x < 1) == (x < 2)", "bool").empty());
}

TEST_CASE("names must be known, and used for what they are") {
  check_all({
      {"kernel k(y: out f32) { y = q; }", "unknown name 'q', expected a parameter, let or function",
       ""},
      {"fn f(x) = q; kernel k(y: out f32) { y = f(1); }",
       "unknown name 'q', expected a parameter of function 'f'", ""},
      {"kernel k(y: out f32) { y = sigmod(1); }",
       "unknown function 'sigmod', expected a built-in function, a function of this text or a type",
       "did you mean 'sigmoid'?"},
      {"kernel k(y: out f32) { y = fmaxf(1, 2); }",
       "unknown function 'fmaxf', expected a built-in function, a function of this text or a type",
       "write max(a, b)"},
      {"kernel k(y: out f32) { y = float(1); }",
       "unknown function 'float', expected a built-in function, a function of this text or a type",
       "write f32"},
      {"kernel k(x: in float, y: out f32) { y = x; }",
       "unknown type 'float', expected a storage type or a generic of the kernel", "write f32"},
      {"kernel k(x: in bf61, y: out f32) { y = x; }",
       "unknown type 'bf61', expected a storage type or a generic of the kernel",
       "did you mean 'bf16'?"},
      {"kernel k(x: in T, y: out f32) { y = x; }",
       "unknown type 'T', expected a storage type or a generic of the kernel",
       "for a generic type write kernel k<T>(...)"},
      {"kernel k(y: out f32) { y = exp; }", "'exp' is a function, expected a value",
       "call it, as in exp(x)"},
      {"fn f(x) = x; kernel k(y: out f32) { y = f; }", "'f' is a function, expected a value",
       "call it, as in f(x)"},
      {"kernel k(y: out f32) { y = f32; }", "'f32' is a type, expected a value",
       "cast with it, as in f32(x)"},
      {"kernel k(x: in f32, y: out f32) { y = x(2); }", "'x' is a value, expected a function",
       "to multiply write x * (...)"},
      {"kernel k(y: out f32) { y = a; let a = 1; }", "'a' is used before its let", ""},
      {"kernel k(y: out f32) { let a = a; y = a; }", "'a' is used before its let", ""},
      {"kernel k(y: out f32, z: out f32) { y = 1; z = y; }",
       "'y' is an output and has no value to read",
       "name its value with let first, or declare it inout to read what 'y' held on entry"},
      {"kernel k(y: out f32) { y = exp(1, 2); }", "'exp' takes 1 argument, found 2", ""},
      {"kernel k(y: out f32) { y = clamp(1, 2); }", "'clamp' takes 3 arguments, found 2", ""},
      {"kernel k(y: out f32) { y = f32(); }", "a cast takes 1 argument, found 0", ""},
      {"fn f(x) = x; kernel k(y: out f32) { y = f(1, 2); }",
       "function 'f' takes 1 argument, found 2", ""},
      {"kernel k(const a: f32 = b, y: out f32) { y = a; }",
       "'b' in the default of a const, expected numbers and built-in functions only", ""},
      {"kernel k(const a: i32 = 2.5, y: out i32) { y = a; }",
       "found float 2.5, expected an integer for i32",
       "truncate it with i32(2.5), or write a whole number"},
      {"kernel k(const a: u8 = 100 * 3, y: out i32) { y = a; }",
       "300 is out of the range of u8, 0 to 255", "to wrap it write u8(300)"},
      {"kernel k(const a: f32 = 1 / 3, y: out f32) { y = a; }", "1 / 3 is not a whole number",
       "for the fraction write 1.0 / 3"},
      {"kernel k(const a: f32 = 1e39, y: out f32) { y = a; }",
       "1e+39 is out of the range of f32, which ends at 3.4028235e38", "infinity is written inf"},
      {"kernel k(const a: f32 = f32(1), y: out f32) { y = a; }",
       "'f32' in the default of a const, expected numbers and built-in functions only", ""},
  });
}

TEST_CASE("a function cannot see the generics of a kernel") {
  const std::string errors =
      errors_of("fn f(x) = T(x); kernel k<T>(y: out T) { y = f(1); }", {{"T", f32}});
  CHECK(first_error(errors).first ==
        "'T' is a generic type of a kernel, which a function cannot see");
  CHECK(error_count(errors) == 1);
}

TEST_CASE("names keep one meaning") {
  check_all({
      {"fn exp(x) = x; kernel k(y: out f32) { y = 1; }",
       "a function cannot be called 'exp': that is a built-in function", "choose another name"},
      {"fn bf16(x) = x; kernel k(y: out f32) { y = 1; }",
       "a function cannot be called 'bf16': that is a type", "choose another name"},
      {"kernel f32(y: out f32) { y = 1; }", "a kernel cannot be called 'f32': that is a type",
       "choose another name"},
      {"kernel k(sin: in f32, y: out f32) { y = 1; }",
       "a parameter cannot be called 'sin': that is a built-in function", "choose another name"},
      {"fn f(x) = x; kernel k(y: out f32) { let f = 1; y = 1; }",
       "a let cannot be called 'f': that is a function of this text", ""},
      {"fn f(x, x) = x; kernel k(y: out f32) { y = f(1, 2); }", "'x' is declared twice",
       "every name has one meaning in a kernel: choose another"},
      {"kernel k(x: in f32, x: in f32, y: out f32) { y = x; }", "'x' is declared twice",
       "every name has one meaning in a kernel: choose another"},
      {"kernel k(x: in f32, y: out f32) { let x = 1; y = x; }", "'x' is declared twice",
       "every name has one meaning in a kernel: choose another"},
      {"kernel k(y: out f32) { let a = 1; let a = 2; y = a; }", "'a' is declared twice",
       "every name has one meaning in a kernel: choose another"},
      {"kernel k(y: out f32) { y = 1; } kernel k(y: out f32) { y = 1; }",
       "kernel 'k' is declared twice", ""},
  });
}

TEST_CASE("every output is assigned exactly once, and nothing else is") {
  check_all({
      {"kernel k(y: out f32, z: out f32) { y = 1; }", "output 'z' is never assigned", ""},
      {"kernel k(y: out f32, z: inout f32) { y = z; }", "output 'z' is never assigned",
       "if it is only read, declare it `in`"},
      {"kernel k(y: out f32) { y = 1; y = 2; }", "'y' is assigned twice",
       "name what comes between with let"},
      {"kernel k(x: in f32) { let a = x; }", "kernel 'k' writes nothing",
       "declare an output, as in h: out T, and assign it"},
      {"kernel k(x: in f32, y: out f32) { x = 1; y = 1; }",
       "'x' is an `in` parameter and cannot be assigned, expected an out or inout parameter", ""},
      {"kernel k(x: f32, y: out f32) { x = 1; y = 1; }",
       "'x' is a scalar and cannot be assigned, expected an out or inout parameter", ""},
      {"kernel k(const x: f32 = 1, y: out f32) { x = 1; y = 1; }",
       "'x' is a const and cannot be assigned, expected an out or inout parameter", ""},
      {"kernel k(y: out f32) { let a = 1; a = 2; y = 1; }",
       "'a' is a let and cannot be assigned, expected an out or inout parameter", ""},
      {"kernel k(out_: out f32) { out = 1; }",
       "found keyword 'out', expected 'let', an output to "
       "assign, or '}'",
       "a keyword cannot be a name"},
      {"kernel k(y: out f32) { y = 1; z = 2; }", "unknown name 'z', expected an output to assign",
       "for a value of your own write let z = ..."},
  });
}

TEST_CASE("recursion is refused with the cycle named") {
  check_all({
      {"fn f(x) = f(x); kernel k(y: out f32) { y = 1; }", "function 'f' calls itself: f -> f",
       "functions are inlined and cannot recur"},
      {"fn f(x) = g(x); fn g(x) = h(x) + 1; fn h(x) = f(x); kernel k(y: out f32) { y = f(1); }",
       "function 'f' calls itself: f -> g -> h -> f", "functions are inlined and cannot recur"},
      {"fn a(x) = b(x); fn b(x) = c(x); fn c(x) = d(x); fn d(x) = e(x); fn e(x) = f(x);"
       "fn f(x) = g(x); fn g(x) = h(x); fn h(x) = i(x); fn i(x) = j(x); fn j(x) = a(x);"
       "kernel k(y: out f32) { y = 1; }",
       "function 'a' calls itself: a -> b -> c -> d -> e -> f -> g -> h -> ... -> a",
       "functions are inlined and cannot recur"},
  });
}

TEST_CASE("types do not mix without a cast") {
  CHECK(refusal_of("x * w", "f64") == "'*' mixes f32 and f64");
  CHECK(help_of("x * w", "f64") == "cast one of them, as in f64(x)");
  CHECK(refusal_of("x + n") == "'+' mixes f32 and i32");
  CHECK(refusal_of("n - m", "i64") == "'-' mixes i32 and i64");
  CHECK(help_of("n - m", "i64") == "cast one of them, as in i64(n)");
  CHECK(refusal_of("p + x") == "'+' mixes bool and f32");
  CHECK(refusal_of("n + 1.5", "i32") == "'+' mixes i32 and a float literal");
  CHECK(help_of("n + 1.5", "i32") == "cast one of them, as in f32(n)");
  CHECK(refusal_of("x == p", "bool") == "'==' mixes f32 and bool");
  CHECK(refusal_of("p == 1", "bool") == "'==' mixes bool and an integer literal");
  CHECK(refusal_of("p ? x : n") == "'?:' mixes f32 and i32");
  CHECK(refusal_of("p ? true : 1", "bool") == "'?:' mixes bool and an integer literal");
  CHECK(refusal_of("max(x, w)") == "'max' mixes f32 and f64");
  CHECK(refusal_of("pow(n, 2)", "i32") == "'pow' takes a float, found i32");
  CHECK(help_of("pow(n, 2)", "i32") == "convert first, as in f32(n)");
  CHECK(refusal_of("isnan(n)", "bool") == "'isnan' takes a float, found i32");
  CHECK(refusal_of("-p", "bool") == "'-' takes numbers, found a bool");
  CHECK(help_of("-p", "bool") == "logical not is '!'");
  CHECK(refusal_of("p < p", "bool") == "'<' takes numbers, found a bool");
  CHECK(help_of("p < p", "bool") == "a number from a bool is f32(b) or i32(b)");
  CHECK(refusal_of("!x", "bool") == "'!' takes bool, found f32");
  CHECK(help_of("!x", "bool") == "compare, as in x != 0");
  CHECK(refusal_of("n && n", "bool") == "'&&' takes bool, found i32");
  CHECK(refusal_of("x ? 1 : 2") == "the condition is f32, expected bool");
  CHECK(help_of("x ? 1 : 2") == "compare it, as in x != 0");
  CHECK(refusal_of("1 ? x : 2") == "the condition is an integer literal, expected bool");
  CHECK(refusal_of("(p ? 1 : 2) * (p ? 3 : 4)") ==
        "'*' has no operand with a type, only choices between literals");
}

TEST_CASE("a store takes the compute type of its output") {
  CHECK(errors_of("kernel k<T>(w: in f64, y: out T) { y = w; }", {{"T", bf16}}) ==
        "k.swg:1:40: error: the value is f64, but 'y' takes f32, stored as bf16\n"
        "  1 | kernel k<T>(w: in f64, y: out T) { y = w; }\n"
        "    |                                        ^\n"
        "    = help: convert it: y = T(w);\n"
        "k.swg:1:24: note: declared here\n"
        "  1 | kernel k<T>(w: in f64, y: out T) { y = w; }\n"
        "    |                        ^");
  CHECK(refusal_of("x", "f64") == "the value is f32, but 'y' takes f64");
  CHECK(refusal_of("x", "i32") == "the value is f32, but 'y' takes i32");
  CHECK(refusal_of("x < 1") == "the value is bool, but 'y' takes f32");
  CHECK(refusal_of("x", "bf16").empty());
  CHECK(refusal_of("n", "u8").empty());
  CHECK(refusal_of("bf16(w)", "f16").empty());
}

TEST_CASE("literals must fit what they adapt to") {
  CHECK(refusal_of("n + 5000000000", "i32") ==
        "5000000000 is out of the range of i32, -2147483648 to 2147483647");
  CHECK(help_of("n + 5000000000", "i32") == "to wrap it write i32(5000000000)");
  CHECK(refusal_of("300", "u8") == "300 is out of the range of u8, 0 to 255");
  CHECK(refusal_of("-1", "u8") == "-1 is out of the range of u8, 0 to 255");
  CHECK(refusal_of("-128", "i8").empty());
  CHECK(refusal_of("1.5", "i32") == "found float 1.5, expected an integer for i32");
  CHECK(help_of("1.5", "i32") == "truncate it with i32(1.5), or write a whole number");
  CHECK(refusal_of("1", "bool") == "found a number, expected bool");
  CHECK(help_of("1", "bool") == "write true or false, or compare");
  CHECK(refusal_of("true") == "found a bool, expected f32");
  CHECK(help_of("true") == "cast it, as in f32(true)");
  CHECK(refusal_of("x * 1e39") == "1e+39 is out of the range of f32, which ends at 3.4028235e38");
  CHECK(help_of("x * 1e39") == "infinity is written inf");
  CHECK(refusal_of("w * 1e39", "f64").empty());
  CHECK(refusal_of("p ? 1 : 300", "u8") == "300 is out of the range of u8, 0 to 255");
}

TEST_CASE("literals fold without surprises or not at all") {
  CHECK(refusal_of("1 / 2") == "1 / 2 is not a whole number");
  CHECK(help_of("1 / 2") == "for the fraction write 1.0 / 2");
  CHECK(refusal_of("x * (2 / 3)") == "2 / 3 is not a whole number");
  CHECK(refusal_of("1 / 0") == "division of integer literals by zero");
  CHECK(help_of("1 / 0") == "write 1.0 / 0 to get inf");
  for (std::string_view overflowing :
       {"9223372036854775807 + 1", "-9223372036854775808 - 1", "9223372036854775807 * 2",
        "-(-9223372036854775808)", "abs(-9223372036854775808)", "-9223372036854775808 / -1"}) {
    INFO(overflowing);
    CHECK(refusal_of(overflowing, "i64") == "integer literals overflow i64 here");
    CHECK(help_of(overflowing, "i64") == "write a float, as in 1.0");
  }
  CHECK(refusal_of("true + 1") == "'+' mixes a bool and a number");
  CHECK(refusal_of("true + true") == "'+' needs a number, found a bool");
  CHECK(refusal_of("1 && 2", "bool") == "'&&' needs a bool, found a number");
  CHECK(refusal_of("1 ? 2 : 3") == "the condition is a number, expected a bool");
  CHECK(refusal_of("true ? 2 : false") ==
        "the arms of '?:' are a bool and a number, expected one type");
}

TEST_CASE("bindings must name generics and constants, once, with what they take") {
  constexpr std::string_view text =
      "kernel k<Type>(x: in Type, s: f32, const n: u8, const p: bool = true, y: out f32) {\n"
      "  y = p ? s : f32(n); }";
  const auto first = [&](const std::vector<Binding>& bindings) {
    const std::string errors = errors_of(text, bindings);
    CHECK(error_count(errors) == 1);
    return first_error(errors);
  };
  using Pair = std::pair<std::string, std::string>;
  const Binding type{"Type", f32}, n{"n", std::int64_t{3}};
  CHECK(errors_of(text, {type, n}).empty());
  CHECK(first({n}) ==
        Pair("generic type 'Type' has no binding", "bind it to a type, as in Type=bf16"));
  CHECK(first({type}) ==
        Pair("const 'n' has no default and no binding", "bind it to a number, as in n=7"));
  CHECK(first({type, n, type}) == Pair("'Type' is bound twice", ""));
  CHECK(first({type, n, n}) == Pair("'n' is bound twice", ""));
  CHECK(first({{"Type", 1.0}, n}) ==
        Pair("generic type 'Type' is bound to a number", "bind it to a type, as in Type=bf16"));
  CHECK(first({type, {"n", f32}}) ==
        Pair("const 'n' is bound to a type", "bind it to a number, as in n=7"));
  CHECK(first({type, n, {"Typ", f32}}) ==
        Pair("kernel 'k' has no generic type or const named 'Typ'", "did you mean 'Type'?"));
  CHECK(first({type, n, {"zzzz", f32}}) ==
        Pair("kernel 'k' has no generic type or const named 'zzzz'", "it has Type, n, p"));
  CHECK(first({type, n, {"s", 1.0}}) ==
        Pair("'s' is bound, but is a scalar given at each launch",
             "to fix it when the kernel is compiled declare const s"));
  CHECK(first({type, n, {"x", 1.0}}) ==
        Pair("'x' is bound, but is a tensor given at each launch", ""));
  CHECK(first({type, {"n", std::int64_t{256}}}).first == "256 is out of the range of u8, 0 to 255");
  CHECK(first({type, {"n", 2.5}}).first == "found float 2.5, expected an integer for u8");
  CHECK(first({type, n, {"p", std::int64_t{2}}}).first == "found a number, expected bool");
}

TEST_CASE("a whole double is no integer where i64 does not hold it") {
  constexpr std::string_view text = "kernel k(y: out i64, const n: i64) { y = n; }";
  CHECK(errors_of(text, {{"n", -0x1p63}}).empty());
  CHECK(errors_of(text, {{"n", 0x1.fffffffffffffp62}}).empty());
  CHECK(first_error(errors_of(text, {{"n", 0x1p63}})).first ==
        "found float 9.223372036854776e+18, expected an integer for i64");
}

TEST_CASE("the kernel meant must be there") {
  constexpr std::string_view text =
      "kernel swiglu(y: out f32) { y = 1; } kernel geglu(y: out f32) { y = 1; }";
  CHECK(errors_of(text, {}, "swigul") == "k.swg: error: the text declares no kernel 'swigul'\n"
                                         "    = help: did you mean 'swiglu'?");
  CHECK(errors_of(text, {}, "zzzzzz") == "k.swg: error: the text declares no kernel 'zzzzzz'\n"
                                         "    = help: it has swiglu, geglu");
  CHECK(errors_of(text) == "k.swg: error: the text declares 2 kernels: name the one that is meant\n"
                           "    = help: it has swiglu, geglu");
}

} // namespace swage::ir::testing
