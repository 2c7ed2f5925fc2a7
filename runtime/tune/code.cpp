// code.cpp -- the candidates' code, made the way that launches have theirs made.
#include "runtime/tune/code.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>

#include "runtime/base/parallel.hpp"
#include "runtime/device/context_scope.hpp"
#include "swage/error.hpp"

namespace swage::tune {

std::shared_ptr<const device::LoadedFunction>
CandidateCode::load(const codegen::Schedule& schedule) const {
  const functions::CompileRequest request{kernel_.graph, kernel_.line, specialization_, schedule,
                                          *kernel_.device};
  if (!context_)
    return functions::find_or_load(request, {});
  const device::ContextScope current(context_);
  return functions::load_uncached(request, context_);
}

/// The longest first, so that none is left for one thread in the end: the time to compile follows
/// how many elements a thread has.
void CandidateCode::compile(std::vector<Candidate>& candidates) {
  std::map<std::string, codegen::Schedule> missing;
  for (const Candidate& candidate : candidates) {
    std::string line = codegen::code_line(candidate.schedule);
    if (!functions_.contains(line) && !failures_.contains(line))
      missing.emplace(std::move(line), candidate.schedule);
  }
  std::vector<std::pair<std::string, codegen::Schedule>> work(missing.begin(), missing.end());
  std::ranges::stable_sort(work, std::greater(), [&](const auto& each) {
    return codegen::thread_elements(each.second, kernel_.graph);
  });
  std::mutex mutex;
  std::atomic<std::size_t> next = 0;
  const auto compile_one = [&](std::size_t i) {
    const auto& [line, schedule] = work[i];
    try {
      auto loaded = load(schedule);
      const std::lock_guard lock(mutex);
      functions_[line] = std::move(loaded);
    } catch (const Error& error) {
      const std::lock_guard lock(mutex);
      failures_[line] = error.what();
    }
  };
  base::parallel_ranges(static_cast<std::int64_t>(work.size()), 1,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t i = begin; i < end; ++i)
                            compile_one(next++);
                        });
  for (Candidate& candidate : candidates)
    describe(candidate);
}

void CandidateCode::describe(Candidate& candidate) const {
  const auto failure = failures_.find(codegen::code_line(candidate.schedule));
  if (failure != failures_.end()) {
    candidate.eliminated = "cannot be compiled: " + failure->second;
    return;
  }
  const auto* cuda = std::get_if<codegen::CudaSchedule>(&candidate.schedule);
  if (!cuda)
    return;
  const device::LoadedFunction& code = function(candidate.schedule);
  candidate.occupancy = {code.facts.registers, code.facts.local_bytes,
                         cuda::resident_blocks(code.function, cuda->threads)};
}

launch::LaunchPlan CandidateCode::plan(const codegen::Schedule& schedule) const {
  return launch::make_plan(kernel_.graph, specialization_, schedule, *kernel_.device,
                           functions_.at(codegen::code_line(schedule)));
}

} // namespace swage::tune
