// compile_queue.cpp -- the order of compiling: the likeliest, then the longest, while there is
// time.
#include "runtime/tune/compile_queue.hpp"

#include <algorithm>

namespace swage::tune {

namespace {

constexpr double kOfTheFirst = 2; ///< what takes longer is not compiled in any case

} // namespace

CompileQueue::CompileQueue(std::vector<CompileJob> jobs, double seconds,
                           std::function<double()> now)
    : seconds_(seconds), now_(std::move(now)) {
  const double most = jobs.empty() ? 0 : kOfTheFirst * jobs.front().weight;
  std::size_t due = 0;
  for (CompileJob& job : jobs) {
    const bool is_due = due < kCompiledAtLeast && job.weight <= most;
    due += is_due;
    waiting_.push_back({std::move(job), is_due});
  }
}

std::optional<CompileJob> CompileQueue::take() {
  std::unique_lock lock(mutex_);
  first_done_.wait(lock, [this] {
    return is_known() || under_way_ == 0 || std::ranges::any_of(waiting_, &Waiting::is_due);
  });
  const auto found = next();
  if (found == waiting_.end())
    return std::nullopt;
  CompileJob job = std::move(found->job);
  waiting_.erase(found);
  under_way_ += job.weight;
  ahead_ += job.weight;
  return job;
}

std::vector<CompileQueue::Waiting>::iterator CompileQueue::next() {
  if (!is_known()) {
    const auto due = std::ranges::find_if(waiting_, &Waiting::is_due);
    return due != waiting_.end() ? due : waiting_.begin();
  }
  const double left = seconds_ - now_();
  double room = of_a_second_ * left - ahead_;
  auto longest = waiting_.end();
  for (auto each = waiting_.begin(); each != waiting_.end(); ++each) {
    const double weight = each->job.weight;
    const bool in_time = weight * thread_seconds_ / done_ <= left && weight <= room;
    if (!each->is_due && !in_time)
      continue;
    room -= weight;
    if (longest == waiting_.end() || weight > longest->job.weight)
      longest = each;
  }
  return longest;
}

void CompileQueue::done(const CompileJob& job, double seconds) {
  const std::lock_guard lock(mutex_);
  thread_seconds_ += seconds;
  done_ += job.weight;
  under_way_ -= job.weight;
  ahead_ = under_way_ / 2;
  of_a_second_ = (done_ + ahead_) / now_();
  first_done_.notify_all();
}

std::size_t CompileQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

} // namespace swage::tune
