// calling_convention_test.cpp -- notices what changes how kept code is called. Where a test here
// fails because an argument, a grid or a line changed, raise kCallingConvention and put the new
// values here; a schedule key that is new, and by default means what there was before, needs the
// values alone.
#include <fmt/format.h>

#include "codegen/arguments.hpp"
#include "codegen/calling_convention.hpp"
#include "codegen/host_level.hpp"
#include "codegen/specialization_text.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::codegen;

namespace {

std::string slots(const ir::Kernel& kernel, const char* line, Target::Kind kind) {
  std::string text;
  for (const Slot& slot : argument_slots(kernel, parse_specialization(line, kernel).value(), kind))
    text += fmt::format("{}{}:{}:{}", text.empty() ? "" : " ", static_cast<int>(slot.kind),
                        slot.param, slot.bytes);
  return text;
}

const ir::Kernel& scaled() {
  static const ir::Kernel kernel =
      ir::load_kernel({"kernel k(x: in bf16, a: f32, y: out bf16) { y = a * x; }"}, "k", {});
  return kernel;
}

const ir::Kernel& normed() {
  static const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in f32, w: in f32 [col], y: out f32) { y = x * w / row_sum(x); }"}, "k", {});
  return kernel;
}

} // namespace

TEST_CASE("the calling convention: slots of flat and strided calls") {
  REQUIRE(kCallingConvention == 1);
  const auto cuda = Target::Kind::cuda, host = Target::Kind::host;
  const char* flat = "flat i32 x=unit@16 y=unit@16";
  const char* any = "2d i64 x=strided@2 y=strided@2";
  CHECK(slots(scaled(), flat, cuda) == "0:0:8 0:2:8 4:1:4 6:0:4");
  CHECK(slots(scaled(), flat, host) == "0:0:8 0:2:8 4:1:4 6:0:4");
  CHECK(slots(scaled(), any, cuda) ==
        "0:0:8 1:0:8 2:0:8 0:2:8 1:2:8 2:2:8 4:1:4 5:0:8 6:0:8 7:0:8 8:0:8 9:0:4");
  CHECK(slots(scaled(), any, host) == "0:0:8 1:0:8 2:0:8 0:2:8 1:2:8 2:2:8 4:1:4 5:0:8 6:0:8");
}

TEST_CASE("the calling convention: slots of kernels that work by rows, and with counts") {
  const char* rows = "2d i32 valid_rows=per_batch:i32 x=unit@16 w=col@16 y=unit@16";
  CHECK(slots(normed(), rows, Target::Kind::cuda) ==
        "0:0:8 1:0:8 0:1:8 0:2:8 1:2:8 11:0:8 12:0:4 13:0:4 14:0:4 5:0:4 6:0:4");
}

TEST_CASE("the calling convention: slots of views of several dimensions") {
  const ir::Kernel kernel = ir::load_kernel(
      {"kernel k(x: in f32, s: out f32 [group 4]) { s = group_max(x, 4); }"}, "k", {});
  // Each tensor's pointer and innermost strides, then extent and stride outwards.
  CHECK(slots(kernel, "2d i32 x=unit@16 s=group(3x2)@4", Target::Kind::cuda) ==
        "0:0:8 1:0:8 0:1:8 1:1:8 2:1:8 15:1:4 1:1:8 15:1:4 1:1:8 16:1:4 2:1:8 5:0:4 6:0:4");
  CHECK(slots(kernel, "2d i64 x=unit@16 s=group(1x2)@4", Target::Kind::host) ==
        "0:0:8 1:0:8 0:1:8 1:1:8 2:1:8 16:1:8 2:1:8 5:0:8 6:0:8");
}

TEST_CASE("the calling convention: lines that kernels and schedules are known by") {
  CHECK(ir::canonical(scaled()) == "kernel k(x: in bf16, a: f32, y: out bf16) { y = a * x; }");
  CHECK(canonical(Schedule(HostSchedule{})) ==
        "lanes=16 unroll=1 store=auto grain=16384 threads=0");
  CHECK(canonical(Schedule(CudaSchedule{})) ==
        "threads=256 bytes=16 accesses=1 grid=once load=auto store=auto dependent=0 resident=1024");
}

TEST_CASE("the calling convention: grids of elementwise and row kernels") {
  const LaunchShape flat = launch_shape(CudaSchedule{}, 8, 3, 1001, 4);
  CHECK(flat.items_per_row == 126);
  CHECK(flat.items == 378);
  CHECK(flat.blocks == 2);
  CudaSchedule schedule;
  schedule.row_threads = 32;
  CHECK(row_launch_shape(schedule, make_row_plan(normed()), 4, 100, 1000).blocks == 13);
  CHECK(totals_blocks(1000) == 32);
}

TEST_CASE("a CPU runs the lowest level of its architecture, and the levels ascend") {
  const auto levels = native_levels();
  CHECK(runs_here(levels.front()));
  for (std::size_t i = 1; i < levels.size(); ++i)
    CHECK((runs_here(levels[i - 1]) || !runs_here(levels[i])));
  CHECK(runs_here(best_host_level()));
  CHECK(target_from_name(best_host_level().name) == target_of(best_host_level()));
}
