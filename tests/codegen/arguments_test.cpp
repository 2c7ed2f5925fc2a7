// arguments_test.cpp -- division by multiplication, argument lists, launch shapes.
#include "tests/support/catch.hpp"

#include <random>

#include "codegen/arguments.hpp"
#include "swage/error.hpp"

using namespace swage;
using namespace swage::codegen;

namespace {

__extension__ using Wide = unsigned __int128;

std::uint64_t divide(std::uint64_t n, const Divider& by, int bits) {
  const std::uint64_t high = static_cast<std::uint64_t>((Wide{2 * n} * by.factor) >> bits);
  return high >> by.shift;
}

ir::Kernel kernel_with_everything() {
  using ir::ParamKind;
  ir::KernelBuilder builder("all", ir::MathMode::accurate,
                            {{"x", ParamKind::in, bf16, {}},
                             {"r", ParamKind::in, f32, ir::Broadcast::per_row},
                             {"alpha", ParamKind::scalar, f16, {}},
                             {"c", ParamKind::in, f32, ir::Broadcast::per_column},
                             {"y", ParamKind::out, bf16, {}}});
  const auto sum = builder.make(ir::Op::add, {builder.load(1), builder.load(3)});
  builder.store(4, builder.make(ir::Op::fma, {builder.load(0), builder.scalar(2), sum}));
  return std::move(builder).build();
}

std::string spell(const std::vector<Slot>& slots) {
  constexpr const char* names[] = {"pointer", "row",     "column",  "length", "scalar",
                                   "rows",    "columns", "per_row", "factor", "shift"};
  std::string text;
  for (const Slot& slot : slots) {
    text += std::string(text.empty() ? "" : " ") + names[static_cast<int>(slot.kind)];
    if (slot.kind <= SlotKind::scalar)
      text += std::to_string(slot.param);
    text += ":" + std::to_string(slot.bytes);
  }
  return text;
}

} // namespace

TEST_CASE("the divider gives the quotient for every dividend in range") {
  std::mt19937_64 random(1);
  for (const int bits : {32, 64}) {
    const std::uint64_t limit = std::uint64_t{1} << (bits - 1);
    std::vector<std::uint64_t> divisors = {1, 2, 3, 5, 7, 64, 1792, 3420, limit - 1, limit};
    for (int i = 0; i < 2000; ++i)
      divisors.push_back(std::max<std::uint64_t>(random() % limit >> random() % (bits - 1), 1));
    for (const std::uint64_t divisor : divisors) {
      const Divider by = divider(divisor, bits);
      REQUIRE((bits == 64 || by.factor >> 32 == 0));
      std::vector<std::uint64_t> dividends = {0, 1, limit - 1};
      for (int i = 0; i < 20; ++i) {
        const std::uint64_t multiple = random() % limit / divisor * divisor;
        dividends.insert(dividends.end(),
                         {multiple, multiple > 0 ? multiple - 1 : 0, random() % limit});
      }
      for (const std::uint64_t n : dividends) {
        INFO(n << " / " << divisor << " in " << bits << " bits");
        REQUIRE(divide(n, by, bits) == n / divisor);
      }
    }
  }
}

TEST_CASE("arguments are tensors in order, then scalars, then sizes") {
  const ir::Kernel kernel = kernel_with_everything();
  Specialization known = contiguous(kernel);
  CHECK(spell(argument_slots(kernel, known, Target::Kind::cuda)) ==
        "pointer0:8 row0:8 pointer1:8 row1:8 pointer3:8 pointer4:8 row4:8 scalar2:2 rows:4 "
        "columns:4 per_row:4 factor:4 shift:4");
  known.index64 = true;
  known.tensors[0].layout = Layout::strided;
  known.tensors[2].layout = Layout::per_column_strided;
  CHECK(spell(argument_slots(kernel, known, Target::Kind::host)) ==
        "pointer0:8 row0:8 column0:8 pointer1:8 row1:8 pointer3:8 column3:8 pointer4:8 row4:8 "
        "scalar2:2 rows:8 columns:8");
}

TEST_CASE("a table comes with its stride and its length") {
  ir::KernelBuilder builder("scaled", ir::MathMode::accurate,
                            {{"x", ir::ParamKind::in, f32},
                             {"id", ir::ParamKind::in, i32, ir::Broadcast::per_row},
                             {"a", ir::ParamKind::in, f32, ir::Broadcast::table},
                             {"y", ir::ParamKind::out, f32}});
  builder.store(3,
                builder.make(ir::Op::mul, {builder.load(0), builder.lookup(2, builder.load(1))}));
  const ir::Kernel kernel = std::move(builder).build();
  CHECK(spell(argument_slots(kernel, contiguous(kernel), Target::Kind::cuda)) ==
        "pointer0:8 row0:8 pointer1:8 row1:8 pointer2:8 column2:8 length2:8 pointer3:8 row3:8 "
        "rows:4 columns:4");
  CHECK(canonical(contiguous(kernel), kernel) == "2d i32 x=unit@16 id=row@16 a=table@16 y=unit@16");
}

TEST_CASE("counts of valid rows come before the sizes") {
  const ir::Kernel kernel = kernel_with_everything();
  Specialization known = contiguous(kernel);
  known.valid_rows = ValidRows::one;
  const auto kinds = [&](Target::Kind kind) {
    std::vector<SlotKind> found;
    for (const Slot& slot : argument_slots(kernel, known, kind))
      if (slot.kind > SlotKind::scalar)
        found.push_back(slot.kind);
    return found;
  };
  CHECK(kinds(Target::Kind::host) ==
        std::vector{SlotKind::valid_rows, SlotKind::rows, SlotKind::columns});
  known.valid_rows = ValidRows::per_batch;
  CHECK(kinds(Target::Kind::host) ==
        std::vector{SlotKind::valid_rows, SlotKind::batch_rows, SlotKind::rows, SlotKind::columns});
  CHECK(kinds(Target::Kind::cuda) ==
        std::vector{SlotKind::valid_rows, SlotKind::batch_rows, SlotKind::batch_factor,
                    SlotKind::batch_shift, SlotKind::rows, SlotKind::columns,
                    SlotKind::items_per_row, SlotKind::divider_factor, SlotKind::divider_shift});
}

TEST_CASE("a flat call passes pointers and the count alone") {
  ir::KernelBuilder builder(
      "neg", ir::MathMode::accurate,
      {{"x", ir::ParamKind::in, f32, {}}, {"y", ir::ParamKind::out, f32, {}}});
  builder.store(1, builder.make(ir::Op::neg, {builder.load(0)}));
  const ir::Kernel kernel = std::move(builder).build();
  CHECK(spell(argument_slots(kernel, contiguous(kernel), Target::Kind::cuda)) ==
        "pointer0:8 pointer1:8 columns:4");
}

TEST_CASE("a launch covers every vector and every element of the tails once") {
  const CudaSchedule schedule{.threads = 128, .accesses = 2};
  const LaunchShape shape = launch_shape(schedule, 8, 3, 8 * 100 + 5, 132);
  CHECK(shape.items_per_row == 105);
  CHECK(shape.items == 315);
  CHECK(shape.blocks == 2);
}

TEST_CASE("a persistent grid has no more blocks than there is work for") {
  const CudaSchedule schedule{.threads = 128, .waves = 4};
  CHECK(launch_shape(schedule, 8, 1, 8 * 128 * 1000, 132).blocks == 528);
  CHECK(launch_shape(schedule, 8, 1, 8 * 128 * 3, 132).blocks == 3);
}

TEST_CASE("nothing to do launches no block") {
  CHECK(launch_shape({}, 8, 0, 14336, 132).blocks == 0);
  CHECK(launch_shape({}, 8, 4096, 0, 132).blocks == 0);
}

TEST_CASE("a grid past the limit of the hardware is refused") {
  CHECK_THROWS_WITH(launch_shape({.threads = 32}, 1, 1, std::int64_t{1} << 40, 132),
                    Catch::Matchers::ContainsSubstring("2147483647 of one grid"));
}
