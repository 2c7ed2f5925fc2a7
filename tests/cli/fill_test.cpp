// fill_test.cpp -- reproducible random inputs.
#include "tests/support/catch.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include "ir/number.hpp"
#include "runtime/verify/fill.hpp"

using namespace swage;
using namespace swage::verify;

namespace {

std::vector<std::byte> filled(DType type, std::size_t count, const FillOptions& options) {
  std::vector<std::byte> bytes(count * static_cast<std::size_t>(size_of(type)));
  fill_random(type, bytes, options);
  return bytes;
}

ir::Scalar element(DType type, const std::vector<std::byte>& bytes, std::size_t i) {
  return ir::decode(
      type, ir::load_bits(type, bytes.data() + i * static_cast<std::size_t>(size_of(type))));
}

} // namespace

TEST_CASE("a seed gives the same values every time, whatever the length") {
  for (int t = 0; t < kDTypeCount; ++t) {
    const DType type = static_cast<DType>(t);
    const auto all = filled(type, 300'000, {.seed = 7, .stream = 1});
    const auto some = filled(type, 1000, {.seed = 7, .stream = 1});
    CHECK(std::memcmp(all.data(), some.data(), some.size()) == 0);
    CHECK(all == filled(type, 300'000, {.seed = 7, .stream = 1}));
  }
}

TEST_CASE("another seed and another parameter give other values") {
  const auto one = filled(f32, 1000, {.seed = 1, .stream = 0});
  CHECK(one != filled(f32, 1000, {.seed = 2, .stream = 0}));
  CHECK(one != filled(f32, 1000, {.seed = 1, .stream = 1}));
  CHECK(one != filled(f32, 1000, {.seed = 0, .stream = 1}));
}

TEST_CASE("floats are near normal and finite") {
  constexpr std::size_t count = 100'000;
  for (const DType type : {f64, f32, f16, bf16}) {
    const auto bytes = filled(type, count, {.seed = 3});
    double sum = 0, squares = 0, bound = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double x = static_cast<double>(element(type, bytes, i).real);
      sum += x;
      squares += x * x;
      bound = std::max(bound, std::abs(x));
    }
    CHECK(std::abs(sum / count) < 0.02);
    CHECK(std::abs(squares / count - 1) < 0.02);
    CHECK(bound < 3.5);
    CHECK(bound > 3);
  }
}

TEST_CASE("integers are small and take every value of their range") {
  for (const DType type : {i8, u8, i16, i32, i64, boolean}) {
    const auto bytes = filled(type, 10'000, {.seed = 3});
    std::vector<int> seen(32);
    for (std::size_t i = 0; i < 10'000; ++i)
      ++seen.at(static_cast<std::size_t>(element(type, bytes, i).integer + 8));
    const std::size_t low = type == u8 || type == boolean ? 8 : 0;
    const std::size_t count = type == boolean ? 2 : 16;
    for (std::size_t i = 0; i < seen.size(); ++i)
      CHECK((seen[i] > 0) == (i >= low && i < low + count));
  }
}

TEST_CASE("special values come only on request, and all kinds of them") {
  constexpr std::size_t count = 20'000;
  for (const DType type : {f64, f32, f16, bf16}) {
    int nan = 0, infinite = 0, zero = 0, subnormal = 0;
    const auto bytes = filled(type, count, {.seed = 5, .specials = true});
    const long double normal = type == f64 ? 0x1p-1022L : type == f16 ? 0x1p-14L : 0x1p-126L;
    for (std::size_t i = 0; i < count; ++i) {
      const long double x = element(type, bytes, i).real;
      nan += std::isnan(x);
      infinite += std::isinf(x);
      subnormal += x != 0 && std::abs(x) < normal;
      zero += x == 0 && std::signbit(x);
    }
    CHECK(nan > 0);
    CHECK(infinite > 0);
    CHECK(zero > 0);
    CHECK(subnormal > 0);
  }
}
