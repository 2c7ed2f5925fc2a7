// sweep.cpp -- running over many inputs of a kernel, launch by launch.
#include "runtime/verify/sweep.hpp"

#include <algorithm>
#include <memory>

namespace swage::verify {

namespace {

// Launches are small enough to stay near the cache, large enough to use every core.
constexpr std::int64_t kMinLaunch = std::int64_t{1} << 12;
/// Fewer launches would show fewer of the worst inputs.
constexpr std::int64_t kLaunches = 16;

} // namespace

void sweep(const Device& device, const ir::Kernel& kernel, const TestInputs& inputs,
           OperandOptions wanted, const std::function<void(Operands&, const Shape&)>& step,
           const std::function<void(std::int64_t)>& done) {
  const std::int64_t share = std::clamp(inputs.count() / kLaunches, kMinLaunch, kMaxSweepLaunch);
  const std::int64_t size = share + share % 2;
  std::unique_ptr<Operands> operands;
  for (std::int64_t first = 0; first < inputs.count(); first += size) {
    const std::int64_t count = std::min(size, inputs.count() - first);
    if (!operands || wanted.shape[0] != count) {
      wanted.shape = {count};
      operands.reset(); // before its successor takes as much memory again
      operands = std::make_unique<Operands>(device, kernel, wanted);
    }
    operands->refill(
        [&](std::size_t param, std::span<std::byte> bytes) { inputs.fill(param, first, bytes); });
    step(*operands, wanted.shape);
    if (done)
      done(first + count);
  }
}

void sweep(const Device& device, const ir::Kernel& kernel, const RowInputs& inputs,
           OperandOptions wanted, const std::function<void(Operands&, const Shape&)>& step,
           const std::function<void(std::int64_t)>& done) {
  std::unique_ptr<Operands> operands;
  std::int64_t count = 0;
  for (const RowInputs::Step& next : inputs.steps()) {
    const Shape shape{next.rows, next.columns};
    if (!operands || wanted.shape != shape) {
      wanted.shape = shape;
      operands.reset();
      operands = std::make_unique<Operands>(device, kernel, wanted);
    }
    operands->refill(
        [&](std::size_t param, std::span<std::byte> bytes) { inputs.fill(param, next, bytes); });
    step(*operands, shape);
    count += next.rows * next.columns;
    if (done)
      done(count);
  }
}

} // namespace swage::verify
