// embedded_test.cpp -- kernels that the program carries are found before caches and compiler.
#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "codegen/compile.hpp"
#include "codegen/host_level.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "runtime/embedded/image.hpp"
#include "swage/swage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/registered_image.hpp"

using namespace swage;

namespace {

/// The bytes of an image. Its code is that of `body`, under the line of
/// `text`: so a result tells which was run. The image says that it is for `said`.
std::string image_of(const std::string& text, const std::string& body, std::string_view level,
                     std::string_view said = {}) {
  const ir::Kernel named = ir::load_kernel({text}, "", {}), run = ir::load_kernel({body}, "", {});
  const codegen::Target target = codegen::target_of(*codegen::find_host_level(level));
  codegen::Specialization made = codegen::contiguous(run);
  for (codegen::TensorSpec& tensor : made.tensors)
    tensor.align_log2 = 2;
  const codegen::Schedule schedule = codegen::default_schedule(run, made, target, 4096);
  const codegen::Artifact artifact = codegen::compile(run, made, schedule, target);
  const std::string line = ir::canonical(named), spec = codegen::canonical(made, named),
                    lines = codegen::canonical(schedule);
  embedded::Image image;
  image.kernels = {{named.name(), line}};
  image.codes = {
      {said.empty() ? level : said, artifact.entry, false, false, false, "", "", artifact.payload}};
  image.variants = {{0, 0, 0, 40, spec, lines}};
  return embedded::encode(image);
}

float result_of(const std::string& text) {
  const Kernel kernel = Device::open("cpu").kernel(text, "");
  std::vector<float> x = {3, 3}, y(2);
  kernel.launch(nullptr, {Tensor(x.data(), f32, {2}), Tensor(y.data(), f32, {2})});
  CHECK(y[0] == y[1]);
  return y[0];
}

std::string doubled(const std::string& name) {
  return "kernel " + name + "(x: in f32, y: out f32) { y = x + x + 1; }";
}
std::string tripled(const std::string& name) {
  return "kernel " + name + "(x: in f32, y: out f32) { y = x * 3 + 2; }";
}

std::string_view lowest() {
  return codegen::native_levels().front().name;
}

} // namespace

TEST_CASE("a kernel that the program carries is launched without compiling") {
  const test::RegisteredImage image(image_of(doubled("carried"), tripled("carried"), lowest()));
  const auto compiles = codegen::compile_count();
  CHECK(result_of(doubled("carried")) == 11); // the code of the image, which is another on purpose
  CHECK(codegen::compile_count() == compiles);
}

TEST_CASE("of two images the one for the higher level of the CPU is launched, in either order") {
  if (!codegen::runs_here(codegen::native_levels().back()) && codegen::native_levels().size() > 1 &&
      codegen::best_host_level().name == lowest())
    SUCCEED("this CPU has one level");
  const auto best = codegen::best_host_level().name;
  {
    const test::RegisteredImage low(image_of(doubled("levels_a"), tripled("levels_a"), lowest()));
    const test::RegisteredImage high(image_of(doubled("levels_a"), doubled("levels_a"), best));
    CHECK(result_of(doubled("levels_a")) == (best == lowest() ? 11 : 7));
  }
  const test::RegisteredImage high(image_of(doubled("levels_b"), doubled("levels_b"), best));
  const test::RegisteredImage low(image_of(doubled("levels_b"), tripled("levels_b"), lowest()));
  CHECK(result_of(doubled("levels_b")) == 7);
}

TEST_CASE("an image that is registered twice, before its first use and after, is there once") {
  {
    test::RegisteredImage image(image_of(doubled("again"), tripled("again"), lowest()));
    image.again();
    CHECK(result_of(doubled("again")) == 11);
    image.again();
    CHECK(result_of("kernel not_carried(x: in f32, y: out f32) { y = x; }") == 3);
  }
  CHECK(result_of(doubled("again")) == 7);
}

TEST_CASE("an image that was unregistered, before or after its first use, is not looked in") {
  { const test::RegisteredImage unused(image_of(doubled("gone"), tripled("gone"), lowest())); }
  CHECK(result_of(doubled("gone")) == 7);
  {
    const test::RegisteredImage used(image_of(doubled("used"), tripled("used"), lowest()));
    CHECK(result_of(doubled("used")) == 11);
  }
  CHECK(result_of(doubled("used")) == 7);
}

TEST_CASE("a kernel of another text, or with an explicit schedule, is not served by the image") {
  const test::RegisteredImage image(image_of(doubled("other"), tripled("other"), lowest()));
  CHECK(result_of("kernel other(x: in f32, y: out f32) { y = x + x + 2; }") == 8);
  KernelOptions options;
  options.schedule = "lanes=2 unroll=4";
  const Kernel kernel = Device::open("cpu").kernel(doubled("other"), "", {}, options);
  float x = 3, y = 0;
  kernel.launch(nullptr, {Tensor(&x, f32, {1}), Tensor(&y, f32, {1})});
  CHECK(y == 7);
}

TEST_CASE("code for the CPUs of another architecture is never run, even beside our own") {
  for (const codegen::HostLevel& level : codegen::host_levels()) {
    if (level.triple == codegen::native_levels().front().triple)
      continue;
    const test::RegisteredImage other(
        image_of(doubled("foreign"), tripled("foreign"), lowest(), level.name));
    CHECK(result_of(doubled("foreign")) == 7); // 11 is the image's
    const test::RegisteredImage ours(
        image_of(doubled("foreign_beside"), tripled("foreign_beside"), lowest()));
    const test::RegisteredImage beside(
        image_of(doubled("foreign_beside"), doubled("foreign_beside"), lowest(), level.name));
    CHECK(result_of(doubled("foreign_beside")) == 11);
  }
}

TEST_CASE("a damaged image is left out, and the kernel is compiled") {
  test::RegisteredImage image(image_of(doubled("damaged"), tripled("damaged"), lowest()));
  image.bytes()[image.bytes().size() / 2] ^= 1; // nobody has looked yet
  CHECK(result_of(doubled("damaged")) == 7);
}

TEST_CASE("code of each level that this CPU runs gives the bits of the compiler's own") {
  const std::string text = R"(kernel k(x: in f16, w: in f32, y: out f16, z: out f32) {
    let s = sigmoid(f32(x)) * w;
    y = f16(s * exp(w) + tanh(w));
    z = fma(s, w, log(abs(w) + 1));
  })";
  constexpr std::int64_t kCount = 4099;
  std::vector<std::uint16_t> x(kCount), y(kCount);
  std::vector<float> w(kCount), z(kCount);
  for (std::int64_t i = 0; i < kCount; ++i) {
    x[i] = static_cast<std::uint16_t>(i * 13);
    w[i] = static_cast<float>(i - 2000) / 97;
  }
  const auto run = [&](const Kernel& kernel) {
    kernel.launch(nullptr, {Tensor(x.data(), f16, {kCount}), Tensor(w.data(), f32, {kCount}),
                            Tensor(y.data(), f16, {kCount}), Tensor(z.data(), f32, {kCount})});
  };
  const Device cpu = Device::open("cpu");
  run(cpu.kernel(text, "k"));
  const auto y_own = y;
  const auto z_own = z;
  for (const codegen::HostLevel& level : codegen::native_levels()) {
    if (!codegen::runs_here(level))
      continue;
    INFO(level.name);
    std::string renamed = text;
    renamed.replace(renamed.find("kernel k"), 8,
                    "kernel k" + std::string(level.name == lowest()
                                                 ? "0"
                                                 : level.name.substr(level.name.size() - 1)));
    ir::Kernel kernel = ir::load_kernel({renamed}, "", {});
    codegen::Specialization made = codegen::contiguous(kernel);
    std::size_t tensor = 0;
    for (const ir::Param& param : kernel.params())
      made.tensors[tensor++].align_log2 = param.dtype == DType::f16 ? 1 : 2;
    const codegen::Target target = codegen::target_of(level);
    const codegen::Schedule schedule = codegen::default_schedule(kernel, made, target, kCount);
    const codegen::Artifact artifact = codegen::compile(kernel, made, schedule, target);
    const std::string line = ir::canonical(kernel), spec = codegen::canonical(made, kernel),
                      lines = codegen::canonical(schedule);
    embedded::Image image;
    image.kernels = {{kernel.name(), line}};
    image.codes = {{level.name, artifact.entry, false, false, false, "", "", artifact.payload}};
    image.variants = {{0, 0, 0, 40, spec, lines}};
    const std::string bytes = embedded::encode(image);
    swage_kernel_image node{bytes.data(), bytes.size(), nullptr};
    swage_register_kernels(&node);
    const auto compiles = codegen::compile_count();
    run(cpu.kernel(renamed, ""));
    CHECK(codegen::compile_count() == compiles);
    swage_unregister_kernels(&node);
    const auto same = [](std::uint16_t a, std::uint16_t b) {
      return a == b || ((a & 0x7fff) > 0x7c00 && (b & 0x7fff) > 0x7c00); // NaN for NaN
    };
    CHECK(std::equal(y.begin(), y.end(), y_own.begin(), same));
    CHECK(std::equal(z.begin(), z.end(), z_own.begin(), [](float a, float b) {
      return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
             (std::isnan(a) && std::isnan(b));
    }));
  }
}
