// environment_test.cpp -- numbers do not depend on what the caller's thread is set to.
#include "ir/float_environment.hpp"

#include <cfenv>

#include "ir/evaluate.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/foreign_environment.hpp"

namespace swage::ir {

namespace {

#ifdef SWAGE_TEST_LOCALES
constexpr const char* kEnvironments[] = {"ftz", "upward", "downward", "towardzero", "ftz,comma"};
#else
constexpr const char* kEnvironments[] = {"ftz", "upward", "downward", "towardzero"};
#endif

/// Literals of every form, folded, bound and adapted to narrow types.
constexpr std::string_view kSource =
    "kernel k(x: in f32, h: in f16, d: in f64, const c: f32 = 2.75, y: out f32, z: out f64, "
    "w: out f16) {"
    "  y = x * 1e-40 + 0.1 + 1e-30 * 1e-10 + 0x1p-140 + c * 1234567.5e-6 + 1 / 3.0;"
    "  z = d * 0x1p-1060 * 0x1p-10 + 1e-310 + 2.0 / 3;"
    "  w = h * 0.1 + f16(1e-7) + exp(f16(0.3));"
    "}";

std::string loaded() {
  return canonical(load_kernel({kSource}, "k", {{"c", 5.3}}));
}

std::vector<std::uint64_t> evaluated() {
  const Kernel kernel = load_kernel({kSource}, "k", {});
  const Evaluator evaluator(kernel);
  Evaluator::Workspace workspace;
  std::vector<Scalar> arguments;
  for (const Param& param : kernel.params())
    arguments.push_back(decode(param.dtype, 3)); // a subnormal of each type
  std::vector<Scalar> results(kernel.stores().size());
  evaluator(arguments, results, workspace);
  std::vector<std::uint64_t> bits;
  for (std::size_t i = 0; i < results.size(); ++i)
    bits.push_back(encode(kernel.params()[kernel.stores()[i].param].dtype, results[i]));
  return bits;
}

template <class F>
auto in(const char* environment, F&& f) {
  const test::ForeignEnvironment foreign(environment);
  return f();
}

} // namespace

TEST_CASE("the canonical line of a kernel is the same in every thread and locale") {
  const std::string expected = loaded();
  for (const char* environment : kEnvironments) {
    INFO(environment);
    CHECK(in(environment, loaded) == expected);
    CHECK(in(environment, [&] { return canonical(load_kernel({expected}, "k", {})); }) == expected);
  }
}

TEST_CASE("the evaluator gives the same bits in every thread and locale") {
  const std::vector<std::uint64_t> expected = evaluated();
  for (const char* environment : kEnvironments) {
    INFO(environment);
    CHECK(in(environment, evaluated) == expected);
  }
}

TEST_CASE("the caller's floating-point environment is there again afterwards") {
  for (const char* environment : kEnvironments) {
    INFO(environment);
    int flags = 0, mode = 0, before = 0;
    bool flushes = false, flushed = false;
    in(environment, [&] {
      volatile float tiny = 0x1p-126f;
      std::feclearexcept(FE_ALL_EXCEPT);
      before = std::fegetround();
      flushes = tiny / 2 == 0;
      std::feclearexcept(FE_ALL_EXCEPT);
      loaded();
      flags = std::fetestexcept(FE_ALL_EXCEPT);
      mode = std::fegetround();
      flushed = tiny / 2 == 0;
      return 0;
    });
    CHECK(flags == 0);
    CHECK(mode == before);
    CHECK(flushed == flushes);
  }
}

TEST_CASE("a scope sets the default environment and scopes nest") {
  const test::ForeignEnvironment foreign("ftz,upward");
  volatile float tiny = 0x1p-126f;
  volatile double one = 1, three = 3;
  const double up = one / three;
  {
    const DefaultFloatEnvironment outer;
    {
      const DefaultFloatEnvironment inner;
      CHECK(tiny / 2 == 0x1p-127f);
    }
    CHECK(tiny / 2 == 0x1p-127f);
    CHECK(one / three < up);
    CHECK(std::fegetround() == FE_TONEAREST);
  }
  CHECK(tiny / 2 == 0);
  CHECK(std::fegetround() == FE_UPWARD);
}

} // namespace swage::ir
