// tune_candidates_test.cpp -- which schedules a search tries.
#include <algorithm>
#include <set>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule_parts.hpp"
#include "ir/source.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/tune/candidates.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

TEST_CASE("candidates are legal, begin with the default, and are enough on every GPU") {
  const Kernel kernel = Device::open("cpu").catalogue_kernel("swiglu", {{"T", bf16}});
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  const codegen::Specialization usual = codegen::contiguous(graph);
  for (const int sm : {75, 89, 90, 100})
    for (const std::int64_t rows : {1, 128, 8192}) {
      const codegen::Target target = codegen::cuda_target(sm);
      const std::int64_t elements = rows * 14336;
      const codegen::Schedule base = codegen::default_schedule(graph, usual, target, elements);
      const auto found = tune::candidates({graph, usual, target, elements, 132}, base);
      REQUIRE(!found.empty());
      CHECK(found.front() == base);
      CHECK(found.size() <= 170);
      if (sm >= 90)
        CHECK(found.size() >= 30);
      // Blocks of a size come with several numbers of registers, whatever the cache policy.
      std::set<std::pair<int, int>> bounds;
      for (const codegen::Schedule& each : found)
        bounds.emplace(std::get<codegen::CudaSchedule>(each).threads,
                       std::get<codegen::CudaSchedule>(each).resident);
      std::set<int> sizes;
      for (const auto& [threads, resident] : bounds)
        sizes.insert(threads);
      if (sm >= 80)
        CHECK(bounds.size() > sizes.size());
      // Independent launches are a control where dependent ones can be had, and all there is else.
      const auto independent = std::ranges::count_if(found, [](const codegen::Schedule& each) {
        return std::get<codegen::CudaSchedule>(each).dependent_launch ==
               codegen::DependentLaunch::none;
      });
      CHECK((sm >= 90 ? independent > 0 && independent <= 12
                      : independent == static_cast<std::ptrdiff_t>(found.size())));
      std::ptrdiff_t keeping = 0;
      for (const codegen::Schedule& schedule : found) {
        CHECK_NOTHROW(codegen::check_schedule(schedule, graph, usual, target));
        keeping +=
            std::get<codegen::CudaSchedule>(schedule).load == codegen::LoadPolicy::evict_last;
      }
      // Where reading outlives writing by default it does so in every geometry; elsewhere it is
      // tried, but of calls that the cache has many of.
      const auto all = static_cast<std::ptrdiff_t>(found.size());
      CHECK((rows == 1 || sm < 80       ? keeping == 0
             : rows == 8192 && sm == 90 ? keeping == all
                                        : keeping > 0 && keeping < all));
    }
}

TEST_CASE(
    "what is fetched before a launch waits is tried both ways, of calls that read up to 8 MB") {
  const ir::Kernel elements = ir::load_kernel(
      {"kernel k<T>(a: in T, b: in T, y: out T) { y = a * b; }"}, "", {{"T", bf16}});
  const ir::Kernel rows = ir::load_kernel(
      {"kernel k<T>(x: in T, y: out T) { y = x / row_max(x); }"}, "", {{"T", bf16}});
  for (const ir::Kernel* kernel : {&elements, &rows})
    for (const std::int64_t count : {1, 16, 32, 128, 300, 2048}) {
      codegen::Specialization call = codegen::contiguous(*kernel);
      if (kernel == &rows)
        codegen::set_columns(call, 14336);
      const codegen::Target target = codegen::cuda_target(90);
      const std::int64_t size = count * 14336;
      const auto base = codegen::default_schedule(*kernel, call, target, size);
      const auto found = tune::candidates({*kernel, call, target, size, 132}, base);
      auto other = std::get<codegen::CudaSchedule>(base);
      other.fetch = !other.fetch;
      std::ptrdiff_t fetching = 0;
      for (const codegen::Schedule& schedule : found) {
        CHECK_NOTHROW(codegen::check_schedule(schedule, *kernel, call, target));
        fetching += std::get<codegen::CudaSchedule>(schedule).fetch;
      }
      INFO(count << " rows, " << codegen::canonical(base));
      const bool few = 2 * codegen::element_inputs(*kernel) * size < 8 << 20;
      CHECK((fetching > 0) == few);
      CHECK((std::ranges::find(found, codegen::Schedule(other)) != found.end()) == few);
      CHECK(fetching < static_cast<std::ptrdiff_t>(found.size()));
    }
}

TEST_CASE("of tensors at odd places other numbers of pieces are tried, and cache policies of the "
          "default") {
  const Kernel kernel = Device::open("cpu").catalogue_kernel("swiglu", {{"T", bf16}});
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  codegen::Specialization known = codegen::contiguous(graph);
  for (codegen::TensorSpec& tensor : known.tensors)
    tensor.align_log2 = 1;
  const codegen::Target target = codegen::cuda_target(90);
  constexpr std::int64_t kElements = 64 * 14336; // which the cache holds
  const codegen::Schedule base = codegen::default_schedule(graph, known, target, kElements);
  const auto found = tune::candidates({graph, known, target, kElements, 132}, base);
  CHECK(found.size() <= 170);
  std::set<std::pair<int, int>> pieces;
  int policies = 0;
  const auto& usual = std::get<codegen::CudaSchedule>(base);
  REQUIRE(usual.accesses == 4);
  for (const codegen::Schedule& schedule : found) {
    const auto& each = std::get<codegen::CudaSchedule>(schedule);
    pieces.emplace(each.access_bytes, each.accesses);
    policies += each.threads == usual.threads && each.access_bytes == usual.access_bytes &&
                each.accesses == usual.accesses && each.load != usual.load;
  }
  for (const auto& wanted :
       {std::pair{2, 1}, {2, 2}, {2, 4}, {4, 1}, {4, 2}, {4, 4}, {8, 1}, {8, 2}})
    CHECK(pieces.contains(wanted));
  CHECK(policies > 3);
}

TEST_CASE("some dozens of schedules of groups of rows are tried, all legal, of several widths") {
  const ir::Kernel graph = ir::load_kernel(
      {"kernel k<T>(x: in T, y: out T, s: out f32 [col group 32], r: out f32 [group 32]) { s = "
       "col_group_max(x, 32); r = group_max(x, 32); y = T(x * col_group_max(x, 32)); }"},
      "", {{"T", bf16}});
  const codegen::Target target = codegen::cuda_target(90);
  const codegen::Specialization usual = codegen::contiguous(graph);
  const std::int64_t elements = std::int64_t{1} << 25;
  const auto base = codegen::default_schedule(graph, usual, target, elements);
  const auto found = tune::candidates({graph, usual, target, elements, 132}, base);
  CHECK(found.size() >= 20);
  CHECK(found.size() <= 100);
  CHECK(found.front() == base);
  std::set<int> widths, rows, resident, sharing;
  for (const codegen::Schedule& schedule : found) {
    INFO(codegen::canonical(schedule));
    codegen::check_schedule(schedule, graph, usual, target);
    const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
    widths.insert(cuda.access_bytes);
    rows.insert(cuda.accesses);
    resident.insert(cuda.resident);
    sharing.insert(cuda.row_threads / 32);
  }
  CHECK(widths == std::set<int>{8, 16});
  CHECK(sharing == std::set<int>{1, 2, 4, 8}); // warps that share a tile
  CHECK(rows == std::set<int>{1, 2, 4, 8, 16});
  CHECK(resident.size() > 2);
}

TEST_CASE("no two schedules of rows are tried that are the same code but for the text") {
  const ir::Kernel graph = ir::load_kernel(
      {"kernel k<T>(x: in T, y: out T) { y = x * row_mean(x); }"}, "", {{"T", bf16}});
  const codegen::Target target = codegen::cuda_target(90);
  for (const std::int64_t rows : {1, 64, 4096}) {
    codegen::Specialization usual = codegen::contiguous(graph);
    usual.columns_at_most = codegen::column_bound(14336);
    const auto base = codegen::default_schedule(graph, usual, target, rows * 14336);
    std::set<std::pair<int, std::string>> seen;
    for (const codegen::Schedule& schedule :
         tune::candidates({graph, usual, target, rows * 14336, 132}, base)) {
      auto cuda = std::get<codegen::CudaSchedule>(schedule);
      INFO(codegen::canonical(schedule));
      // The assembler is told how many blocks are to fit, which is one at least.
      const int blocks = std::max(cuda.resident / cuda.threads, 1);
      cuda.resident = 256;
      CHECK(seen.emplace(blocks, codegen::canonical(cuda)).second);
    }
  }
}

TEST_CASE("some dozens of schedules of rows are tried, all legal, that hold a row where one can") {
  const ir::Kernel graph = ir::load_kernel(
      {"kernel k<T>(x: in T, y: out T) { y = x * row_mean(x); }"}, "", {{"T", bf16}});
  const codegen::Target target = codegen::cuda_target(90);
  for (const std::int64_t columns : {16, 1000, 4096, 14336, 262144}) {
    codegen::Specialization usual = codegen::contiguous(graph);
    usual.columns_at_most = codegen::column_bound(columns);
    const std::int64_t elements = 4096 * columns;
    const auto base = codegen::default_schedule(graph, usual, target, elements);
    const auto found = tune::candidates({graph, usual, target, elements, 132}, base);
    INFO(columns << ": " << found.size());
    CHECK(found.size() >= 7);
    CHECK(found.size() <= 100);
    CHECK(found.front() == base);
    for (const codegen::Schedule& schedule : found) {
      INFO(codegen::canonical(schedule));
      codegen::check_schedule(schedule, graph, usual, target);
      const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
      CHECK((columns > 14336 || codegen::make_row_geometry(graph, usual, cuda).held));
      // Such code takes half a second to assemble; a warp that streams many rows is worth it.
      const int elements_held = codegen::thread_elements(cuda, graph);
      CHECK(
          (elements_held < 128 || schedule == base || cuda.load == codegen::LoadPolicy::streaming));
    }
  }
}

namespace {

/// The schedules that are tried for `kernel` on rows of `columns`, on sm_90; the default first.
std::vector<codegen::Schedule> tried_for(const ir::Kernel& kernel, std::int64_t rows,
                                         std::int64_t columns) {
  const codegen::Target target = codegen::cuda_target(90);
  codegen::Specialization usual = codegen::contiguous(kernel);
  usual.columns_at_most = columns;
  const std::int64_t elements = rows * columns;
  return tune::candidates({kernel, usual, target, elements, 132},
                          codegen::default_schedule(kernel, usual, target, elements));
}

} // namespace

TEST_CASE("rows of groups are tried in parts and whole, each with several numbers of registers") {
  const ir::Kernel graph = ir::load_kernel(
      {"kernel k<T>(x: in T, y: in T, q: out i8, s: out f32 [group 128]) {"
       "  let m = group_max(abs(x * y), 128); s = m; q = i8(clamp(x * y / m, -127, 127)); }"},
      "", {{"T", bf16}});
  for (const std::int64_t rows : {16, 128, 512, 2048, 8192}) {
    const auto found = tried_for(graph, rows, 14336);
    INFO(rows << ": " << found.size());
    CHECK(found.size() >= 30);
    CHECK(found.size() <= 80);
    std::set<int> parts, first, loops; // threads that a multiprocessor has of them
    for (const codegen::Schedule& schedule : found) {
      const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
      if (cuda.access_bytes != 32 || cuda.threads != 128)
        continue;
      if (cuda.waves == 7 && cuda.accesses == 1)
        (cuda.ahead ? first : parts).insert(cuda.resident);
      if (cuda.ahead && cuda.waves == 0)
        loops.insert(cuda.resident);
    }
    // More than twice as many as there are blocks for are not.
    CHECK(parts.contains(512));
    CHECK(parts.contains(1280)); // but for these, whose code is another one
    CHECK(parts.contains(1536) == (rows >= 128));
    CHECK(first == (rows >= 512 ? std::set<int>{1024, 1536} : std::set<int>{})); // load all first
    CHECK(loops == (rows >= 512 ? std::set<int>{768, 1024} : std::set<int>{}));
  }
}

TEST_CASE("long code over three inputs and groups is tried in few schedules, for it takes long") {
  const ir::Kernel graph =
      ir::load_kernel({"kernel k<T>(d: in T, x: in T, y: in T, q: out i8, s: out f32 [group 32]) {"
                       "  let h = d * x * sigmoid(y); let m = group_max(abs(h), 32);"
                       "  s = m; q = i8(clamp(h / m, -127, 127)); }"},
                      "", {{"T", bf16}});
  CHECK(tried_for(graph, 2048, 14336).size() <= 40);
}

TEST_CASE("kinds of launch and cache policies are tried of the default of rows, few or many") {
  for (const char* text :
       {"kernel k<T>(x: in T, y: out T) { y = x * row_mean(x); }",
        "kernel k<T>(x: in T, w: in T [col], y: out T) { y = x / row_max(x) * w; }",
        "kernel k<T>(x: in T, q: out i8, s: out f32 [group 64]) {"
        "  let m = group_max(abs(x), 64); s = m; q = i8(clamp(x / m, -127, 127)); }"}) {
    const ir::Kernel graph = ir::load_kernel({text}, "", {{"T", bf16}});
    for (const std::int64_t rows : {1, 16, 64, 128, 512, 4096})
      for (const std::int64_t columns : {128, 1024, 4096, 14336}) {
        const auto found = tried_for(graph, rows, columns);
        const codegen::Schedule& base = found.front();
        const auto& of_default = std::get<codegen::CudaSchedule>(base);
        std::set<codegen::DependentLaunch> launches;
        std::set<codegen::LoadPolicy> policies;
        for (const codegen::Schedule& schedule : found) {
          const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
          if (cuda.threads == of_default.threads && cuda.row_threads == of_default.row_threads &&
              cuda.access_bytes == of_default.access_bytes && cuda.waves == of_default.waves &&
              cuda.accesses == of_default.accesses) {
            launches.insert(cuda.dependent_launch);
            policies.insert(cuda.load);
          }
        }
        INFO(text << " " << rows << "x" << columns << ": " << codegen::canonical(base));
        CHECK(launches.size() >= 2);
        CHECK((policies.size() >= 2 || of_default.load == codegen::LoadPolicy::evict_last));
      }
  }
}

TEST_CASE("clusters are tried for very few rows, warps that stream for very many") {
  const ir::Kernel graph = ir::load_kernel(
      {"kernel k<T>(x: in T, y: out T) { y = x * row_mean(x); }"}, "", {{"T", bf16}});
  codegen::Specialization usual = codegen::contiguous(graph);
  const auto tried = [&](std::int64_t rows, std::int64_t columns, auto&& is_one, int sm = 90) {
    const codegen::Target target = codegen::cuda_target(sm);
    usual.columns_at_most = columns;
    const auto base = codegen::default_schedule(graph, usual, target, rows * columns);
    const auto found = tune::candidates({graph, usual, target, rows * columns, 132}, base);
    return std::ranges::any_of(found, [&](const codegen::Schedule& schedule) {
      return is_one(std::get<codegen::CudaSchedule>(schedule));
    });
  };
  const auto clusters = [](const codegen::CudaSchedule& schedule) { return schedule.waves > 1; };
  CHECK_FALSE(tried(std::int64_t{1} << 47, 14336, clusters)); // as many as can be
  CHECK(tried(1, 14336, clusters));
  CHECK(tried(16, 14336, clusters)); // each block may have a multiprocessor
  CHECK(tried(64, 14336, clusters)); // which the default has
  CHECK_FALSE(tried(512, 14336, clusters));
  CHECK(tried(16, 65536, clusters));
  for (const int bytes : {16, 8}) // of long rows in accesses of half the width, too
    CHECK(tried(128, 131'072, [&](const codegen::CudaSchedule& schedule) {
      return schedule.threads == 1024 && schedule.waves == 2 && schedule.access_bytes == bytes;
    }));
  const auto streams = [](const codegen::CudaSchedule& schedule) {
    return schedule.row_threads == 32 && schedule.load == codegen::LoadPolicy::streaming &&
           schedule.store == codegen::StorePolicy::streaming;
  };
  CHECK(tried(2048, 4096, streams, 100));
  CHECK_FALSE(tried(16, 4096, streams, 100));
  CHECK(tried(2048, 4096, streams)); // whose default keeps what it reads
}
