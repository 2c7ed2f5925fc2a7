// shipped.cpp -- a program that links the runtime without the compiler and carries its kernels:
// every kind of call on the device named, right to a few ulp; what it does not carry is refused by
// name; and no LLVM is in the process.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <swage/embed.h>
#include <swage/version.h>

#include "kernels.hpp"

namespace {

int failures = 0;

void check(bool holds, const std::string& what) {
  if (!holds) {
    std::fprintf(stderr, "failed: %s\n", what.c_str());
    ++failures;
  }
}

/// f32 on a device, with room on both sides.
class Memory {
public:
  Memory(const swage::Device& device, std::size_t count)
      : values(count), buffer_(device.allocate(count * sizeof(float))) {
    for (std::size_t i = 0; i < count; ++i)
      values[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
    buffer_.write(values.data(), count * sizeof(float));
  }
  float* data(std::size_t from = 0) const { return static_cast<float*>(buffer_.data()) + from; }
  const std::vector<float>& read() {
    buffer_.read(values.data(), values.size() * sizeof(float));
    return values;
  }
  std::vector<float> values;

private:
  swage::Buffer buffer_;
};

bool near(double a, double b) {
  return std::abs(a - b) <= 2e-6 * (1 + std::abs(b));
}

double swiglu(double gate, double up) {
  return gate / (1 + std::exp(-gate)) * up;
}

/// Where element (r, c) of a view lies.
struct View {
  std::size_t from;
  std::int64_t row, column;
  std::size_t at(std::int64_t r, std::int64_t c) const {
    return from + static_cast<std::size_t>(r * row + c * column);
  }
};

constexpr std::int64_t kRows = 5, kColumns = 192;
constexpr std::size_t kRoom = 4096;

void check_swiglu(const swage::Device& device, const char* what, View gate, View up, View h,
                  bool in_place = false) {
  Memory in(device, kRoom), out(device, kRoom);
  const std::vector<float> before = in.values;
  Memory& target = in_place ? in : out;
  const auto tensor = [](const Memory& memory, View view) {
    return swage::Tensor(memory.data(view.from), swage::f32, {kRows, kColumns},
                         {view.row, view.column});
  };
  const kernels::swiglu kernel(device);
  kernel(nullptr, tensor(in, gate), tensor(in, up), tensor(target, h));
  device.synchronize();
  const std::vector<float>& after = target.read();
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < kColumns; ++c)
      if (!near(after[h.at(r, c)], swiglu(before[gate.at(r, c)], before[up.at(r, c)])))
        return check(false, std::string("swiglu, ") + what);
}

void check_calls(const swage::Device& device) {
  const View whole{0, kColumns, 1}, second{2048, kColumns, 1};
  check_swiglu(device, "contiguous", whole, second, whole);
  check_swiglu(device, "misaligned", {1, kColumns, 1}, {2049, kColumns, 1}, {3, kColumns, 1});
  check_swiglu(device, "packed halves", {0, 2 * kColumns, 1}, {kColumns, 2 * kColumns, 1}, whole);
  check_swiglu(device, "interleaved", {0, 2 * kColumns, 2}, {1, 2 * kColumns, 2}, whole);
  check_swiglu(device, "any strides", {0, 401, 2}, {2048, 200, 1}, {7, 600, 3});
  check_swiglu(device, "in place", whole, second, whole, true);
  check_swiglu(device, "rows in place, misaligned", {1, 200, 1}, {2049, 200, 1}, {1, 200, 1}, true);

  Memory x(device, kRoom), weight(device, kColumns), y(device, kRoom), sums(device, kColumns);
  const swage::Tensor input(x.data(), swage::f32, {kRows, kColumns});
  const kernels::rms_norm norm(device);
  norm(nullptr, input, swage::Tensor(weight.data(), swage::f32, {kColumns}),
       swage::Tensor(y.data(), swage::f32, {kRows, kColumns}));
  const kernels::column_sums column_sums(device);
  column_sums(nullptr, input, 2.0, swage::Tensor(sums.data(), swage::f32, {kColumns}));
  Memory shares(device, kRoom), top(device, 1);
  const kernels::shares share(device);
  share(nullptr, input, swage::Tensor(shares.data(), swage::f32, {kRows, kColumns}),
        swage::Tensor(top.data(), swage::f32, {}));
  device.synchronize();
  y.read();
  sums.read();
  shares.read();
  top.read();
  double most = 0;
  for (std::int64_t c = 0; c < kColumns; ++c) {
    double sum = 0;
    for (std::int64_t r = 0; r < kRows; ++r)
      sum += std::abs(double{x.values[r * kColumns + c]});
    most = std::max(most, sum);
    for (std::int64_t r = 0; r < kRows; ++r)
      check(near(shares.values[r * kColumns + c], x.values[r * kColumns + c] / sum), "shares");
  }
  check(near(top.values[0], most), "the largest of sums over rows");
  for (std::int64_t r = 0; r < kRows; ++r) {
    double squares = 0;
    for (std::int64_t c = 0; c < kColumns; ++c)
      squares += double{x.values[r * kColumns + c]} * x.values[r * kColumns + c];
    const double scale = 1 / std::sqrt(squares / kColumns + 1e-6);
    for (std::int64_t c = 0; c < kColumns; ++c)
      check(near(y.values[r * kColumns + c], x.values[r * kColumns + c] * scale * weight.values[c]),
            "rms_norm");
  }
  for (std::int64_t c = 0; c < kColumns; ++c) {
    double sum = 0;
    for (std::int64_t r = 0; r < kRows; ++r)
      sum += 2.0 * x.values[r * kColumns + c];
    check(near(sums.values[c], sum), "column_sums");
  }
}

/// Codes of four bits by rows or transposed, beside `x` of any strides.
void check_codes(const swage::Device& device, bool reads_columns, bool writes_columns,
                 std::int64_t x_stride) {
  constexpr std::int64_t kCodeRows = 6, kCodeColumns = 10;
  constexpr std::size_t kBytes = kCodeRows * kCodeColumns / 2;
  const auto codes = [](const swage::Buffer& buffer, bool by_columns) {
    return swage::Tensor(buffer.data(), swage::f4e2m1, {kCodeRows, kCodeColumns},
                         {by_columns ? 1 : kCodeColumns, by_columns ? kCodeRows : 1});
  };
  const auto code = [](const std::vector<unsigned char>& bytes, bool by_columns, std::int64_t r,
                       std::int64_t c) {
    const std::int64_t at = by_columns ? r + c * kCodeRows : r * kCodeColumns + c;
    return bytes[static_cast<std::size_t>(at / 2)] >> (at % 2 * 4) & 15;
  };
  std::vector<unsigned char> from(kBytes), to(kBytes, 0xa5);
  for (std::size_t i = 0; i < kBytes; ++i)
    from[i] = static_cast<unsigned char>(37 * i + 11);
  swage::Buffer p = device.allocate(kBytes), q = device.allocate(kBytes);
  p.write(from.data(), kBytes);
  q.write(to.data(), kBytes);
  const Memory x(device, kRoom), s(device, kRoom);
  const kernels::codes kernel(device);
  kernel(nullptr, codes(p, reads_columns),
         swage::Tensor(x.data(), swage::f32, {kCodeRows, kCodeColumns},
                       {kCodeColumns * x_stride, x_stride}),
         codes(q, writes_columns),
         swage::Tensor(s.data(), swage::f32, {kCodeRows / 2, kCodeColumns}));
  device.synchronize();
  q.read(to.data(), kBytes);
  for (std::int64_t r = 0; r < kCodeRows; ++r)
    for (std::int64_t c = 0; c < kCodeColumns; ++c) {
      const bool flips = x.values[static_cast<std::size_t>((r * kCodeColumns + c) * x_stride)] < 0;
      if (code(to, writes_columns, r, c) != (code(from, reads_columns, r, c) ^ (flips ? 8 : 0)))
        return check(false, std::string("codes, ") + (reads_columns ? "read" : "") +
                                (writes_columns ? " written" : "") + " transposed, x every " +
                                std::to_string(x_stride));
    }
}

/// What the Error that `call` throws says, if it is the one for a missing compiler.
std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const swage::Error& error) {
    return error.code() == swage::ErrorCode::unsupported ? error.what() : "another error";
  }
  return "no error";
}

void check_refusals(const swage::Device& device) {
  Memory x(device, 64), y(device, 64);
  const swage::Tensor from(x.data(), swage::f32, {8, 8}), to(y.data(), swage::f32, {8, 8});
  const auto says = [](const std::string& text, std::initializer_list<const char*> parts) {
    for (const char* part : parts)
      check(text.find(part) != text.npos, "'" + text + "' says '" + part + "'");
  };
  const swage::Kernel own =
      device.kernel("kernel own(x: in f32, y: out f32) { y = 2 * x; }", "own");
  says(refusal([&] {
         own.launch(nullptr, {from, to});
       }),
       {"kernel 'own'", "flat i32", "y=unit@", "nothing of that name", "swage build",
        "swage::swage"});
  says(refusal([&] { own.tune({from, to}); }), {"kernel 'own' cannot be tuned", "swage::swage"});
  // Carried, but not for counts of rows.
  swage::LaunchOptions options;
  Memory counts(device, 1);
  options.valid_rows = swage::Tensor(counts.data(), swage::i32, {1});
  const kernels::swiglu swiglu(device);
  const std::vector<swage::Arg> arguments = {from, from, to};
  says(refusal([&] { swiglu.handle().prepare(arguments, options); }),
       {"kernel 'swiglu'", "valid_rows=one:i32", "variants of it for", "none for this call"});
}

bool holds_llvm() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("libLLVM") != line.npos)
      return true;
  return false;
}

} // namespace

int main(int count, char** arguments) {
  try {
    const swage::Device device = swage::Device::open(count > 1 ? arguments[1] : "cpu");
    check(swage_abi_version() == SWAGE_ABI_VERSION, "the library is the one compiled against");
    check(swage_calling_convention() == 1, "the calling convention");
    check_calls(device);
    for (const bool reads : {false, true})
      for (const bool writes : {false, true})
        for (const std::int64_t stride : {1, 3})
          check_codes(device, reads, writes, stride);
    check_refusals(device);
    check(swage::cache_statistics().misses == 0, "nothing was compiled");
    check(!holds_llvm(), "no LLVM is in the process");
  } catch (const std::exception& error) {
    check(false, error.what());
  }
  return failures != 0;
}
