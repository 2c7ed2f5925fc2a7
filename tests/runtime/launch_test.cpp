// launch_test.cpp -- launches on the CPU against the evaluator, in every layout.
#include <atomic>
#include <thread>

#include "codegen/compile.hpp"
#include "tests/runtime/launch_support.hpp"

using namespace swage;
using namespace swage::test;

namespace {

Device cpu() {
  return Device::open("cpu");
}

Kernel swiglu(DType type) {
  return cpu().catalogue_kernel("swiglu", {{"T", type}});
}

long double allowed(DType type) {
  return type == f32 || type == f64 ? 8.0L : 0.51L;
}

} // namespace

TEST_CASE("swiglu of every float type and odd size is within its bound, guards untouched") {
  for (const DType type : {f64, f32, f16, bf16})
    for (const std::int64_t count : {1, 7, 15, 64, 65, 3420, 4097, 50001}) {
      CAPTURE(name_of(type), count);
      Memory gate(type, count, 1), up(type, count, 2), h(type, count, 3);
      const Tensor tensors[] = {
          {gate.data(), type, {count}}, {up.data(), type, {count}}, {h.data(), type, {count}}};
      const std::vector<Arg> args(std::begin(tensors), std::end(tensors));
      launch_and_compare(swiglu(type), args, allowed(type));
      CHECK(h.guards_intact());
    }
}

TEST_CASE("packed, interleaved, transposed and misaligned views give the right answer") {
  const std::int64_t rows = 9, columns = 37;
  for (const DType type : {f32, bf16}) {
    Memory buffer(type, rows * columns * 2 + 8, 1), h(type, rows * (columns + 3) + 8, 2);
    const auto at = [&](std::int64_t offset) { return buffer.data() + offset * size_of(type); };
    const Tensor out(h.data(), type, {rows, columns}, {columns + 3, 1});
    const Tensor shifted(h.data() + size_of(type), type, {rows, columns}, {columns + 3, 1});
    const std::initializer_list<std::int64_t> shape = {rows, columns};
    const struct {
      const char* name;
      Tensor gate, up, h;
    } cases[] = {
        {"packed", Tensor(at(0), type, shape, {2 * columns, 1}),
         Tensor(at(columns), type, shape, {2 * columns, 1}), out},
        {"interleaved", Tensor(at(0), type, shape, {2 * columns, 2}),
         Tensor(at(1), type, shape, {2 * columns, 2}), out},
        {"interleaved, odd first", Tensor(at(1), type, shape, {2 * columns, 2}),
         Tensor(at(0), type, shape, {2 * columns, 2}), shifted},
        {"interleaved, misaligned", Tensor(at(1), type, shape, {2 * columns, 2}),
         Tensor(at(2), type, shape, {2 * columns, 2}), out},
        {"transposed", Tensor(at(0), type, shape, {1, rows}),
         Tensor(at(rows * columns), type, shape, {1, rows}), out},
        {"expanded", Tensor(at(0), type, shape, {0, 1}), Tensor(at(3), type, shape, {1, 0}), out},
        {"reversed", Tensor(at(rows * columns - 1), type, shape, {-columns, -1}),
         Tensor(at(1), type, shape, {columns, 1}), shifted},
    };
    for (const auto& call : cases) {
      CAPTURE(call.name, name_of(type));
      launch_and_compare(swiglu(type), std::vector<Arg>{call.gate, call.up, call.h}, allowed(type));
      CHECK(h.guards_intact());
      CHECK(buffer.guards_intact());
    }
  }
}

TEST_CASE("elements between the rows of an output stay as they were") {
  Memory gate(f32, 5 * 16, 1), up(f32, 5 * 16, 2), h(f32, 5 * 20, 3), before(f32, 5 * 20, 3);
  const Tensor out(h.data(), f32, {5, 16}, {20, 1});
  swiglu(f32).launch(nullptr,
                     {Tensor(gate.data(), f32, {5, 16}), Tensor(up.data(), f32, {5, 16}), out});
  for (int r = 0; r < 5; ++r)
    for (int c = 16; c < 20; ++c)
      CHECK(h.bits(r * 20 + c) == before.bits(r * 20 + c));
}

TEST_CASE("an output may be one of the inputs") {
  for (const DType type : {f32, bf16})
    for (const int which : {0, 1}) {
      Memory gate(type, 1000, 1), up(type, 1000, 2);
      const Tensor a(gate.data(), type, {1000}), b(up.data(), type, {1000});
      launch_and_compare(swiglu(type), std::vector<Arg>{a, b, which == 0 ? a : b}, allowed(type));
    }
}

TEST_CASE("the in-place backward updates its three tensors") {
  const Kernel kernel = cpu().catalogue_kernel("swiglu_backward_inplace", {{"T", bf16}});
  Memory dw(bf16, 4097, 1), gate(bf16, 4097, 2), up(bf16, 4097, 3);
  const Tensor tensors[] = {
      {dw.data(), bf16, {4097}}, {gate.data(), bf16, {4097}}, {up.data(), bf16, {4097}}};
  launch_and_compare(kernel, std::vector<Arg>(std::begin(tensors), std::end(tensors)), 0.52L);
}

TEST_CASE("row and column broadcasts and scalars reach the kernel") {
  const Kernel kernel = cpu().kernel(
      "kernel k(x: in f32, r: in f32 [row], c: in f32 [col], s: f32, n: i32, y: out f32) {"
      "  y = x * r + c * s + f32(n); }",
      "");
  const std::int64_t rows = 6, columns = 35;
  Memory x(f32, rows * columns, 1), r(f32, rows * 2, 2), c(f32, columns * 3, 3),
      y(f32, rows * columns, 4);
  launch_and_compare(kernel,
                     std::vector<Arg>{Tensor(x.data(), f32, {2, 3, columns}),
                                      Tensor(r.data(), f32, {rows}, {2}),
                                      Tensor(c.data(), f32, {columns}, {3}), 0.5, 3,
                                      Tensor(y.data(), f32, {2, 3, columns})},
                     1.0L);
}

TEST_CASE("zero elements launch nothing and succeed") {
  const std::int64_t before = codegen::compile_count();
  const Tensor none(nullptr, f32, {3, 0});
  swiglu(f32).launch(nullptr, {none, none, none});
  CHECK(codegen::compile_count() == before);
}

TEST_CASE("a call larger than the cache streams its stores and is right") {
  const std::int64_t count = cpu().info().cache_bytes / 12 + 100'001;
  const Buffer gate = cpu().allocate(static_cast<std::size_t>(count) * 4);
  Buffer up = cpu().allocate(static_cast<std::size_t>(count) * 4);
  Buffer h = cpu().allocate(static_cast<std::size_t>(count) * 4);
  auto* g = static_cast<float*>(gate.data());
  auto* u = static_cast<float*>(up.data());
  for (std::int64_t i = 0; i < count; ++i) {
    g[i] = static_cast<float>(Memory::value(1, i));
    u[i] = static_cast<float>(Memory::value(2, i));
  }
  const Tensor args[] = {
      {gate.data(), f32, {count}}, {up.data(), f32, {count}}, {h.data(), f32, {count}}};
  const std::vector<Arg> list(std::begin(args), std::end(args));
  const Kernel kernel = swiglu(f32);
  CHECK(codegen::canonical(launch::describe(kernel, list).schedule).find("store=streaming") !=
        std::string::npos);
  kernel.launch(nullptr, list);
  const auto* out = static_cast<const float*>(h.data());
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double want = g[i] / (1 + std::exp(-static_cast<double>(g[i]))) * u[i];
    wrong += std::abs(out[i] - want) > 1e-6 * std::abs(want) + 1e-30;
  }
  CHECK(wrong == 0);
}

TEST_CASE("every legal schedule gives the same bits") {
  const Kernel kernel = cpu().catalogue_kernel("swiglu_backward", {{"T", bf16}});
  const std::int64_t rows = 3, columns = 1000;
  Memory d(bf16, rows * columns, 1), gate(bf16, rows * columns, 2), up(bf16, rows * columns, 3);
  std::string reference;
  const auto run = [&](const codegen::Schedule* schedule) {
    Memory dg(bf16, rows * columns, 4), du(bf16, rows * columns, 5);
    const Tensor tensors[] = {{d.data(), bf16, {rows, columns}},
                              {gate.data(), bf16, {rows, columns}},
                              {up.data(), bf16, {rows, columns}},
                              {dg.data(), bf16, {rows, columns}},
                              {du.data(), bf16, {rows, columns}}};
    const std::vector<Arg> args(std::begin(tensors), std::end(tensors));
    if (schedule)
      launch::launch_with(kernel, *schedule, nullptr, args);
    else
      kernel.launch(nullptr, args);
    return dg.text() + du.text();
  };
  reference = run(nullptr);
  const auto& graph = launch::ir_kernel(kernel);
  const auto schedules =
      codegen::all_schedules(graph, codegen::contiguous(graph), launch::target(cpu()));
  REQUIRE(schedules.size() > 10);
  for (const codegen::Schedule& schedule : schedules) {
    CAPTURE(codegen::canonical(schedule));
    CHECK(run(&schedule) == reference);
  }
}

TEST_CASE("many threads asking for one kernel compile it once, and all are right") {
  const Kernel kernel =
      cpu().kernel("kernel once(a: in f32, y: out f32) { y = a * 3 + 0.125; }", "");
  const std::int64_t before = codegen::compile_count();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      std::vector<float> a(4000), y(4000);
      for (std::size_t i = 0; i < a.size(); ++i)
        a[i] = static_cast<float>(i) + static_cast<float>(t);
      for (int repeat = 0; repeat < 20; ++repeat)
        kernel.launch(nullptr, {Tensor(a.data(), f32, {4000}), Tensor(y.data(), f32, {4000})});
      for (std::size_t i = 0; i < a.size(); ++i)
        wrong += y[i] != a[i] * 3 + 0.125f;
    });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == 0);
  CHECK(codegen::compile_count() <= before + 1); // none if a disk cache had it
}

TEST_CASE("two kernels with one text share their code, and prepare compiles ahead") {
  constexpr const char* source = "kernel shared(a: in f32, y: out f32) { y = a * 5 - 0.25; }";
  std::vector<float> a(100, 2.0f), y(100);
  const Tensor in(a.data(), f32, {100}), out(y.data(), f32, {100});
  cpu().kernel(source, "").prepare({in, out});
  CHECK(y[0] == 0.0f);
  const std::int64_t before = codegen::compile_count();
  cpu().kernel(source, "").launch(nullptr, {in, out});
  CHECK(codegen::compile_count() == before);
  CHECK(y[99] == 9.75f);
}

TEST_CASE("a schedule in the options is obeyed, and a wrong one refused when it is given") {
  KernelOptions options;
  options.schedule = "lanes=4 unroll=1";
  const Kernel kernel = cpu().catalogue_kernel("swiglu", {{"T", f32}}, options);
  Memory m(f32, 100, 1), n(f32, 100, 2);
  const Tensor a(m.data(), f32, {100}), b(n.data(), f32, {100});
  const std::vector<Arg> args{a, b, b};
  CHECK(codegen::canonical(launch::describe(kernel, args).schedule).find("lanes=4 unroll=1") == 0);
  options.schedule = "lanes=5";
  CHECK_THROWS_AS(cpu().catalogue_kernel("swiglu", {{"T", f32}}, options), Error);
}

TEST_CASE("a kernel that the catalogue lacks is refused with the name that is nearest") {
  CHECK_THROWS_WITH(cpu().catalogue_kernel("swigloo"),
                    "the catalogue has no kernel 'swigloo'; did you mean 'swiglu'?");
  CHECK_THROWS_WITH(
      cpu().catalogue_kernel("attention"),
      "the catalogue has no kernel 'attention'; 'swage list' shows those that it has");
  try {
    cpu().catalogue_kernel("swigloo");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_kernel);
  }
}
