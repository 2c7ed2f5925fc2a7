// api_test.cpp -- the edges of the C++ API: names, parameters, empty handles, calls to come.
#include <utility>
#include <vector>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

constexpr const char* kScale =
    "kernel scale<T>(x: in T, w: in T [col], s: f32, y: out T, const k: f32 = 2.0) "
    "{ y = x * w * s * k; }";

Kernel scale() {
  return Device::open("cpu").kernel(kScale, "scale", {{"T", f32}});
}

std::string message_of(const auto& body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_argument);
    return error.what();
  }
  return "nothing was thrown";
}

bool holds(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a kernel tells its parameters: name, role, type and space") {
  const Kernel kernel = scale();
  const std::vector<Parameter> parameters = kernel.parameters();
  REQUIRE(parameters.size() == 4);
  CHECK(parameters[0].name == "x");
  CHECK(parameters[0].role == Role::in);
  CHECK(parameters[0].dtype == f32);
  CHECK(parameters[0].space == Space::element);
  CHECK(parameters[1].space == Space::column);
  CHECK(parameters[2].role == Role::scalar);
  CHECK(parameters[3].name == "y");
  CHECK(parameters[3].role == Role::out);
}

TEST_CASE("a kernel tells its constants: name, type, value and default") {
  using Number = Constant::Number;
  const Kernel kernel = Device::open("cpu").kernel(
      "kernel k<T>(x: in T, y: out T, const a: T, const b: bf16 = 1.0 / 3, const n: i32 = 2 + 1, "
      "const flag: bool = true) { y = x * a + b * T(n) + (flag ? T(0) : T(1)); }\n"
      "kernel g = grad k(x);",
      "k", {{"T", f64}, {"a", 0.5}, {"n", 7}});
  const std::vector<Constant> constants = kernel.constants();
  REQUIRE(constants.size() == 4);
  CHECK(constants[0].name == "a");
  CHECK(constants[0].dtype == f64);
  CHECK(constants[0].value == Number(0.5));
  CHECK_FALSE(constants[0].default_value);
  CHECK(constants[1].dtype == bf16);
  CHECK(constants[1].value == Number(0.333984375)); // as bf16 holds it
  CHECK(constants[1].default_value == constants[1].value);
  CHECK(constants[2].value == Number(std::int64_t{7}));
  CHECK(constants[2].default_value == Number(std::int64_t{3}));
  CHECK(constants[3].name == "flag");
  CHECK(constants[3].value == Number(std::int64_t{1}));

  // A gradient has those of the kernel it is derived from.
  const Kernel derived = Device::open("cpu").kernel(
      "kernel k(x: in f32, y: out f32, const a: f32 = 3) { y = x * x * a; }\nkernel g = grad k(x);",
      "g");
  REQUIRE(derived.constants().size() == 1);
  CHECK(derived.constants()[0].value == Number(3.0));
}

TEST_CASE("a kernel tells the spaces of tensors along its rows") {
  const Kernel kernel = Device::open("cpu").kernel(
      "kernel k(x: in f32, scale: in f32 [group 32], top: in f32 [tensor], y: out f32, s: out f32 "
      "[row], id: in i32 [row], of: in f32 [table]) { y = x * scale * top; s = row_sum(x) * "
      "of[id]; }",
      "k");
  std::vector<Space> spaces;
  std::vector<std::int64_t> groups;
  for (const Parameter& parameter : kernel.parameters()) {
    spaces.push_back(parameter.space);
    groups.push_back(parameter.group);
  }
  CHECK(groups == std::vector<std::int64_t>{0, 32, 0, 0, 0, 0, 0});
  CHECK(spaces == std::vector{Space::element, Space::group, Space::tensor, Space::element,
                              Space::row, Space::row, Space::table});
}

TEST_CASE("arguments are taken by name in any order") {
  std::vector<float> x = {1, 2, 3, 4}, w = {10, 100}, y(4);
  const Tensor in(x.data(), f32, {2, 2}), weights(w.data(), f32, {2}), out(y.data(), f32, {2, 2});
  const Kernel kernel = scale();
  kernel.prepare({{"y", out}, {"s", 0.5}, {"x", in}, {"w", weights}});
  kernel.launch(nullptr, {{"y", out}, {"s", 0.5}, {"x", in}, {"w", weights}});
  CHECK(y == std::vector<float>{10, 200, 30, 400});
  std::vector<NamedArg> listed = {{"s", 1.0}, {"w", weights}};
  listed.emplace_back("y", out);
  listed.emplace_back("x", in);
  kernel.prepare(listed);
  kernel.launch(nullptr, listed);
  CHECK(y == std::vector<float>{20, 400, 60, 800});

  CHECK(holds(message_of([&] {
                kernel.launch(nullptr, {{"y", out}, {"z", 0.5}});
              }),
              "there is no parameter 'z'; its parameters are x, w, s, y"));
  CHECK(holds(message_of([&] {
                kernel.launch(nullptr, {{"x", in}, {"x", in}});
              }),
              "'x' was given twice"));
  CHECK(holds(message_of([&] {
                kernel.launch(nullptr, {{"y", out}, {"s", 1}, {"x", in}});
              }),
              "'w' was not given"));
}

TEST_CASE("an argument holds the view it was made of") {
  std::vector<float> x = {1, 2}, w = {10, 100}, y(2);
  std::vector<Arg> arguments;
  arguments.emplace_back(Tensor(x.data(), f32, {1, 2}));
  arguments.push_back(Tensor(w.data(), f32, {2}));
  arguments.push_back(1.0);
  arguments.push_back(Tensor(y.data(), f32, {1, 2}));
  scale().launch(nullptr, arguments);
  CHECK(y == std::vector<float>{20, 400});
}

TEST_CASE("a call is prepared from shapes, types and alignments") {
  const Kernel kernel = scale();
  const std::vector<ArgSpec> specs = {
      {f32, {2, 2}, {}, 16, -1}, {f32, {2}, {}, 16, -1}, {}, {f32, {2, 2}, {}, 16, -1}};
  const CacheStatistics before = cache_statistics();
  kernel.prepare(specs);
  const CacheStatistics prepared = cache_statistics();
  std::vector<float> x(4, 1), w(2, 1), y(4);
  kernel.launch(nullptr, {Tensor(x.data(), f32, {2, 2}), Tensor(w.data(), f32, {2}), 1.0,
                          Tensor(y.data(), f32, {2, 2})});
  const CacheStatistics after = cache_statistics();
  const auto requests = [](const CacheStatistics& s) {
    return s.misses + s.hits_memory + s.hits_disk;
  };
  CHECK(requests(prepared) == requests(before) + 1);
  CHECK(requests(after) == requests(prepared));

  CHECK(holds(message_of([&] { kernel.prepare(std::span(specs).first(2)); }),
              "takes 4 arguments, 2 were described"));
  std::vector<ArgSpec> wrong = specs;
  wrong[0].alignment = 3;
  CHECK(holds(message_of([&] { kernel.prepare(wrong); }), "parameter 'x': an alignment of 3"));
  wrong = specs;
  wrong[0].same_as = 3;
  CHECK(holds(message_of([&] { kernel.prepare(wrong); }), "'x': it is said to be the same as"));
  wrong = specs;
  wrong[3].strides = {2};
  CHECK(holds(message_of([&] { kernel.prepare(wrong); }), "'y': 1 strides for 2 dimensions"));
  wrong = specs;
  wrong[3].dtype = f64;
  CHECK(holds(message_of([&] { kernel.prepare(wrong); }), "'y'"));
}

TEST_CASE("an in-place call is prepared as one") {
  const Kernel kernel =
      Device::open("cpu").kernel("kernel twice(x: in f32, y: out f32) { y = 2 * x; }", "twice");
  const std::vector<ArgSpec> specs = {{f32, {8}, {}, 16, -1}, {f32, {8}, {}, 16, 0}};
  kernel.prepare(specs);
  const CacheStatistics prepared = cache_statistics();
  alignas(16) float x[8] = {1};
  const Tensor view(x, f32, {8});
  kernel.launch(nullptr, {view, view});
  CHECK(x[0] == 2);
  CHECK(cache_statistics().misses == prepared.misses);
  CHECK(cache_statistics().hits_memory == prepared.hits_memory);
}

TEST_CASE("empty handles are false and say what they are") {
  Kernel none;
  CHECK_FALSE(none);
  CHECK(none.name().empty());
  CHECK(holds(message_of([&] { none.launch(nullptr, std::span<const Arg>()); }),
              "the kernel is empty"));
  CHECK(holds(message_of([&] { none.prepare(std::span<const Arg>()); }), "the kernel is empty"));
  CHECK(holds(message_of([&] { none.tune(std::span<const Arg>()); }), "the kernel is empty"));
  CHECK(holds(message_of([&] { none.text(); }), "the kernel is empty"));
  CHECK(holds(message_of([&] { none.parameters(); }), "the kernel is empty"));
  CHECK(holds(message_of([&] { none.constants(); }), "the kernel is empty"));
  CHECK(holds(message_of([&] { none.workspace_bytes(std::span<const Arg>()); }),
              "the kernel is empty"));
  CHECK(holds(message_of([&] { none.launch(nullptr, {{"x", 1.0}}); }), "the kernel is empty"));
  CHECK(holds(message_of([&] { none.device(); }), "the kernel is empty"));

  Kernel kernel = scale();
  CHECK(kernel);
  const Kernel moved = std::move(kernel);
  CHECK(moved);
  CHECK_FALSE(kernel); // NOLINT: a moved-from handle is what is tested
  CHECK(holds(message_of([&] { kernel.text(); }), "the kernel is empty")); // NOLINT
  Device device = Device::open("cpu");
  const Device kept = std::move(device);
  CHECK(kept);
  CHECK_FALSE(device);                                                            // NOLINT
  CHECK(holds(message_of([&] { device.synchronize(); }), "the device is empty")); // NOLINT

  Device nowhere;
  CHECK_FALSE(nowhere);
  CHECK(nowhere.info().id.empty());
  CHECK(holds(message_of([&] { nowhere.synchronize(); }), "the device is empty"));
  CHECK(holds(message_of([&] { nowhere.allocate(1); }), "the device is empty"));
  CHECK(holds(message_of([&] {
                nowhere.kernel(kScale, "scale", {{"T", f32}});
              }),
              "the device is empty"));
}

TEST_CASE("a stream is made of what the driver and the runtime API have") {
  CUstream_st* const stream = nullptr; // CUstream and cudaStream_t are this type
  const Stream converted = stream;
  CHECK(converted.handle == nullptr);
}

TEST_CASE("settings are configured before first use alone") {
  CHECK(holds(message_of([] {
                configure({{{"SWAGE_NO_SUCH", "1"}}, {}});
              }),
              "there is no setting 'SWAGE_NO_SUCH'; there are SWAGE_DEVICE"));
  Device::open("cpu"); // reads SWAGE_LIBCUDA_PATH
  CHECK(holds(message_of([] { configure({}); }), "call configure before anything else"));
}
