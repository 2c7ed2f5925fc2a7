// tuner.hpp -- finds the fastest schedule of one kernel for calls of one size.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/statistics.hpp"
#include "runtime/launch/kernel.hpp"
#include "runtime/tune/code.hpp"
#include "runtime/tune/key.hpp"
#include "runtime/tune/stopping.hpp"

namespace swage::tune {

struct TunerOptions {
  /// Seconds to spend on measuring, all candidates being compiled before; 0: kHostBudget, and on
  /// CUDA what kCudaWhole leaves. A budget that runs out ends the search with what is known.
  double budget = 0;
  bool force = false; ///< measure however noisy the device is
  bool record = true; ///< put the result into the tuning records
  /// Called as the search goes on, with the share of it that is behind and what is being done.
  std::function<void(double share, std::string_view what)> progress{};
};

/// Seconds. A search on a GPU ends within kCudaWhole, compiling and buffers included, unless those
/// leave less than kCudaLeast to measure in; what is not compiled within kCudaCompile is left out,
/// but for the likeliest. Large calls on a CPU take tens of milliseconds each.
inline constexpr double kCudaWhole = 0.48, kCudaCompile = 0.3;
inline constexpr double kCudaBudget = 0.4, kCudaLeast = 0.15;
inline constexpr double kHostBudget = 2.0;

/// Repeated launches of the default may spread by this (quartiles over the median) before tuning
/// refuses: beyond, another process has the device, and the winner would be luck. Chosen, not
/// measured: a CPU runs other processes all the time, a GPU should not.
inline constexpr double kCudaNoiseLimit = 0.10;
inline constexpr double kHostNoiseLimit = 0.35;

struct TuneReport {
  TuningKey key;
  std::int64_t rows = 0, columns = 0, bytes = 0; ///< as CallDescription
  bool in_cache = false;                         ///< timed in the cache, see runs_in_cache
  codegen::Schedule best, default_schedule;
  base::Digest code{}; ///< of the code of `best` that was timed: what launches run
  double seconds = 0, default_seconds = 0; ///< of one launch, medians of paired rounds
  double spread = 0;                       ///< of `seconds`
  base::Gain gain;                         ///< of the fastest over the default
  bool improved = false;                   ///< `best` is not the default
  double noise = 0;                        ///< spread of the default beforehand
  double roofline = 0;                     ///< bytes a second; 0: not known
  std::vector<Candidate> candidates;       ///< the default first
  int measured = 0;                        ///< candidates with a time
  int rounds = 0;
  std::size_t sets = 0; ///< of buffers
  /// Of those, the ones that half of the timed launches went round, in the GPU's cache; 0: none,
  /// all times are of tensors that lie in memory.
  std::size_t cached_sets = 0;
  std::string stopped; ///< why the search ended
  /// On a GPU the roofline is measured in compile_seconds, on the CPU too, after compiling.
  double compile_seconds = 0, setup_seconds = 0, measure_seconds = 0;
};

/// Tunes one kernel, for one kind of call after another; code is shared between them. One search
/// runs in a process at a time. Not to be called while a stream of this thread captures.
class Tuner {
public:
  explicit Tuner(const KernelState& kernel);

  /// What `tune` would measure: the call, the default and the candidates. Compiles nothing.
  TuneReport plan(std::span<const Arg> arguments) const;

  /// Finds the schedule for calls like `arguments`, whose memory is not touched (and need not be
  /// there: addresses tell alignment and overlap alone). Launches of this kernel object use it from
  /// then on, others when they first meet such a call. Throws Error: invalid_argument (arguments
  /// that launch would refuse, no elements, a kernel with a schedule of its own), unsupported (the
  /// device is too noisy), driver, out_of_memory, io (the record could not be written; the result
  /// holds in this process).
  TuneReport tune(std::span<const Arg> arguments, const TunerOptions& options = {});

private:
  void measure(std::span<const Arg> arguments, const TunerOptions& options,
               const CandidateCode& code, TuneReport& report) const;

  const KernelState& kernel_;
  cuda::ContextRef context_;
  std::map<std::string, CandidateCode> codes_; ///< by specialization
};

/// Whether this thread is tuning: what it launches meanwhile tunes nothing.
bool is_tuning() noexcept;

/// SWAGE_AUTOTUNE: tunes for a call that has no record of its size class. Does nothing where the
/// setting is off, the kernel has a schedule of its own, or `stream` captures; a search that fails
/// is told in the log.
void autotune(const KernelState& kernel, const launch::Call& call, std::span<const Arg> arguments,
              cuda::StreamHandle stream);

} // namespace swage::tune
