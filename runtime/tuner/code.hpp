// code.hpp -- the candidates' code, compiled in as few modules as possible.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/kernel.hpp"
#include "runtime/tuner/stopping.hpp"

namespace swage::runtime {

/// Code of one kernel for one specialization, by code line. Kept while sizes of a kernel are tuned
/// one after another: they share it. GPU code is loaded for one context and unloaded with the
/// object: every launch has been waited for by then.
class CandidateCode {
public:
  CandidateCode(const KernelState& kernel, const codegen::Specialization& specialization,
                cuda::Context context)
      : kernel_(kernel), specialization_(specialization), context_(context) {}

  /// Compiles what is missing: for a GPU all in modules of at most kMaxEntries, for the driver
  /// assembles one module of 48 kernels twice as fast as 48 modules; for the CPU one by one on all
  /// threads. A schedule that cannot be compiled is eliminated with the reason.
  void compile(std::vector<Candidate>& candidates);

  LaunchPlan plan(const codegen::Schedule& schedule) const;

  static constexpr std::size_t kMaxEntries = 96;

private:
  using Functions = std::map<std::string, std::shared_ptr<const LoadedFunction>>;

  void compile_cuda(std::span<const codegen::Schedule> schedules);
  void compile_host(std::span<const codegen::Schedule> schedules);

  const KernelState& kernel_;
  const codegen::Specialization specialization_;
  const cuda::Context context_;
  std::vector<std::unique_ptr<cuda::LoadedModule>> modules_;
  Functions functions_;
  std::map<std::string, std::string> failures_; ///< by code line
};

} // namespace swage::runtime
