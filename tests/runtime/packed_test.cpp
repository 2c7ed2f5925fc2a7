// packed_test.cpp -- tensors of which two elements share a byte, on the CPU: bits, bounds,
// refusals.
#include <cstring>

#include "ir/packed.hpp"
#include "runtime/api/c_tensor.hpp"
#include "runtime/launch/inspect.hpp"
#include "runtime/verify/fill.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/packed_kernels.hpp"
#include "tests/support/refusal.hpp"

namespace swage::test {

namespace {

Device cpu() {
  return Device::open("cpu");
}

const std::vector<std::string> kSchedules = {
    "lanes=2 grain=64 threads=1", "lanes=4 grain=4096",          "lanes=16 grain=64 threads=2",
    "lanes=64 grain=1",           "lanes=32 unroll=2 threads=2", "lanes=8 store=streaming",
    "lanes=64 store=streaming"};

void check_bits(const std::string& source, const std::vector<Binding>& bindings, ir::CallSize size,
                RowView view, std::size_t turn) {
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string& schedule = kSchedules[(turn + i) % kSchedules.size()];
    INFO(size.rows << " x " << size.columns << ", " << schedule << ", stride " << view.column_stride
                   << ", gap " << view.gap << ", skew " << view.skew);
    KernelOptions options;
    options.schedule = schedule;
    const Kernel kernel = cpu().kernel(source, "", bindings, options);
    CHECK(RowCase(cpu(), kernel, size, view, turn).run() == "");
  }
}

Tensor view(void* data, DType type, std::initializer_list<std::int64_t> shape,
            std::initializer_list<std::int64_t> strides) {
  return Tensor(data, type, shape, strides);
}

} // namespace

TEST_CASE("tensors of four bits have the evaluator's bits in every layout, and nothing around") {
  std::size_t turn = 1;
  for (const std::int64_t columns : kEvenColumns)
    for (const std::string& text : {kPackedElements, kPackedRows}) {
      const RowView view = kPackedViews[turn % std::size(kPackedViews)];
      check_bits(text, {{"T", turn % 2 == 0 ? f32 : bf16}}, {5, columns}, view, turn);
      ++turn;
    }
  for (const std::int64_t columns : {2, 30, 1024, 2050})
    check_bits(kPackedOverRows, {}, {37, columns}, {}, turn++);
  for (const std::int64_t group : {2, 6, 16, 32, 48, 1026})
    for (const RowView view : kPackedViews)
      check_bits(kPackedGroups, {{"T", f32}, {"n", group}}, {3, 4 * group}, view, turn++);
}

TEST_CASE("a tensor of four bits that no rows of whole bytes make up is refused with its numbers") {
  const Kernel kernel = cpu().kernel("kernel k(x: in f32, q: out f4e2m1) { q = x; }", "");
  std::vector<float> x(64, 1.0F);
  std::vector<std::byte> q(64);
  const auto refused = [&](const Tensor& in, const Tensor& out) {
    return refusal([&] { kernel.launch(nullptr, {in, out}); });
  };
  using Catch::Matchers::ContainsSubstring;
  CHECK_THAT(refused(view(x.data(), f32, {2, 3}, {3, 1}), view(q.data(), f4e2m1, {2, 3}, {4, 1})),
             ContainsSubstring("tensor 'q' is f4e2m1, two of which share a byte") &&
                 ContainsSubstring("found 3 columns, with shape [2, 3] and strides [4, 1]"));
  CHECK_THAT(refused(view(x.data(), f32, {2, 4}, {4, 1}), view(q.data(), f4e2m1, {2, 4}, {8, 2})),
             ContainsSubstring("found columns 2 apart"));
  CHECK_THAT(refused(view(x.data(), f32, {2, 4}, {4, 1}), view(q.data(), f4e2m1, {2, 4}, {5, 1})),
             ContainsSubstring("found a stride of 5 elements"));
  CHECK_THAT(refused(view(x.data(), f32, {}, {}), view(q.data(), f4e2m1, {}, {})),
             ContainsSubstring("found no dimension"));
  CHECK(refused(view(x.data(), f32, {0, 4}, {4, 1}), view(q.data(), f4e2m1, {0, 4}, {4, 1})) == "");
  CHECK(refused(view(x.data(), f32, {1, 4}, {5, 1}), view(q.data(), f4e2m1, {1, 4}, {7, 1})) == "");
}

TEST_CASE("columns stay the last dimension where others have larger strides") {
  const Kernel kernel =
      cpu().kernel("kernel k(x: in f32, q: in f4e2m1, y: out f32) { y = x + q; }", "");
  std::vector<float> x(24), y(24, -1);
  std::vector<std::byte> q(12);
  for (unsigned i = 0; i < 24; ++i) {
    x[i] = static_cast<float>(i);
    store_element(f4e2m1, q.data(), i, i % 16);
  }
  // y is transposed: its rows are neighbours.
  kernel.launch(nullptr,
                {view(x.data(), f32, {4, 6}, {6, 1}), view(q.data(), f4e2m1, {4, 6}, {6, 1}),
                 view(y.data(), f32, {4, 6}, {1, 4})});
  for (unsigned r = 0; r < 4; ++r)
    for (unsigned c = 0; c < 6; ++c) {
      const unsigned i = 6 * r + c, code = i % 16;
      const double number = code < 8 ? kE2m1[code] : -kE2m1[code - 8];
      CHECK(y[r + 4 * c] == static_cast<float>(i + number));
    }
}

TEST_CASE("overlaps of tensors of four bits are found in bytes") {
  const Kernel kernel = cpu().kernel("kernel k(p: in f4e2m1, q: out f4e2m1) { q = 2 * p; }", "");
  std::vector<std::byte> data(64, std::byte{0x21});
  const auto launched = [&](std::int64_t in, std::int64_t out, std::int64_t rows,
                            std::int64_t row) {
    return refusal([&] {
      kernel.launch(nullptr, {view(data.data() + in, f4e2m1, {rows, 8}, {row, 1}),
                              view(data.data() + out, f4e2m1, {rows, 8}, {row, 1})});
    });
  };
  CHECK(launched(0, 0, 4, 8) == ""); // in place
  CHECK(data[0] == std::byte{0x42});
  CHECK(data[16] == std::byte{0x21});
  CHECK(launched(0, 4, 1, 8) == "");  // 8 elements are 4 bytes
  CHECK(launched(0, 4, 4, 16) == ""); // halves of rows
  CHECK(launched(0, 3, 1, 8) != "");
  CHECK(launched(0, 2, 4, 16) != "");
  CHECK(launched(0, 16, 4, 8) == "");
  CHECK(launched(0, 15, 4, 8) != "");
}

TEST_CASE("the bytes of a call count half a byte for an element of four bits") {
  const Kernel kernel = cpu().kernel(
      "kernel k(x: in f32, q: out f4e2m1, s: out e8m0 [group 32]) { let m = group_max(x, 32);"
      " s = e8m0_up(m); q = x; }",
      "");
  std::vector<float> x(64 * 64);
  std::vector<std::byte> q(32 * 64), s(2 * 64);
  const Arg arguments[] = {Tensor(x.data(), f32, {64, 64}), Tensor(q.data(), f4e2m1, {64, 64}),
                           Tensor(s.data(), e8m0, {64, 2})};
  CHECK(launch::describe(kernel, arguments).bytes == 64 * 64 * 4 + 64 * 64 / 2 + 64 * 2);
}

TEST_CASE("DLPack's floats of four bits come as elements or in lanes of two") {
  std::int64_t shape[] = {3, 8}, strides[] = {16, 1}, pairs[] = {3, 4}, pair_strides[] = {8, 1};
  std::byte data[64] = {};
  DLTensor tensor{};
  tensor.data = data;
  tensor.device = {kDLCPU, 0};
  tensor.ndim = 2;
  tensor.dtype = {17, 4, 1};
  tensor.shape = shape;
  tensor.strides = strides;
  const DeviceInfo info = cpu().info();
  const auto check = [&](const Tensor& found) {
    CHECK(found.dtype == f4e2m1);
    CHECK(found.shape[0] == 3);
    CHECK(found.shape[1] == 8);
    CHECK(found.strides[0] == 16);
    CHECK(found.strides[1] == 1);
  };
  check(api::to_tensor(&tensor, 0, info));
  tensor.dtype.lanes = 2;
  tensor.shape = pairs;
  tensor.strides = pair_strides;
  check(api::to_tensor(&tensor, 0, info));
  // Of a transposed matrix pairs lie along the dimension before.
  pair_strides[0] = 1, pair_strides[1] = 5;
  const Tensor transposed = api::to_tensor(&tensor, 0, info);
  CHECK((transposed.shape[0] == 6 && transposed.shape[1] == 4));
  CHECK((transposed.strides[0] == 1 && transposed.strides[1] == 10));
  pair_strides[0] = 8, pair_strides[1] = 2;
  CHECK(refusal([&] { api::to_tensor(&tensor, 0, info); }).find("last dimension that is dense") !=
        std::string::npos);
  pair_strides[1] = 1;
  pairs[1] = std::int64_t{1} << 62;
  CHECK(refusal([&] { api::to_tensor(&tensor, 0, info); }).find("reaches outside") !=
        std::string::npos);
  tensor.dtype = {10, 8, 2};
  CHECK(refusal([&] { api::to_tensor(&tensor, 0, info); }) != "");
  const DLDataType type = api::to_dlpack(f4e2m1);
  CHECK((type.code == 17 && type.bits == 4 && type.lanes == 1));
}

} // namespace swage::test
