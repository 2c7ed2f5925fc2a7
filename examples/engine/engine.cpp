// engine.cpp -- an inference step of a LLaMA feed-forward block, with kernels that were compiled
// when the engine was built: rms_norm, a product with the packed gate and up weights, swiglu on
// their halves, a product with the down weights. No compiler is linked, and nothing is compiled at
// run time.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

#include "kernels.hpp"

namespace {

constexpr std::int64_t kRows = 4, kModel = 64, kHidden = 160;

using Matrix = std::vector<float>;

/// out[rows][columns] = x[rows][inner] * w[columns][inner], by a plain loop.
void product(const Matrix& x, const Matrix& w, Matrix& out, std::int64_t inner,
             std::int64_t columns) {
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      float sum = 0;
      for (std::int64_t i = 0; i < inner; ++i)
        sum += x[r * inner + i] * w[c * inner + i];
      out[r * columns + c] = sum;
    }
}

Matrix weights(std::int64_t count, double step) {
  Matrix matrix(count);
  for (std::int64_t i = 0; i < count; ++i)
    matrix[i] = static_cast<float>(0.1 * std::sin(step * static_cast<double>(i)));
  return matrix;
}

/// The largest error of what the kernels computed, in double.
double check(const Matrix& x, const Matrix& norm, const Matrix& gate_up, const Matrix& hidden) {
  double worst = 0;
  for (std::int64_t r = 0; r < kRows; ++r) {
    double squares = 0;
    for (std::int64_t c = 0; c < kModel; ++c)
      squares += double{x[r * kModel + c]} * x[r * kModel + c];
    const double scale = 1 / std::sqrt(squares / kModel + 1e-6);
    for (std::int64_t c = 0; c < kModel; ++c)
      worst = std::max(worst, std::abs(norm[r * kModel + c] - scale * x[r * kModel + c]));
    for (std::int64_t c = 0; c < kHidden; ++c) {
      const double gate = gate_up[r * 2 * kHidden + c], up = gate_up[r * 2 * kHidden + kHidden + c];
      worst =
          std::max(worst, std::abs(hidden[r * kHidden + c] - gate / (1 + std::exp(-gate)) * up));
    }
  }
  return worst;
}

int run() {
  const auto start = std::chrono::steady_clock::now();
  const swage::Device device = swage::Device::open("cpu");
  const kernels::rms_norm rms_norm(device);
  const kernels::swiglu swiglu(device);

  Matrix x = weights(kRows * kModel, 0.7), ones(kModel, 1.0f), norm(kRows * kModel);
  rms_norm(nullptr, swage::Tensor(x.data(), swage::f32, {kRows, kModel}),
           swage::Tensor(ones.data(), swage::f32, {kModel}),
           swage::Tensor(norm.data(), swage::f32, {kRows, kModel}));
  const double first =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const Matrix gate_up_weights = weights(2 * kHidden * kModel, 0.3);
  const Matrix down_weights = weights(kModel * kHidden, 0.9);
  Matrix gate_up(kRows * 2 * kHidden), hidden(kRows * kHidden), y(kRows * kModel);
  product(norm, gate_up_weights, gate_up, kModel, 2 * kHidden);
  // Gate and up are the halves of each row: two views of one matrix, nothing is copied.
  swiglu(nullptr, swage::Tensor(gate_up.data(), swage::f32, {kRows, kHidden}, {2 * kHidden, 1}),
         swage::Tensor(gate_up.data() + kHidden, swage::f32, {kRows, kHidden}, {2 * kHidden, 1}),
         swage::Tensor(hidden.data(), swage::f32, {kRows, kHidden}));
  product(hidden, down_weights, y, kHidden, kModel);

  const double error = check(x, norm, gate_up, hidden);
  std::printf("y[0] = %.6f, largest error %.1e, first result after %.3f ms\n", y[0], error,
              1e3 * first);
  return error < 1e-6 ? 0 : 1;
}

} // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "engine: %s\n", error.what());
    return 1;
  }
}
