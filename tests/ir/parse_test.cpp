// parse_test.cpp -- what the language means: texts and the graphs they give.
#include <cmath>
#include <limits>

#include "ir/source.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"

namespace swage::ir::testing {

TEST_CASE("operators bind as in C") {
  CHECK(value_of("x + x * 2") == "add(load x, mul(load x, f32 2))");
  CHECK(value_of("(x + x) * 2") == "mul(add(load x, load x), f32 2)");
  CHECK(value_of("x - 1 - 2") == "sub(sub(load x, f32 1), f32 2)");
  CHECK(value_of("x / 3 * 2") == "mul(div(load x, f32 3), f32 2)");
  CHECK(value_of("-x * 2") == "mul(neg(load x), f32 2)");
  CHECK(value_of("--x") == "neg(neg(load x))");
  CHECK(value_of("x < 1 && x > 0 || p", "bool") ==
        "logical_or(logical_and(lt(load x, f32 1), gt(load x, f32 0)), load p)");
  CHECK(value_of("p || p && !p", "bool") ==
        "logical_or(load p, logical_and(load p, logical_not(load p)))");
  CHECK(value_of("x < 1 == p", "bool") == "eq(lt(load x, f32 1), load p)");
  CHECK(value_of("x + 1 <= x", "bool") == "le(add(load x, f32 1), load x)");
}

TEST_CASE("'?:' is a chain to the right and takes whole expressions") {
  CHECK(value_of("x < 0 ? x : x > 1 ? x + 1 : 2") ==
        "select(lt(load x, f32 0), load x, select(gt(load x, f32 1), add(load x, f32 1), f32 2))");
  CHECK(value_of("p ? p ? x : 1 : 2") == "select(load p, select(load p, load x, f32 1), f32 2)");
}

TEST_CASE("literals take the type of what they meet") {
  CHECK(value_of("x * 2") == "mul(load x, f32 2)");
  CHECK(value_of("2 * w", "f64") == "mul(f64 2, load w)");
  CHECK(value_of("n * 2", "i32") == "mul(load n, i32 2)");
  CHECK(value_of("m * 2", "i64") == "mul(load m, i64 2)");
  CHECK(value_of("max(0, x)") == "max(f32 0, load x)");
  CHECK(value_of("clamp(x, -1, 1.5)") == "clamp(load x, f32 -1, f32 1.5)");
  CHECK(value_of("p ? 1 : x") == "select(load p, f32 1, load x)");
  CHECK(value_of("p == true", "bool") == "eq(load p, bool 1)");
  CHECK(value_of("0.1") == fmt::format("f32 {}", static_cast<double>(0.1f)));
  CHECK(value_of("0.1", "f64") == "f64 0.1");
  CHECK(value_of("7", "u8") == "i32 7");
  CHECK(value_of("true", "bool") == "bool 1");
  CHECK(value_of("inf") == "f32 inf");
  CHECK(value_of("-inf") == "f32 -inf");
  CHECK(value_of("nan") == "f32 nan");
}

TEST_CASE("an integer literal becomes f32 in one rounding") {
  // By way of double this would round to the even neighbour below: 2^60 + 2^36 + 1 is just above
  // the midpoint of two f32 values, and the 1 is lost in a double.
  const std::int64_t value = (std::int64_t{1} << 60) + (std::int64_t{1} << 36) + 1;
  const float expected = static_cast<float>(value);
  REQUIRE(expected != static_cast<float>(static_cast<double>(value)));
  CHECK(value_of(fmt::format("{}", value)) == fmt::format("f32 {}", static_cast<double>(expected)));
}

TEST_CASE("a choice between literals takes its type where it is used") {
  CHECK(value_of("x * (p ? 1 : 0)") == "mul(load x, select(load p, f32 1, f32 0))");
  CHECK(value_of("w * (p ? 1 : 0.5)", "f64") == "mul(load w, select(load p, f64 1, f64 0.5))");
  CHECK(value_of("p ? 1 : 0", "i8") == "select(load p, i32 1, i32 0)");
  CHECK(value_of("p ? 1 : x < 0 ? 2 : 3") ==
        "select(load p, f32 1, select(lt(load x, f32 0), f32 2, f32 3))");
  CHECK(value_of("f64(p ? 1 : 0.5)", "f64") == "select(load p, f64 1, f64 0.5)");
  CHECK(value_of("p ? true : false", "bool") == "select(load p, bool 1, bool 0)");
}

TEST_CASE("expressions of literals are folded, in double or exactly") {
  CHECK(value_of("x * (2 + 3 * 4)") == "mul(load x, f32 14)");
  CHECK(value_of("w * (1.0 / 3)", "f64") == fmt::format("mul(load w, f64 {})", 1.0 / 3));
  CHECK(value_of("6 / 3", "i32") == "i32 2");
  CHECK(value_of("-7 / 7", "i32") == "i32 -1");
  CHECK(value_of("sqrt(2)", "f64") == fmt::format("f64 {}", std::sqrt(2.0)));
  CHECK(value_of("max(2, 3)", "i32") == "i32 3");
  CHECK(value_of("abs(-3)", "i32") == "i32 3");
  CHECK(value_of("clamp(9, 0, 5)", "i32") == "i32 5");
  CHECK(value_of("1 < 2 ? 3 : 4", "i32") == "i32 3");
  CHECK(value_of("!(1 == 2) && 1.5 > 1", "bool") == "bool 1");
  CHECK(value_of("isnan(nan)", "bool") == "bool 1");
  CHECK(value_of("1.0 / 0") == "f32 inf");
  CHECK(value_of("9223372036854775807 - 1", "i64") == "i64 9223372036854775806");
  CHECK(value_of("-9223372036854775808", "i64") == "i64 -9223372036854775808");
  CHECK(value_of("-0.0") == "f32 -0");
  CHECK(value_of("-0") == "f32 0"); // an integer has no negative zero
}

TEST_CASE("numbers are read in every notation") {
  CHECK(value_of("1e3", "f64") == "f64 1000");
  CHECK(value_of("1.5E-3", "f64") == "f64 0.0015");
  CHECK(value_of(".5", "f64") == "f64 0.5");
  CHECK(value_of("2.", "f64") == "f64 2");
  CHECK(value_of("0xff", "i32") == "i32 255");
  CHECK(value_of("0x1.8p3", "f64") == "f64 12");
  CHECK(value_of("0X.8P1", "f64") == "f64 1");
  CHECK(value_of("0x1p-1074", "f64") == "f64 5e-324");
  CHECK(value_of("4.9406564584124654e-324", "f64") == "f64 5e-324");
  CHECK(value_of("1.7976931348623157e308", "f64") == "f64 1.7976931348623157e+308");
  CHECK(value_of("0x1.fffffffffffffp1023", "f64") == "f64 1.7976931348623157e+308");
  CHECK(value_of("0e0", "f64") == "f64 0");
}

TEST_CASE("a cast is a rounding point that stays in the graph") {
  CHECK(value_of("bf16(x)") == "bf16(load x)");
  CHECK(value_of("f32(f16(x) * 2)") == "f32(mul(f16(load x), f32 2))");
  CHECK(value_of("f32(w)") == "f32(load w)");
  CHECK(value_of("f64(n)", "f64") == "f64(load n)");
  CHECK(value_of("i8(n)", "i32") == "i8(load n)");
  CHECK(value_of("bool(x)", "bool") == "bool(load x)");
  CHECK(value_of("i64(p)", "i64") == "i64(load p)");
}

TEST_CASE("the cast of a literal is a typed constant") {
  CHECK(value_of("f32(7)") == "f32 7");
  CHECK(value_of("bf16(0.1)") == "f32 0.10009765625");
  CHECK(value_of("f16(1e6)") == "f32 inf");
  CHECK(value_of("f64(0.1)", "f64") == "f64 0.1");
  CHECK(value_of("i32(2.9)", "i32") == "i32 2");
  CHECK(value_of("i32(-2.9)", "i32") == "i32 -2");
  CHECK(value_of("u8(300.0)", "u8") == "i32 255"); // a float saturates
  CHECK(value_of("u8(300)", "u8") == "i32 44");    // an integer wraps
  CHECK(value_of("i8(-129)", "i8") == "i32 127");
  CHECK(value_of("i32(nan)", "i32") == "i32 0");
  CHECK(value_of("i64(1e30)", "i64") ==
        fmt::format("i64 {}", std::numeric_limits<std::int64_t>::max()));
  CHECK(value_of("bool(0.5)", "bool") == "bool 1");
  CHECK(value_of("f32(true)") == "f32 1");
  CHECK(value_of("bf16(f32(0.1))") == fmt::format("bf16(f32 {})", static_cast<double>(0.1f)));
}

TEST_CASE("generic types are bound by name") {
  constexpr std::string_view text =
      "kernel k<T, U>(x: in T, s: U, y: out U) { y = U(T(x * 2)) * s; }";
  const Kernel kernel = parse_text(text, {{"U", f32}, {"T", bf16}});
  CHECK(kernel.params()[0] == Param{"x", ParamKind::in, bf16, Broadcast::none});
  CHECK(kernel.params()[1] == Param{"s", ParamKind::scalar, f32, Broadcast::none});
  CHECK(kernel.params()[2] == Param{"y", ParamKind::out, f32, Broadcast::none});
  CHECK(show(kernel) == "y = mul(f32(bf16(mul(load x, f32 2))), scalar s)");
}

TEST_CASE("broadcasts and directions reach the parameters") {
  const Kernel kernel =
      parse_text("kernel k(a: in f16 [row], b: in i8[col], c: inout f64, d: f32,) "
                 "{ c = c * f64(a) + f64(b) + f64(d); }");
  REQUIRE(kernel.params().size() == 4);
  CHECK(kernel.params()[0] == Param{"a", ParamKind::in, f16, Broadcast::per_row});
  CHECK(kernel.params()[1] == Param{"b", ParamKind::in, i8, Broadcast::per_column});
  CHECK(kernel.params()[2].kind == ParamKind::inout);
  CHECK(kernel.params()[3].kind == ParamKind::scalar);
  CHECK(show(kernel) == "c = add(add(mul(load c, f64(load a)), f64(load b)), f64(scalar d))");
}

TEST_CASE("a const is folded and is no run-time parameter") {
  constexpr std::string_view text =
      "kernel k<T>(const a: f32 = 2 * 3.5, x: in f32, const b: T, y: out f32) "
      "{ y = x * a + f32(b); }";
  const Kernel kernel = parse_text(text, {{"T", f64}, {"b", 0.1}});
  REQUIRE(kernel.params().size() == 2);
  CHECK(show(kernel) ==
        fmt::format("y = add(mul(load x, f32 7), f32 {})", static_cast<double>(0.1f)));
  CHECK(show(parse_text(text, {{"T", f32}, {"a", std::int64_t{5}}, {"b", 1.0}})) ==
        "y = add(mul(load x, f32 5), f32 1)");
}

TEST_CASE("a float const adapts like a literal, an integer const is typed") {
  constexpr std::string_view text =
      "kernel k<T>(x: in T, const a: f32 = 0.1, const b: f64 = 0.1, const n: i32 = 7, y: out T, "
      "m: out i32) { y = x * a + b; m = n / 2; }";
  CHECK(show(parse_text(text, {{"T", f64}})) ==
        fmt::format("y = add(mul(load x, f64 {}), f64 0.1)\nm = div(i32 7, i32 2)",
                    static_cast<double>(0.1f)));
  CHECK(show(parse_text(text, {{"T", f16}})) ==
        fmt::format("y = add(mul(load x, f32 {0}), f32 {0})\nm = div(i32 7, i32 2)",
                    static_cast<double>(0.1f)));
}

TEST_CASE("a const holds what its storage type holds") {
  CHECK(show(parse_text("kernel k(const a: bf16 = 0.1, y: out f32) { y = a; }")) ==
        "y = f32 0.10009765625");
  CHECK(show(parse_text("kernel k(const n: i64, const p: bool, y: out i64) { y = p ? n : 0; }",
                        {{"n", 3.0}, {"p", std::int64_t{1}}})) ==
        "y = select(bool 1, i64 3, i64 0)");
}

TEST_CASE("an inout name on the right is its value on entry, also after it was assigned") {
  CHECK(show(parse_text("kernel k(a: inout f32, b: inout f32) { a = b + 1; b = a + 1; }")) ==
        "a = add(load b, f32 1)\nb = add(load a, f32 1)");
}

TEST_CASE("a let names a value, literals included") {
  CHECK(show(parse_text("kernel k(x: in f32, n: in i32, y: out f32, m: out i32) {"
                        "let two = 2; let z = x * two; y = z * z; m = n * two; }")) ==
        "y = mul(mul(load x, f32 2), mul(load x, f32 2))\nm = mul(load n, i32 2)");
}

TEST_CASE("functions are inlined for whatever type they are called with") {
  constexpr std::string_view text = "kernel k(x: in f32, w: in f64, y: out f32, v: out f64) "
                                    "{ y = f(x, 2); v = f(w, 2); }\n"
                                    "fn f(a, b) = g(a) * b;\n" // used before they are declared
                                    "fn g(a) = f32(f64(a)) + 1;\n";
  CHECK(errors_of(text).find("'*' mixes") == std::string::npos);
  CHECK(show(parse_text("kernel k(x: in f32, w: in f64, y: out f32, v: out f64) "
                        "{ y = f(x, 2); v = f(w, 2); }\n"
                        "fn f(a, b) = g(a) * b; fn g(a) = exp(a) + 1;")) ==
        "y = mul(add(exp(load x), f32 1), f32 2)\nv = mul(add(exp(load w), f64 1), f64 2)");
}

TEST_CASE("storage types of 16 bits and less are computed in f32 and i32") {
  const Kernel kernel =
      parse_text("kernel k(h: in f16, a: in i8, b: in u8, c: in i16, p: in bool, y: out bf16, "
                 "z: out u8, q: out bool) { y = h; z = a + b + c; q = p; }");
  CHECK(kernel.node(kernel.stores()[0].node).type == f32);
  CHECK(kernel.node(kernel.stores()[1].node).type == i32);
  CHECK(kernel.node(kernel.stores()[2].node).type == boolean);
}

TEST_CASE("the math mode comes from the kernel unless the caller says otherwise") {
  constexpr std::string_view text = "@triton kernel k(y: out f32) { y = 1; }";
  CHECK(parse_text(text).math() == MathMode::triton);
  CHECK(parse_kernel({text}, "k", {}, MathMode::fast).math() == MathMode::fast);
  CHECK(parse_text("@accurate kernel k(y: out f32) { y = 1; }").math() == MathMode::accurate);
  CHECK(parse_text("@fast kernel k(y: out f32) { y = 1; }").math() == MathMode::fast);
  CHECK(parse_text("@torch kernel k(y: out f32) { y = 1; }").math() == MathMode::torch);
  CHECK(parse_text("kernel k(y: out f32) { y = 1; }").math() == MathMode::accurate);
}

TEST_CASE("kernels and functions have separate names") {
  CHECK(show(parse_text("fn silu(x) = x * sigmoid(x);"
                        "kernel silu(x: in f32, y: out f32) { y = silu(x); }"
                        "kernel tanh(x: in f32, y: out f32) { y = tanh(x); }",
                        {}, "silu")) == "y = mul(load x, sigmoid(load x))");
}

TEST_CASE("comments, carriage returns and a byte order mark are no part of the text") {
  CHECK(show(parse_text("\xef\xbb\xbf// \xc3\xa9t\xc3\xa9\r\nkernel k(y: out f32) {\r\n"
                        "  y = 1; // one\r\n}// end")) == "y = f32 1");
  CHECK(show(parse_text("// t\rkernel k(y: out f32) {\r  y = 1; // one\r}// end")) == "y = f32 1");
}

TEST_CASE("a listing holds generics, constants, the comment above and the line") {
  constexpr std::string_view text = "// not this one\n"
                                    "\n"
                                    "// First line.\n"
                                    "  ///   second\n"
                                    "@fast kernel a<T, U>(const n: i32, const l: T = 7, y: out U)\n"
                                    "{ y = U(n); }\n"
                                    "kernel b(y: out f32) { y = 1; } // not this one either\n"
                                    "//\n"
                                    "kernel c(y: out f32) { y = 1; }\n";
  const auto list = list_kernels({text, "k.swg"});
  REQUIRE(list.size() == 3);
  CHECK(list[0].name == "a");
  CHECK(list[0].generics == std::vector<std::string>{"T", "U"});
  REQUIRE(list[0].constants.size() == 2);
  CHECK(list[0].constants[0].name == "n");
  CHECK(list[0].constants[0].dtype == i32);
  CHECK(!list[0].constants[0].has_default);
  CHECK(list[0].constants[0].generic.empty());
  CHECK(list[0].constants[1].generic == "T");
  CHECK(list[0].constants[1].has_default);
  CHECK(list[0].comment == "First line.\n  second");
  CHECK(list[0].line == 5);
  CHECK(list[1].comment.empty());
  CHECK(list[2].comment.empty());
  CHECK(list[2].line == 9);
}

TEST_CASE("lines end in LF, in CR LF or in CR alone") {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const std::string text = "// not this one" + end + end + "// First line." + end + "// Second." +
                             end + "kernel a(y: out f32) { y = 1; } // nor this" + end +
                             "kernel b(y: out f32) {" + end + "  y = 2; }" + end;
    const auto list = list_kernels({text, "k.swg"});
    REQUIRE(list.size() == 2);
    CHECK(list[0].comment == "First line.\nSecond.");
    CHECK(list[0].line == 5);
    CHECK(list[1].comment.empty());
    CHECK(list[1].line == 6);
  }
}

TEST_CASE("a text that does not parse is not listed") {
  CHECK_THROWS_AS(list_kernels({"kernel a(", "k.swg"}), Error);
}

TEST_CASE("a literal that meets f32 is rounded once, from what is written") {
  // Halfway between 1 and the next f32 is 1.000000059604644775390625; a double is not long enough
  // to tell what lies beside it.
  CHECK(value_of("x + 1.000000059604644775390625") == value_of("x + 1"));
  CHECK(value_of("x + 1.0000000596046447753906250000000001") == value_of("x + 0x1.000002p0"));
  CHECK(value_of("x + 1.00000005960464477539062499999999") == value_of("x + 1"));
  CHECK(value_of("x + 1.00000017881393432617187499999999") == value_of("x + 0x1.000002p0"));
  CHECK(value_of("x + 1.000000178813934326171875") == value_of("x + 0x1.000004p0"));
  CHECK(value_of("x - -1.0000000596046447753906250000000001") == value_of("x - -0x1.000002p0"));
  CHECK(value_of("x + 000.00000010000000596046447753906250000000001e7") ==
        value_of("x + 0x1.000002p0"));
  CHECK(value_of("f16(1.00048828125000000000000001)") == value_of("f16(1.0009765625)"));
  CHECK(value_of("f16(1.00048828125)") == value_of("f16(1)"));
  // The same in hexadecimal, and where the nearest double is the next power of two.
  CHECK(value_of("x + 0x1.000001p0") == value_of("x + 1"));
  CHECK(value_of("x + 0x1.00000100000000000000001p0") == value_of("x + 0x1.000002p0"));
  CHECK(value_of("x + 0x1.000000ffffffffffffffffp0") == value_of("x + 1"));
  CHECK(value_of("x + 0x000.01000002ffffffffffffffp8") == value_of("x + 0x1.000002p0"));
  CHECK(value_of("x + 0x1.000003p0") == value_of("x + 0x1.000004p0"));
  CHECK(value_of("x + 0x.ffffffffffffffffffffp1") == value_of("x + 2"));
  CHECK(value_of("f16(0x1.0020000000000001p0)") == value_of("f16(0x1.004p0)"));
  CHECK(value_of("f16(0x1.002p0)") == value_of("f16(1)"));
}

TEST_CASE("what meets f16 is an f32 until it is stored or cast, and a cast rounds it once") {
  const auto in_half = [](const std::string& value) {
    return show(parse_text("kernel k(x: in f16, y: out f16) { y = " + value + "; }"));
  };
  CHECK(in_half("x * 0.1") == in_half("x * 0.100000001490116119384765625"));
  CHECK(in_half("x * f16(0.1)") == in_half("x * 0.0999755859375"));
  CHECK(in_half("x + f16(1.00048828125)") == in_half("x + 1.0"));
  CHECK(in_half("x + f16(1.00048828125000000000000001)") == in_half("x + 1.0009765625"));
  CHECK(in_half("x + f16(65519.99)") == in_half("x + 65504.0"));
  CHECK(in_half("x + f16(65520)") == in_half("x + inf"));
  CHECK(in_half("x + f16(99999999999999999999)") == in_half("x + inf"));
}

TEST_CASE("an integer beyond i64 serves where it meets a float, rounded once") {
  CHECK(value_of("x * 9223372036854775808") == value_of("x * 0x1p63"));
  CHECK(value_of("x * -9223372036854775809") == value_of("x * -0x1p63"));
  CHECK(value_of("w * 18446744073709551616", "f64") == value_of("w * 0x1p64", "f64"));
  CHECK(value_of("x * 0x10000000000000000") == value_of("x * 0x1p64"));
  CHECK(value_of("x * 100000000000000000000000000000") == value_of("x * 1e29"));
  // Halfway between two f32, and one beyond it.
  CHECK(value_of("x * 9223372586610589696") == value_of("x * 0x1p63"));
  CHECK(value_of("x * 9223372586610589697") == value_of("x * 0x1.000002p63"));
  CHECK(value_of("x * 0x80000080000000001") == value_of("x * 0x1.000002p67"));
  CHECK(value_of("x > 0 ? 99999999999999999999 : 0") ==
        value_of("x > 0 ? 99999999999999999999.0 : 0"));
  CHECK(value_of("-9223372036854775808", "i64") == "i64 -9223372036854775808");
  CHECK(value_of("bool(99999999999999999999)", "bool") == "bool 1");
}

} // namespace swage::ir::testing
