// tune_input_test.cpp -- the memory that a search works on.
#include <algorithm>
#include <set>

#include "runtime/launch/kernel.hpp"
#include "runtime/tune/input.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

constexpr const char* kMul = "kernel mul(a: in f32, b: in f32, c: out f32) { c = a * b + 1; }";

} // namespace

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
