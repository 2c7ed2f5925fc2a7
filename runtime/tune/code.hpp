// code.hpp -- the candidates' code, made the way that launches have theirs made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/launch/kernel.hpp"
#include "runtime/tune/compile_queue.hpp"
#include "runtime/tune/stopping.hpp"

namespace swage::tune {

/// Code of one kernel for one specialization, by code line. Kept while sizes of a kernel are tuned
/// one after another: they share it. GPU code is loaded for one context and unloaded with the
/// object: every launch has been waited for by then.
class CandidateCode {
public:
  CandidateCode(const KernelState& kernel, const codegen::Specialization& specialization,
                const cuda::ContextRef& context)
      : kernel_(kernel), specialization_(specialization), context_(context) {}

  /// Compiles and loads what is missing, one by one as a launch would, on all threads. For a GPU
  /// past the caches, for all but one will not be used again. A schedule that cannot be compiled is
  /// eliminated with the reason, and so is what would not be compiled within `seconds`, unless it
  /// is one of the likeliest; of the others on a GPU the occupancy is noted.
  void compile(std::vector<Candidate>& candidates, double seconds = CompileQueue::kNoLimit);

  /// The code of a schedule that `compile` has seen and not eliminated.
  const device::LoadedFunction& function(const codegen::Schedule& schedule) const {
    return *functions_.at(codegen::code_line(schedule));
  }
  launch::LaunchPlan plan(const codegen::Schedule& schedule) const;

private:
  std::shared_ptr<const device::LoadedFunction> load(const codegen::Schedule& schedule) const;
  void describe(Candidate& candidate) const;

  const KernelState& kernel_;
  const codegen::Specialization specialization_;
  const cuda::ContextRef context_;
  std::map<std::string, std::shared_ptr<const device::LoadedFunction>> functions_;
  std::map<std::string, std::string> failures_; ///< by code line
};

} // namespace swage::tune
