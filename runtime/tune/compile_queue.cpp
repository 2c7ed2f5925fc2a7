// compile_queue.cpp -- the order of compiling: the likeliest, then the longest, while there is
// time.
#include "runtime/tune/compile_queue.hpp"

#include <algorithm>

namespace swage::tune {

CompileQueue::CompileQueue(std::vector<CompileJob> jobs, double seconds, int threads,
                           std::function<double()> now)
    : seconds_(seconds), threads_(std::max(threads, 1)), now_(std::move(now)) {
  for (CompileJob& job : jobs)
    waiting_.push_back({std::move(job), waiting_.size() < kCompiledAtLeast});
}

std::optional<CompileJob> CompileQueue::take() {
  std::unique_lock lock(mutex_);
  first_done_.wait(lock, [this] { return taken_ < kCompiledAtLeast || done_weight_ > 0; });
  leave_out_what_is_late();
  if (waiting_.empty())
    return std::nullopt;
  const auto next = done_weight_ == 0
                        ? waiting_.begin()
                        : std::ranges::max_element(
                              waiting_, {}, [](const Waiting& each) { return each.job.weight; });
  CompileJob job = std::move(next->job);
  waiting_.erase(next);
  ++taken_;
  return job;
}

void CompileQueue::done(const CompileJob& job, double seconds) {
  const std::lock_guard lock(mutex_);
  done_seconds_ += seconds;
  done_weight_ += job.weight;
  first_done_.notify_all();
}

std::vector<std::string> CompileQueue::left_out() const {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

void CompileQueue::leave_out_what_is_late() {
  if (done_weight_ == 0)
    return;
  const double rate = done_seconds_ / done_weight_;
  const double left = seconds_ - now_();
  double all = 0;
  for (auto each = waiting_.begin(); each != waiting_.end();) {
    const double its_own = rate * each->job.weight;
    if (!each->is_due && (its_own > left || all + its_own > left * threads_)) {
      left_out_.push_back(std::move(each->job.line));
      each = waiting_.erase(each);
    } else {
      all += its_own;
      ++each;
    }
  }
}

} // namespace swage::tune
