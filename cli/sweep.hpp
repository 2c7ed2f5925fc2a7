// sweep.hpp -- which inputs `verify` and `certify` run over.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cli/shape.hpp"
#include "runtime/verify/sweep.hpp"

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
verify::InputOptions input_options(const SweepOptions& options);

/// Throws Error(unsupported) for a kernel that `verb` cannot try element by element.
void check_sweepable(const ir::Kernel& kernel, std::string_view verb);

/// verify::sweep that shows how far it is on a terminal.
void sweep_shown(const Device& device, const ir::Kernel& kernel, const verify::TestInputs& inputs,
                 verify::OperandOptions wanted,
                 const std::function<void(verify::Operands&, const Shape&)>& step);

} // namespace swage::cli
