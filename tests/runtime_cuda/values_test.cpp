// values_test.cpp -- values and names that other compilers have stumbled over, on the CPU and on
// the double of a GPU.
#include <cmath>

#include <fmt/format.h>

#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage;
using namespace swage::test;

namespace {

template <class T>
class Array {
public:
  Array(const Device& device, DType type, const std::vector<T>& values)
      : buffer_(device.allocate(values.size() * sizeof(T))), type_(type), values_(values) {
    buffer_.write(values.data(), values.size() * sizeof(T));
  }
  Tensor tensor(std::vector<std::int64_t> shape) const {
    return Tensor(buffer_.data(), type_, std::move(shape));
  }
  Tensor tensor() const { return tensor({static_cast<std::int64_t>(values_.size())}); }
  std::vector<T> get() const {
    std::vector<T> values(values_.size());
    buffer_.read(values.data(), values.size() * sizeof(T));
    return values;
  }

private:
  Buffer buffer_;
  DType type_;
  std::vector<T> values_;
};

using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

const char* const kDevices[] = {"cpu", "cuda:0"};

/// y of a kernel of x and y, both f32.
Floats run(const Device& device, const std::string& text, const Floats& values) {
  const Array<float> x(device, f32, values), y(device, f32, Floats(values.size(), -7));
  device.kernel(text, "").launch(nullptr, {x.tensor(), y.tensor()});
  device.synchronize();
  return y.get();
}

} // namespace

TEST_CASE("a byte of a bool other than 0 reads as true in every use, and is stored as 1") {
  Bytes p(600), q(600);
  for (std::size_t i = 0; i < p.size(); ++i) {
    p[i] = static_cast<std::uint8_t>(i);
    q[i] = static_cast<std::uint8_t>(i % 3 ? i * 7 + 1 : 0);
  }
  for (const char* id : kDevices) {
    const Device device = Device::open(id);
    const Kernel kernel = device.kernel(
        "kernel k(p: in bool, q: in bool, a: out bool, b: out bool, c: out bool, d: out f32, "
        "e: out u8) {\n"
        "  a = p; b = p && !q; c = p == q; d = p ? 7 : f32(q); e = u8(p) + u8(q);\n}",
        "");
    const Array<std::uint8_t> in_p(device, boolean, p), in_q(device, boolean, q);
    const Bytes unset(p.size(), 0xa5);
    const Array<std::uint8_t> a(device, boolean, unset), b(device, boolean, unset),
        c(device, boolean, unset), e(device, u8, unset);
    const Array<float> d(device, f32, Floats(p.size()));
    kernel.launch(nullptr, {in_p.tensor(), in_q.tensor(), a.tensor(), b.tensor(), c.tensor(),
                            d.tensor(), e.tensor()});
    device.synchronize();
    INFO(id);
    const Bytes got_a = a.get(), got_b = b.get(), got_c = c.get(), got_e = e.get();
    const Floats got_d = d.get();
    for (std::size_t i = 0; i < p.size(); ++i) {
      const bool first = p[i] != 0, second = q[i] != 0;
      REQUIRE(got_a[i] == first);
      REQUIRE(got_b[i] == (first && !second));
      REQUIRE(got_c[i] == (first == second));
      REQUIRE(got_d[i] == (first ? 7 : second));
      REQUIRE(got_e[i] == first + second);
    }
  }
}

TEST_CASE("where the exact value is a whole number, what cuts to one does not fall below it") {
  struct Point {
    const char* value;
    Floats x;
    double (*exact)(double);
  };
  const Point points[] = {
      {"floor(exp2(x))", {0, 1, 2, 3, 5, 7, 11}, [](double x) { return std::exp2(x); }},
      {"floor(sqrt(x))", {1, 4, 9, 25, 49, 121}, [](double x) { return std::sqrt(x); }},
      {"floor(log2(x))", {1, 2, 8, 32, 1024, 8192}, [](double x) { return std::log2(x); }},
      {"floor(pow(x, 2))", {1, 3, 5, 7, 11, 13}, [](double x) { return x * x; }},
      {"trunc(x / 37)", {148, 1073, 37, 3700}, [](double x) { return x / 37; }},
      {"x / x", {3, 33, 37, 41, 47, 55}, [](double) { return 1.0; }},
      {"floor(exp(x - x) + sigmoid(x - x) * 2)", {0, 1, 50}, [](double) { return 2.0; }},
      {"floor(rsqrt(x) * 8)", {1, 4, 16, 64}, [](double x) { return 8 / std::sqrt(x); }},
  };
  for (const char* id : kDevices) {
    const Device device = Device::open(id);
    for (const Point& point : points) {
      Floats x; // of a vector and of what is left over
      while (x.size() < 67)
        x.push_back(point.x[x.size() % point.x.size()]);
      const Floats y =
          run(device, fmt::format("kernel k(x: in f32, y: out f32) {{ y = {}; }}", point.value), x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        INFO(id << ": " << point.value << " at " << x[i]);
        REQUIRE(double{y[i]} == point.exact(double{x[i]}));
      }
    }
  }
}

TEST_CASE("kernels, parameters and values may have the words of other languages for names") {
  const Floats x = {1, 2, 3};
  for (const char* id : kDevices) {
    const Device device = Device::open(id);
    for (const char* word :
         {"double",    "main",    "printf", "memcpy", "abort", "expf",       "llvm", "entry",
          "add",       "ret",     "ld",     "tid",    "pred",  "__device__", "_",    "_start",
          "threadIdx", "environ", "swage",  "func",   "weak",  "nan_",       "SWAGE"}) {
      INFO(id << ": " << word);
      CHECK(run(device,
                fmt::format("fn f_{0}({0}) = {0} + 1; kernel {0}(x: in f32, y: out f32) {{ "
                            "y = f_{0}(x); }}",
                            word),
                x) == Floats{2, 3, 4});
    }
    std::string text = "kernel k(reg: in f32, data: out f32) { let double = reg;";
    std::string last = "double";
    for (const char* word :
         {"float", "int",    "class", "main", "memcpy", "llvm",   "dot",     "entry",
          "mov",   "global", "tid",   "rd1",  "p1",     "_",      "__",      "NULL",
          "n",     "idx",    "rows",  "cols", "stride", "launch", "kernel_", "__device__"}) {
      text += fmt::format(" let {} = {} + 1;", word, last);
      last = word;
    }
    INFO(id);
    CHECK(run(device, text + fmt::format(" data = {}; }}", last), x) == Floats{25, 26, 27});
  }
}

TEST_CASE("more rows than a grid of one dimension takes are all computed") {
  constexpr std::int64_t kRows = 66'000, kColumns = 3; // the limit of y and z is 65535
  Floats values(kRows * kColumns), of_rows(kRows);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  for (std::size_t i = 0; i < of_rows.size(); ++i)
    of_rows[i] = static_cast<float>(i % 17);
  const Device device = gpu();
  const Array<float> x(device, f32, values), r(device, f32, of_rows),
      y(device, f32, Floats(values.size(), -1));
  device.kernel("kernel k(x: in f32, r: in f32 [row], y: out f32) { y = x * 2 + r; }", "")
      .launch(nullptr,
              {x.tensor({kRows, kColumns}), r.tensor({kRows, 1}), y.tensor({kRows, kColumns})});
  device.synchronize();
  const Floats got = y.get();
  for (std::size_t i = 0; i < values.size(); ++i)
    REQUIRE(got[i] == values[i] * 2 + of_rows[i / kColumns]);
}
