// scale_layouts_test.cpp -- scales as views of up to five dimensions, on the host.
#include "tests/support/scale_case.hpp"

#include <numeric>

#include "runtime/launch/inspect.hpp"
#include "tests/runtime/call_support.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/row_case.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr const char* kGroups =
    "kernel k(x: in f32, s: out f32 [group 4]) { s = group_max(x, 4); }";

/// The spread of the second tensor: "group(3x2)@4".
std::string layout_of(const char* source, std::vector<Tensor> tensors) {
  const std::string line = ClassifiedCall(source, std::move(tensors)).line();
  return line.substr(line.find("s="));
}

} // namespace

TEST_CASE("scales are written to the places that each layout gives them, and nowhere else") {
  for_all_scale_layouts(Device::open("cpu"),
                        [](ScaleCase& of) { CHECK(of.written(GuardedMemory::kUntouched) == ""); });
}

TEST_CASE("scales are read from the places that each layout gives them") {
  for_all_scale_layouts(Device::open("cpu"), [](ScaleCase& of) { CHECK(of.read() == ""); });
}

TEST_CASE("padding of scales is zero where they were zeroed before") {
  for_all_scale_layouts(Device::open("cpu"), [](ScaleCase& of) {
    of.zero();
    CHECK(of.written(0) == "");
  });
}

TEST_CASE("rows that do not count leave their scales as they are in every layout") {
  std::int32_t count = 40;
  for (const ScaleLayout layout : kScaleLayouts) {
    ScaleCase of(Device::open("cpu"), layout, 140, 5);
    LaunchOptions options;
    options.valid_rows = Tensor(&count, i32, {1});
    of.written(0, options);
    CHECK(of.difference(GuardedMemory::kUntouched, 40) == "");
  }
}

TEST_CASE("only views that do not merge into two strides have dimensions of their own") {
  const Tensor x(address(0), f32, {256, 32});
  const auto scales = [](ScaleLayout layout) {
    return scale_view(layout, address(1), f32, 256, 8);
  };
  CHECK(layout_of(kGroups, {x, scales(ScaleLayout::row_major)}) == "s=group@4");
  CHECK(layout_of(kGroups, {x, scales(ScaleLayout::column_major)}) == "s=group@4");
  CHECK(layout_of(kGroups, {x, scales(ScaleLayout::column_major_padded)}) == "s=group@4");
  CHECK(layout_of(kGroups, {x, scales(ScaleLayout::packed_words)}) == "s=group(1x2)@4");
  CHECK(layout_of(kGroups, {x, scales(ScaleLayout::swizzled_128x4)}) == "s=group(3x2)@4");
  CHECK(layout_of(kGroups, {x, {address(1), f32, {2, 128, 2, 4}}}) == "s=group@4");
  // Four rows of 64: rows of other tensors merge, those of the scales need not.
  const Tensor batches(address(0), f32, {4, 64, 32});
  CHECK(layout_of(kGroups, {batches, {address(1), f32, {4, 64, 8}, {1024, 1, 64}}}) ==
        "s=group(2x1)@4");
}

TEST_CASE("a row tensor may be a view of several dimensions") {
  const std::string source = "kernel k(x: in f32, s: in f32 [row], y: out f32) { y = x * s; }";
  CHECK(layout_of(source.c_str(), {{address(0), f32, {300, 8}},
                                   {address(1), f32, {3, 4, 32}, {128, 1, 4}},
                                   {address(2), f32, {300, 8}}})
            .starts_with("s=row(3)@4"));
  std::vector<float> x(300 * 8, 2.0f), y(300 * 8), s(3 * 128);
  std::iota(s.begin(), s.end(), 0.0f);
  Device::open("cpu")
      .kernel(source, "k")
      .launch(nullptr,
              {Tensor(x.data(), f32, {300, 8}), Tensor(s.data(), f32, {3, 4, 32}, {128, 1, 4}),
               Tensor(y.data(), f32, {300, 8})});
  int wrong = 0;
  for (std::size_t row = 0; row < 300; ++row)
    for (std::size_t column = 0; column < 8; ++column) {
      const std::size_t place = row / 128 * 128 + row % 32 * 4 + row / 32 % 4;
      wrong += y[row * 8 + column] != 2 * s[place];
    }
  CHECK(wrong == 0);
}

TEST_CASE("tensors in tiles have the evaluator's bits in every schedule") {
  const Device device = Device::open("cpu");
  for (const char* schedule : {"lanes=1 grain=64 threads=1", "lanes=16", "lanes=8 store=streaming"})
    for (const std::int64_t size : {1, 3, 16, 100})
      for (const std::int64_t rows : {1, 3, 4, 9, 70}) {
        INFO(schedule << ", groups of " << size << ", " << rows << " rows");
        KernelOptions options;
        options.schedule = schedule;
        const Kernel kernel = device.kernel(kEverySpace, "", {{"T", f32}, {"n", size}}, options);
        CHECK(RowCase(device, kernel, {rows, 5 * size}, {.gap = 1, .tile = 4}).run() == "");
      }
}

TEST_CASE("views that do not hold the scales of a call, or hold two in one place, are refused") {
  float memory[4096] = {};
  const Kernel kernel = Device::open("cpu").kernel(kGroups, "k");
  const auto launch = [&](const Tensor& scales) {
    return refusal([&] { kernel.launch(nullptr, {Tensor(memory, f32, {100, 8}), scales}); });
  };
  float* out = memory + 1024;
  CHECK(launch({out, f32, {1, 4, 32, 1, 4}, {512, 4, 16, 512, 1}}) == "");
  const char* expected = "expected one value for 4 columns";
  CHECK_THAT(launch({out, f32, {2, 4, 32, 1, 4}, {512, 4, 16, 512, 1}}),
             Catch::Matchers::Contains(expected));
  CHECK_THAT(launch({out, f32, {1, 3, 32, 1, 4}, {512, 4, 16, 512, 1}}),
             Catch::Matchers::Contains(expected));
  CHECK_THAT(launch({out, f32, {1, 4, 32, 2, 4}, {512, 4, 16, 512, 1}}),
             Catch::Matchers::Contains(expected));
  CHECK_THAT(launch({out, f32, {1, 4, 32, 1, 4}, {512, 3, 16, 512, 1}}),
             Catch::Matchers::Contains("several of its elements share memory"));
  CHECK(launch({out, f32, {2, 2, 2, 2, 7, 2, 1}, {1000, 31, 100, 7, 300, 3, 1}}) ==
        "tensor 's' is a view of 5 dimensions of rows and 1 of groups that cannot be merged, at "
        "most 5 are possible; make it contiguous");
}

TEST_CASE("padding after the rows of each batch is refused") {
  std::vector<float> memory(16'384);
  const Device device = Device::open("cpu");
  using Shape = std::initializer_list<std::int64_t>;
  const auto launch = [&](const std::string& text, Shape full, Shape scales) {
    const Tensor x(memory.data(), f32, full);
    return refusal([&] {
      device.kernel(text, "k").launch(nullptr, {x, Tensor(memory.data() + 8192, f32, scales)});
    });
  };
  const std::string rows = "kernel k(x: in f32, s: out f32 [row]) { s = row_sum(x); }";
  const std::string columns =
      "kernel k(x: in f32, s: out f32 [col group 2]) { s = col_group_max(x, 2); }";
  CHECK(launch(kGroups, {3, 100, 8}, {3, 1, 4, 32, 1, 4}) ==
        "tensor 's' has shape [3, 1, 4, 32, 1, 4], which has padding after the 100 rows of each of "
        "3 batches, but rows are counted through all of them; launch once for each, or with as "
        "many rows as there is room for");
  const auto is_padded = Catch::Matchers::Contains("padding after the");
  CHECK_THAT(launch(kGroups, {2, 2, 50, 8}, {4, 1, 2, 32, 1, 4}), is_padded);
  CHECK_THAT(launch(kGroups, {1, 3, 100, 8}, {1, 3, 1, 4, 32, 1, 4}), is_padded);
  CHECK_THAT(launch(kGroups, {3, 99, 8}, {3, 100, 2}), is_padded);
  CHECK_THAT(launch(kGroups, {3, 100, 8}, {3, 1, 128, 1, 4}), is_padded);
  CHECK_THAT(launch(rows, {3, 100, 8}, {3, 1, 4, 32}), is_padded);
  CHECK_THAT(launch(columns, {3, 98, 8}, {3, 50, 8}), is_padded);
  // With as many rows, of all batches, without rows, and without padding.
  CHECK(launch(kGroups, {3, 128, 8}, {3, 1, 4, 32, 1, 4}) == "");
  CHECK(launch(kGroups, {3, 100, 8}, {3, 4, 32, 1, 4}) == "");
  CHECK(launch(kGroups, {2, 0, 3, 8}, {2, 0, 3, 2}) == "");
  CHECK(launch(rows, {2, 0, 3, 8}, {2, 0, 3, 1}) == "");
  CHECK(launch(rows, {2, 5, 3, 8}, {2, 5, 3, 1}) == "");
  CHECK(launch(columns, {3, 98, 8}, {3, 49, 8}) == "");
}

TEST_CASE("what may be meant for columns is not taken for a tile that is padded") {
  float memory[4096] = {};
  const Device device = Device::open("cpu");
  const Tensor x(memory, f32, {5, 8});
  const auto rows = [&](std::initializer_list<std::int64_t> shape) {
    return refusal([&] {
      device.kernel("kernel k(x: in f32, s: out f32 [row]) { s = row_sum(x); }", "k")
          .launch(nullptr, {x, Tensor(memory + 1024, f32, shape)});
    });
  };
  for (const auto& shape : {std::initializer_list<std::int64_t>{1, 8}, {1, 100}})
    CHECK_THAT(rows(shape), Catch::Matchers::Contains("expected one value a row"));
  CHECK(rows({1, 4, 32}) == "");
  const auto groups = [&](std::initializer_list<std::int64_t> shape) {
    return refusal([&] {
      device.kernel("kernel k(x: in f32, s: out f32 [group 2]) { s = group_max(x, 2); }", "k")
          .launch(nullptr, {x, Tensor(memory + 1024, f32, shape)});
    });
  };
  for (const auto& shape : {std::initializer_list<std::int64_t>{5, 1, 8}, {1, 8, 4}, {1, 8, 1, 8}})
    CHECK_THAT(groups(shape), Catch::Matchers::Contains("expected one value for 2 columns"));
}

TEST_CASE("an extent beyond 32 bits is not cut off, whatever its stride") {
  float memory[64];
  std::fill_n(memory, 64, 1.0f);
  const std::int64_t huge = std::int64_t{1} << 32;
  const Tensor view(memory + 40, f32, {1, 2, huge}, {0, 1, 0});
  CHECK(ClassifiedCall("kernel k(x: in f32, s: in f32 [row], y: out f32) { y = x * s; }",
                       {Tensor(memory, f32, {5, 8}), view, Tensor(memory, f32, {5, 8})})
            .line()
            .find("i64") != std::string::npos);
}

TEST_CASE("an input and an output may be the same view of many dimensions, and no other") {
  const char* source = "kernel k(x: in f32, old: in f32 [group 4], s: out f32 [group 4]) { s = "
                       "old + group_max(x, 4); }";
  std::vector<float> x(130 * 8, 1.0f), s(2 * 512, 3.0f);
  const Kernel kernel = Device::open("cpu").kernel(source, "k");
  const Tensor view = scale_view(ScaleLayout::swizzled_128x4, s.data(), f32, 130, 2);
  kernel.launch(nullptr, {Tensor(x.data(), f32, {130, 8}), view, view});
  CHECK(std::count(s.begin(), s.end(), 4.0f) == 130 * 2);
  const Tensor other = scale_view(ScaleLayout::row_major, s.data(), f32, 130, 2);
  CHECK_THAT(refusal([&] {
               kernel.launch(nullptr, {Tensor(x.data(), f32, {130, 8}), other, view});
             }),
             Catch::Matchers::Contains("without being the same view"));
}
