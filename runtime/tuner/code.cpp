// code.cpp -- the candidates' code, compiled in as few modules as possible.
#include "runtime/tuner/code.hpp"

#include <algorithm>
#include <mutex>
#include <set>

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "swage/error.hpp"

namespace swage::runtime {

void CandidateCode::compile_cuda(std::span<const codegen::Schedule> schedules) {
  try {
    const codegen::ModuleArtifact artifact =
        codegen::compile_module(kernel_.graph, specialization_, schedules, kernel_.device->target);
    auto module = std::make_unique<cuda::LoadedModule>(artifact.payload);
    for (std::size_t i = 0; i < schedules.size(); ++i) {
      auto loaded = std::make_shared<LoadedFunction>();
      loaded->waits_for_dependencies = artifact.waits_for_dependencies[i];
      loaded->function = module->function(artifact.entries[i]);
      loaded->context = context_;
      functions_[codegen::code_line(schedules[i])] = std::move(loaded);
    }
    modules_.push_back(std::move(module));
  } catch (const Error& error) {
    // One that the driver refuses must not take the others along.
    if (schedules.size() == 1) {
      failures_[codegen::code_line(schedules[0])] = error.what();
      return;
    }
    compile_cuda(schedules.first(schedules.size() / 2));
    compile_cuda(schedules.subspan(schedules.size() / 2));
  }
}

void CandidateCode::compile_host(std::span<const codegen::Schedule> schedules) {
  std::mutex mutex;
  const std::string& line = kernel_.line;
  // Of its own: in a group of the caller's that is cancelled, candidates would be left out.
  tbb::task_group_context context(tbb::task_group_context::isolated);
  const auto compile_one = [&](std::size_t i) {
    const std::string code = codegen::code_line(schedules[i]);
    try {
      auto loaded = find_or_load(
          {kernel_.graph, line, specialization_, schedules[i], *kernel_.device}, nullptr);
      const std::lock_guard lock(mutex);
      functions_[code] = std::move(loaded);
    } catch (const Error& error) {
      const std::lock_guard lock(mutex);
      failures_[code] = error.what();
    }
  };
  tbb::this_task_arena::isolate(
      [&] { tbb::parallel_for(std::size_t{0}, schedules.size(), compile_one, context); });
}

void CandidateCode::compile(std::vector<Candidate>& candidates) {
  std::vector<codegen::Schedule> missing;
  std::set<std::string> seen;
  for (const Candidate& candidate : candidates) {
    const std::string line = codegen::code_line(candidate.schedule);
    if (!functions_.contains(line) && !failures_.contains(line) && seen.insert(line).second)
      missing.push_back(candidate.schedule);
  }
  const std::span<const codegen::Schedule> all(missing);
  if (!kernel_.device->is_cuda())
    compile_host(all);
  else
    for (std::size_t first = 0; first < all.size(); first += kMaxEntries)
      compile_cuda(all.subspan(first, std::min(kMaxEntries, all.size() - first)));
  for (Candidate& candidate : candidates)
    if (const auto failure = failures_.find(codegen::code_line(candidate.schedule));
        failure != failures_.end())
      candidate.eliminated = "cannot be compiled: " + failure->second;
}

LaunchPlan CandidateCode::plan(const codegen::Schedule& schedule) const {
  return make_plan(kernel_.graph, specialization_, schedule, *kernel_.device,
                   functions_.at(codegen::code_line(schedule)));
}

} // namespace swage::runtime
