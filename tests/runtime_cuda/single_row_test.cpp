// single_row_test.cpp -- how many launches sums over the rows of a call take, and whether they use
// a workspace: of kernels that are compiled, and of images.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "codegen/compile.hpp"
#include "codegen/row_geometry.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "runtime/embedded/image.hpp"
#include "runtime/embedded/registry.hpp"
#include "runtime/launch/inspect.hpp"
#include "tests/runtime_cuda/fake_device.hpp"
#include "tests/support/registered_image.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr std::int64_t kColumns = 70;
constexpr const char* kHeld = "threads=32 row=32 accesses=4";
constexpr const char* kRead = "threads=32 row=32 accesses=1 bytes=4"; // again for each stage

std::string text_of(const std::string& name, const std::string& skip = "") {
  return fmt::format("kernel {}(x: in f32, id: in i32 [row], y: out f32 [col], t: out f32 "
                     "[tensor]) {{ {} y = col_sum(x); t = col_sum(row_sum(x)); }}",
                     name, skip);
}

/// The memory of a call of `rows` rows.
struct Memory {
  const Device& device;
  std::int64_t rows;
  DeviceArray x{device, counting(rows*kColumns)}, id{device, std::vector<float>(rows, 0)},
      y{device, std::vector<float>(kColumns, -1)}, t{device, {-1}};

  std::vector<Arg> arguments() const {
    return {Tensor(x.tensor().data, f32, {rows, kColumns}), Tensor(id.tensor().data, i32, {rows}),
            y.tensor(), Tensor(t.tensor().data, f32, {})};
  }
  bool is_right() const {
    const std::int64_t count = rows * kColumns;
    const auto last = static_cast<float>(rows * (kColumns - 1) + kColumns * rows * (rows - 1) / 2);
    return y.get()[kColumns - 1] == last &&
           t.get()[0] == static_cast<float>(count * (count - 1) / 2);
  }
};

/// Launches of a call, which has to be right, and whether it took memory.
struct Took {
  std::uint64_t launches, memory;
  bool operator==(const Took&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Took& took) {
  return out << took.launches << " launches, " << took.memory << " allocations";
}
constexpr Took kOne{1, 0}, kTwo{2, 1};

Took took(const Device& device, const Kernel& kernel, std::int64_t rows,
          const LaunchOptions& options = {}) {
  const Memory memory{device, rows};
  const std::uint64_t launched = calls("cuLaunchKernelEx"), taken = calls("cuMemAllocAsync");
  kernel.launch(nullptr, memory.arguments(), options);
  device.synchronize();
  CHECK(memory.is_right());
  return {calls("cuLaunchKernelEx") - launched, calls("cuMemAllocAsync") - taken};
}

Kernel kernel_with(const Device& device, const std::string& text, const char* schedule) {
  KernelOptions options;
  options.schedule = schedule;
  return device.kernel(text, "", {}, options);
}

/// The bytes of an image of `text`, compiled with `schedule` for calls as Memory makes them.
std::string image_of(const Device& device, const std::string& text, const char* schedule,
                     std::int64_t rows) {
  const Kernel kernel = kernel_with(device, text, schedule);
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  const launch::CallDescription call = launch::describe(kernel, Memory{device, rows}.arguments());
  const codegen::Artifact artifact =
      codegen::compile(graph, call.specialization, call.schedule, launch::target(device));
  const std::string line = ir::canonical(graph),
                    known = codegen::canonical(call.specialization, graph),
                    laid = codegen::canonical(call.schedule);
  embedded::Image image;
  image.kernels = {{graph.name(), line}};
  image.codes = {{"sm_90", artifact.entry, artifact.waits_for_dependencies, artifact.has_totals,
                  artifact.stores_single_row, artifact.payload, "", ""}};
  image.variants = {{0, 0, 0, 40, known, laid}};
  return embedded::encode(image);
}

/// A call of one row that is reduced by a cluster, and what an image says of it.
struct ClusterCall {
  Kernel kernel;
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  std::string line = ir::canonical(graph);
  launch::CallDescription call;
  std::string known = codegen::canonical(call.specialization, graph),
              laid = codegen::canonical(call.schedule);

  ClusterCall(const Device& device, const std::string& name, const std::string& grid,
              std::int64_t columns)
      : kernel(kernel_with(
            device, "kernel " + name + "(x: in f32, y: out f32) { y = x - row_max(x); }",
            ("threads=256 row=256 bytes=16 accesses=1 resident=1024 grid=" + grid).c_str())),
        call(described(device, columns)) {}

  launch::CallDescription described(const Device& device, std::int64_t columns) const {
    const DeviceArray x(device, counting(static_cast<int>(columns))),
        y(device, counting(static_cast<int>(columns)));
    return launch::describe(kernel, std::vector<Arg>{Tensor(x.tensor().data, f32, {1, columns}),
                                                     Tensor(y.tensor().data, f32, {1, columns})});
  }
};

} // namespace

TEST_CASE("an image's cluster that is text alone is passed over where the driver cannot read it") {
  const Device device = gpu();
  const ClusterCall of(device, "shipped_cluster", "2", 2048);
  codegen::Target target = launch::target(device);
  const auto found = [&](const char* cubin, int newest_ptx) {
    embedded::Image image;
    image.kernels = {{of.graph.name(), of.line}};
    image.codes = {{"sm_90", "entry", true, false, false, "text", cubin, ""}};
    image.variants = {{0, 0, 0, 40, of.known, of.laid}};
    const RegisteredImage registered(embedded::encode(image));
    target.newest_ptx = newest_ptx;
    return embedded::find({of.graph, of.line, of.call.specialization, target, 11}).has_value();
  };
  CHECK(found("", 0));
  CHECK(found("machine code", 80));
  CHECK_FALSE(found("", 80));
}

TEST_CASE("of an image's code a GPU whose clusters are smaller takes what has smaller ones") {
  const Device device = gpu();
  const ClusterCall of(device, "shipped_sixteen", "16", 16384);
  std::string eight = of.laid;
  eight.replace(eight.find("grid=16"), 7, "grid=8");
  eight.replace(eight.find("accesses=1"), 10, "accesses=2");
  embedded::Image image;
  image.kernels = {{of.graph.name(), of.line}};
  image.codes = {{"sm_90", "of_sixteen", true, false, false, "text", "", ""},
                 {"sm_90", "of_eight", true, false, false, "text", "", ""}};
  image.variants = {{0, 0, 0, 40, of.known, of.laid}, {0, 1, 0, 40, of.known, eight}};
  const RegisteredImage registered(embedded::encode(image));
  const auto found = [&](int sm) {
    const auto code =
        embedded::find({of.graph, of.line, of.call.specialization, codegen::cuda_target(sm), 14});
    return code ? code->entry_symbol : "";
  };
  CHECK(found(90) == "of_sixteen");
  CHECK(found(100) == "of_sixteen");
  CHECK(found(110) == "of_eight");
  CHECK(found(120) == "of_eight");
}

TEST_CASE("sums over rows take one launch and no memory where a call has one row that is held") {
  const Device device = gpu();
  const Kernel held = kernel_with(device, text_of("held"), kHeld);
  CHECK(took(device, held, 1) == kOne);
  CHECK(took(device, held, 2) == kTwo);
  CHECK(took(device, held, 1) == kOne);
  CHECK(took(device, kernel_with(device, text_of("several"), "threads=128 row=32 accesses=4"), 1) ==
        kOne);
  CHECK(took(device, kernel_with(device, text_of("read"), kRead), 1) == kTwo);
  const std::string skips = text_of("skips", "skip where id < 0;");
  CHECK(took(device, kernel_with(device, skips, kHeld), 1) == kTwo);
  Buffer count = device.allocate(sizeof(std::int32_t));
  const std::int32_t all = 1;
  count.write(&all, sizeof all);
  LaunchOptions options;
  options.valid_rows = Tensor(count.data(), i32, {1});
  CHECK(took(device, held, 1, options) == kTwo);
}

TEST_CASE("a call of one row leaves the workspace that it is given as it was") {
  const Device device = gpu();
  const Memory memory{device, 1};
  for (const char* schedule : {kHeld, kRead}) {
    const Kernel kernel = kernel_with(device, text_of("given"), schedule);
    const std::size_t bytes = kernel.workspace_bytes(memory.arguments());
    CHECK(bytes == (256 + 128) * sizeof(float)); // whatever the schedule
    const std::vector<float> before(bytes / sizeof(float), 3);
    Buffer workspace = device.allocate(bytes);
    workspace.write(before.data(), bytes);
    LaunchOptions options;
    options.workspace = workspace.data();
    options.workspace_bytes = bytes;
    took(device, kernel, 1, options);
    std::vector<float> after(before.size());
    workspace.read(after.data(), bytes);
    CHECK((after == before) == (schedule == kHeld));
  }
}

TEST_CASE("whether one row takes a second launch is for the image to say whose code it is") {
  const Device device = gpu();
  const auto with_image = [&](const std::string& text, const char* schedule, std::int64_t rows) {
    const RegisteredImage image(image_of(device, text, schedule, rows));
    const auto before = codegen::compile_count();
    const Took found = took(device, device.kernel(text, ""), rows);
    CHECK(codegen::compile_count() == before);
    return found;
  };
  CHECK(with_image(text_of("image_held"), kHeld, 1) == kOne);
  CHECK(with_image(text_of("image_held_2"), kHeld, 2) == kTwo);
  CHECK(with_image(text_of("image_read"), kRead, 1) == kTwo);
}
