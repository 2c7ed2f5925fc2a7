// sweep.cpp -- which inputs `verify` and `certify` run over.
#include "cli/sweep.hpp"

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
  app.add_option("--samples", options.samples, "Random inputs (default 16777216)")->type_name("N");
  app.add_option("--seed", options.seed, "Seed of random inputs (default 0)")->type_name("N");
}

verify::InputOptions input_options(const SweepOptions& options) {
  verify::InputOptions result{.exhaustive = options.exhaustive, .seed = options.seed};
  if (!options.samples.empty()) {
    if (options.exhaustive)
      throw Error(
          ErrorCode::invalid_argument,
          "--samples is for random inputs, --exhaustive leaves nothing to chance; give one");
    result.samples = parse_count(options.samples, "--samples");
  }
  if (!options.pairs.empty())
    result.pairs = parse_count(options.pairs, "--pairs");
  return result;
}

void check_sweepable(const ir::Kernel& kernel, std::string_view verb) {
  if (!ir::is_elementwise(kernel))
    throw Error(ErrorCode::unsupported,
                fmt::format("kernel '{}' uses {}: {} tries elements one by one; hold whole rows to "
                            "the evaluator with swage run --verify",
                            kernel.name(), ir::beyond_elements(kernel), verb));
}

void sweep_shown(const Device& device, const ir::Kernel& kernel, const verify::TestInputs& inputs,
                 verify::OperandOptions wanted,
                 const std::function<void(verify::Operands&, const Shape&)>& step) {
  const Progress progress(inputs.count());
  verify::sweep(device, kernel, inputs, std::move(wanted), step,
                [&](std::int64_t done) { progress.at(done); });
}

} // namespace swage::cli
