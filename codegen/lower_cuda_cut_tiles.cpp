// lower_cuda_cut_tiles.cpp -- groups of rows of which some are left out, by a count or by the
// kernel.
//
// Few groups are cut, so their code is small rather than fast: a loop over the rows that are
// computed, one at a time, which reads them again in each pass; by one warp, where several share a
// tile.
#include "codegen/cuda_tiles.hpp"

namespace swage::codegen {

using llvm::Value;

void CudaTiles::emit_selected(const std::function<void()>& tile) {
  if (selection_.takes_all())
    return tile();
  memory_of_rows_.begin(-1);
  Value* counted = selection_.counted_from(b_.CreateMul(group_, wide(plan_.rows)), plan_.rows);
  const auto [all, any] = selected_rows(counted);
  if (plan_.rows == 1) // which no count cuts
    return emit_if(all, tile);
  const TileGeometry whole = geometry_;
  Value* some = any;
  emit_if(all, tile, [&] {
    if (whole.warps > 1)
      some = b_.CreateAnd(some, b_.CreateICmpEQ(warp_, constant(0)));
    emit_if(some, [&] {
      geometry_.warps = geometry_.rows = 1;
      geometry_.own_rows = static_cast<int>(plan_.rows);
      geometry_.held = geometry_.whole = false;
      counted_ = counted;
      find_needed();
      tile();
      counted_ = nullptr;
      geometry_ = whole;
    });
  });
}

std::pair<Value*, Value*> CudaTiles::selected_rows(Value* counted) {
  Value* all = b_.CreateICmpEQ(counted, wide(plan_.rows));
  if (!selection_.skips())
    return {all, b_.CreateICmpNE(counted, wide(std::int64_t{0}))};
  // Each thread looks at some of the rows.
  Value* first = b_.CreateMul(group_, wide(plan_.rows));
  const std::vector<Value*> found =
      carry(wide(std::int64_t{0}), counted, wide(std::int64_t{32}), {b_.getFalse(), b_.getFalse()},
            [&](Value* step, const std::vector<Value*>& now) -> std::vector<Value*> {
              Value* row = b_.CreateAdd(step, wide(lane_));
              Value* inside = b_.CreateICmpULT(row, counted);
              Value* taken = selection_.takes(b_.CreateAdd(first, row), inside);
              return {b_.CreateOr(now[0], b_.CreateAnd(inside, taken)),
                      b_.CreateOr(now[1], b_.CreateAnd(inside, b_.CreateNot(taken)))};
            });
  Value* any = any_of_warp(found[0]);
  return {b_.CreateAnd(all, b_.CreateNot(any_of_warp(found[1]))), any};
}

std::vector<Value*> CudaTiles::emit_some_rows(int pass, Value* first,
                                              std::vector<Value*> accumulators) {
  const auto one_row = [&](Value* row, const std::vector<Value*>& now) {
    std::vector<Value*> next = now;
    cut_row_ = row;
    emit_rows(pass, row, 0, 1, next);
    return next;
  };
  return carry(wide(std::int64_t{0}), counted_, wide(std::int64_t{1}), std::move(accumulators),
               [&](Value* step, const std::vector<Value*>& now) {
                 Value* row = b_.CreateAdd(first, step);
                 if (!selection_.skips())
                   return one_row(row, now);
                 memory_of_rows_.begin(-1);
                 Value* taken = selection_.takes(row, late_ ? inside_ : nullptr);
                 if (late_ && inside_) // where one column is, which may lie where rows are named
                   taken = any_of_warp(b_.CreateAnd(inside_, taken));
                 return carry( // as a loop of one step or none
                     wide(std::int64_t{0}), wide(taken), wide(std::int64_t{1}), now,
                     [&](Value*, const std::vector<Value*>& then) { return one_row(row, then); });
               });
}

} // namespace swage::codegen
