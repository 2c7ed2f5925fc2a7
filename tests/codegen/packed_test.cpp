// packed_test.cpp -- floats of four bits, two to a byte, on both back ends: every conversion, and
// kernels in every layout and schedule.
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "codegen/row_plan.hpp"
#include "ir/number.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/codegen/conversions.hpp"
#include "tests/codegen/strict.hpp"
#include "tests/codegen/text_count.hpp"
#include "tests/support/byte_float.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/e2m1.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;
using swage::test::e2m1_code;
using swage::test::kE2m1;
using swage::test::load_element;
using swage::test::value_of_bits;

namespace {

/// Elements of `type` with these bits.
std::vector<std::byte> elements(DType type, const std::vector<std::uint32_t>& bits) {
  std::vector<std::byte> bytes(bits.size() * static_cast<std::size_t>(size_of(type)));
  for (std::size_t i = 0; i < bits.size(); ++i)
    ir::store_bits(type, bytes.data() + i * static_cast<std::size_t>(size_of(type)), bits[i]);
  return bytes;
}

std::vector<std::uint32_t> all_16_bits() {
  std::vector<std::uint32_t> bits(1 << 16);
  for (std::uint32_t i = 0; i < bits.size(); ++i)
    bits[i] = i;
  return bits;
}

/// f32 of every exponent, around every tie, subnormal ones, infinities and NaN, of both signs.
std::vector<std::uint32_t> many_f32() {
  std::vector<std::uint32_t> bits;
  const auto around = [&](std::uint32_t middle) {
    for (std::uint32_t distance = 0; distance < 16; ++distance) {
      bits.push_back(middle + distance);
      bits.push_back(middle - distance);
    }
  };
  for (const float tie : {0.25F, 0.5F, 0.75F, 1.0F, 1.25F, 1.5F, 1.75F, 2.0F, 2.5F, 3.0F, 3.5F,
                          4.0F, 5.0F, 6.0F, 7.0F, 8.0F})
    around(std::bit_cast<std::uint32_t>(tie));
  for (std::uint32_t exponent = 0; exponent < 256; ++exponent)
    around(exponent << 23);
  std::uint32_t state = 1;
  for (int i = 0; i < 30000; ++i) { // most between 2^-4 and 2^4
    state = state * 1664525 + 1013904223;
    bits.push_back(i % 4 == 0 ? state : 0x3d000000 + (state & 0x03ffffff));
  }
  for (std::size_t i = 0, count = bits.size(); i < count; ++i)
    bits.push_back(bits[i] ^ 0x80000000);
  bits.push_back(0x7fc00000);
  bits.push_back(0xffffffff);
  return bits;
}

std::string first_wrong(DType from, const std::vector<std::uint32_t>& x,
                        const std::vector<std::byte>& y) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const unsigned expected = e2m1_code(value_of_bits(from, x[i]));
    const std::uint64_t got = load_element(f4e2m1, y.data(), static_cast<std::int64_t>(i));
    if (got != expected)
      return fmt::format("{} {:x} gave {}, expected {}", name_of(from), x[i], got, expected);
  }
  return {};
}

swage::test::RandomKernelOptions packed_options(Random& random) {
  swage::test::RandomKernelOptions options;
  options.ops = exact_ops();
  options.nodes = 5 + random.below(20);
  options.inouts = random.below(2);
  options.broadcasts = random.one_in(2);
  options.dtypes = {f4e2m1, f4e2m1, f4e2m1, f32, bf16, u8, f64};
  return options;
}

bool stores_packed(const ir::Kernel& kernel) {
  return std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
    return param.is_tensor() && param.is_written() && is_packed(param.dtype);
  });
}

/// Kernels that store some element of four bits.
ir::Kernel packed_kernel(std::uint64_t seed, Random& random) {
  const auto options = packed_options(random);
  for (std::uint64_t attempt = 0;; ++attempt) {
    ir::Kernel kernel = swage::test::random_kernel(seed + 1000 * attempt, options);
    if (stores_packed(kernel) && owes_full_accuracy(kernel))
      return kernel;
  }
}

CallOptions even_call(Random& random) {
  constexpr std::int64_t kColumns[] = {2, 4, 6, 10, 16, 18, 30, 32, 62, 64, 66, 100, 128, 258};
  return {.rows = static_cast<std::int64_t>(1 + random.below(20)),
          .columns = random.pick(kColumns),
          .index64 = random.one_in(4)};
}

} // namespace

TEST_CASE("all 16-bit floats, and f32 of every kind, convert to four bits as defined") {
  for (const DType from : {bf16, f16, f32}) {
    const auto x = from == f32 ? many_f32() : all_16_bits();
    const auto count = static_cast<std::int64_t>(x.size());
    const ir::Kernel kernel = kernel_of(from, f4e2m1);
    for (const int lanes : {2, 4, 16, 64})
      CHECK(first_wrong(from, x, on_host(kernel, elements(from, x), count, lanes)) == "");
    for (const int sm : {75, 90})
      CHECK(first_wrong(from, x, in_ptx(kernel, elements(from, x), count, sm, 16)) == "");
  }
}

TEST_CASE("a clamp before a cast to four bits changes no number, and a cast rounds in between") {
  const auto x = many_f32();
  const auto count = static_cast<std::int64_t>(x.size());
  const ir::Kernel kernel = kernel_of(f32, f4e2m1, "f4e2m1(clamp(x, -6, 6))");
  CHECK(first_wrong(f32, x, on_host(kernel, elements(f32, x), count, 16)) == "");
  CHECK(first_wrong(f32, x, in_ptx(kernel, elements(f32, x), count, 90, 16)) == "");
  const ir::Kernel back = kernel_of(f32, f32, "f4e2m1(x)");
  for (const auto& y :
       {on_host(back, elements(f32, x), count, 16), in_ptx(back, elements(f32, x), count, 75, 16)})
    for (std::size_t i = 0; i < x.size(); ++i) {
      const unsigned code = e2m1_code(value_of_bits(f32, x[i]));
      const double expected = code < 8 ? kE2m1[code] : -kE2m1[code - 8];
      const double got =
          value_of_bits(f32, static_cast<std::uint32_t>(ir::load_bits(f32, y.data() + 4 * i)));
      REQUIRE((got == expected && std::signbit(got) == std::signbit(expected)));
    }
}

TEST_CASE("all codes of four bits widen exactly on both back ends") {
  std::vector<std::byte> x(256); // all pairs
  for (unsigned i = 0; i < 256; ++i)
    x[i] = static_cast<std::byte>(i);
  const ir::Kernel kernel = kernel_of(f4e2m1, f32);
  const auto check = [&](const std::vector<std::byte>& y) {
    for (std::int64_t i = 0; i < 512; ++i) {
      const auto code = static_cast<unsigned>(load_element(f4e2m1, x.data(), i));
      const double expected = code < 8 ? kE2m1[code] : -kE2m1[code - 8];
      const double got =
          value_of_bits(f32, static_cast<std::uint32_t>(ir::load_bits(f32, y.data() + 4 * i)));
      REQUIRE((got == expected && std::signbit(got) == std::signbit(expected)));
    }
  };
  for (const int lanes : {2, 16, 64})
    check(on_host(kernel, x, 512, lanes));
  for (const int sm : {75, 90})
    check(in_ptx(kernel, x, 512, sm, 16));
}

TEST_CASE("random kernels with tensors of four bits give the defined bits on the host") {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    Random random(seed);
    const ir::Kernel kernel = packed_kernel(seed, random);
    Call call(kernel, random, even_call(random));
    const auto expected = call.expected();
    const HostSchedule schedule{.lanes = 2 << random.below(6),
                                .unroll = 1 << random.below(3),
                                .streaming = random.one_in(3)};
    run_on_host(call, schedule, static_cast<int>(1 + random.below(3)));
    INFO("seed " << seed << ": " << call.describe() << "\n"
                 << canonical(schedule) << "\n"
                 << ir::print(kernel));
    REQUIRE(call.difference(expected) == "");
  }
}

TEST_CASE("random kernels with tensors of four bits give the defined bits in PTX") {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    Random random(seed);
    constexpr int architectures[] = {75, 80, 90, 100};
    const Target target = cuda_target(random.pick(architectures));
    const ir::Kernel kernel = packed_kernel(seed, random);
    Call call(kernel, random, even_call(random));
    const auto expected = call.expected();
    const auto schedules = all_schedules(kernel, call.specialization(), target);
    const auto schedule = std::get<CudaSchedule>(random.pick(schedules));
    INFO("seed " << seed << ": " << canonical(target) << ", " << call.describe() << "\n"
                 << canonical(schedule) << "\n"
                 << ir::print(kernel));
    REQUIRE_NOTHROW(run_in_emulator(call, schedule, target));
    REQUIRE(call.difference(expected) == "");
  }
}

TEST_CASE("a GPU makes a code of four bits with one product and one selection by bits") {
  const ir::Kernel kernel = kernel_of(f32, f4e2m1);
  for (const int sm : {75, 90}) {
    const std::string code =
        compile(kernel, contiguous(kernel), CudaSchedule{.access_bytes = 16}, cuda_target(sm))
            .payload;
    INFO(code);
    // Of four elements, and of two where a row ends.
    CHECK(count(code, "fma.rn.f32") == 6);
    CHECK(count(code, "lop3.b32") == 6);
    CHECK(count(code, "max.u32") == 6);
    CHECK(count(code, "sub.s32") == 0);
  }
}

TEST_CASE("a code of a product needs one limit, and that of no number has no sign") {
  // Negated as a whole, or of what is negated: LLVM makes one of the other.
  for (const auto& [product, factor] : {std::pair{"x * 0.75", 0.75F},
                                        {"-x * 0.75", -0.75F},
                                        {"-(x * 0.75)", -0.75F},
                                        {"-x * -0.75", 0.75F}}) {
    INFO(product);
    std::vector<std::uint32_t> x = many_f32();
    const std::vector<std::byte> y = in_ptx(kernel_of(f32, f4e2m1, product), elements(f32, x),
                                            static_cast<std::int64_t>(x.size()), 90, 16);
    for (std::uint32_t& bits : x)
      bits = std::bit_cast<std::uint32_t>(std::bit_cast<float>(bits) * factor);
    CHECK(first_wrong(f32, x, y) == "");
  }
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in f32, s: in f32, y: out f4e2m1) { y = x * s; }", ""}, "k", {});
  const std::string code =
      compile(kernel, contiguous(kernel), CudaSchedule{.access_bytes = 16}, cuda_target(90))
          .payload;
  INFO(code);
  CHECK(count(code, "0f40C00000") == 6);
  CHECK(count(code, "0fC0C00000") == 0);
}

TEST_CASE("no schedule of a kernel with tensors of four bits stores half a byte") {
  const ir::Kernel kernel = kernel_of(f32, f4e2m1);
  const Specialization known = contiguous(kernel);
  for (const Target& target : {cuda_target(90), host_target()}) {
    for (const Schedule& schedule : all_schedules(kernel, known, target))
      CHECK(vector_elements(schedule, kernel) >= 2);
    CHECK(vector_elements(default_schedule(kernel, known, target, 1 << 20), kernel) >= 2);
  }
  const auto refusal = [&](const Schedule& schedule, const Target& target) -> std::string {
    try {
      compile(kernel, known, schedule, target);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  using Catch::Matchers::ContainsSubstring;
  CHECK_THAT(refusal(CudaSchedule{.access_bytes = 4}, cuda_target(90)),
             ContainsSubstring("bytes=4 is not a power of two from 8, two of the widest elements"));
  CHECK_THAT(refusal(HostSchedule{.lanes = 1}, host_target()),
             ContainsSubstring("lanes=1 is below 2, for two elements of 'k' share a byte"));
}
