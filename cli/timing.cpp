// timing.cpp -- how long a run takes.
#include "cli/timing.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace swage::cli {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

measure::LaunchTime summary(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const std::size_t last = seconds.size() - 1;
  return {.median = seconds[last / 2],
          .low = seconds[last / 4],
          .high = seconds[last - last / 4],
          .rounds = static_cast<int>(seconds.size()),
          .launches = 1};
}

} // namespace

double prepare_timed(const Kernel& kernel, const verify::Operands& operands) {
  const Clock::time_point start = Clock::now();
  kernel.prepare(operands.arguments());
  return seconds_since(start);
}

measure::LaunchTime time_run(const Device& device, const Kernel& kernel, verify::Operands& operands,
                             int rounds) {
  if (device.info().kind != DeviceKind::cpu || !operands.in_place()) {
    const std::vector<Arg> arguments(operands.arguments().begin(), operands.arguments().end());
    return measure::time_launches(kernel, std::span(&arguments, 1), {.rounds = rounds});
  }
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    operands.upload(false);
    const Clock::time_point start = Clock::now();
    kernel.launch(nullptr, operands.arguments());
    seconds.push_back(seconds_since(start));
  }
  return summary(std::move(seconds));
}

} // namespace swage::cli
