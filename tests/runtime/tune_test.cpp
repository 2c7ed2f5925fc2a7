// tune_test.cpp -- tuning on the CPU: what is tried, on what memory, and what launches do after it.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "codegen/row_geometry.hpp"
#include "ir/source.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/tune/candidates.hpp"
#include "runtime/tune/input.hpp"
#include "runtime/tune/tuner.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kMul = "kernel mul(a: in f32, b: in f32, c: out f32) { c = a * b + 1; }";

TuneOptions quick() {
  TuneOptions options;
  options.budget_seconds = 0.02;
  options.force = true;
  return options;
}

struct Arrays {
  std::vector<float> a, b, c;
  explicit Arrays(std::size_t size) : a(size, 2), b(size, 3), c(size, -1) {}
  Tensor tensor(std::vector<float>& values) const {
    return Tensor(values.data(), f32, {static_cast<std::int64_t>(values.size())});
  }
};

} // namespace

TEST_CASE("tuning touches no tensor, and launches after it use what it found") {
  const Kernel kernel = Device::open("cpu").kernel(kMul, "");
  Arrays arrays(20000);
  const Tensor a = arrays.tensor(arrays.a), b = arrays.tensor(arrays.b),
               c = arrays.tensor(arrays.c);
  kernel.launch(nullptr, {a, b, c});
  std::fill(arrays.c.begin(), arrays.c.end(), -1.0f);
  const TuneResult result = kernel.tune({a, b, c}, quick());
  CHECK(arrays.c == std::vector<float>(20000, -1));
  CHECK(arrays.a == std::vector<float>(20000, 2));
  CHECK(result.candidates >= 8);
  CHECK(result.seconds > 0);
  CHECK(result.bytes == 240000);
  const Arg arguments[] = {a, b, c};
  CHECK(codegen::canonical(launch::describe(kernel, arguments).schedule) == result.schedule);
  kernel.launch(nullptr, arguments);
  CHECK(arrays.c == std::vector<float>(20000, 7));
}

TEST_CASE("another kernel object with the same text launches by the record") {
  const Device cpu = Device::open("cpu");
  const char* source = "kernel shared(a: in f32, b: in f32, c: out f32) { c = a * b - 1; }";
  Arrays arrays(20000);
  const Tensor a = arrays.tensor(arrays.a), b = arrays.tensor(arrays.b),
               c = arrays.tensor(arrays.c);
  const Arg arguments[] = {a, b, c};
  const Kernel kernel = cpu.kernel(source, "");
  tune::TuningRecord record;
  launch::Call call;
  KernelAccess::state(kernel).classify(arguments, call);
  record.key = tune::tuning_key(KernelAccess::state(kernel), call);
  record.schedule = "lanes=4 unroll=4 store=auto grain=4096 threads=1";
  record.seconds = 1e-6;
  record.rows = 1;
  record.columns = 20000;
  tune::tuning_records().add(record);
  const Kernel again = cpu.kernel(source, "");
  CHECK(codegen::canonical(launch::describe(again, arguments).schedule) == record.schedule);
  again.launch(nullptr, arguments);
  CHECK(arrays.c == std::vector<float>(20000, 5));

  // A record that is not legal here is not used.
  record.schedule = "lanes=5";
  tune::tuning_records().add(record);
  CHECK(codegen::canonical(launch::describe(again, arguments).schedule).find("lanes=5") ==
        std::string::npos);
}

TEST_CASE("what cannot be tuned is refused with the reason") {
  const Device cpu = Device::open("cpu");
  Arrays arrays(64);
  const Tensor a = arrays.tensor(arrays.a), b = arrays.tensor(arrays.b),
               c = arrays.tensor(arrays.c);
  const Kernel fixed = cpu.kernel(kMul, "", {}, {.math = {}, .schedule = "lanes=4", .file = "f"});
  CHECK_THROWS_WITH(fixed.tune({a, b, c}), Contains("lanes=4") && Contains("without one"));
  const Tensor empty(arrays.a.data(), f32, {0});
  CHECK_THROWS_WITH(cpu.kernel(kMul, "").tune({empty, empty, empty}),
                    Contains("at least one element"));
  CHECK_THROWS_WITH(cpu.kernel(kMul, "").tune({a, b}), Contains("mul"));
}

TEST_CASE("the pool's sets are laid out as the caller's tensors, packed and in place too") {
  const Device cpu = Device::open("cpu");
  const auto key_kept = [&](const char* source, std::vector<Arg> arguments, bool in_place) {
    const Kernel kernel = cpu.kernel(source, "");
    const KernelState& state = KernelAccess::state(kernel);
    launch::Call call;
    state.classify(arguments, call);
    const tune::ArgumentPool pool(state, arguments, {1 << 16, 1 << 20}, nullptr);
    CHECK(pool.sets() > 1);
    CHECK(pool.in_place() == in_place);
    // Every tensor moves by what the first one of its group moves.
    for (std::size_t t = 0; t < state.signature.tensors.size(); ++t) {
      const auto from = reinterpret_cast<std::uintptr_t>(call.tensors[t].data);
      const auto to = reinterpret_cast<std::uintptr_t>(pool.call(1).tensors[t].data);
      CHECK(from % 4096 == to % 4096);
      CHECK(from != to);
      CHECK(pool.call(1).tensors[t].data != pool.call(0).tensors[t].data);
    }
    return std::make_pair(pool.call(1), call);
  };
  std::vector<float> memory(4096);
  const Tensor gate(memory.data(), f32, {8, 16}, {32, 1});
  const Tensor up(memory.data() + 16, f32, {8, 16}, {32, 1});
  const Tensor out(memory.data() + 1024, f32, {8, 16});
  const auto [packed, as_given] = key_kept(kMul, {gate, up, out}, false);
  CHECK(reinterpret_cast<std::uintptr_t>(packed.tensors[1].data) -
            reinterpret_cast<std::uintptr_t>(packed.tensors[0].data) ==
        64);
  CHECK(packed.key == as_given.key);
  key_kept("kernel twice(a: inout f32) { a = a * 2; }", {out}, true);
  // Tensors of a call that do not share memory lie at another distance in every set.
  std::vector<float> large(1 << 16), other(1 << 16);
  const Tensor x(large.data(), f32, {1 << 16}), y(other.data(), f32, {1 << 16});
  const Kernel copy = cpu.kernel("kernel copy(x: in f32, y: out f32) { y = x; }", "");
  const Arg both[] = {x, y};
  for (const std::int64_t wanted : {1 << 20, 1 << 24}) {
    tune::ArgumentPool pool(KernelAccess::state(copy), both, {wanted, 1 << 26}, nullptr);
    REQUIRE(pool.sets() >= 16);
    const auto distances = [&] {
      std::vector<std::ptrdiff_t> of_sets;
      for (std::size_t set = 0; set < 16; ++set) {
        const launch::Call& call = pool.call(set);
        of_sets.push_back(static_cast<const char*>(call.tensors[1].data) -
                          static_cast<const char*>(call.tensors[0].data));
      }
      return of_sets;
    };
    const std::vector<std::ptrdiff_t> first = distances();
    CHECK(std::set(first.begin(), first.end()).size() > 8);
    // And at another one each time that they are placed anew.
    pool.place_anew();
    const std::vector<std::ptrdiff_t> second = distances();
    CHECK(std::set(second.begin(), second.end()).size() > 8);
    std::size_t same = 0;
    for (std::size_t set = 0; set < 16; ++set)
      same += first[set] == second[set];
    CHECK(same < 8);
    // Or some stay.
    pool.place_anew(5);
    const std::vector<std::ptrdiff_t> third = distances();
    CHECK(std::equal(second.begin(), second.begin() + 5, third.begin()));
    CHECK(second != third);
  }
  const auto [aliased, given] = key_kept(kMul, {gate, out, out}, true);
  CHECK(aliased.tensors[1].data == aliased.tensors[2].data);
}

TEST_CASE("tensors that are updated in place get their first values back") {
  const Kernel kernel = Device::open("cpu").kernel("kernel twice(a: inout f32) { a = a * 2; }", "");
  std::vector<float> memory(100);
  const Tensor a(memory.data(), f32, {100});
  const Arg arguments[] = {a};
  const tune::ArgumentPool pool(KernelAccess::state(kernel), arguments, {1 << 16, 1 << 20},
                                nullptr);
  // Whole rounds of the memory that sets share.
  const auto bytes = static_cast<std::int64_t>(pool.bytes_of_set());
  CHECK(tune::ArgumentPool(KernelAccess::state(kernel), arguments, {5 * bytes, 1 << 20}, nullptr)
            .sets() == 20);
  auto* values = static_cast<float*>(pool.call(1).tensors[0].data);
  pool.seed(1, nullptr);
  const std::vector<float> first(values, values + 100);
  CHECK(*std::max_element(first.begin(), first.end()) <= 2);
  CHECK(*std::min_element(first.begin(), first.end()) >= -2);
  std::fill_n(values, 100, 1e30f);
  pool.seed(1, nullptr);
  CHECK(std::vector<float>(values, values + 100) == first);
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, pool.sets()}) {
    for (std::size_t set = 0; set < pool.sets(); ++set)
      std::fill_n(static_cast<float*>(pool.call(set).tensors[0].data), 100, 1e30f);
    pool.seed_first(count, nullptr);
    for (std::size_t set = 0; set < count; ++set) {
      const auto* seeded = static_cast<const float*>(pool.call(set).tensors[0].data);
      CHECK(std::all_of(seeded, seeded + 100, [](float x) { return x >= -2 && x <= 2; }));
    }
  }
}

TEST_CASE("sets that follow each other share no memory, nor does the last with the first") {
  const Kernel kernel =
      Device::open("cpu").kernel("kernel copy(x: in f32, y: out f32) { y = x; }", "");
  std::vector<float> from(5000), to(5000);
  const Tensor x(from.data(), f32, {5000}), y(to.data(), f32, {5000});
  const Arg arguments[] = {x, y};
  const tune::ArgumentPool one(KernelAccess::state(kernel), arguments, {1, 1 << 30}, nullptr);
  const auto bytes = static_cast<std::int64_t>(one.bytes_of_set());
  for (const std::int64_t apart : {2, 3, 7, 15, 20}) {
    tune::ArgumentPool pool(KernelAccess::state(kernel), arguments, {apart * bytes, 1 << 30},
                            nullptr);
    pool.place_anew(static_cast<std::size_t>(apart) / 2);
    CHECK(pool.apart() == static_cast<std::size_t>(apart));
    REQUIRE(pool.sets() % pool.apart() == 0);
    CHECK(pool.sets() >= 16);
    for (std::size_t set = 0; set < pool.sets(); ++set)
      for (std::size_t next = 1; next < pool.apart(); ++next)
        for (const int tensor : {0, 1}) {
          const auto* a = static_cast<const char*>(pool.call(set).tensors[tensor].data);
          const auto* b = static_cast<const char*>(pool.call(set + next).tensors[tensor].data);
          CHECK(std::abs(a - b) >= 5000 * 4);
        }
  }
}

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
      CHECK(found.size() <= 120);
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
  CHECK(found.size() <= 120);
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

TEST_CASE("SWAGE_AUTOTUNE tunes at the first launch of a size class and never without it") {
  const Kernel kernel = Device::open("cpu").kernel(
      "kernel automatic(a: in f32, b: in f32, c: out f32) { c = a * b - 2; }", "");
  const auto known = [&] {
    for (const tune::TuningRecord& record : tune::tuning_records().all())
      if (record.name == "automatic")
        return true;
    return false;
  };
  Arrays few(100), many(5000);
  const auto launch = [&](Arrays& arrays) {
    const Tensor a = arrays.tensor(arrays.a), b = arrays.tensor(arrays.b),
                 c = arrays.tensor(arrays.c);
    kernel.launch(nullptr, {a, b, c});
  };
  launch(few);
  CHECK_FALSE(known());
  ::setenv("SWAGE_AUTOTUNE", "1", 1);
  launch(few); // prepared already
  CHECK_FALSE(known());
  launch(many);
  ::unsetenv("SWAGE_AUTOTUNE");
  // A machine too busy to tune on launches by the default, and says so.
  if (!known())
    WARN("this machine is too noisy to tune on");
  CHECK(many.c == std::vector<float>(5000, 4));
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
    std::set<int> parts, loops; // threads that a multiprocessor has of them
    for (const codegen::Schedule& schedule : found) {
      const auto& cuda = std::get<codegen::CudaSchedule>(schedule);
      if (cuda.waves == 7 && cuda.access_bytes == 32 && cuda.accesses == 1)
        parts.insert(cuda.resident);
      if (cuda.ahead && cuda.threads == 128 && cuda.access_bytes == 32)
        loops.insert(cuda.resident);
    }
    // More than twice as many as there are blocks for are not.
    CHECK(parts.contains(512));
    CHECK(parts.contains(1536) == (rows >= 128));
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
  CHECK_FALSE(
      tried(64, 14336, [](const codegen::CudaSchedule& schedule) { return schedule.waves > 2; }));
  CHECK_FALSE(tried(256, 14336, clusters));
  CHECK(tried(16, 65536, clusters)); // which the default has
  const auto streams = [](const codegen::CudaSchedule& schedule) {
    return schedule.row_threads == 32 && schedule.load == codegen::LoadPolicy::streaming &&
           schedule.store == codegen::StorePolicy::streaming;
  };
  CHECK(tried(2048, 4096, streams, 100));
  CHECK_FALSE(tried(16, 4096, streams, 100));
  CHECK(tried(2048, 4096, streams)); // whose default keeps what it reads
}
