// host_peers.cpp -- Swage on the CPU beside loops written by hand and beside the streaming triad.
//
//   swage_host_peers [ROWSxCOLUMNS ...]
//
// The loops have the same math as Swage's host code (a degree-6 exponential, one division) and run
// in parallel over the same ranges; all of a line is measured in turns, and the median is told.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include <fmt/format.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include "runtime/measure/triad.hpp"
#include "swage/swage.hpp"

namespace {

using namespace swage;

/// e^x by 2^n * p(r), |r| <= ln(2)/2, coefficients of the Taylor series; x clamped to the normal
/// range. Branchless, so that the compiler makes vectors of it.
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
  float r = x - n * 0.693145752f;
  r = r - n * 1.42860677e-6f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

inline float widen(float x) {
  return x;
}
inline float widen(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}
inline void narrow(float x, float& to) {
  to = x;
}
/// To bf16, nearest even; NaN stays one as long as a payload bit of the upper half is set.
inline void narrow(float x, std::uint16_t& to) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  to = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

constexpr std::int64_t kGrain = 16384;

template <typename Body>
void for_ranges(std::int64_t count, const Body& body) {
  if (count <= kGrain)
    return body(0, count);
  tbb::parallel_for(tbb::blocked_range<std::int64_t>(0, count, kGrain),
                    [&](const auto& range) { body(range.begin(), range.end()); });
}

// Not inlined, so that what __restrict promises is not lost.
template <typename T>
[[gnu::noinline]] void hand_forward(const T* __restrict gate, const T* __restrict up,
                                    T* __restrict h, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = widen(gate[i]);
    const float s = 1 / (1 + exponential(-g));
    narrow(g * s * widen(up[i]), h[i]);
  }
}

template <typename T>
[[gnu::noinline]] void hand_backward(const T* __restrict d_h, const T* __restrict gate,
                                     const T* __restrict up, T* __restrict d_gate,
                                     T* __restrict d_up, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = widen(gate[i]), d = widen(d_h[i]);
    const float s = 1 / (1 + exponential(-g));
    narrow(d * widen(up[i]) * s * (1 + g * (1 - s)), d_gate[i]);
    narrow(d * g * s, d_up[i]);
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double seconds(const std::function<void()>& body, int launches) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < launches; ++i)
    body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / launches;
}

/// Medians of 15 rounds in which all take turns.
std::vector<double> take_turns(const std::vector<std::function<void()>>& bodies) {
  std::vector<std::vector<double>> times(bodies.size());
  std::vector<int> launches;
  for (const auto& body : bodies) {
    body();
    launches.push_back(std::clamp(static_cast<int>(1e-3 / seconds(body, 1)), 1, 10000));
  }
  for (int round = 0; round < 15; ++round)
    for (std::size_t i = 0; i < bodies.size(); ++i)
      times[i].push_back(seconds(bodies[i], launches[i]));
  std::vector<double> result;
  for (auto& each : times)
    result.push_back(median(std::move(each)));
  return result;
}

template <typename T>
void compare(const char* type_name, DType type, std::int64_t rows, std::int64_t columns,
             double triad) {
  const Device cpu = Device::open("cpu");
  const std::int64_t count = rows * columns;
  const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
  std::vector<Buffer> buffers;
  std::vector<Tensor> tensors;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    narrow(static_cast<float>((i * 7919 + 13) % 4001) / 1000.0f - 2, values[i]);
  for (int i = 0; i < 5; ++i) {
    buffers.push_back(cpu.allocate(bytes));
    buffers.back().write(values.data(), bytes);
    tensors.emplace_back(buffers.back().data(), type, std::initializer_list<std::int64_t>{count});
  }
  const auto data = [&](int i) {
    return static_cast<T*>(buffers[static_cast<std::size_t>(i)].data());
  };
  const Kernel forward = cpu.catalogue_kernel("swiglu", {{"T", type}});
  const Kernel backward = cpu.catalogue_kernel("swiglu_backward", {{"T", type}});
  TuneOptions options;
  options.force = true;
  options.record = false;
  forward.tune({tensors[0], tensors[1], tensors[2]}, options);
  backward.tune({tensors[0], tensors[1], tensors[2], tensors[3], tensors[4]}, options);

  const auto tell = [&](const char* name, const std::function<void()>& ours,
                        const std::function<void()>& hand, int streams) {
    const std::vector<double> times = take_turns({ours, hand});
    const double moved = static_cast<double>(bytes) * streams;
    fmt::print("{:9} {:5} {:>6}x{:<6} {:9.2f} {:9.2f} {:9.2f} {:9.2f}\n", name, type_name, rows,
               columns, moved / times[0] * 1e-9, moved / times[1] * 1e-9, times[1] / times[0],
               moved / times[0] / triad);
    std::fflush(stdout);
  };
  tell(
      "forward",
      [&] {
        forward.launch(nullptr, {tensors[0], tensors[1], tensors[2]});
      },
      [&] {
        for_ranges(count, [&](std::int64_t begin, std::int64_t end) {
          hand_forward(data(0), data(1), data(2), begin, end);
        });
      },
      3);
  tell(
      "backward",
      [&] {
        backward.launch(nullptr, {tensors[0], tensors[1], tensors[2], tensors[3], tensors[4]});
      },
      [&] {
        for_ranges(count, [&](std::int64_t begin, std::int64_t end) {
          hand_backward(data(0), data(1), data(2), data(3), data(4), begin, end);
        });
      },
      5);
}

} // namespace

int main(int count, char** arguments) {
  std::vector<std::pair<long long, long long>> shapes;
  for (int i = 1; i < count; ++i) {
    long long rows = 0, columns = 0;
    if (std::sscanf(arguments[i], "%lldx%lld", &rows, &columns) != 2 || rows < 1 || columns < 1) {
      std::fprintf(stderr, "host_peers: '%s' is no shape, as in 64x4096\n", arguments[i]);
      return 2;
    }
    shapes.emplace_back(rows, columns);
  }
  if (shapes.empty())
    shapes = {{8, 4096}, {64, 4096}, {512, 4096}, {4096, 14336}};
  try {
    const double triad = measure::host_triad(std::int64_t{1} << 25, true);
    fmt::print("streaming triad {:.1f} GB/s\n", triad * 1e-9);
    fmt::print("{:9} {:5} {:>6} {:6} {:>9} {:>9} {:>9} {:>9}\n", "kernel", "T", "rows", "columns",
               "GB/s", "by hand", "of hand", "of triad");
    for (const auto& [rows, columns] : shapes) {
      compare<float>("f32", f32, rows, columns, triad);
      compare<std::uint16_t>("bf16", bf16, rows, columns, triad);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "host_peers: %s\n", error.what());
    return 1;
  }
  return 0;
}
