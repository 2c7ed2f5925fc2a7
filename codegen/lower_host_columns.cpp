// lower_host_columns.cpp -- sums over rows: by strand while rows are computed, then by column.
#include <algorithm>

#include "codegen/host_rows.hpp"

namespace swage::codegen {

Value* RowLowering::strand_values(std::size_t sum, Value* strand, Value* column) {
  Value* base = workspace_;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < sum; ++i)
    before += plan_.column_sum_bytes[i];
  // Of rows of no columns there are still the sums that are one value for all.
  Value* pitch = b_.CreateBinaryIntrinsic(llvm::Intrinsic::umax, arguments_.columns, constant(1));
  Value* each = b_.CreateMul(strands_, pitch);
  base = b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(each, constant(before)));
  Value* index = b_.CreateAdd(b_.CreateMul(strand, pitch), column);
  return b_.CreateGEP(value_type(context_, sum_type(sum), 1), base, index);
}

llvm::Align RowLowering::element_align(std::size_t sum) const {
  return llvm::Align(static_cast<std::uint64_t>(plan_.column_sum_bytes[sum]));
}

Value* RowLowering::plus(Value* a, Value* b) {
  return a->getType()->isFPOrFPVectorTy() ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
}

void RowLowering::clear_strand() {
  for (std::size_t sum = 0; sum < plan_.column_sums.size(); ++sum) {
    const bool for_all = is_for_all_columns(job_.kernel, plan_.column_sums[sum]);
    llvm::Constant* zero = llvm::Constant::getNullValue(value_type(context_, sum_type(sum), 1));
    emit_loop(constant(0), for_all ? constant(1) : arguments_.columns, 1, [&](Value* column) {
      b_.CreateAlignedStore(zero, strand_values(sum, strand_, column), element_align(sum));
    });
  }
}

void RowLowering::accumulate(std::size_t sum, Value* column, Value* term) {
  Value* at = strand_values(sum, strand_, column);
  Value* before = b_.CreateAlignedLoad(term->getType(), at, element_align(sum));
  Value* total = b_.CreateSelect(is_first_, term, plus(before, term));
  b_.CreateAlignedStore(total, at, element_align(sum));
}

std::vector<std::size_t> RowLowering::column_sums(bool for_all_columns) const {
  std::vector<std::size_t> sums;
  for (std::size_t i = 0; i < plan_.column_sums.size(); ++i)
    if (is_for_all_columns(job_.kernel, plan_.column_sums[i]) == for_all_columns)
      sums.push_back(i);
  return sums;
}

void RowLowering::accumulate_columns(Value* column, int lanes) {
  const std::vector<std::size_t> sums = column_sums(false);
  if (sums.empty())
    return;
  std::vector<NodeId> operands;
  for (const std::size_t sum : sums)
    operands.push_back(node(plan_.column_sums[sum]).args[0]);
  const std::vector<Value*> terms = emit_elements_of(operands, column, lanes);
  for (std::size_t i = 0; i < sums.size(); ++i)
    accumulate(sums[i], column, terms[i]);
}

void RowLowering::accumulate_rows() {
  for (const std::size_t sum : column_sums(true)) {
    const NodeId operand = node(plan_.column_sums[sum]).args[0];
    accumulate(sum, constant(0), emit_one(operand));
  }
}

void RowLowering::emit_after_rows() {
  bases_ = arguments_.base;
  std::ranges::fill(row_values_, nullptr);
  std::ranges::fill(group_values_, nullptr);
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (made.op == Op::scalar)
      row_values_[id] = scalars_[made.param];
    else if (made.op == Op::load && made.space.broadcast == Broadcast::per_tensor)
      row_values_[id] = tensors_.load_row_value(place(bases_, nullptr), made.param);
  }
  for (const std::size_t sum : column_sums(true))
    row_values_[plan_.column_sums[sum]] = total_for_all(sum);
  const std::vector<ir::Store> by_column = stores_of(job_.kernel, Broadcast::per_column);
  const std::vector<ir::Store> by_tensor = stores_of(job_.kernel, Broadcast::per_tensor);
  if (!by_tensor.empty()) // there may be no columns
    emit_if(b_.CreateICmpEQ(begin(), constant(0)),
            [&] { store(by_tensor, place(bases_, nullptr), 1); });
  if (by_column.empty())
    return;
  const int width = std::max(job_.target.vector_bits / 64, 1);
  Value* at = begin();
  for (const int lanes : {width, 1})
    if (lanes == 1 || width > 1)
      at = emit_loop(at, b_.CreateSub(end(), constant(lanes - 1)), lanes,
                     [&](Value* column) { store_columns(by_column, column, lanes); });
}

void RowLowering::store_columns(const std::vector<ir::Store>& stores, Value* column, int lanes) {
  for (const std::size_t sum : column_sums(false))
    column_values_[plan_.column_sums[sum]] = total_of_column(sum, column, lanes);
  store(stores, place(bases_, column), lanes);
  column_values_.clear();
}

Value* RowLowering::total_of_column(std::size_t sum, Value* column, int lanes) {
  Type* type = value_type(context_, sum_type(sum), lanes);
  const auto at = [&](Value* strand) { return strand_values(sum, strand, column); };
  return add_strands(type, element_align(sum), at, at);
}

Value* RowLowering::total_for_all(std::size_t sum) {
  Type* type = value_type(context_, sum_type(sum), 1);
  const auto copy = [&](Value* strand) { return b_.CreateGEP(type, scratch(), strand); };
  emit_loop(constant(0), strands_, 1, [&](Value* strand) {
    Value* from = strand_values(sum, strand, constant(0));
    b_.CreateAlignedStore(b_.CreateAlignedLoad(type, from, element_align(sum)), copy(strand),
                          element_align(sum));
  });
  return add_strands(type, element_align(sum), copy, copy);
}

Value* RowLowering::add_strands(Type* type, llvm::Align align,
                                const std::function<Value*(Value*)>& from,
                                const std::function<Value*(Value*)>& to) {
  llvm::Constant* zero = llvm::Constant::getNullValue(type);
  emit_halving(strands_, 1, [&](Value* left) {
    Value* pairs = b_.CreateLShr(left, constant(1));
    emit_loop(constant(0), pairs, 1, [&](Value* i) {
      Value* even = b_.CreateShl(i, constant(1));
      Value* a = b_.CreateAlignedLoad(type, from(even), align);
      Value* b = b_.CreateAlignedLoad(type, from(b_.CreateAdd(even, constant(1))), align);
      b_.CreateAlignedStore(plus(a, b), to(i), align);
    });
    Value* odd = b_.CreateAnd(left, constant(1));
    emit_loop(constant(0), odd, 1, [&](Value*) {
      Value* last = b_.CreateSub(left, constant(1));
      b_.CreateAlignedStore(b_.CreateAlignedLoad(type, from(last), align), to(pairs), align);
    });
    return b_.CreateAdd(pairs, odd);
  });
  // Of no rows nothing was written; what is read then is memory that is there, and not used.
  Value* any = b_.CreateICmpSGT(strands_, constant(0));
  Value* first =
      b_.CreateAlignedLoad(type, b_.CreateSelect(any, from(constant(0)), scratch()), align);
  return plus(b_.CreateSelect(any, first, zero), zero);
}

} // namespace swage::codegen
