// lower_cuda_totals.cpp -- the second launch of sums over rows on CUDA: strands are added, and what
// is known when all rows are done is stored.
//
// A block has kTotalsColumns columns. Eight neighbouring threads read a line of 128 bytes of one
// strand; a thread has eight neighbouring strands, all read before the first is added, a warp four
// times as many, the block all of them. So the tree over strands is one of threads, of warps by
// shuffles, of the block through shared memory. What has one value for all columns each block finds
// by itself.
#include <array>
#include <bit>

#include "codegen/cuda_function.hpp"
#include "codegen/strand_sums.hpp"
#include "codegen/total_stores.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

using llvm::Type;
using llvm::Value;

namespace {

constexpr int kWarps = kTotalsThreads / 32;
constexpr int kLanes = kTotalsLanes;              ///< columns of a thread
constexpr int kReaders = kTotalsColumns / kLanes; ///< neighbouring threads, of one strand
constexpr int kStrandsEach = static_cast<int>(ir::kSumStrands) * kReaders / kTotalsThreads;
static_assert(std::has_single_bit(static_cast<unsigned>(kStrandsEach)));

class CudaTotals final : public CudaFunction {
public:
  CudaTotals(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
             const std::string& entry)
      : CudaFunction(module, job, schedule, entry), plan_(make_row_plan(job.kernel)),
        sums_(b_, job, plan_, arguments_), tensors_(b_, job, *memory_, arguments_, true),
        stores_(b_, job, plan_, tensors_, *memory_) {}

private:
  Value* word(std::int64_t value) { return b_.getInt64(static_cast<std::uint64_t>(value)); }

  void emit_body() override {
    selection_.begin();
    thread_ = b_.CreateZExt(special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x), b_.getInt64Ty());
    block_ = b_.CreateZExt(special(llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x), b_.getInt64Ty());
    columns_ = b_.CreateZExt(arguments_.columns, b_.getInt64Ty());
    strand_count_ = sums_.strands();
    const std::vector<Value*> scalars = tensors_.scalars();
    make_shared();
    std::vector<Value*> partials;
    for (std::size_t sum = 0; sum < sums_.count(); ++sum)
      partials.push_back(sums_.is_for_all(sum) ? add_for_all(sum) : add_columns(sum));
    for (std::size_t sum = 0; sum < sums_.count(); ++sum)
      share(sum, partials[sum]);
    if (sums_.count() > 0)
      statement("bar.sync 0;");
    emit_if(b_.CreateICmpULT(thread_, word(kTotalsColumns)), [&] {
      Value* column = b_.CreateAdd(b_.CreateMul(block_, word(kTotalsColumns)), thread_);
      std::vector<Value*> totals;
      for (std::size_t sum = 0; sum < sums_.count(); ++sum)
        totals.push_back(total(sum));
      const std::vector<Value*> none(arguments_.base.size());
      if (stores_.has_columns())
        emit_if(b_.CreateICmpULT(column, columns_), [&] {
          const Place place{arguments_.base, none, column};
          stores_.store_columns({place, column, 1, {}}, totals,
                                stores_.shared_by_columns(scalars, place));
        });
      if (stores_.has_tensors())
        emit_if(b_.CreateICmpEQ(b_.CreateOr(block_, thread_), word(0)), [&] {
          stores_.store_tensors(scalars, {arguments_.base, none, nullptr}, totals);
        });
    });
  }

  void make_shared() {
    std::int64_t bytes = 0;
    for (std::size_t sum = 0; sum < sums_.count(); ++sum) {
      regions_.push_back(bytes);
      bytes += kWarps * plan_.column_sum_bytes[sum] * (sums_.is_for_all(sum) ? 1 : kTotalsColumns);
      bytes = (bytes + 15) / 16 * 16;
    }
    if (bytes == 0)
      return;
    auto* type = llvm::ArrayType::get(b_.getInt8Ty(), static_cast<std::uint64_t>(bytes));
    shared_ = new llvm::GlobalVariable(module_, type, false, llvm::GlobalValue::InternalLinkage,
                                       llvm::PoisonValue::get(type), "swage_shared_totals", nullptr,
                                       llvm::GlobalValue::NotThreadLocal, 3);
    shared_->setAlignment(llvm::Align(16));
  }

  Value* load(std::size_t sum, Value* strand, Value* column, int lanes, Value* guard) {
    Type* type = value_type(context_, sums_.type(sum), lanes);
    Value* bits = memory_->load_own(sums_.address(sum, strand, column), plan_.column_sum_bytes[sum],
                                    lanes, guard);
    return b_.CreateBitCast(bits, type);
  }

  /// Neighbours first.
  Value* tree(std::vector<Value*> values) {
    for (; values.size() > 1; values.resize(values.size() / 2))
      for (std::size_t i = 0; i + 1 < values.size(); i += 2)
        values[i / 2] = sums_.plus(values[i], values[i + 1]);
    return values[0];
  }

  /// Of the strands of a warp.
  Value* add_columns(std::size_t sum) {
    Value* reader = b_.CreateAnd(thread_, word(kReaders - 1));
    Value* group = b_.CreateLShr(thread_, word(std::countr_zero(unsigned{kReaders})));
    Value* column = b_.CreateAdd(b_.CreateMul(block_, word(kTotalsColumns)),
                                 b_.CreateMul(reader, word(kLanes)));
    Value* inside = b_.CreateICmpULT(column, columns_);
    const int size = plan_.column_sum_bytes[sum];
    const int each = std::min(16 / size, kLanes); // lanes an access
    std::vector<std::vector<Value*>> parts;
    for (int i = 0; i < kStrandsEach; ++i) {
      Value* strand = b_.CreateAdd(b_.CreateMul(group, word(kStrandsEach)), word(i));
      Value* guard = b_.CreateAnd(inside, b_.CreateICmpULT(strand, strand_count_));
      std::vector<Value*> of_strand;
      for (int lane = 0; lane < kLanes; lane += each)
        of_strand.push_back(load(sum, strand, b_.CreateAdd(column, word(lane)), each, guard));
      parts.push_back(of_strand);
    }
    Value* all = llvm::PoisonValue::get(value_type(context_, sums_.type(sum), kLanes));
    for (std::size_t part = 0; part < parts[0].size(); ++part) {
      std::vector<Value*> strands;
      for (const auto& of_strand : parts)
        strands.push_back(of_strand[part]);
      Value* total = tree(strands);
      for (int distance = kReaders; distance < 32; distance *= 2)
        total = sums_.plus(total, shuffle(total, distance));
      for (int lane = 0; lane < each; ++lane)
        all = b_.CreateInsertElement(
            all, b_.CreateExtractElement(total, static_cast<std::uint64_t>(lane)),
            part * static_cast<std::uint64_t>(each) + static_cast<std::uint64_t>(lane));
    }
    return all;
  }

  Value* add_for_all(std::size_t sum) {
    static_assert(ir::kSumStrands == kTotalsThreads);
    Value* guard = b_.CreateICmpULT(thread_, strand_count_);
    Value* total = load(sum, thread_, nullptr, 1, guard);
    for (int distance = 1; distance < 32; distance *= 2)
      total = sums_.plus(total, shuffle(total, distance));
    return total;
  }

  Value* at(std::size_t sum, Value* index) {
    Value* base =
        b_.CreateConstGEP1_64(b_.getInt8Ty(), shared_, static_cast<std::uint64_t>(regions_[sum]));
    return b_.CreateGEP(value_type(context_, sums_.type(sum), 1), base, index);
  }

  /// The values of warps, in shared memory.
  void share(std::size_t sum, Value* value) {
    Value* warp = b_.CreateLShr(thread_, word(5));
    Value* lane = b_.CreateAnd(thread_, word(31));
    const bool for_all = sums_.is_for_all(sum);
    const auto size = static_cast<std::uint64_t>(plan_.column_sum_bytes[sum]);
    emit_if(b_.CreateICmpULT(lane, word(for_all ? 1 : kReaders)), [&] {
      Value* index = for_all ? warp
                             : b_.CreateAdd(b_.CreateMul(warp, word(kTotalsColumns)),
                                            b_.CreateMul(lane, word(kLanes)));
      b_.CreateAlignedStore(value, at(sum, index), llvm::Align(for_all ? size : 16));
    });
  }

  /// Of one column, or of all.
  Value* total(std::size_t sum) {
    const bool for_all = sums_.is_for_all(sum);
    Type* type = value_type(context_, sums_.type(sum), 1);
    std::vector<Value*> warps;
    for (int warp = 0; warp < kWarps; ++warp) {
      Value* index = for_all ? word(warp) : b_.CreateAdd(thread_, word(warp * kTotalsColumns));
      warps.push_back(b_.CreateAlignedLoad(
          type, at(sum, index),
          llvm::Align(static_cast<std::uint64_t>(plan_.column_sum_bytes[sum]))));
    }
    return sums_.total(tree(warps));
  }

  RowPlan plan_;
  StrandSums sums_;
  Tensors tensors_;
  TotalStores stores_;
  std::vector<std::int64_t> regions_;
  llvm::GlobalVariable* shared_ = nullptr;
  Value *thread_ = nullptr, *block_ = nullptr, *columns_ = nullptr, *strand_count_ = nullptr;
};

} // namespace

void lower_cuda_totals(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                       const std::string& entry) {
  CudaSchedule totals;
  totals.threads = kTotalsThreads;
  totals.dependent_launch = schedule.dependent_launch;
  CudaTotals(module, job, totals, entry).run();
}

} // namespace swage::codegen
