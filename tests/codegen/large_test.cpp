// large_test.cpp -- kernels of very many operations: in which order they are computed, what they
// give, and how long they take to compile.
#include <algorithm>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

#include "codegen/cut.hpp"
#include "ir/number.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/codegen/run.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

// The address sanitizer takes many times as long.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kTimed = false;
#else
constexpr bool kTimed = true;
#endif

ir::Kernel load(const std::string& text) {
  return ir::load_kernel({text}, "k", {});
}

std::string choices(int arms) {
  std::string text = "kernel k(x: in f32, y: out f32) { y = ";
  for (int i = 0; i < arms; ++i)
    text += fmt::format("x < {} ? x + {} : ", i, i);
  return text + "-x; }";
}

/// A sum of products of one number.
std::string sum(std::string_view type, int terms) {
  std::string text = fmt::format("kernel k(x: in {0}, y: out {0}) {{ y = x", type);
  for (int i = 2; i <= terms; ++i)
    text += fmt::format(" + x * {}", i);
  return text + "; }";
}

/// Every value is used where it is made and once more, the later the earlier it was made.
std::string kept(int values) {
  std::string text = "kernel k(x: in i32, y: out i32) { let v0 = x;";
  for (int i = 1; i < values; ++i)
    text += fmt::format("let v{} = v{} * 3 + {};", i, i - 1, i);
  text += fmt::format("let s0 = v{};", values - 1);
  for (int i = 1; i < values; ++i)
    text += fmt::format("let s{} = s{} * 5 + v{};", i, i - 1, values - 1 - i);
  return text + fmt::format("y = s{}; }}", values - 1);
}

std::string functions(std::string_view type, std::string_view function, int count) {
  std::string text = fmt::format("kernel k(x: in {0}, y: out {0}, z: out {0}) {{ y = {1}; z = x",
                                 type, fmt::format(fmt::runtime(function), "x"));
  for (int i = 1; i < count; ++i)
    text += " + " + fmt::format(fmt::runtime(function), fmt::format("(x - {})", i));
  return text + "; }";
}

double seconds_to_compile(const std::string& text, const Target& target) {
  const ir::Kernel kernel = load(text);
  const Specialization usual = contiguous(kernel);
  const Schedule schedule = default_schedule(kernel, usual, target, 1 << 20);
  const std::clock_t start = std::clock(); // of this process: others may use the machine, too
  const Artifact artifact = compile(kernel, usual, schedule, target);
  CHECK(!artifact.payload.empty());
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

} // namespace

TEST_CASE("of a chain of choices few values live at once, in whatever order it is written") {
  CHECK(Cut(load(choices(2000))).scratch_bytes_a_lane() <= 64);
  std::string reversed = "kernel k(x: in f32, y: out f32) { let c0 = -x;";
  for (int i = 1; i < 2000; ++i)
    reversed += fmt::format("let c{} = x < {} ? x + {} : c{};", i, i, i, i - 1);
  CHECK(Cut(load(reversed + "y = c1999; }")).scratch_bytes_a_lane() <= 64);
}

TEST_CASE("an order of emission holds every node that is needed, after its operands") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    swage::test::RandomKernelOptions options;
    options.nodes = 500;
    const ir::Kernel kernel = swage::test::random_kernel(seed, options);
    const std::vector<ir::NodeId> order = emission_order(kernel);
    std::vector<bool> made(kernel.nodes().size());
    for (const ir::NodeId id : order) {
      for (int i = 0; i < ir::info(kernel.node(id).op).arity; ++i)
        REQUIRE(made[kernel.node(id).args[static_cast<std::size_t>(i)]]);
      REQUIRE(!made[id]);
      made[id] = true;
    }
    for (const ir::Store& store : kernel.stores())
      REQUIRE(made[store.node]);
  }
}

TEST_CASE("more values at once than the stack has room for as vectors give the defined bits") {
  const ir::Kernel kernel = load(kept(1500));
  CHECK(Cut(kernel).scratch_bytes_a_lane() * 16 > kScratchBytes);
  Random random(1);
  Call call(kernel, random, {.rows = 3, .columns = 37});
  const auto expected = call.expected();
  for (const int lanes : {1, 2, 16}) {
    call.reset();
    run_on_host(call, {.lanes = lanes, .unroll = 1});
    INFO(lanes << " lanes");
    REQUIRE(call.difference(expected) == "");
  }
}

TEST_CASE("long chains of integers give the defined bits in PTX, alone and in vectors") {
  for (const int values : {40, 300}) { // links of 64 and of 2 are hidden from LLVM
    const ir::Kernel kernel = load(kept(values));
    Random random(3);
    Call call(kernel, random, {.rows = 1, .columns = 37, .random_layouts = false});
    const auto expected = call.expected();
    for (const int bytes : {4, 16}) {
      call.reset();
      run_in_emulator(call, {.threads = 64, .access_bytes = bytes}, cuda_target(90));
      INFO(values << " values, accesses of " << bytes << " bytes");
      REQUIRE(call.difference(expected) == "");
    }
  }
}

TEST_CASE("a function has the same bits called and inline") {
  for (const char* type : {"f32", "f16", "f64"})
    for (const char* function :
         {"sin({})", "tanh({})", "pow({}, 1.5)", "exp({})", "({0}) * sigmoid({0})"}) {
      const ir::Kernel few = load(functions(type, function, 2));
      const ir::Kernel many = load(functions(type, function, 400));
      Random random(7);
      const CallOptions options{.rows = 1, .columns = 203, .random_layouts = false};
      Call expected(few, random, options);
      Random again(7);
      Call call(many, again, options);
      run_on_host(expected, {.lanes = 8, .unroll = 1});
      run_on_host(call, {.lanes = 8, .unroll = 1});
      INFO(type << " " << function);
      const DType storage = few.params()[1].dtype;
      const auto is_nan = [&](std::uint64_t bits) {
        return std::isnan(ir::decode(storage, bits).real);
      };
      for (std::int64_t i = 0; i < 203; ++i) {
        const std::uint64_t got = call.load(1, 0, i), wanted = expected.load(1, 0, i);
        REQUIRE((got == wanted || (is_nan(got) && is_nan(wanted))));
      }
    }
}

TEST_CASE("a kernel of more functions than a GPU's assembler takes is refused with its size") {
  const ir::Kernel kernel = load(functions("f32", "sin({})", 20'000));
  const Specialization usual = contiguous(kernel);
  const Target target = cuda_target(90);
  const Schedule schedule = default_schedule(kernel, usual, target, 1 << 20);
  CHECK_THROWS_WITH(compile(kernel, usual, schedule, target),
                    Catch::Matchers::ContainsSubstring("kernel 'k' is too long for a GPU") &&
                        Catch::Matchers::ContainsSubstring("split it into several kernels"));
}

namespace {

/// Reductions that each need the one before, of elements that do too.
std::string reductions_of_reductions(int count) {
  std::string text = "kernel k(x: in f32, y: out f32) { let e0 = x;";
  for (int i = 1; i <= count; ++i)
    text += fmt::format(" let e{0} = e{1} + row_sum(e{1});", i, i - 1);
  return text + fmt::format(" y = e{}; }}", count);
}

std::string reductions_beside(int count) {
  std::string text = "kernel k(x: in f32, y: out f32) { let r0 = row_sum(x);";
  for (int i = 1; i < count; ++i)
    text += fmt::format(" let r{} = r{} + row_sum(x + {});", i, i - 1, i);
  return text + fmt::format(" y = x * r{}; }}", count - 1);
}

std::string long_row(int terms) {
  std::string text = "kernel k(x: in f32, y: out f32) { let a0 = x;";
  for (int i = 1; i < terms; ++i)
    text += fmt::format(" let a{} = a{} * x + {};", i, i - 1, i);
  return text + fmt::format(" y = a{0} * row_sum(a{0}); }}", terms - 1);
}

std::string row_of_functions(std::string_view type, std::string_view function, int count) {
  std::string text = fmt::format("kernel k(x: in {0}, y: out {0}) {{ let a = x", type);
  for (int i = 0; i < count; ++i)
    text += " + " + fmt::format(fmt::runtime(function), fmt::format("(x - {})", i));
  return text + "; y = a * row_sum(a); }";
}

std::string refusal_to_compile(const std::string& text, const Target& target) {
  try {
    seconds_to_compile(text, target);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::unsupported);
    return error.what();
  }
  return "";
}

} // namespace

TEST_CASE("a kernel of more reductions, or longer passes, than compile in time is refused") {
  for (const Target& target : {host_target(), cuda_target(90)}) {
    CHECK(refusal_to_compile(reductions_beside(129), target) ==
          "kernel 'k' has 129 reductions, expected at most 128; split it into several kernels");
    CHECK(refusal_to_compile(long_row(10'000), target) ==
          "kernel 'k' is too long for 2 passes over a row: it has 20001 operations, expected at "
          "most 20000; split it into several kernels");
  }
}

TEST_CASE("compile time of rows is bounded, up to the limits") {
  if (!kTimed)
    return;
  for (const Target& target : {host_target(), cuda_target(90)}) {
    CHECK(seconds_to_compile(reductions_of_reductions(128), target) < 20);
    CHECK(seconds_to_compile(reductions_beside(128), target) < 20);
    CHECK(seconds_to_compile(long_row(9'900), target) < 20);
  }
}

TEST_CASE("compile time is bounded for 20000 choices and for operations up to the limit") {
  if (!kTimed)
    return;
  // Twice to four times what an idle machine takes.
  CHECK(seconds_to_compile(choices(20'000), host_target()) < 8);
  CHECK(seconds_to_compile(choices(20'000), cuda_target(90)) < 8);
  CHECK(seconds_to_compile(kept(20'000), host_target()) < 20);
  CHECK(seconds_to_compile(functions("f32", "sin({})", 24'900), host_target()) < 20);
}

TEST_CASE("compile time for a GPU is bounded where integers make long chains") {
  if (!kTimed)
    return;
  for (const std::string& text : {kept(20'000), sum("i64", 33'000)})
    CHECK(seconds_to_compile(text, cuda_target(90)) < 20);
}

TEST_CASE("compile time for a GPU is bounded for long functions, along rows too") {
  if (!kTimed)
    return;
  CHECK(seconds_to_compile(functions("f64", "sin({})", 400), cuda_target(90)) < 10);
  CHECK(seconds_to_compile(row_of_functions("f64", "sin({})", 400), cuda_target(90)) < 20);
  CHECK(refusal_to_compile(row_of_functions("f64", "sin({})", 2000), cuda_target(90)) ==
        "kernel 'k' is too long for a GPU: its operations count 392002 in 2 passes over a row, "
        "expected at most 200000, where a function counts 16 and more; split it into several "
        "kernels");
}
