// code.cpp -- the candidates' code, made the way that launches have theirs made.
#include "runtime/tune/code.hpp"

#include <exception>
#include <mutex>
#include <optional>
#include <set>

#include "runtime/base/clock.hpp"
#include "runtime/base/parallel.hpp"
#include "runtime/device/context_scope.hpp"
#include "swage/error.hpp"

namespace swage::tune {

namespace {

/// What a thread's code has besides its elements takes as long to compile as so many of them:
/// 36, 52 and 120 ms of assembling for 16, 32 and 64 elements of swiglu_mxfp4_gradient.
constexpr double kRestOfAThread = 16;

} // namespace

std::shared_ptr<const device::LoadedFunction>
CandidateCode::load(const codegen::Schedule& schedule) const {
  const functions::CompileRequest request{kernel_.graph, kernel_.line, specialization_, schedule,
                                          *kernel_.device};
  if (!context_)
    return functions::find_or_load(request, {});
  const device::ContextScope current(context_);
  return functions::load_uncached(request, context_);
}

void CandidateCode::compile(std::vector<Candidate>& candidates, double seconds) {
  std::vector<CompileJob> missing;
  std::set<std::string> lines;
  for (const Candidate& candidate : candidates) {
    std::string line = codegen::code_line(candidate.schedule);
    if (!functions_.contains(line) && !failures_.contains(line) && lines.insert(line).second)
      missing.push_back(
          {std::move(line), candidate.schedule,
           kRestOfAThread + codegen::thread_elements(candidate.schedule, kernel_.graph)});
  }
  const auto start = base::Clock::now();
  const auto count = static_cast<std::int64_t>(missing.size());
  CompileQueue queue(std::move(missing), seconds, [&] { return base::seconds_since(start); });
  std::mutex mutex;
  const auto compile = [&](const CompileJob& job) {
    try {
      auto loaded = load(job.schedule);
      const std::lock_guard lock(mutex);
      functions_[job.line] = std::move(loaded);
    } catch (const Error& error) {
      const std::lock_guard lock(mutex);
      failures_[job.line] = error.what();
    }
  };
  const auto compile_all = [&] {
    while (const std::optional<CompileJob> job = queue.take()) {
      const auto begin = base::Clock::now();
      std::exception_ptr thrown;
      try {
        compile(*job);
      } catch (...) {
        thrown = std::current_exception();
      }
      queue.done(*job, base::seconds_since(begin)); // others may wait for it
      if (thrown)
        std::rethrow_exception(thrown);
    }
  };
  base::parallel_ranges(base::threads_at_most(count), 1,
                        [&](std::int64_t, std::int64_t) { compile_all(); });
  for (Candidate& candidate : candidates)
    describe(candidate);
}

void CandidateCode::describe(Candidate& candidate) const {
  const auto failure = failures_.find(codegen::code_line(candidate.schedule));
  if (failure != failures_.end()) {
    candidate.eliminated = "cannot be compiled: " + failure->second;
    return;
  }
  if (!functions_.contains(codegen::code_line(candidate.schedule))) {
    candidate.eliminated = "not compiled: the time was spent on likelier ones";
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
