// large_test.cpp -- more than 2^31 elements, held to the evaluator at both ends and where 32-bit
// indices and offsets would wrap.
#include <memory>

#include "tests/support/catch.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr std::int64_t kBillions = std::int64_t{1} << 31;
constexpr std::int64_t kWindow = 512; ///< elements compared at each place

/// One parameter: a view of rows of `columns` elements in one buffer.
struct View {
  std::shared_ptr<Buffer> buffer;
  std::int64_t offset = 0, pitch = 0; ///< elements
};

struct Call {
  DType type = bf16;
  std::int64_t rows = 1, columns = 1;
  std::vector<View> views;

  std::int64_t elements() const { return rows * columns; }
  /// Byte offset of element `index`; a window that starts there stays in its row.
  std::size_t byte(const View& view, std::int64_t index) const {
    const std::int64_t at = view.offset + index / columns * view.pitch + index % columns;
    return static_cast<std::size_t>(at * size_of(type));
  }
  std::vector<std::int64_t> windows() const {
    return {0,         kBillions / 2 - kWindow, kBillions / 2, kBillions - kWindow,
            kBillions, elements() - kWindow};
  }
};

std::shared_ptr<Buffer> make_buffer(const Device& device, DType type, std::int64_t elements) {
  return std::make_shared<Buffer>(device.allocate(static_cast<std::size_t>(elements) *
                                                  static_cast<std::size_t>(size_of(type))));
}

std::vector<HostTensor> read(const Call& call, std::int64_t window) {
  std::vector<HostTensor> host;
  for (const View& view : call.views) {
    HostTensor& tensor = host.emplace_back(call.type, kWindow);
    view.buffer->read(tensor.bytes.data(), tensor.bytes.size(), call.byte(view, window));
  }
  return host;
}

void write(const Call& call, std::int64_t window, const std::vector<HostTensor>& host) {
  for (std::size_t p = 0; p < host.size(); ++p)
    call.views[p].buffer->write(host[p].bytes.data(), host[p].bytes.size(),
                                call.byte(call.views[p], window));
}

/// Runs catalogue kernel `name` on `call` and compares its windows.
void check(const Device& device, const std::string& name, const Call& call) {
  CAPTURE(name, call.rows, call.columns);
  const ir::Kernel graph = catalogue_kernel(name, call.type);
  REQUIRE(graph.params().size() == call.views.size());
  std::vector<std::vector<HostTensor>> before;
  for (const std::int64_t window : call.windows()) {
    std::vector<HostTensor>& host = before.emplace_back();
    for (std::size_t p = 0; p < call.views.size(); ++p)
      host.emplace_back(call.type, kWindow).fill(static_cast<std::uint64_t>(window) * 8 + p);
    write(call, window, host);
  }
  std::vector<Tensor> tensors;
  for (const View& view : call.views)
    tensors.emplace_back(static_cast<std::byte*>(view.buffer->data()) +
                             view.offset * size_of(call.type),
                         call.type, std::initializer_list<std::int64_t>{call.rows, call.columns},
                         std::initializer_list<std::int64_t>{view.pitch, 1});
  device.catalogue_kernel(name, {{"T", call.type}})
      .launch(nullptr, std::vector<Arg>(tensors.begin(), tensors.end()));
  device.synchronize();
  for (std::size_t w = 0; w < before.size(); ++w) {
    CAPTURE(call.windows()[w]);
    CHECK(count_wrong(graph, before[w], read(call, call.windows()[w]), 1) == 0);
  }
}

/// A device with memory for five tensors of more than 2^31 bf16 elements.
std::optional<Device> large_gpu() {
  const auto device = gpu();
  constexpr std::int64_t needed = 24LL << 30;
  if (!device || emulated() || device->info().memory_bytes < needed)
    return std::nullopt;
  return device;
}

Call contiguous_call(const Device& device, std::size_t tensors) {
  Call call{.columns = kBillions + 12345, .views = {}};
  for (std::size_t p = 0; p < tensors; ++p)
    call.views.push_back({make_buffer(device, call.type, call.columns), 0, call.columns});
  return call;
}

} // namespace

TEST_CASE("more than 2^31 contiguous elements, forward and backward") {
  const auto device = large_gpu();
  if (!device)
    return;
  check(*device, "swiglu", contiguous_call(*device, 3));
  check(*device, "swiglu_backward", contiguous_call(*device, 5));
  check(*device, "swiglu_backward_inplace", contiguous_call(*device, 3));
}

TEST_CASE("more than 2^31 elements in packed halves, forward and backward") {
  const auto device = large_gpu();
  if (!device)
    return;
  constexpr std::int64_t columns = 1 << 17, rows = kBillions / columns + 3;
  const auto packed = make_buffer(*device, bf16, 2 * rows * columns);
  const View gate{packed, 0, 2 * columns}, up{packed, columns, 2 * columns};
  const View h{make_buffer(*device, bf16, rows * columns), 0, columns};
  check(*device, "swiglu", {bf16, rows, columns, {gate, up, h}});
  check(*device, "swiglu_backward_inplace", {bf16, rows, columns, {h, gate, up}});
}
