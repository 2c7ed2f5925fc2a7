// sweep.hpp -- running over many inputs of a kernel, launch by launch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cli/operands.hpp"
#include "cli/test_inputs.hpp"

namespace CLI {
class App;
}

namespace swage::cli {

/// Which inputs, as given on the command line.
struct SweepOptions {
  std::string pairs, samples;
  std::uint64_t seed = 0;
  bool exhaustive = false;
};

/// --exhaustive, --pairs, --samples and --seed.
void add_sweep_options(CLI::App& app, SweepOptions& options);
InputOptions input_options(const SweepOptions& options);

/// Throws Error(unsupported) for a kernel that `verb` cannot try element by element.
void check_sweepable(const ir::Kernel& kernel, std::string_view verb);

/// Elements of one launch at most.
inline constexpr std::int64_t kMaxSweepLaunch = std::int64_t{1} << 21;

/// Calls `step` with operands that hold the next inputs as entry values, not uploaded yet, until
/// all have been. `wanted` is a pattern: its shape is chosen here. Shows how far it is on a
/// terminal.
void sweep(const Device& device, const ir::Kernel& kernel, const TestInputs& inputs,
           OperandOptions wanted, const std::function<void(Operands&, const Shape&)>& step);

} // namespace swage::cli
