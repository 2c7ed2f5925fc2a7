// schedule_test.cpp -- schedules as text, their legal range, the default and the tuner's space.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <set>

#include "codegen/compile.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"
#include "tests/support/random_kernel.hpp"

using namespace swage;
using namespace swage::codegen;
using Catch::Matchers::ContainsSubstring;

namespace {

ir::Kernel gated(DType type, ir::ParamKind kind = ir::ParamKind::in) {
  ir::KernelBuilder builder(
      "gated", ir::MathMode::accurate,
      {{"gate", kind, type, {}}, {"up", kind, type, {}}, {"h", ir::ParamKind::out, type, {}}});
  const auto gate = builder.load(0), up = builder.load(1);
  builder.store(2, builder.make(ir::Op::mul, {builder.make(ir::Op::sigmoid, {gate}), up}));
  if (kind == ir::ParamKind::inout) {
    builder.store(0, up);
    builder.store(1, gate);
  }
  return std::move(builder).build();
}

ir::Kernel large(std::size_t nodes) {
  swage::test::RandomKernelOptions options;
  options.nodes = nodes;
  options.dtypes = {bf16};
  options.broadcasts = false;
  options.ops = {ir::Op::add, ir::Op::mul, ir::Op::sub};
  return swage::test::random_kernel(1, options);
}

void check(const std::string& text, const Target& target, const ir::Kernel& kernel) {
  const Specialization known = contiguous(kernel);
  const Schedule base = default_schedule(kernel, known, target, 1 << 20);
  check_schedule(parse_schedule(text, base), kernel, known, target);
}

} // namespace

TEST_CASE("a schedule's line parses back to it") {
  const ir::Kernel kernel = gated(bf16);
  for (const Target& target : {cuda_target(75), cuda_target(100), host_target()}) {
    const Schedule base = default_schedule(kernel, contiguous(kernel), target, 1 << 20);
    for (const Schedule& schedule : all_schedules(kernel, contiguous(kernel), target))
      REQUIRE(parse_schedule(canonical(schedule), base) == schedule);
  }
  CHECK(canonical(CudaSchedule{}) ==
        "threads=256 bytes=16 accesses=1 grid=once load=auto store=auto dependent=0 "
        "resident=1024");
  CHECK(canonical(HostSchedule{}) == "lanes=16 unroll=1 store=auto grain=16384 threads=0");
}

TEST_CASE("a part of a schedule changes that part alone") {
  const Schedule parsed = parse_schedule("accesses=4,grid=2", CudaSchedule{.threads = 512});
  CHECK(parsed == Schedule(CudaSchedule{.threads = 512, .accesses = 4, .waves = 2}));
}

TEST_CASE("what a default loads ahead is not inherited by threads that hold something else") {
  CudaSchedule base;
  base.row_threads = 256;
  base.ahead = true;
  const auto ahead = [&](const char* text) {
    return std::get<CudaSchedule>(parse_schedule(text, base)).ahead;
  };
  CHECK(ahead("dependent=0"));
  CHECK_FALSE(ahead("threads=512 row=512"));
  CHECK_FALSE(ahead("accesses=2"));
  CHECK(ahead("accesses=2 ahead=1"));
  base.ahead = false;
  const Schedule without = base;
  base.ahead = true;
  CHECK(parse_schedule(canonical(without), base) == without);
}

TEST_CASE("schedule text that is wrong is refused by name") {
  const auto parse = [](const char* text) { return parse_schedule(text, CudaSchedule{}); };
  CHECK_THROWS_WITH(parse("thread=1"), ContainsSubstring("unknown schedule key 'thread'") &&
                                           ContainsSubstring("threads, bytes, accesses"));
  CHECK_THROWS_WITH(parse("threads=many"), ContainsSubstring("'threads' needs a whole number"));
  CHECK_THROWS_WITH(parse("load=fast"), ContainsSubstring("auto, readonly, noalloc, streaming"));
  CHECK_THROWS_WITH(parse("dependent=4"), ContainsSubstring("takes 0, 1, 2, 3"));
  CHECK_THROWS_WITH(parse("threads"), ContainsSubstring("'threads' where key=value was expected"));
  CHECK_THROWS_WITH(parse_schedule("bytes=4", HostSchedule{}),
                    ContainsSubstring("lanes, unroll, store"));
}

TEST_CASE("schedules outside the legal range are refused, saying what is legal") {
  const ir::Kernel kernel = gated(f32);
  CHECK_THROWS_WITH(check("threads=48", cuda_target(90), kernel),
                    ContainsSubstring("multiple of 32"));
  CHECK_THROWS_WITH(check("bytes=32", cuda_target(90), kernel),
                    ContainsSubstring("from 4") && ContainsSubstring("to 16"));
  CHECK_THROWS_WITH(check("bytes=2", cuda_target(90), kernel), ContainsSubstring("from 4"));
  CHECK_THROWS_WITH(check("accesses=3", cuda_target(90), kernel), ContainsSubstring("1, 2, 4, 8"));
  CHECK_THROWS_WITH(check("dependent=1", cuda_target(89), kernel), ContainsSubstring("sm_90"));
  CHECK_THROWS_WITH(check("load=evict_last", cuda_target(75), kernel), ContainsSubstring("sm_80"));
  CHECK_THROWS_WITH(check("resident=2048", cuda_target(89), kernel),
                    ContainsSubstring("256 to 1536") && ContainsSubstring("sm_89"));
  CHECK_THROWS_WITH(check("resident=1000", cuda_target(90), kernel),
                    ContainsSubstring("multiple of 256"));
  CHECK_THROWS_WITH(check("lanes=12", host_target(), kernel), ContainsSubstring("power of two"));
  CHECK_THROWS_WITH(check("unroll=3", host_target(), kernel), ContainsSubstring("1, 2, 4"));
  CHECK_NOTHROW(check("bytes=32", cuda_target(100), kernel));
  CHECK_THROWS_WITH(check_schedule(HostSchedule{}, kernel, contiguous(kernel), cuda_target(90)),
                    ContainsSubstring("a host schedule was given for the target 'cuda sm_90"));
}

TEST_CASE("the default moves 16 bytes an access, one pass, and overlaps launches where it can") {
  const auto schedule = [](const ir::Kernel& kernel, int sm, std::int64_t elements) {
    return std::get<CudaSchedule>(
        default_schedule(kernel, contiguous(kernel), cuda_target(sm), elements));
  };
  const CudaSchedule usual = schedule(gated(bf16), 90, std::int64_t{1} << 27);
  CHECK(usual == CudaSchedule{.threads = 256,
                              .load = LoadPolicy::evict_last,
                              .dependent_launch = DependentLaunch::at_start,
                              .resident = 1536});
  CHECK(schedule(gated(bf16), 90, 14336).threads == 128);
  CHECK(schedule(gated(bf16), 90, 14336).access_bytes == 8); // four elements, to fill the GPU
  CHECK(schedule(gated(f32), 90, 14336).access_bytes == 16);
  CHECK(schedule(gated(bf16), 80, 14336).dependent_launch == DependentLaunch::none);
  CHECK(schedule(large(5000), 90, 1 << 27).access_bytes == 2);
}

TEST_CASE("a call that fills the L2 cache keeps what it reads there by default") {
  const auto load = [](const ir::Kernel& kernel, int sm, std::int64_t elements) {
    return std::get<CudaSchedule>(
               default_schedule(kernel, contiguous(kernel), cuda_target(sm), elements))
        .load;
  };
  constexpr std::int64_t kMuch = std::int64_t{24} << 20; // bytes; six for each element
  CHECK(load(gated(bf16), 90, kMuch / 6) == LoadPolicy::automatic);
  CHECK(load(gated(bf16), 90, kMuch / 6 + 1) == LoadPolicy::evict_last);
  CHECK(load(gated(bf16), 90, std::int64_t{1} << 40) == LoadPolicy::evict_last);
  for (const int sm : {89, 100}) // not measured
    CHECK(load(gated(bf16), sm, std::int64_t{1} << 27) == LoadPolicy::automatic);
  const auto text = [](const std::string& body) {
    return ir::load_kernel({"kernel k" + body, "test"}, "k", {});
  };
  CHECK(load(text("(x: in f32, y: out f32 [row]) { y = row_sum(x); }"), 90,
             std::int64_t{1} << 30) == LoadPolicy::automatic); // little is written
  CHECK(load(text("(x: inout f32) { x = x / row_sum(x); }"), 90, kMuch / 8 + 1) ==
        LoadPolicy::evict_last);
}

TEST_CASE("where rows are left out the default has few blocks, or large ones, which cost little to "
          "start") {
  const ir::Kernel kernel = gated(bf16);
  Specialization rows = contiguous(kernel);
  rows.flat = false;
  const auto schedule = [](const ir::Kernel& of, const Specialization& known,
                           std::int64_t elements) {
    return std::get<CudaSchedule>(default_schedule(of, known, cuda_target(90), elements));
  };
  constexpr std::int64_t kMany = std::int64_t{1} << 27;
  Specialization counted = rows;
  for (const ValidRows counts : {ValidRows::one, ValidRows::per_batch}) {
    counted.valid_rows = counts;
    CHECK(schedule(kernel, counted, kMany).threads == 256);
    CHECK(schedule(kernel, counted, kMany).waves == 64);
    CHECK(schedule(kernel, counted, kMany).resident == 2048);
    CHECK(schedule(kernel, counted, 14336).waves == 0);
  }
  CHECK(schedule(kernel, rows, kMany).waves == 0);
  const ir::Kernel skips = ir::parse_kernel({"kernel k(id: in i32 [row], x: in bf16, y: out bf16) {"
                                             " skip where id < 0; y = x; }"},
                                            "", {});
  Specialization by_id = contiguous(skips);
  by_id.flat = false;
  CHECK(schedule(skips, by_id, kMany).threads == 1024);
  CHECK(schedule(skips, by_id, kMany).waves == 0);
}

TEST_CASE("pieces of one or two elements are accesses of their own by default") {
  const auto schedule = [](const ir::Kernel& kernel, std::uint8_t align_log2,
                           std::int64_t elements) {
    Specialization known = contiguous(kernel);
    known.tensors.back().align_log2 = align_log2;
    const auto found =
        std::get<CudaSchedule>(default_schedule(kernel, known, cuda_target(90), elements));
    return std::pair(found.access_bytes, found.accesses);
  };
  constexpr std::int64_t kMany = std::int64_t{1} << 27;
  CHECK(schedule(gated(bf16), 1, kMany) == std::pair(2, 4));
  CHECK(schedule(gated(bf16), 2, kMany) == std::pair(4, 4));
  CHECK(schedule(gated(bf16), 3, kMany) == std::pair(16, 1));
  CHECK(schedule(gated(f32), 2, kMany) == std::pair(4, 4));
  CHECK(schedule(gated(f32), 3, kMany) == std::pair(4, 4));
  CHECK(schedule(gated(f32), 4, kMany) == std::pair(16, 1));
  CHECK(schedule(gated(f64), 3, kMany) == std::pair(8, 2));
  const ir::Kernel bytes =
      ir::load_kernel({"kernel k(x: in u8, y: out u8) { y = x; }", ""}, "k", {});
  CHECK(schedule(bytes, 0, kMany) == std::pair(1, 4));
  const ir::Kernel mixed =
      ir::load_kernel({"kernel k(x: in f64, y: out bf16) { y = bf16(x); }", ""}, "k", {});
  CHECK(schedule(mixed, 1, kMany) == std::pair(8, 2)); // at places that are less than one f64 apart
  CHECK(schedule(mixed, 2, kMany) == std::pair(16, 1)); // two of bf16 lie in one instruction
  const ir::Kernel codes =
      ir::load_kernel({"kernel k(x: in f32, y: out f8e4m3) { y = f8e4m3(x); }", ""}, "k", {});
  CHECK(schedule(codes, 2, kMany) == std::pair(16, 1));
  CHECK(schedule(codes, 1, kMany) == std::pair(4, 4));
  const ir::Kernel packed =
      ir::load_kernel({"kernel k(x: in f32, y: out f4e2m1) { y = f4e2m1(x); }", ""}, "k", {});
  CHECK(schedule(packed, 1, kMany) == std::pair(16, 1));
  CHECK(schedule(packed, 0, kMany) == std::pair(8, 2));
  CHECK(schedule(gated(bf16), 1, 65536) == std::pair(2, 1)); // a thread an element, in one wave
  CHECK(schedule(gated(bf16), 1, 4 * 65536) == std::pair(2, 2));
  CHECK(schedule(large(5000), 0, kMany) == std::pair(2, 1));
}

TEST_CASE("the default counts on the threads that registers allow") {
  const auto resident = [](const ir::Kernel& kernel, int sm) {
    return std::get<CudaSchedule>(
               default_schedule(kernel, contiguous(kernel), cuda_target(sm), std::int64_t{1} << 27))
        .resident;
  };
  CHECK(resident(gated(bf16), 75) == 1024);
  CHECK(resident(gated(f64), 90) == 1024);
}

TEST_CASE("every default and every schedule of the space is legal") {
  for (const ir::Kernel& kernel :
       {gated(bf16), gated(f64), gated(f16, ir::ParamKind::inout), large(3000)})
    for (const Target& target :
         {cuda_target(75), cuda_target(90), cuda_target(120), host_target()}) {
      const Specialization known = contiguous(kernel);
      CHECK_NOTHROW(
          check_schedule(default_schedule(kernel, known, target, 1 << 20), kernel, known, target));
      const auto all = all_schedules(kernel, known, target);
      CHECK(all.size() >= (target.kind == Target::Kind::cuda ? 40u : 20u));
      for (const Schedule& schedule : all)
        REQUIRE_NOTHROW(check_schedule(schedule, kernel, known, target));
    }
}

TEST_CASE("read-only loads are offered only where something stays unwritten") {
  const auto offered = [](const ir::Kernel& kernel) {
    const auto all = all_schedules(kernel, contiguous(kernel), cuda_target(90));
    return std::ranges::any_of(all, [](const Schedule& schedule) {
      return std::get<CudaSchedule>(schedule).load == LoadPolicy::read_only;
    });
  };
  CHECK(offered(gated(bf16)));
  CHECK_FALSE(offered(gated(bf16, ir::ParamKind::inout)));
}

TEST_CASE("a thread has the elements of all its accesses at once, on the host of an iteration") {
  for (const int accesses : {1, 4}) {
    const CudaSchedule schedule{.access_bytes = 16, .accesses = accesses};
    CHECK(thread_elements(schedule, gated(bf16)) == 8 * accesses);
    CHECK(thread_elements(schedule, gated(f64)) == 2 * accesses);
  }
  CHECK(thread_elements(HostSchedule{.lanes = 32, .unroll = 2}, gated(f64)) == 64);
}

TEST_CASE("what only the launch needs is not in the code line") {
  CHECK(code_line(CudaSchedule{.threads = 64}) == code_line(CudaSchedule{.threads = 256}));
  CHECK(code_line(CudaSchedule{.threads = 64}) != code_line(CudaSchedule{.threads = 512}));
  CHECK(code_line(CudaSchedule{.waves = 2}) == code_line(CudaSchedule{.waves = 8}));
  CHECK(code_line(CudaSchedule{.waves = 2}) != code_line(CudaSchedule{.waves = 0}));
  CHECK(code_line(HostSchedule{.grain = 1, .threads = 3}) == code_line(HostSchedule{}));
  const ir::Kernel kernel = gated(bf16);
  const auto payload = [&](int threads) {
    return compile(kernel, contiguous(kernel), CudaSchedule{.threads = threads}, cuda_target(80))
        .payload;
  };
  CHECK(payload(64) == payload(128));
}
