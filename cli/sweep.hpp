// sweep.hpp -- which inputs `verify` and `certify` run over.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>

#include "cli/shape.hpp"
#include "runtime/verify/sweep.hpp"

namespace CLI {
class App;
}

namespace swage::cli {

/// Which inputs, as given on the command line.
struct SweepOptions {
  std::string pairs, samples, columns;
  std::uint64_t seed = 0;
  bool exhaustive = false;
};

/// --exhaustive, --pairs, --samples, --columns and --seed.
void add_sweep_options(CLI::App& app, SweepOptions& options);

/// The inputs that `options` ask for: elements one by one, or whole rows of a kernel that reaches
/// along them. Throws Error(invalid_argument) where the kernel does not allow what is asked.
using SweptInputs = std::variant<verify::TestInputs, verify::RowInputs>;
SweptInputs swept_inputs(const ir::Kernel& kernel, const SweepOptions& options);
std::int64_t count_of(const SweptInputs& inputs);

/// verify::sweep that shows how far it is on a terminal.
void sweep_shown(const Device& device, const ir::Kernel& kernel, const SweptInputs& inputs,
                 verify::OperandOptions wanted,
                 const std::function<void(verify::Operands&, const Shape&)>& step);

} // namespace swage::cli
