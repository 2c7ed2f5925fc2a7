// lower_host.cpp -- the host function around a body: rows, vector loops, streaming stores.
#include <algorithm>
#include <functional>

#include "codegen/host_function.hpp"
#include "codegen/host_loop.hpp"
#include "codegen/lower.hpp"

namespace swage::codegen {

using llvm::BasicBlock;
using llvm::Value;

namespace {

class HostLowering final : public HostFunction {
public:
  using HostFunction::HostFunction;

private:
  void emit_body() override {
    if (job_.specialization.flat)
      emit_run(arguments_.base, begin(), end());
    else
      emit_rows();
  }

  /// Walks the rows that [begin, end) touches.
  void emit_rows() {
    Value* stop = end();
    if (selection_.may_end_early())
      stop = smaller(stop, b_.CreateMul(arguments_.rows, arguments_.columns));
    auto* head = BasicBlock::Create(context_, "rows", function_);
    auto* loop = BasicBlock::Create(context_, "row", function_);
    auto* done = BasicBlock::Create(context_, "rows_done", function_);
    b_.CreateCondBr(b_.CreateICmpSLT(begin(), stop), head, done);
    b_.SetInsertPoint(head);
    Value* first_row = b_.CreateUDiv(begin(), arguments_.columns);
    Value* first_column = b_.CreateURem(begin(), arguments_.columns);
    b_.CreateBr(loop);
    b_.SetInsertPoint(loop);
    llvm::PHINode* at = b_.CreatePHI(b_.getInt64Ty(), 2);
    llvm::PHINode* row = b_.CreatePHI(b_.getInt64Ty(), 2);
    llvm::PHINode* column = b_.CreatePHI(b_.getInt64Ty(), 2);
    Value* last = smaller(arguments_.columns, b_.CreateAdd(column, b_.CreateSub(stop, at)));
    emit_selected(row, [&] { emit_run(row_bases(row), column, last); });
    Value* next = b_.CreateAdd(at, b_.CreateSub(last, column));
    Value* next_row = b_.CreateAdd(row, b_.getInt64(1));
    BasicBlock* latch = b_.GetInsertBlock();
    const auto join = [&](llvm::PHINode* phi, Value* initial, Value* later) {
      phi->addIncoming(initial, head);
      phi->addIncoming(later, latch);
    };
    join(at, begin(), next);
    join(row, first_row, next_row);
    join(column, first_column, b_.getInt64(0));
    b_.CreateCondBr(b_.CreateICmpSLT(next, stop), loop, done);
    b_.SetInsertPoint(done);
  }

  /// Columns [first, last) of one row.
  void emit_run(const std::vector<Value*>& bases, Value* first, Value* last) {
    fixed_ = scalars_;
    for (std::uint32_t p = 0; p < fixed_.size(); ++p)
      if (tensors_.spec(p).layout == Layout::per_row)
        fixed_[p] = tensors_.load_row_value(place(bases, nullptr), p);
    Value* at = first;
    if (schedule_.streaming && schedule_.lanes > 1 && leading_output())
      at = emit_streaming(
          bases, at, last, [&](Value* from, Value* to) { return emit_scalars(bases, from, to); },
          [&](Value* from, Value* to) { return emit_vectors(bases, from, to); });
    at = emit_vectors(bases, at, last);
    if (schedule_.lanes > narrowest())
      emit_scalars(bases, at, last);
  }

  /// Single elements, or the two of a byte; of an odd number the last one is left.
  Value* emit_scalars(const std::vector<Value*>& bases, Value* first, Value* last) {
    const int lanes = narrowest();
    Value* stop = lanes == 1 ? last : b_.CreateSub(last, b_.getInt64(1));
    return emit_loop(first, stop, lanes, [&](Value* i) { compute(bases, i, lanes, 1); });
  }

  /// The vector loop, and what it leaves over in ever smaller vectors down to one register: rows
  /// are often short.
  Value* emit_vectors(const std::vector<Value*>& bases, Value* first, Value* last) {
    constexpr int kSmallestRemainder = 128; // bits
    const bool is_short = job_.kernel.nodes().size() <= kRemainderNodes;
    const bool may_overlap = is_short && schedule_.unroll == 1;
    Value* at = first;
    const auto loop = [&](int lanes, int unroll) {
      const std::int64_t step = std::int64_t{lanes} * unroll;
      Value* stop = b_.CreateSub(last, b_.getInt64(static_cast<std::uint64_t>(step - 1)));
      at = emit_loop(
          at, stop, step, [&](Value* i) { compute(bases, i, lanes, unroll); },
          may_overlap && lanes == schedule_.lanes
              ? overlap_of(job_.kernel, job_.specialization, job_.target, lanes)
              : Overlap());
    };
    loop(schedule_.lanes, schedule_.unroll);
    if (schedule_.unroll > 1)
      loop(schedule_.lanes, 1);
    if (is_short && memory_.streaming.empty())
      for (int lanes = schedule_.lanes / 4; lanes * 32 >= kSmallestRemainder; lanes /= 4)
        loop(lanes, 1);
    return at;
  }

  /// `unroll` vectors from column `i` on: all loads, then the arithmetic, then all stores.
  void compute(const std::vector<Value*>& bases, Value* i, int lanes, int unroll) {
    std::vector<Place> places;
    std::vector<std::vector<Value*>> loaded, bits;
    for (int u = 0; u < unroll; ++u) {
      places.push_back(
          place(bases, b_.CreateAdd(i, b_.getInt64(static_cast<std::uint64_t>(u * lanes)))));
      loaded.push_back(tensors_.load(places.back(), lanes, fixed_));
    }
    for (const auto& values : loaded)
      bits.push_back(lower_body(b_, job_, lanes, values));
    for (std::size_t u = 0; u < places.size(); ++u)
      tensors_.store(places[u], lanes, bits[u]);
  }

  std::vector<Value*> fixed_; ///< by parameter: scalars, and per-row values of the row at hand
};

} // namespace

void lower_host(llvm::Module& module, const Job& job, const HostSchedule& schedule,
                const std::string& entry) {
  if (!ir::is_elementwise(job.kernel))
    return lower_host_rows(module, job, schedule, entry);
  HostLowering(module, job, schedule).run(entry, 3);
}

} // namespace swage::codegen
