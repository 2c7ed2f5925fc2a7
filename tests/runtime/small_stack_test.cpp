// small_stack_test.cpp -- threads as musl and language runtimes make them, with 128 KiB of stack.
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

void* run(void* body) {
  (*static_cast<std::function<void()>*>(body))();
  return nullptr;
}

void on_small_stack(std::function<void()> body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 128 << 10);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, run, &body) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

/// What y is for x = 1, or the error.
std::string result_of(const std::string& source) {
  std::string result;
  on_small_stack([&] {
    try {
      const Device cpu = Device::open("cpu");
      float x[40], y[40] = {};
      std::fill(std::begin(x), std::end(x), 1.0f);
      const Tensor in(x, DType::f32, {40}), out(y, DType::f32, {40});
      const Kernel kernel = cpu.kernel(source, "k");
      const Arg arguments[] = {in, out};
      kernel.launch(nullptr, arguments);
      result = kernel.text().empty() ? "no text" : fmt::format("{} {}", y[0], y[39]);
    } catch (const Error& error) {
      result = error.what();
    }
  });
  return result;
}

std::string repeated(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i)
    result += text;
  return result;
}

} // namespace

TEST_CASE("text nested to the limit is read, compiled and run on a thread of 128 KiB") {
  CHECK(result_of("kernel k(x: in f32, y: out f32) { y = " + repeated("(", 250) + "x" +
                  repeated(" + 1)", 250) + "; }") == "251 251");
  std::string calls = "fn g0(a) = a;";
  for (int i = 1; i < 250; ++i)
    calls += fmt::format("fn g{}(a) = g{}(a) + 1;", i, i - 1);
  CHECK(result_of(calls + "kernel k(x: in f32, y: out f32) { y = g249(x); }") == "250 250");
}

TEST_CASE("a gradient through many functions runs on a thread of 128 KiB") {
  std::string text = "kernel f(x: in f32, y: out f32) { let v0 = x;";
  for (int i = 1; i < 100; ++i)
    text += fmt::format("let v{} = sin(v{}) + x;", i, i - 1);
  std::string result;
  on_small_stack([&] {
    const Device cpu = Device::open("cpu");
    float x[40] = {}, d[40] = {}, g[40] = {};
    const Tensor in(x, DType::f32, {40}), dy(d, DType::f32, {40}), dx(g, DType::f32, {40});
    const Kernel kernel = cpu.kernel(text + "y = v99; } kernel k = grad f(x);", "k");
    const Arg arguments[] = {in, dy, dx};
    kernel.launch(nullptr, arguments);
    result = fmt::format("{}", g[39]);
  });
  CHECK(result == "0");
}

TEST_CASE("values by the thousand live at once on a thread of 128 KiB") {
  std::string text = "kernel k(x: in f32, y: out f32) { let v0 = x;";
  constexpr int kValues = 34'000; // 136 KB of them, an element at a time
  for (int i = 1; i < kValues; ++i)
    text += fmt::format("let v{} = v{} + x;", i, i - 1);
  text += fmt::format("let s0 = v{};", kValues - 1);
  for (int i = 1; i < kValues; ++i)
    text += fmt::format("let s{} = max(s{}, v{});", i, i - 1, kValues - 1 - i);
  CHECK(result_of(text + fmt::format("y = s{}; }}", kValues - 1)) == "34000 34000");
}
