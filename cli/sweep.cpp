// sweep.cpp -- which inputs `verify` and `certify` run over.
#include "cli/sweep.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::cli {

namespace {

/// Says how far it is, on a terminal.
class Progress {
public:
  explicit Progress(std::int64_t total) : total_(total), shown_(isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_)
      std::fputs("\r\033[K", stderr);
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::int64_t done) const {
    if (shown_)
      std::fprintf(stderr, "\r%3.0f %%",
                   100.0 * static_cast<double>(done) / static_cast<double>(total_));
  }

private:
  std::int64_t total_;
  bool shown_;
};

} // namespace

void add_sweep_options(CLI::App& app, SweepOptions& options) {
  app.add_flag("--exhaustive", options.exhaustive,
               "Every input: for kernels that read up to 32 bits an element");
  app.add_option("--pairs", options.pairs,
                 "With --exhaustive and two inputs: N random values of the second for each of the "
                 "first")
      ->type_name("N");
  app.add_option("--samples", options.samples,
                 "Random inputs (default 16777216; of kernels along rows 1048576)")
      ->type_name("N");
  app.add_option("--columns", options.columns,
                 "Lengths of rows, of kernels that reach along them (default 64,1000,4096)")
      ->type_name("LIST");
  app.add_option("--seed", options.seed, "Seed of random inputs (default 0)")->type_name("N");
}

namespace {

void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

verify::TestInputs elements(const ir::Kernel& kernel, const SweepOptions& options) {
  verify::InputOptions wanted{.exhaustive = options.exhaustive, .seed = options.seed};
  if (!options.columns.empty())
    refuse(fmt::format("--columns is for kernels that reach along their rows, '{}' does not",
                       kernel.name()));
  if (!options.samples.empty()) {
    if (options.exhaustive)
      refuse("--samples is for random inputs, --exhaustive leaves nothing to chance; give one");
    wanted.samples = parse_count(options.samples, "--samples");
  }
  if (!options.pairs.empty())
    wanted.pairs = parse_count(options.pairs, "--pairs");
  return {kernel, wanted};
}

verify::RowInputs rows(const ir::Kernel& kernel, const SweepOptions& options) {
  if (options.exhaustive || !options.pairs.empty())
    refuse(fmt::format("kernel '{}' uses {}: its inputs are whole rows, which are too many to try "
                       "all; leave --exhaustive and --pairs out",
                       kernel.name(), ir::beyond_elements(kernel)));
  verify::RowInputOptions wanted{.seed = options.seed};
  if (!options.samples.empty())
    wanted.samples = parse_count(options.samples, "--samples");
  if (!options.columns.empty()) {
    wanted.columns.clear();
    for (std::size_t at = 0; at <= options.columns.size();) {
      const std::size_t end = std::min(options.columns.find(',', at), options.columns.size());
      wanted.columns.push_back(parse_count(options.columns.substr(at, end - at), "--columns"));
      at = end + 1;
    }
  }
  return {kernel, wanted};
}

} // namespace

SweptInputs swept_inputs(const ir::Kernel& kernel, const SweepOptions& options) {
  if (ir::is_elementwise(kernel))
    return elements(kernel, options);
  return rows(kernel, options);
}

std::int64_t count_of(const SweptInputs& inputs) {
  return std::visit([](const auto& each) { return each.count(); }, inputs);
}

void sweep_shown(const Device& device, const ir::Kernel& kernel, const SweptInputs& inputs,
                 verify::OperandOptions wanted,
                 const std::function<void(verify::Operands&, const Shape&)>& step) {
  const Progress progress(count_of(inputs));
  std::visit(
      [&](const auto& each) {
        verify::sweep(device, kernel, each, std::move(wanted), step,
                      [&](std::int64_t done) { progress.at(done); });
      },
      inputs);
}

} // namespace swage::cli
