// catalogue_test.cpp -- every catalogue kernel in every layout, and a kernel as a user writes one,
// on the GPU and on the CPU.
#include <algorithm>

#include "tests/support/catch.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr std::int64_t kRows = 3, kColumns = 37;

/// How the tensors of a call lie in their buffers.
struct View {
  const char* name;
  std::int64_t row_stride, column_stride, offset;
};
constexpr View kViews[] = {{"contiguous", kColumns, 1, 0},
                           {"packed rows", 2 * kColumns + 3, 1, kColumns},
                           {"every third column", 3 * kColumns, 3, 1},
                           {"misaligned", kColumns, 1, 1}};

/// Runs `kernel` on random tensors laid out as `view`, and gives all tensors in row-major order.
std::vector<HostTensor> run(const Device& device, const Kernel& kernel, const ir::Kernel& graph,
                            const View& view) {
  const std::int64_t span =
      view.offset + (kRows - 1) * view.row_stride + (kColumns - 1) * view.column_stride + 1;
  const auto place = [&](std::int64_t i) {
    return view.offset + i / kColumns * view.row_stride + i % kColumns * view.column_stride;
  };
  std::vector<HostTensor> tensors;
  std::vector<Buffer> buffers;
  std::vector<Tensor> views;
  for (std::size_t p = 0; p < graph.params().size(); ++p) {
    const DType type = graph.params()[p].dtype;
    HostTensor& values = tensors.emplace_back(type, kRows * kColumns);
    values.fill(p + 1);
    HostTensor laid(type, span);
    for (std::int64_t i = 0; i < values.size(); ++i)
      std::memcpy(laid.at(place(i)), values.at(i), static_cast<std::size_t>(size_of(type)));
    Buffer& buffer = buffers.emplace_back(device.allocate(laid.bytes.size()));
    buffer.write(laid.bytes.data(), laid.bytes.size());
    views.push_back(Tensor(static_cast<std::byte*>(buffer.data()) + view.offset * size_of(type),
                           type, {kRows, kColumns}, {view.row_stride, view.column_stride}));
  }
  std::vector<Arg> arguments;
  for (std::size_t p = 0; p < views.size(); ++p)
    arguments.push_back(graph.params()[p].is_tensor() ? Arg(views[p]) : Arg(0.75));
  kernel.launch(nullptr, arguments);
  device.synchronize();
  for (std::size_t p = 0; p < views.size(); ++p) {
    HostTensor laid(graph.params()[p].dtype, span);
    buffers[p].read(laid.bytes.data(), laid.bytes.size());
    for (std::int64_t i = 0; i < tensors[p].size(); ++i)
      std::memcpy(tensors[p].at(i), laid.at(place(i)),
                  static_cast<std::size_t>(size_of(laid.dtype)));
  }
  return tensors;
}

bool has_broadcasts(const ir::Kernel& kernel) {
  return std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
    return param.broadcast != ir::Broadcast::none;
  });
}

/// None without a GPU: the CPU's turn is beside the test double of the driver.
std::vector<Device> devices() {
  const auto device = gpu();
  return device ? std::vector{*device, Device::open("cpu")} : std::vector<Device>{};
}

} // namespace

TEST_CASE("every catalogue kernel gives the evaluator's results, in every layout the same bits") {
  for (const Device& device : devices())
    for (const kernels::CatalogueFile& file : kernels::files())
      for (const auto& declared : ir::list_kernels({file.text, file.name}))
        for (const DType type : {f64, f32, f16, bf16}) {
          INFO(declared.name << " " << name_of(type) << " on " << device.info().id);
          const ir::Kernel graph = catalogue_kernel(declared.name, type);
          if (!ir::is_elementwise(graph) || has_broadcasts(graph))
            continue; // rows_test.cpp
          const bool on_cuda = device.info().kind == DeviceKind::cuda;
          if (graph.math() == ir::MathMode::torch && (type == f64 || !on_cuda))
            continue; // not offered, or PyTorch's roundings and not the evaluator's
          const Kernel kernel = device.catalogue_kernel(declared.name, {{"T", type}});
          std::vector<HostTensor> before;
          for (std::size_t p = 0; p < graph.params().size(); ++p) {
            before.emplace_back(type, kRows * kColumns).fill(p + 1);
            if (!graph.params()[p].is_tensor())
              for (std::int64_t i = 0; i < before[p].size(); ++i)
                before[p].set(i, 0.75);
          }
          const std::vector<HostTensor> first = run(device, kernel, graph, kViews[0]);
          CHECK(count_wrong(graph, before, first, size_of(type) == 2 ? 1 : 16) == 0);
          for (const View& view : kViews) {
            INFO(view.name);
            const std::vector<HostTensor> other = run(device, kernel, graph, view);
            for (std::size_t p = 0; p < first.size(); ++p)
              CHECK(other[p].bytes == first[p].bytes);
          }
        }
}

TEST_CASE("a kernel as a user writes it differentiates, compiles and verifies") {
  constexpr const char* source = R"(
    fn silu(x) = x * sigmoid(x);
    kernel three<T>(a: in T, b: in T, c: in T, bias: in T [col], y: out T, const limit: f32 = 3.0) {
      let g = clamp(b + bias, -limit, limit);
      y = silu(a) * g + sigmoid(c) * tanh(a) + relu(c) * g;
    }
    kernel three_grad = grad three(a, b, c);
  )";
  const char* name = GENERATE("three", "three_grad");
  const DType type = GENERATE(f64, f32, bf16);
  for (const Device& device : devices()) {
    INFO(name << " " << name_of(type) << " on " << device.info().id);
    const ir::Kernel graph = ir::load_kernel({source}, name, {{"T", type}});
    std::vector<HostTensor> before, after;
    std::vector<Buffer> buffers;
    std::vector<Tensor> tensors;
    for (std::size_t p = 0; p < graph.params().size(); ++p) {
      const bool bias = graph.params()[p].broadcast == ir::Broadcast::per_column;
      HostTensor& values = before.emplace_back(type, kRows * kColumns);
      values.fill(p + 1);
      if (bias) // one value a column: every row of what the evaluator sees is the first
        for (std::int64_t i = kColumns; i < values.size(); ++i)
          std::memcpy(values.at(i), values.at(i % kColumns),
                      static_cast<std::size_t>(size_of(type)));
      buffers.push_back(device.allocate(values.bytes.size()));
      buffers[p].write(values.bytes.data(), values.bytes.size());
      tensors.push_back(bias ? Tensor(buffers[p].data(), type, {kColumns})
                             : Tensor(buffers[p].data(), type, {kRows, kColumns}));
    }
    device.kernel(source, name, {{"T", type}})
        .launch(nullptr, std::vector<Arg>(tensors.begin(), tensors.end()));
    device.synchronize();
    for (std::size_t p = 0; p < buffers.size(); ++p) {
      after.emplace_back(type, kRows * kColumns);
      buffers[p].read(after[p].bytes.data(), after[p].bytes.size());
    }
    CHECK(count_wrong(graph, before, after, size_of(type) == 2 ? 1 : 16) == 0);
  }
}
