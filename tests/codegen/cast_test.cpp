// cast_test.cpp -- casts round once, saturate and wrap, at every value that could tell.
#include "tests/support/catch.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "ir/number.hpp"
#include "tests/codegen/run.hpp"
#include "tests/codegen/strict.hpp"

using namespace swage;
using namespace swage::codegen;
using namespace swage::codegen::test;

namespace {

constexpr DType kAll[] = {f64, f32,     f16,    bf16,   i8,         u8,         i16, i32,
                          i64, boolean, f8e4m3, f8e5m2, f8e4m3fnuz, f8e5m2fnuz, e8m0};

/// y = to(x), or to(round(x)).
ir::Kernel cast_kernel(DType from, DType to, bool rounds = false) {
  ir::KernelBuilder builder(
      "cast", ir::MathMode::accurate,
      {{"x", ir::ParamKind::in, from, {}}, {"y", ir::ParamKind::out, to, {}}});
  ir::NodeId value = builder.load(0);
  if (rounds)
    value = builder.make(ir::Op::round, {value});
  builder.store(1, builder.cast(to, value));
  return std::move(builder).build();
}

/// y = f64(to(x)): what goes on is what the type holds, stored or not.
ir::Kernel kernel_beyond_cast(DType from, DType to) {
  ir::KernelBuilder builder(
      "beyond", ir::MathMode::accurate,
      {{"x", ir::ParamKind::in, from, {}}, {"y", ir::ParamKind::out, f64, {}}});
  builder.store(1, builder.cast(f64, builder.cast(to, builder.load(0))));
  return std::move(builder).build();
}

/// Values on, just below and just above the midpoints between 16-bit floats, the bounds of the
/// integers, and the extremes: where a second rounding or a wrong bound would show.
std::vector<std::uint64_t> telling_values(DType type) {
  std::vector<std::uint64_t> bits;
  const auto add = [&](long double real, std::int64_t integer) {
    bits.push_back(ir::encode(type, {.real = real, .integer = integer}));
  };
  for (int shift = 0; shift < 63; ++shift)
    for (const std::int64_t offset : {-1, 0, 1})
      for (const int midpoint : {0, 8, 9, 11, 12, 24, 25}) {
        const std::int64_t one = std::int64_t{1} << shift;
        const std::int64_t value =
            one + (shift > midpoint && midpoint > 0 ? one >> midpoint : 0) + offset;
        const long double below = std::ldexp(1.0L, -shift * 5);
        add(static_cast<long double>(value), value);
        add(-static_cast<long double>(value), -value);
        add(static_cast<long double>(value) + 0.5L, value);
        add(below * (1 + std::ldexp(1.0L, -midpoint)) + offset * std::ldexp(below, -50), value);
        add(-below * (1 + std::ldexp(1.0L, -midpoint)), value);
      }
  for (const long double real : {0.0L, -0.0L, 65504.0L, 65519.999L, 65520.0L, 3.4e38L, 3.5e38L,
                                 1e-45L, 7e-46L, 6e-8L, 3e-8L, -129.0L, 255.5L, 1e300L, -1e19L})
    add(real, static_cast<std::int64_t>(std::fmod(real, 1e18L)));
  add(std::numeric_limits<long double>::infinity(), std::numeric_limits<std::int64_t>::max());
  add(-std::numeric_limits<long double>::infinity(), std::numeric_limits<std::int64_t>::min());
  add(std::numeric_limits<long double>::quiet_NaN(), 0);
  return bits;
}

struct Arrays {
  std::vector<std::byte> x, y;
  std::vector<std::uint64_t> in;
};

Arrays arrays(DType from, DType to) {
  Arrays a;
  a.in = telling_values(from);
  a.x.resize(a.in.size() * static_cast<std::size_t>(size_of(from)));
  a.y.resize(a.in.size() * static_cast<std::size_t>(size_of(to)));
  for (std::size_t i = 0; i < a.in.size(); ++i)
    ir::store_bits(from, a.x.data() + i * size_of(from), a.in[i]);
  return a;
}

std::string first_difference(const ir::Kernel& kernel, const Arrays& a) {
  const DType from = kernel.params()[0].dtype, to = kernel.params()[1].dtype;
  for (std::size_t i = 0; i < a.in.size(); ++i) {
    const std::uint64_t expected = evaluate_strictly(kernel, {a.in[i], 0})[0];
    const std::uint64_t got = ir::load_bits(to, a.y.data() + i * size_of(to));
    const auto mask = ~std::uint64_t{0} >> (64 - 8 * size_of(to));
    if (!same_bits(to, expected & mask, got)) {
      std::ostringstream text;
      text << name_of(from) << " " << std::hex << a.in[i] << " to " << name_of(to) << " gave "
           << got << ", expected " << (expected & mask);
      return text.str();
    }
  }
  return {};
}

void check_in_ptx(const ir::Kernel& kernel, int sm, int access_bytes) {
  const DType from = kernel.params()[0].dtype, to = kernel.params()[1].dtype;
  Arrays a = arrays(from, to);
  Specialization known = contiguous(kernel);
  for (TensorSpec& spec : known.tensors)
    spec.align_log2 = 3; // what the allocator gives
  const CudaSchedule schedule{.threads = 64, .access_bytes = access_bytes};
  const auto count = static_cast<std::int64_t>(a.in.size());
  const LaunchShape shape = launch_shape(schedule, vector_elements(schedule, kernel), 1, count, 1);
  std::vector<std::byte> parameters(20);
  const std::byte* pointers[] = {a.x.data(), a.y.data()};
  const auto columns = static_cast<std::uint32_t>(count);
  std::memcpy(parameters.data(), pointers, 16);
  std::memcpy(parameters.data() + 16, &columns, 4);
  emulate(compile(kernel, known, schedule, cuda_target(sm)), schedule, shape, parameters,
          {{a.x.data(), a.x.size()}, {a.y.data(), a.y.size()}});
  INFO("sm_" << sm << ", accesses of " << access_bytes << " bytes");
  CHECK(first_difference(kernel, a) == "");
}

void check_on_host(const ir::Kernel& kernel) {
  Arrays a = arrays(kernel.params()[0].dtype, kernel.params()[1].dtype);
  const HostFunction function(
      compile(kernel, contiguous(kernel), HostSchedule{.lanes = 8, .unroll = 1}, host_target()));
  const std::uint64_t words[] = {reinterpret_cast<std::uintptr_t>(a.x.data()),
                                 reinterpret_cast<std::uintptr_t>(a.y.data()), a.in.size()};
  function(words, 0, static_cast<std::int64_t>(a.in.size()));
  CHECK(first_difference(kernel, a) == "");
}

} // namespace

TEST_CASE("casts between all types round once on the host") {
  for (const DType from : kAll)
    for (const DType to : kAll)
      check_on_host(cast_kernel(from, to));
}

TEST_CASE("what goes on after a cast is what its type holds, on both back ends") {
  for (const DType from : kAll)
    for (const DType to : kAll) {
      INFO(name_of(to));
      const ir::Kernel kernel = kernel_beyond_cast(from, to);
      check_on_host(kernel);
      check_in_ptx(kernel, 90, 8);
    }
}

TEST_CASE("casts between all types round once in PTX") {
  for (const int sm : {75, 90})
    for (const DType from : kAll)
      for (const DType to : kAll)
        check_in_ptx(cast_kernel(from, to), sm, 8);
}

TEST_CASE("casts of the nearest integer and casts of many lanes are right in PTX") {
  for (const int sm : {75, 90})
    for (const DType from : {f64, f32, bf16})
      for (const DType to : {boolean, u8, i8, i16, i32, i64})
        for (const int bytes : {8, 16})
          for (const bool rounds : {false, true})
            check_in_ptx(cast_kernel(from, to, rounds), sm, bytes);
}

TEST_CASE("the nearest integer of f32 is one conversion, and four bytes are packed by two") {
  const ir::Kernel kernel = cast_kernel(f32, i8, true);
  const CudaSchedule schedule{.threads = 256, .access_bytes = 16};
  Specialization known = contiguous(kernel);
  known.exact = true;
  const std::string code = compile(kernel, known, schedule, cuda_target(90)).payload;
  INFO(code);
  const auto count = [&](const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = code.find(what); at != code.npos; at = code.find(what, at + 1))
      ++found;
    return found;
  };
  CHECK(count("cvt.rni.s32.f32") == 4);
  CHECK(count("cvt.pack.sat.s8.s32.b32") == 2);
  CHECK(count("selp") == 0);
  CHECK(count("min.s32") + count("max.s32") + count("prmt") == 0);
}
