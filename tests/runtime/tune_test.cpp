// tune_test.cpp -- tuning on the CPU, and what launches do after it.
#include <algorithm>
#include <cstdlib>

#include "runtime/launch/inspect.hpp"
#include "runtime/launch/kernel.hpp"
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
