// rows_schedule_test.cpp -- CUDA schedules of kernels that work row by row: what is legal, and
// which is the default.
#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "tests/codegen/row_calls.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;
using Catch::Matchers::ContainsSubstring;
using test::bound;
using test::catalogue;
using test::of_columns;
using test::schedule_of;

namespace {

std::string refusal(const ir::Kernel& kernel, std::int64_t columns, const std::string& schedule) {
  try {
    check_schedule(schedule_of(schedule), kernel, of_columns(kernel, columns), cuda_target(90));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

CudaSchedule usual(const char* name, std::int64_t rows, std::int64_t columns) {
  const ir::Kernel kernel = catalogue(name, bf16);
  return std::get<CudaSchedule>(
      default_schedule(kernel, of_columns(kernel, columns), cuda_target(90), rows * columns));
}

} // namespace

TEST_CASE("a multiprocessor has two rows of a quantised activation at once by default") {
  const ir::Kernel kernel = bound("swiglu_quantised_row", {{"T", bf16}, {"Q", DType::f8e4m3}});
  const auto schedule = std::get<CudaSchedule>(default_schedule(
      kernel, of_columns(kernel, 14336), cuda_target(90), std::int64_t{8192} * 14336));
  INFO(canonical(schedule));
  CHECK(schedule.resident >= 2 * schedule.threads);
  CHECK(schedule.threads == schedule.row_threads);
}

TEST_CASE("schedules of rows are written, read and checked") {
  const ir::Kernel kernel = catalogue("softmax", bf16);
  CHECK(canonical(schedule_of("threads=256 row=64 accesses=16")) ==
        "threads=256 row=64 bytes=16 accesses=16 grid=once load=auto store=auto dependent=0 "
        "resident=1024");
  CHECK(refusal(kernel, 4096, "threads=256 row=64 accesses=8") == "");
  CHECK(refusal(kernel, 4096, "threads=256 row=96") ==
        "row=96 is not a power of two from 2 to 1024 that divides threads=256");
  CHECK(refusal(kernel, 4096, "threads=96 row=64") ==
        "row=64 is not a power of two from 2 to 1024 that divides threads=96");
  CHECK(refusal(kernel, 4096, "threads=256") ==
        "row=0 is not a power of two from 2 to 1024 that divides threads=256");
  CHECK(refusal(kernel, 4096, "threads=256 row=256 grid=3") ==
        "grid=3 is neither 'once' nor 2, 4, 8 or 16 blocks a row, which 'softmax' takes");
  CHECK(refusal(kernel, 14336, "threads=256 row=256 grid=4 accesses=2") == "");
  CHECK(refusal(kernel, 14336, "threads=256 row=64 grid=4 accesses=16") ==
        "grid=4 splits rows that are reduced over blocks of one row of 64 threads and more, which "
        "hold their parts and access 1024 columns at once together or more, and nothing is summed "
        "over rows; take more threads, bytes or accesses, row=256, or grid=once");
  CHECK(refusal(kernel, 14336, "threads=32 row=32 grid=8 accesses=16") != "");
  CHECK(refusal(kernel, 14336, "threads=64 row=64 grid=8 bytes=2 accesses=32") != "");
  CHECK(refusal(kernel, 14336, "threads=64 row=64 grid=8 bytes=4 accesses=16") == "");
  CHECK(refusal(kernel, 4096, "threads=256 row=256 ahead=1") ==
        "ahead=1 needs threads that hold a row; take more of them or more accesses");
  CHECK(refusal(kernel, 4096, "threads=256 row=256 accesses=4 ahead=1") == "");
  CHECK(refusal(kernel, 14336, "threads=256 row=256 grid=8 accesses=2 ahead=1") == "");
  const ir::Kernel scaled = ir::load_kernel({"kernel scaled(x: in f32, s: in f32 [row], y: out "
                                             "f32, z: out f32 [row]) { y = x * s; z = s; }"},
                                            "", {});
  CHECK(refusal(scaled, 4096, "threads=256 row=256 accesses=4 ahead=1") ==
        "ahead=1 is for kernels that sum over their rows or reduce them; 'scaled' takes 0");
  CHECK(refusal(kernel, 4096, "threads=128 row=16 accesses=4") ==
        "row=16 is below 32, and they do not hold a row; take more threads a row or more accesses");
  CHECK(refusal(kernel, 1024, "threads=128 row=16 bytes=2 accesses=16") ==
        "row=16 is below 32, and they do not hold a row; take more threads a row or more accesses");
  const ir::Kernel in_place = ir::load_kernel(
      {"kernel k(x: inout bf16) { x = x * group_max(abs(x), 256) - row_mean(x); }"}, "", {});
  CHECK(refusal(in_place, 16'384, "threads=512 row=512 grid=8 accesses=4") ==
        "groups of 256 columns are overwritten in place, so that a warp has to access them in "
        "whole; take row=32 or more and bytes=16 or more, and fewer blocks a row or grid=once");
  CHECK(refusal(in_place, 16'384, "threads=512 row=512 grid=4 accesses=4") == "");
  CHECK(refusal(catalogue("swiglu", bf16), 0, "threads=256 row=64") ==
        "row=64 is for kernels that reach along their rows; 'swiglu' takes 0");
}

TEST_CASE("a row whose columns are computed apart has as many blocks as hold it") {
  const ir::Kernel kernel = bound("swiglu_quantised_group", {{"T", bf16}, {"Q", DType::f8e4m3}});
  CHECK(refusal(kernel, 14336, "threads=128 row=128 bytes=32 accesses=1 grid=7") == "");
  CHECK(refusal(kernel, 14336, "threads=128 row=128 bytes=32 accesses=1 grid=64") == "");
  CHECK(refusal(kernel, 14336, "threads=128 row=128 bytes=32 accesses=1 grid=6") ==
        "grid=6 splits rows over blocks of one row, which hold their parts; take row=128 and more "
        "accesses, or grid=once");
  for (const char* grid : {"1", "65"})
    CHECK(refusal(kernel, 14336, fmt::format("threads=128 row=128 grid={}", grid)) != "");
  CHECK(refusal(catalogue("softmax", bf16), 14336, "threads=256 row=256 grid=7 accesses=2") ==
        "grid=7 is neither 'once' nor 2, 4, 8 or 16 blocks a row, which 'softmax' takes");
  for (const int columns : {6144, 7168, 14336}) {
    const auto schedule = std::get<CudaSchedule>(default_schedule(
        kernel, of_columns(kernel, columns), cuda_target(90), std::int64_t{1024} * columns));
    CHECK(schedule.waves == columns / 2048 + (columns % 2048 != 0));
  }
}

TEST_CASE("short rows share a block by default, however many there are") {
  for (const char* name : {"layer_norm", "rms_norm_quantised_row", "swiglu_quantised_row"})
    for (const std::int64_t columns : {1, 32, 64, 128}) {
      std::vector<Binding> bindings{{"T", bf16}};
      if (name != std::string("layer_norm"))
        bindings.push_back({"Q", DType::f8e4m3});
      const ir::Kernel kernel = bound(name, bindings);
      const std::int64_t rows = columns == 1 ? std::int64_t{1} << 31 : 131'072;
      const auto schedule = std::get<CudaSchedule>(
          default_schedule(kernel, of_columns(kernel, columns), cuda_target(90), rows * columns));
      INFO(name << " " << columns << ": " << canonical(schedule));
      CHECK(schedule.row_threads <= 32);
      CHECK(schedule.threads >= 4 * schedule.row_threads);
    }
  const ir::Kernel kernel = catalogue("rms_norm", bf16); // as many elements as views of stride 0
  check_schedule(
      default_schedule(kernel, of_columns(kernel, 1), cuda_target(90), std::int64_t{1} << 61),
      kernel, of_columns(kernel, 1), cuda_target(90));
}

TEST_CASE("the default schedule of rows is legal and holds rows that are not very long") {
  for (const char* name : {"rms_norm", "softmax", "layer_norm", "log_softmax_backward"})
    for (const DType type : {f64, f32, bf16})
      for (const std::int64_t columns :
           {1, 2, 15, 16, 100, 1000, 4096, 11008, 14336, 50257, 131072, 262144})
        for (const std::int64_t rows : {1, 100, 10'000}) {
          const ir::Kernel kernel = catalogue(name, type);
          const Specialization specialization = of_columns(kernel, columns);
          const Target target = cuda_target(90);
          const Schedule schedule =
              default_schedule(kernel, specialization, target, rows * columns);
          INFO(name << " " << name_of(type) << " " << columns << ": " << canonical(schedule));
          check_schedule(schedule, kernel, specialization, target);
          if (columns <= 14336 && type != f64)
            CHECK(make_row_geometry(kernel, specialization, std::get<CudaSchedule>(schedule)).held);
        }
}

TEST_CASE("rows at odd places are read in two pieces an access at most by default") {
  const auto bytes = [](const char* name, DType type, std::uint8_t align_log2) {
    const ir::Kernel kernel = catalogue(name, type);
    Specialization known = of_columns(kernel, 4096);
    for (TensorSpec& tensor : known.tensors)
      tensor.align_log2 = align_log2;
    return std::get<CudaSchedule>(
               default_schedule(kernel, known, cuda_target(90), std::int64_t{2048} * 4096))
        .access_bytes;
  };
  for (const char* name : {"rms_norm", "softmax"}) {
    CHECK(bytes(name, bf16, 1) == 4);
    CHECK(bytes(name, bf16, 2) == 8);
    CHECK(bytes(name, f32, 2) == 8);
    CHECK(bytes(name, f32, 3) == 16);
  }
}

TEST_CASE("rows load their columns ahead by default where that leaves room for enough of them") {
  const auto ahead = [&](const char* name, std::int64_t rows, std::int64_t columns,
                         DType type = bf16) {
    const ir::Kernel kernel = name == std::string("rms_norm_quantised_row")
                                  ? bound(name, {{"T", type}, {"Q", DType::f8e4m3}})
                                  : catalogue(name, type);
    const Specialization specialization = of_columns(kernel, columns);
    return std::get<CudaSchedule>(
               default_schedule(kernel, specialization, cuda_target(90), rows * columns))
        .ahead;
  };
  CHECK(ahead("rms_norm", 1, 14336));
  CHECK(ahead("rms_norm", 128, 14336));
  CHECK(ahead("layer_norm", 16, 4096));
  CHECK(ahead("rms_norm", 16, 2048));
  CHECK_FALSE(ahead("rms_norm", 16, 1024)); // a weight of 2 KiB
  CHECK_FALSE(ahead("softmax", 1, 14336));
  CHECK(ahead("rms_norm", 8, 131'072));
  CHECK_FALSE(ahead("rms_norm", 16, 262'144)); // for want of registers
  for (const std::int64_t rows : {512, 2048, 8192})
    for (const std::int64_t columns : {2048, 4096, 8192, 14336}) {
      CHECK(ahead("rms_norm", rows, columns));
      CHECK_FALSE(ahead("rms_norm", rows, columns, f32));
      CHECK_FALSE(ahead("rms_norm", rows, columns - 3));
    }
  CHECK_FALSE(ahead("rms_norm", 8192, 7168)); // spills, or has room for few
  CHECK(ahead("layer_norm", 2048, 8192));
  CHECK_FALSE(ahead("layer_norm", 2048, 14336));
  CHECK_FALSE(ahead("rms_norm_residual", 512, 4096)); // which have room at once
  CHECK(ahead("rms_norm_residual", 2048, 4096));
  CHECK(ahead("rms_norm_quantised_row", 1024, 14336));
  CHECK_FALSE(ahead("rms_norm_quantised_row", 8192, 14336)); // computes longer than it waits
}

TEST_CASE("rows that take longer to compute have more threads where there is room for them") {
  const auto usual = [](const char* name, std::int64_t rows, std::int64_t columns) {
    const ir::Kernel kernel = bound(name, {{"T", bf16}, {"Q", DType::f8e4m3}});
    const auto schedule = std::get<CudaSchedule>(
        default_schedule(kernel, of_columns(kernel, columns), cuda_target(90), rows * columns));
    return std::tuple(std::max(schedule.waves, 1), schedule.threads, schedule.access_bytes,
                      schedule.ahead);
  };
  const auto busy = [&](std::int64_t rows, std::int64_t columns) {
    return usual("swiglu_quantised_row", rows, columns);
  };
  CHECK(busy(128, 4096) == std::tuple(1, 512, 8, false));
  CHECK(busy(512, 4096) == std::tuple(1, 256, 8, false));
  CHECK(busy(8192, 4096) == std::tuple(1, 128, 8, false));
  CHECK(busy(64, 8192) == std::tuple(2, 512, 8, false));
  CHECK(busy(16, 14336) == std::tuple(8, 256, 8, false));
  CHECK(busy(512, 14336) == std::tuple(1, 512, 8, false));
  CHECK(busy(1024, 14336) == std::tuple(2, 256, 8, false));
  CHECK(busy(8192, 14336) == std::tuple(2, 256, 8, true));
  CHECK(usual("rms_norm_quantised_row", 8192, 4096) == std::tuple(1, 128, 16, false));
  CHECK(usual("rms_norm_quantised_row", 2048, 8192) == std::tuple(1, 128, 16, true));
  CHECK(usual("rms_norm_quantised_row", 2048, 14336) == std::tuple(1, 256, 8, false));
  CHECK(usual("rms_norm_quantised_group", 2048, 14336) == std::tuple(1, 256, 16, false));
  CHECK(usual("rms_norm_quantised_group", 128, 14336) == std::tuple(2, 512, 16, true));
}

TEST_CASE("few rows have as many threads as one input takes, and two sums lanes that are whole") {
  for (const char* name : {"rms_norm", "rms_norm_residual"}) {
    CHECK(usual(name, 128, 14336).threads == 512);
    CHECK(usual(name, 128, 14336).access_bytes == 8);
    CHECK(usual(name, 128, 8192).threads == 256);
  }
  CHECK(usual("layer_norm", 128, 14336).threads == 512);
  CHECK(usual("layer_norm", 128, 14336).access_bytes == 4);
  for (const char* name : {"softmax", "layer_norm"}) {
    CHECK(usual(name, 128, 7168).threads == 256);
    CHECK(usual(name, 4096, 14336).access_bytes == 8);
  }
  // Where that leaves room for two blocks, as many as there are rows, of fewer threads.
  CHECK(usual("rms_norm", 128, 16384).ahead);
  CHECK(usual("rms_norm", 256, 16384).ahead);
  CHECK(usual("rms_norm", 256, 16384).threads == 256);
  CHECK(usual("rms_norm", 256, 16384).resident == 512);
  CHECK_FALSE(usual("rms_norm_residual", 256, 16384).ahead);
}

TEST_CASE("few rows are clusters, and so are long ones, however many") {
  for (const char* name : {"rms_norm", "rms_norm_residual", "softmax", "layer_norm"})
    for (const std::int64_t rows : {1, 16, 64}) {
      CHECK(usual(name, rows, 14336).waves == 8);
      CHECK(usual(name, rows, 8192).waves == 4);
      CHECK(usual(name, rows, 4096).waves == 0);
      CHECK(usual(name, 40 * rows, 65'536).waves == (rows == 1 ? 16 : 8));
      const bool either = std::string_view(name) == "rms_norm" && rows > 1;
      CHECK(usual(name, 40 * rows, 131'072).waves == (either ? 8 : 16));
      CHECK(usual(name, 40 * rows, 131'072).threads <= 512);
    }
  CHECK(usual("rms_norm", 16, 14336).threads == 128);
  CHECK(usual("rms_norm_residual", 16, 14336).threads == 256); // computes twice as much a row
  CHECK(usual("rms_norm_residual", 64, 14336).threads == 128);
  CHECK(usual("rms_norm", 128, 14336).waves == 2);
  CHECK(usual("rms_norm", 512, 14336).waves == 0);
  CHECK(usual("softmax", 512, 14336).waves == 2);
  for (const std::int64_t rows : {1024, 8192}) {
    CHECK(usual("softmax", rows, 14336).waves == 2);
    CHECK(usual("softmax", rows, 14336).threads == 128);
    CHECK(usual("rms_norm", rows, 14336).waves == 0);
    // Two inputs, which a block of 512 threads would wait for, or one of 256 spill.
    CHECK(usual("rms_norm_residual", rows, 14336).waves == 4);
    CHECK(usual("rms_norm_residual", rows, 14336).ahead);
    CHECK(usual("rms_norm_residual", rows, 14330).waves == 0);
    CHECK(usual("softmax_backward", rows, 8192).waves == 4);
    CHECK(usual("rms_norm_residual", rows, 4096).waves == 0);
  }
}

TEST_CASE("sixteen blocks have a long row of few, and of any number where it is very long") {
  for (const char* name : {"rms_norm", "softmax", "layer_norm"})
    for (const std::int64_t rows : {1, 4, 16, 32, 64}) {
      CHECK(usual(name, rows, 131'072).waves == 16);
      CHECK(usual(name, rows, 262'144).waves == 16);
      CHECK(usual(name, rows, 262'144).fetch);
    }
  for (const std::int64_t rows : {8, 512, 65'536}) {
    CHECK(usual("rms_norm", rows, 262'144).waves == 16);
    CHECK(usual("rms_norm", rows, 131'072).waves == 8);
    CHECK(usual("rms_norm", rows, 65'536).waves == 8);
  }
  CHECK(usual("softmax", 512, 131'072).waves == 16); // reduced twice
  CHECK_FALSE(usual("softmax", 512, 131'072).fetch);
  CHECK(usual("rms_norm", 16, 32'768).waves == 16);
  CHECK(usual("rms_norm", 64, 32'768).waves == 8);
  CHECK(usual("rms_norm", 4, 28'672).waves == 8);
  CHECK(usual("rms_norm", 1, std::int64_t{1} << 61).waves == 0); // which no threads hold
  // As much of a row in a thread, whatever it is made of.
  for (const char* name : {"rms_norm", "softmax"})
    CHECK(usual(name, 64, 262'144).threads == 256);
  for (const char* name : {"rms_norm_residual", "softmax_backward"})
    CHECK(usual(name, 64, 262'144).threads == 512);
  CHECK(usual("rms_norm", 1, 262'144).threads == 512);
  CHECK(usual("rms_norm", 64, 114'688).threads == 256); // a part of a power of two
  // As many blocks on a multiprocessor as there are for it, or one more.
  CHECK(usual("softmax", 16, 262'144).resident == 3 * 256);
  CHECK(usual("rms_norm", 32, 131'072).resident == 4 * 128);
  CHECK(usual("softmax", 64, 262'144).resident == 4 * 256);
  // Narrow accesses and more threads where there is nothing but the row to load.
  for (const std::int64_t rows : {16, 32}) {
    CHECK(usual("softmax", rows, 131'072).access_bytes == 4);
    CHECK(usual("softmax", rows, 131'072).threads == 256);
    CHECK(usual("softmax", rows, 131'072).resident == 5 * 256);
    CHECK(usual("softmax_backward", rows, 131'072).access_bytes == 4);
    CHECK(usual("layer_norm", rows, 131'072).access_bytes == 8);
  }
  CHECK(usual("softmax", 8, 131'072).waves == 16);
  CHECK(usual("softmax", 64, 131'072).access_bytes == 8);
  const ir::Kernel busy = bound("cross_entropy", {{"T", bf16}, {"L", f32}});
  CHECK(std::get<CudaSchedule>(default_schedule(busy, of_columns(busy, 262'144), cuda_target(90),
                                                64 * 262'144))
            .resident == 3 * 256); // takes more registers
  // Eight multiprocessors have room for all of them.
  const ir::Kernel wide = ir::load_kernel(
      {"kernel k(a: in f64, b: in f64, y: out f64) { y = a * b - row_mean(a); }"}, "", {});
  const ir::Kernel codes = bound("rms_norm_quantised_row", {{"T", f32}, {"Q", DType::f8e4m3}});
  int found = 0;
  for (const ir::Kernel* one : {&wide, &codes, &busy})
    for (const std::int64_t columns : {32'768, 65'536, 100'000, 131'072, 262'144, 1'048'576})
      for (const std::int64_t rows : {1, 16, 64, 1000}) {
        const auto schedule = std::get<CudaSchedule>(
            default_schedule(*one, of_columns(*one, columns), cuda_target(90), rows * columns));
        CHECK((schedule.waves < 16 || schedule.resident >= 2 * schedule.threads));
        found += schedule.waves == 16;
      }
  CHECK(found > 20);
  const ir::Kernel kernel = catalogue("softmax", bf16);
  for (const int sm : {100, 120}) // nothing was measured there
    CHECK(std::get<CudaSchedule>(
              default_schedule(kernel, of_columns(kernel, 131'072), cuda_target(sm), 16 * 131'072))
              .waves == 8);
}

TEST_CASE("no number of long rows of several inputs falls to one block between others that have "
          "sixteen") {
  const ir::Kernel four = ir::load_kernel(
      {"kernel k(a: in bf16, b: in bf16, c: in bf16, d: in bf16, w: in bf16 [col], y: out bf16) {"
       " let s = a * b + c * d; y = s * w * rsqrt(row_mean(s * s)); }"},
      "", {});
  for (const std::int64_t columns : {32'768, 65'535, 65'536})
    for (const std::int64_t rows : {1, 2, 4, 5, 8, 9, 16, 17, 64, 1000}) {
      INFO(rows << 'x' << columns);
      CHECK(std::get<CudaSchedule>(
                default_schedule(four, of_columns(four, columns), cuda_target(90), rows * columns))
                .waves >= 8);
    }
}

TEST_CASE("a GPU has clusters of as many blocks as it takes") {
  const ir::Kernel kernel = catalogue("softmax", bf16);
  const Specialization specialization = of_columns(kernel, 131'072);
  const auto waves = [&](const Target& target) {
    return std::get<CudaSchedule>(default_schedule(kernel, specialization, target, 16 * 131'072))
        .waves;
  };
  const auto most = [&](const Target& target) {
    int found = 0;
    for (const Schedule& each : all_schedules(kernel, specialization, target))
      found = std::max(found, std::get<CudaSchedule>(each).waves);
    return found;
  };
  Target target = cuda_target(90);
  const Schedule sixteen = default_schedule(kernel, specialization, target, 16 * 131'072);
  CHECK(waves(target) == 16);
  CHECK(most(target) == 16);
  CHECK(most(cuda_target(100)) == 16);
  target.cluster = kPortableCluster;
  CHECK(waves(target) == 8);
  for (const Target& smaller : {target, cuda_target(110), cuda_target(120)}) {
    CHECK(most(smaller) == 8);
    CHECK_THROWS_WITH(check_schedule(sixteen, kernel, specialization, smaller),
                      ContainsSubstring("grid=16 is neither 'once' nor 2, 4 or 8 blocks a row"));
  }
}

TEST_CASE("a driver that does not know how clusters give each other values has none") {
  const ir::Kernel kernel = catalogue("softmax", bf16);
  const Specialization specialization = of_columns(kernel, 131'072);
  Target target = cuda_target(90);
  const Schedule cluster = default_schedule(kernel, specialization, target, 16 * 131'072);
  CHECK(std::get<CudaSchedule>(cluster).waves == 16);
  check_schedule(cluster, kernel, specialization, target);
  target.newest_ptx = 80;
  CHECK_THROWS_WITH(check_schedule(cluster, kernel, specialization, target),
                    ContainsSubstring("grid=16 makes clusters of blocks, whose code is PTX 8.1") &&
                        ContainsSubstring("the driver takes 8.0") &&
                        ContainsSubstring("CUDA 12.1 or newer"));
  CHECK(std::get<CudaSchedule>(default_schedule(kernel, specialization, target, 16 * 131'072))
            .waves == 0);
  for (const Schedule& each : all_schedules(kernel, specialization, target))
    CHECK(std::get<CudaSchedule>(each).waves == 0);
}

TEST_CASE("the default is in the tuner's space, with every kind of dependent launch") {
  const std::string many =
      "kernel k(a: in f32, b: in f32, c: in f32, d: in f32, y: out f32) { let s "
      "= a * b + c * d; y = (a + b + c + d) * (s - row_max(s)) / row_sum(s); }";
  const ir::Kernel wide = ir::load_kernel({many, "test"}, "k", {});
  const ir::Kernel two = catalogue("rms_norm_residual", bf16), one = catalogue("softmax", bf16);
  for (const ir::Kernel* kernel : {&wide, &two, &one})
    for (const std::int64_t columns : {5000, 8192, 14336, 28'672})
      for (const std::int64_t rows : {1, 16}) {
        const Specialization specialization = of_columns(*kernel, columns);
        const auto schedule = std::get<CudaSchedule>(
            default_schedule(*kernel, specialization, cuda_target(90), rows * columns));
        INFO(columns << " " << canonical(schedule));
        const auto all = all_schedules(*kernel, specialization, cuda_target(90));
        CHECK(std::ranges::any_of(all, [&](const Schedule& each) {
          const auto& other = std::get<CudaSchedule>(each);
          return other.threads == schedule.threads && other.waves == schedule.waves &&
                 other.accesses == schedule.accesses &&
                 other.access_bytes == schedule.access_bytes && other.ahead == schedule.ahead &&
                 other.dependent_launch != schedule.dependent_launch;
        }));
      }
}

TEST_CASE("one launch waits where blocks of several would crowd on some multiprocessors") {
  const auto dependent = [](const char* name, std::int64_t rows, std::int64_t columns) {
    return usual(name, rows, columns).dependent_launch;
  };
  CHECK(dependent("softmax", 128, 4096) == DependentLaunch::after_wait);
  CHECK(dependent("softmax", 128, 14336) == DependentLaunch::after_wait);
  CHECK(dependent("softmax", 16, 14336) == DependentLaunch::after_wait);
  CHECK(dependent("softmax", 1, 14336) == DependentLaunch::at_start); // few threads
  CHECK(dependent("softmax", 16, 4096) == DependentLaunch::at_start);
  CHECK(dependent("rms_norm", 128, 14336) == DependentLaunch::at_start);
  CHECK(dependent("softmax", 512, 14336) == DependentLaunch::at_start); // fill the GPU
  CHECK(dependent("softmax", 2048, 4096) == DependentLaunch::at_start);
  CHECK(dependent("rms_norm_residual", 512, 4096) == DependentLaunch::at_end); // nearly fill it
  CHECK(dependent("softmax", 128, 16384) != DependentLaunch::at_end);          // without weights
  CHECK(dependent("rms_norm_residual", 1024, 4096) == DependentLaunch::at_start);
  CHECK(dependent("rms_norm_residual", 512, 14336) == DependentLaunch::at_start);
  CHECK(dependent("rms_norm", 16, 262'144) == DependentLaunch::after_wait);
  CHECK(dependent("rms_norm", 128, 131'072) == DependentLaunch::at_start);
  for (const std::int64_t rows : {1, 4, 8})
    CHECK(dependent("softmax", rows, 131'072) == DependentLaunch::after_wait);
  CHECK(dependent("rms_norm", 8, 131'072) == DependentLaunch::after_wait);
  CHECK(dependent("rms_norm", 1, 28'672) == DependentLaunch::at_start); // loads weights ahead
}
