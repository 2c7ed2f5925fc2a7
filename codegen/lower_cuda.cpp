// lower_cuda.cpp -- the CUDA kernel around a body: items, tails, persistent grids.
#include <bit>

#include "codegen/cuda_function.hpp"
#include "codegen/cuda_rows.hpp"
#include "codegen/cuda_tiles.hpp"
#include "codegen/index_arithmetic.hpp"

namespace swage::codegen {

using llvm::Value;

namespace {

/// Builds one kernel function. An item is a vector of elements of one row, or one element of the
/// row's tail, or the two of a byte; a thread handles `accesses` items a block's width apart.
class CudaLowering final : public CudaFunction {
public:
  CudaLowering(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
               const std::string& entry)
      : CudaFunction(module, job, schedule, entry), lanes_(vector_elements(schedule, job.kernel)),
        least_(ir::has_packed_tensors(job.kernel) ? 2 : 1),
        tail_(!job.specialization.exact && lanes_ > least_) {}

private:
  void emit_body() override {
    Tensors tensors(b_, job_, *memory_, arguments_, wide_);
    tensors_ = &tensors;
    scalars_ = tensors.scalars();
    select_by(tensors, scalars_);
    prepare();
    Value* first = b_.CreateAdd(b_.CreateMul(block_, per_block_), thread_);
    fetch_and_wait([&] { fetch_items(first); }, false);
    if (schedule_.waves == 0)
      emit_items(first);
    else if (selection_.leaves_out_runs())
      emit_neighbours();
    else
      emit_loop(first, items_,
                b_.CreateMul(special(llvm::Intrinsic::nvvm_read_ptx_sreg_nctaid_x), per_block_),
                [&](Value* item) { emit_items(item); });
  }

  /// In a grid that does not grow with the tensors, neighbouring items for each block: where none
  /// of their rows counts, which many blocks find, one look at the count is all there is to do.
  void emit_neighbours() {
    Value* at_once =
        b_.CreateMul(special(llvm::Intrinsic::nvvm_read_ptx_sreg_nctaid_x), per_block_);
    Value* turns = b_.CreateUDiv(b_.CreateAdd(items_, b_.CreateSub(at_once, constant(1))), at_once);
    Value* own = b_.CreateMul(turns, per_block_);
    Value* first = b_.CreateMul(block_, own);
    Value* end = b_.CreateAdd(first, own);
    const auto row_of = [&](Value* item) {
      return b_.CreateZExt(split(item).row, b_.getInt64Ty());
    };
    emit_if(b_.CreateICmpULT(first, items_), [&] {
      Value* last =
          b_.CreateSub(b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, end, items_), constant(1));
      emit_if(b_.CreateNot(selection_.leaves_out(row_of(first), row_of(last))), [&] {
        emit_loop(b_.CreateAdd(first, thread_), end, per_block_,
                  [&](Value* item) { emit_items(item); });
      });
    });
  }

  /// Sizes and special registers, once.
  void prepare() {
    width_ = special(llvm::Intrinsic::nvvm_read_ptx_sreg_ntid_x);
    block_ = special(llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x);
    thread_ = special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x);
    per_block_ =
        schedule_.accesses == 1
            ? width_
            : b_.CreateMul(width_, constant(static_cast<std::uint64_t>(schedule_.accesses)));
    const auto lanes = static_cast<std::uint64_t>(lanes_);
    full_ = b_.CreateLShr(arguments_.columns,
                          constant(static_cast<std::uint64_t>(std::countr_zero(lanes))));
    if (!job_.specialization.flat)
      items_ = b_.CreateMul(arguments_.items_per_row, arguments_.rows);
    else
      items_ =
          tail_ ? b_.CreateAdd(full_,
                               b_.CreateLShr(b_.CreateAnd(arguments_.columns, constant(lanes - 1)),
                                             constant(least_ == 2 ? 1 : 0)))
                : full_;
  }

  /// Row and item within the row. Beyond the last item both are meaningless.
  struct Split {
    Value* row = nullptr; ///< null when flat
    Value* item = nullptr;
  };

  Split split(Value* item) {
    if (job_.specialization.flat)
      return {nullptr, item};
    Value* row = divided(b_, item, arguments_.divider_factor, arguments_.divider_shift);
    return {row, b_.CreateSub(item, b_.CreateMul(row, arguments_.items_per_row))};
  }

  Place place(const Split& split, Value* column) {
    Place place;
    place.column = column;
    place.base = arguments_.base;
    place.offset.resize(arguments_.base.size());
    if (split.row)
      for (std::uint32_t p = 0; p < place.offset.size(); ++p)
        place.offset[p] = arguments_.row_offset(b_, p, split.row);
    return place;
  }
  Place vector_place(const Split& split) {
    // The product is an element offset, which is below 2^31 where the index has 32 bits.
    return place(split, b_.CreateMul(split.item, constant(static_cast<std::uint64_t>(lanes_)), "",
                                     true, !wide_));
  }
  /// The tail's items count single elements, or those of one byte, from the end of the full
  /// vectors.
  Value* tail_column(Value* item) {
    const auto extra = static_cast<std::uint64_t>(lanes_ - least_);
    Value* first = least_ == 1 ? item : b_.CreateShl(item, constant(1));
    return b_.CreateAdd(first, b_.CreateMul(full_, constant(extra)));
  }
  /// One item of the tail of a row. An argument counts its elements: of two to a byte, the later
  /// half of the items have none.
  void emit_tail(const Split& split) {
    Value* column = tail_column(split.item);
    if (least_ == 1 || !split.row)
      return compute(place(split, column), least_);
    emit_if(b_.CreateICmpULT(column, arguments_.columns),
            [&] { compute(place(split, column), least_); });
  }

  void compute(const Place& at, int lanes) {
    const auto loaded = tensors_->load(at, lanes, scalars_);
    tensors_->store(at, lanes, lower_body(b_, job_, lanes, loaded));
  }

  /// One item, whatever it is.
  void emit_item(Value* item) {
    if (job_.specialization.flat && tail_)
      return emit_if(
          b_.CreateICmpULT(item, full_),
          [&] {
            compute(vector_place({nullptr, item}), lanes_);
          },
          [&] { emit_if(b_.CreateICmpULT(item, items_), [&] {
                  emit_tail({nullptr, item});
                }); });
    emit_if(b_.CreateICmpULT(item, items_), [&] {
      const Split at = split(item);
      if (Value* selected = selects(at, nullptr))
        return emit_if(selected, [&] { emit_part(at); });
      emit_part(at);
    });
  }

  /// An item of a row that is computed.
  void emit_part(const Split& at) {
    if (!tail_)
      return compute(vector_place(at), lanes_);
    emit_if(
        b_.CreateICmpULT(at.item, full_), [&] { compute(vector_place(at), lanes_); },
        [&] { emit_tail(at); });
  }

  /// RowSelection::selects of the row of an item.
  Value* selects(const Split& at, Value* inside) {
    if (!at.row || !selection_.is_by_row())
      return nullptr;
    return selection_.selects(b_.CreateZExt(at.row, b_.getInt64Ty()), inside);
  }

  /// What the items of a thread from `first` on load that are full vectors. The addresses of items
  /// beyond the last mean nothing, and nobody asks for them.
  void fetch_items(Value* first) {
    Value* item = first;
    for (int access = 0; access < schedule_.accesses; ++access) {
      if (access > 0)
        item = b_.CreateAdd(item, width_);
      const Split at = split(item);
      Value* full = b_.CreateICmpULT(at.item, full_);
      memory_->set_guard({at.row ? b_.CreateAnd(b_.CreateICmpULT(item, items_), full) : full, {}});
      tensors_->load(vector_place(at), lanes_, scalars_);
      memory_->set_guard({});
    }
  }

  /// The items of a thread from `first` on. Where all of them are full vectors, which is nearly
  /// always, every load is issued before the first computation.
  void emit_items(Value* first) {
    if (schedule_.accesses == 1)
      return emit_item(first);
    std::vector<Split> splits;
    Value* item = first;
    for (int access = 0; access < schedule_.accesses; ++access) {
      if (access > 0)
        item = b_.CreateAdd(item, width_);
      splits.push_back(split(item));
    }
    const bool flat = job_.specialization.flat;
    Value* all = b_.CreateICmpULT(item, flat && tail_ ? full_ : items_);
    Value* inside = all; // of the last one, so of each
    for (const Split& at : splits)
      if (Value* selected = selects(at, inside))
        all = b_.CreateAnd(all, selected);
    if (tail_ && !flat)
      for (const Split& at : splits)
        all = b_.CreateAnd(all, b_.CreateICmpULT(at.item, full_));
    emit_if(
        all, [&] { emit_together(splits); },
        [&] {
          Value* end = b_.CreateAdd(first, per_block_);
          emit_loop(first, end, width_, [&](Value* one) { emit_item(one); });
        });
  }

  void emit_together(const std::vector<Split>& splits) {
    std::vector<Place> places;
    std::vector<std::vector<Value*>> loaded, bits;
    for (const Split& at : splits) {
      places.push_back(vector_place(at));
      loaded.push_back(tensors_->load(places.back(), lanes_, scalars_));
    }
    for (const auto& values : loaded)
      bits.push_back(lower_body(b_, job_, lanes_, values));
    for (std::size_t i = 0; i < places.size(); ++i)
      tensors_->store(places[i], lanes_, bits[i]);
  }

  int lanes_;
  int least_; ///< lanes of an item of the tail
  bool tail_; ///< rows may end in elements that fill no vector
  Tensors* tensors_ = nullptr;
  std::vector<Value*> scalars_;
  Value *width_ = nullptr, *block_ = nullptr, *thread_ = nullptr, *per_block_ = nullptr;
  Value* full_ = nullptr;  ///< full vectors of a row
  Value* items_ = nullptr; ///< items in all
};

} // namespace

void lower_cuda(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                const std::string& entry) {
  if (rows_of_groups(job.kernel) > 0)
    CudaTiles(module, job, schedule, entry).run();
  else if (ir::is_elementwise(job.kernel))
    CudaLowering(module, job, schedule, entry).run();
  else
    CudaRows(module, job, schedule, entry).run();
  if (stores_after_rows(job.kernel))
    lower_cuda_totals(module, job, schedule, totals_entry(entry));
}

} // namespace swage::codegen
