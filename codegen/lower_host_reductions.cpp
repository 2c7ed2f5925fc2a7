// lower_host_reductions.cpp -- sums and maxima along a row or a group, in arrays of lanes.
#include <algorithm>
#include <array>

#include "codegen/host_rows.hpp"

namespace swage::codegen {

namespace {

/// Passes whose terms are added in registers: 2^kJoinedLevel of them, whole ones, are a subtree, so
/// the arrays are touched once for so many.
constexpr int kJoined = 4, kJoinedLevel = 2;
/// Registers a value then, at most: the passes follow one another in them.
constexpr int kJoinedRegisters = 8;

} // namespace

std::vector<RowLowering::Sum> RowLowering::make_sums(const std::vector<NodeId>& reductions,
                                                     Value* arrays_each, Value* region) {
  std::vector<Sum> sums;
  for (const NodeId id : reductions) {
    const DType type = node(id).type;
    const int width = std::max(job_.target.vector_bits / (8 * size_of(type)), 1);
    sums.push_back({id, node(id).op, type, width, region});
    Value* bytes = b_.CreateMul(arrays_each, constant(ir::kSumLanes * size_of(type)));
    region = b_.CreateGEP(b_.getInt8Ty(), region, bytes);
  }
  return sums;
}

std::vector<Value*> RowLowering::emit_reductions(const std::vector<NodeId>& reductions,
                                                 Value* first, Value* count, Value* region) {
  std::vector<NodeId> operands;
  for (const NodeId id : reductions)
    operands.push_back(node(id).args[0]);
  Value* one = constant(1);
  Value* passes = b_.CreateLShr(b_.CreateAdd(count, constant(ir::kSumLanes - 1)), constant(10));
  passes = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, passes, one);
  Value* levels = b_.CreateSub(constant(64), count_zeros(llvm::Intrinsic::ctlz, passes));
  std::vector<Sum> sums = make_sums(reductions, b_.CreateAdd(levels, one), region);
  Value* single = constant(0); // the first pass that goes by itself
  if (can_join_passes(operands, count)) {
    Value* joined = b_.CreateSDiv(count, constant(ir::kSumLanes * kJoined));
    emit_loop(constant(0), joined, 1, [&](Value* four) {
      const Pass pass = begin_pass(sums, four, kJoinedLevel);
      Value* done = b_.CreateMul(four, constant(ir::kSumLanes * kJoined));
      emit_joined_terms(sums, operands, b_.CreateAdd(first, done));
      for (const Sum& sum : sums)
        merge(sum, pass, constant(ir::kSumLanes));
    });
    single = b_.CreateMul(joined, constant(kJoined));
  }
  emit_loop(single, passes, 1, [&](Value* number) {
    const Pass pass = begin_pass(sums, number, 0);
    Value* done = b_.CreateMul(number, constant(ir::kSumLanes));
    Value* here = smaller(b_.CreateSub(count, done), constant(ir::kSumLanes));
    Value* from = b_.CreateAdd(first, done);
    for (const Sum& sum : sums)
      pad(sum, here, active(sum, count));
    emit_terms(sums, operands, from, b_.CreateAdd(from, here));
    for (const Sum& sum : sums)
      merge(sum, pass, active(sum, count));
  });
  std::vector<Value*> results;
  for (const Sum& sum : sums)
    results.push_back(finish(sum, passes, count));
  return results;
}

bool RowLowering::can_join_passes(const std::vector<NodeId>& operands, Value* count) const {
  const auto* known = llvm::dyn_cast<llvm::ConstantInt>(count);
  const bool is_short = known && known->getSExtValue() < ir::kSumLanes * kJoined;
  return !is_short && nodes() <= kRemainderNodes && !needs_groups(operands);
}

RowLowering::Pass RowLowering::begin_pass(std::vector<Sum>& sums, Value* number, int lowest) {
  Value* ones = count_zeros(llvm::Intrinsic::cttz, b_.CreateNot(number));
  const Pass pass{number, b_.CreateAdd(ones, constant(lowest)), lowest};
  for (Sum& sum : sums) {
    const bool extreme = ir::is_extreme(sum.op);
    Value* is_first = b_.CreateICmpEQ(extreme ? number : ones, constant(0));
    sum.target = b_.CreateSelect(is_first, array(sum, constant(extreme ? 1 : lowest + 1)),
                                 array(sum, constant(0)));
  }
  return pass;
}

Value* RowLowering::count_zeros(llvm::Intrinsic::ID which, Value* value) {
  return b_.CreateBinaryIntrinsic(which, value, b_.getFalse());
}

Value* RowLowering::array(const Sum& sum, Value* index) {
  return b_.CreateGEP(b_.getInt8Ty(), sum.arrays,
                      b_.CreateMul(index, constant(ir::kSumLanes * size_of(sum.type))));
}

Value* RowLowering::active(const Sum& sum, Value* count) {
  Value* terms = smaller(count, constant(ir::kSumLanes));
  Value* below = b_.CreateSub(b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, terms, constant(1)),
                              constant(1));
  Value* power = b_.CreateShl(
      constant(1), b_.CreateSub(constant(64), count_zeros(llvm::Intrinsic::ctlz, below)));
  return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, power, constant(sum.width));
}

Value* RowLowering::lane(const Sum& sum, Value* base, Value* index) {
  return b_.CreateGEP(value_type(context_, sum.type, 1), base, index);
}

Value* RowLowering::load_lanes(const Sum& sum, Value* base, Value* index) {
  return b_.CreateAlignedLoad(vector_type(sum), lane(sum, base, index), align(sum));
}

void RowLowering::store_lanes(const Sum& sum, Value* base, Value* index, Value* value) {
  b_.CreateAlignedStore(value, lane(sum, base, index), align(sum));
}

void RowLowering::pad(const Sum& sum, Value* used, Value* lanes) {
  Value* from = b_.CreateAnd(used, constant(-std::int64_t{sum.width}));
  emit_loop(from, lanes, sum.width,
            [&](Value* i) { store_lanes(sum, sum.target, i, identity(sum, vector_type(sum))); });
}

void RowLowering::emit_terms(const std::vector<Sum>& sums, const std::vector<NodeId>& operands,
                             Value* from, Value* to) {
  const auto columns = [&](Value* first, Value* last) {
    emit_columns(first, last, [&](Value* column, int lanes) {
      const std::vector<Value*> terms = emit_elements_of(operands, column, lanes);
      Value* at = b_.CreateSub(column, from);
      for (std::size_t i = 0; i < sums.size(); ++i)
        b_.CreateAlignedStore(terms[i], lane(sums[i], sums[i].target, at),
                              llvm::Align(static_cast<std::uint64_t>(size_of(sums[i].type))));
    });
  };
  if (!needs_groups(operands))
    return columns(from, to);
  emit_groups(from, to, operands, [&](Value*, Value* first, Value* last) { columns(first, last); });
}

void RowLowering::emit_joined_terms(const std::vector<Sum>& sums,
                                    const std::vector<NodeId>& operands, Value* from) {
  const int lanes = std::min(schedule_.lanes, kJoinedRegisters * sums[0].width);
  emit_loop(constant(0), constant(ir::kSumLanes), lanes, [&](Value* at) {
    std::array<std::vector<Value*>, kJoined> terms;
    for (int pass = 0; pass < kJoined; ++pass) {
      Value* column = b_.CreateAdd(b_.CreateAdd(from, at), constant(pass * ir::kSumLanes));
      terms[static_cast<std::size_t>(pass)] = emit_elements_of(operands, column, lanes);
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      Value* low = combine(sums[i], terms[0][i], terms[1][i]);
      Value* high = combine(sums[i], terms[2][i], terms[3][i]);
      b_.CreateAlignedStore(combine(sums[i], low, high), lane(sums[i], sums[i].target, at),
                            llvm::Align(static_cast<std::uint64_t>(size_of(sums[i].type))));
    }
  });
}

void RowLowering::merge(const Sum& sum, const Pass& pass, Value* lanes) {
  const bool extreme = ir::is_extreme(sum.op);
  // A maximum needs no order: what is not the first goes into the one array there is.
  Value* from = constant(extreme ? 0 : pass.lowest);
  Value* to = pass.level;
  if (extreme)
    to = b_.CreateSelect(b_.CreateICmpEQ(pass.number, from), from, constant(1));
  emit_loop(from, to, 1, [&](Value* below) {
    // The last one goes to the level that is complete then.
    Value* next = b_.CreateAdd(below, constant(1));
    Value* whole = extreme ? constant(1) : b_.CreateAdd(pass.level, constant(1));
    Value* into = b_.CreateSelect(b_.CreateICmpEQ(next, to), whole, constant(0));
    Value* source = array(sum, next);
    Value* target = array(sum, into);
    emit_loop(constant(0), lanes, sum.width, [&](Value* i) {
      store_lanes(sum, target, i,
                  combine(sum, load_lanes(sum, source, i), load_lanes(sum, sum.target, i)));
    });
  });
}

Value* RowLowering::finish(const Sum& sum, Value* passes, Value* count) {
  Value* lanes = active(sum, count);
  Value* lowest = ir::is_extreme(sum.op) ? constant(0) : count_zeros(llvm::Intrinsic::cttz, passes);
  Value* result = array(sum, b_.CreateAdd(lowest, constant(1)));
  if (!ir::is_extreme(sum.op)) {
    Value* levels = b_.CreateSub(constant(64), count_zeros(llvm::Intrinsic::ctlz, passes));
    emit_loop(b_.CreateAdd(lowest, constant(1)), levels, 1, [&](Value* level) {
      Value* is_set = b_.CreateAnd(b_.CreateLShr(passes, level), constant(1));
      Value* source = array(sum, b_.CreateAdd(level, constant(1)));
      emit_loop(constant(0), b_.CreateMul(is_set, lanes), sum.width, [&](Value* i) {
        store_lanes(sum, result, i,
                    combine(sum, load_lanes(sum, source, i), load_lanes(sum, result, i)));
      });
    });
  }
  Value* total = add_lanes(sum, result, lanes);
  if (ir::is_extreme(sum.op))
    return total;
  Type* type = total->getType();
  total = combine(sum, total, identity(sum, type)); // so that no sum is -0
  if (sum.op != Op::row_mean)
    return total;
  return b_.CreateFDiv(total, b_.CreateSIToFP(count, type));
}

Value* RowLowering::add_lanes(const Sum& sum, Value* base, Value* lanes) {
  emit_halving(lanes, sum.width, [&](Value* left) {
    Value* half = b_.CreateLShr(left, constant(1));
    emit_loop(constant(0), half, sum.width, [&](Value* i) {
      Value* from = b_.CreateShl(i, constant(1));
      Value* low = load_lanes(sum, base, from);
      Value* high = load_lanes(sum, base, b_.CreateAdd(from, constant(sum.width)));
      store_lanes(sum, base, i,
                  combine(sum, every_second(low, high, 0), every_second(low, high, 1)));
    });
    return half;
  });
  Value* value = load_lanes(sum, base, constant(0));
  for (int width = sum.width; width > 1; width /= 2)
    value = combine(sum, half_of(value, 0), half_of(value, 1));
  return value;
}

void RowLowering::emit_halving(Value* count, std::int64_t until,
                               const std::function<Value*(Value*)>& halve) {
  BasicBlock* before = b_.GetInsertBlock();
  auto* head = BasicBlock::Create(context_, "left", function_);
  auto* body = BasicBlock::Create(context_, "halve", function_);
  auto* done = BasicBlock::Create(context_, "one_left", function_);
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  llvm::PHINode* left = b_.CreatePHI(b_.getInt64Ty(), 2);
  left->addIncoming(count, before);
  b_.CreateCondBr(b_.CreateICmpSGT(left, constant(until)), body, done);
  b_.SetInsertPoint(body);
  Value* half = halve(left);
  left->addIncoming(half, b_.GetInsertBlock());
  b_.CreateBr(head);
  b_.SetInsertPoint(done);
}

Value* RowLowering::every_second(Value* low, Value* high, int first) {
  const int lanes = lanes_of(low);
  if (lanes == 1)
    return first == 0 ? low : high;
  llvm::SmallVector<int, 64> mask;
  for (int i = 0; i < lanes; ++i)
    mask.push_back(first + 2 * i);
  return b_.CreateShuffleVector(low, high, mask);
}

Value* RowLowering::half_of(Value* value, int first) {
  const int lanes = lanes_of(value);
  if (lanes == 2)
    return b_.CreateExtractElement(value, static_cast<std::uint64_t>(first));
  llvm::SmallVector<int, 64> mask;
  for (int i = 0; i < lanes / 2; ++i)
    mask.push_back(first + 2 * i);
  return b_.CreateShuffleVector(value, mask);
}

} // namespace swage::codegen
