// lower_host_rows.cpp -- the host function of a kernel that works row by row.
//
// A sum has the order of ir/sum_order.hpp whatever the width of vectors: the terms of a pass are
// written to an array of lanes, arrays are merged as the counter of passes says, and the last one
// is added up neighbours first. Lanes and passes that are missing are zeros.
#include <algorithm>
#include <map>

#include "codegen/host_function.hpp"
#include "codegen/lower.hpp"
#include "codegen/row_plan.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

using ir::Broadcast;
using ir::NodeId;
using ir::Op;
using ir::OpForm;
using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

namespace {

/// Above this many operations another copy of the body costs more to compile than it saves.
constexpr std::size_t kRemainderNodes = 64;

bool is_extreme(Op op) {
  return op == Op::row_max || op == Op::row_min || op == Op::group_max || op == Op::group_min;
}

bool is_maximum(Op op) {
  return op == Op::row_max || op == Op::group_max;
}

class RowLowering final : public HostFunction {
public:
  RowLowering(llvm::Module& module, const Job& job, const HostSchedule& schedule)
      : HostFunction(module, job, schedule), plan_(make_row_plan(job.kernel)),
        row_values_(job.kernel.nodes().size()), group_values_(job.kernel.nodes().size()),
        after_(needs_column_sums(job.kernel)) {}

private:
  using Columns = std::function<void(Value* column, int lanes)>;

  const ir::Node& node(NodeId id) const { return job_.kernel.node(id); }
  std::size_t nodes() const { return job_.kernel.nodes().size(); }
  Value* constant(std::int64_t value) { return b_.getInt64(static_cast<std::uint64_t>(value)); }
  /// The fields of HostRowMemory.
  Value* memory_field(Type* type, unsigned index) {
    return b_.CreateLoad(type, b_.CreateConstGEP1_64(b_.getInt64Ty(), function_->getArg(3), index));
  }
  Value* scratch() const { return scratch_; }

  static bool is_by_row(ir::Space space) {
    return space.broadcast == Broadcast::per_row || space.broadcast == Broadcast::per_tensor;
  }
  static bool is_by_group(ir::Space space) { return space.broadcast == Broadcast::per_group; }

  void emit_body() override {
    scratch_ = memory_field(b_.getPtrTy(), 0);
    if (!plan_.after_rows)
      return void(emit_loop(begin(), end(), 1, [&](Value* row) { emit_row(row); }));
    workspace_ = memory_field(b_.getPtrTy(), 1);
    strands_ = smaller(arguments_.rows, constant(ir::kSumStrands));
    auto* rows = BasicBlock::Create(context_, "strands", function_);
    auto* columns = BasicBlock::Create(context_, "columns", function_);
    auto* done = BasicBlock::Create(context_, "both_done", function_);
    b_.CreateCondBr(b_.CreateICmpEQ(memory_field(b_.getInt64Ty(), 2), constant(0)), rows, columns);
    b_.SetInsertPoint(rows);
    emit_loop(begin(), end(), 1, [&](Value* strand) {
      strand_ = strand;
      emit_loop(strand, arguments_.rows, ir::kSumStrands, [&](Value* row) {
        is_first_ = b_.CreateICmpEQ(row, strand);
        emit_row(row);
      });
    });
    b_.CreateBr(done);
    b_.SetInsertPoint(columns);
    emit_after_rows();
    b_.CreateBr(done);
    b_.SetInsertPoint(done);
  }

  // --- sums over rows ---

  /// Values of one sum over rows: by strand, then by column.
  Value* strand_values(std::size_t sum, Value* strand, Value* column) {
    Value* base = workspace_;
    std::int64_t before = 0;
    for (std::size_t i = 0; i < sum; ++i)
      before += plan_.column_sum_bytes[i];
    Value* each = b_.CreateMul(strands_, arguments_.columns);
    base = b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(each, constant(before)));
    Value* index = b_.CreateAdd(b_.CreateMul(strand, arguments_.columns), column);
    return b_.CreateGEP(value_type(context_, sum_type(sum), 1), base, index);
  }
  DType sum_type(std::size_t sum) const { return node(plan_.column_sums[sum]).type; }
  llvm::Align element_align(std::size_t sum) const {
    return llvm::Align(static_cast<std::uint64_t>(plan_.column_sum_bytes[sum]));
  }
  Value* plus(Value* a, Value* b) {
    return a->getType()->isFPOrFPVectorTy() ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
  }

  /// Adds `term` to what its strand has.
  void accumulate(std::size_t sum, Value* column, Value* term) {
    Value* at = strand_values(sum, strand_, column);
    Value* before = b_.CreateAlignedLoad(term->getType(), at, element_align(sum));
    Value* total = b_.CreateSelect(is_first_, term, plus(before, term));
    b_.CreateAlignedStore(total, at, element_align(sum));
  }

  /// The operands of sums over rows that have one value for all columns, or one a column.
  std::vector<std::size_t> column_sums(bool for_all_columns) const {
    std::vector<std::size_t> sums;
    for (std::size_t i = 0; i < plan_.column_sums.size(); ++i)
      if (is_for_all_columns(job_.kernel, plan_.column_sums[i]) == for_all_columns)
        sums.push_back(i);
    return sums;
  }

  void accumulate_columns(Value* column, int lanes) {
    const std::vector<std::size_t> sums = column_sums(false);
    if (sums.empty())
      return;
    std::vector<NodeId> operands;
    for (const std::size_t sum : sums)
      operands.push_back(node(plan_.column_sums[sum]).args[0]);
    const std::vector<Value*> loaded = load(place(bases_, column), lanes);
    const std::vector<Value*> terms =
        lower_nodes(b_, job_, lanes, operands, known_values(lanes, loaded));
    for (std::size_t i = 0; i < sums.size(); ++i)
      accumulate(sums[i], column, terms[i]);
  }

  void accumulate_rows() {
    for (const std::size_t sum : column_sums(true)) {
      const NodeId operand = node(plan_.column_sums[sum]).args[0];
      accumulate(sum, constant(0), emit_one(operand));
    }
  }

  /// When all rows are done: columns [begin, end) of the outputs [col]; those [tensor] beside the
  /// first.
  void emit_after_rows() {
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
    std::vector<ir::Store> by_column, by_tensor;
    for (const ir::Store& store : job_.kernel.stores()) {
      const Broadcast broadcast = job_.kernel.params()[store.param].broadcast;
      if (broadcast == Broadcast::per_column)
        by_column.push_back(store);
      else if (broadcast == Broadcast::per_tensor)
        by_tensor.push_back(store);
    }
    if (!by_tensor.empty())
      emit_loop(begin(), smaller(end(), constant(1)), 1,
                [&](Value*) { store(by_tensor, place(bases_, nullptr), 1); });
    if (by_column.empty())
      return;
    const int width = std::max(job_.target.vector_bits / 64, 1);
    Value* at = begin();
    for (const int lanes : {width, 1})
      if (lanes == 1 || width > 1)
        at = emit_loop(at, b_.CreateSub(end(), constant(lanes - 1)), lanes,
                       [&](Value* column) { store_columns(by_column, column, lanes); });
  }

  void store_columns(const std::vector<ir::Store>& stores, Value* column, int lanes) {
    for (const std::size_t sum : column_sums(false))
      column_values_[plan_.column_sums[sum]] = total_of_column(sum, column, lanes);
    store(stores, place(bases_, column), lanes);
    column_values_.clear();
  }

  /// The strands of some columns, added where they are: nobody else looks at them.
  Value* total_of_column(std::size_t sum, Value* column, int lanes) {
    Type* type = value_type(context_, sum_type(sum), lanes);
    const auto at = [&](Value* strand) { return strand_values(sum, strand, column); };
    return add_strands(type, element_align(sum), at, at);
  }

  /// The same of one value for all, in memory of this thread: each looks at them.
  Value* total_for_all(std::size_t sum) {
    Type* type = value_type(context_, sum_type(sum), 1);
    const auto copy = [&](Value* strand) { return b_.CreateGEP(type, scratch(), strand); };
    emit_loop(constant(0), strands_, 1, [&](Value* strand) {
      Value* from = strand_values(sum, strand, constant(0));
      b_.CreateAlignedStore(b_.CreateAlignedLoad(type, from, element_align(sum)), copy(strand),
                            element_align(sum));
    });
    return add_strands(type, element_align(sum), copy, copy);
  }

  /// Neighbours first, then 0; of no rows 0.
  Value* add_strands(Type* type, llvm::Align align, const std::function<Value*(Value*)>& from,
                     const std::function<Value*(Value*)>& to) {
    llvm::Constant* zero = llvm::Constant::getNullValue(type);
    BasicBlock* before = b_.GetInsertBlock();
    auto* head = BasicBlock::Create(context_, "strands_left", function_);
    auto* body = BasicBlock::Create(context_, "strands_halve", function_);
    auto* done = BasicBlock::Create(context_, "strands_done", function_);
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    llvm::PHINode* left = b_.CreatePHI(b_.getInt64Ty(), 2);
    left->addIncoming(strands_, before);
    b_.CreateCondBr(b_.CreateICmpSGT(left, constant(1)), body, done);
    b_.SetInsertPoint(body);
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
    left->addIncoming(b_.CreateAdd(pairs, odd), b_.GetInsertBlock());
    b_.CreateBr(head);
    b_.SetInsertPoint(done);
    // Of no rows nothing was written; what is read then is memory that is there, and not used.
    Value* any = b_.CreateICmpSGT(strands_, constant(0));
    Value* first =
        b_.CreateAlignedLoad(type, b_.CreateSelect(any, from(constant(0)), scratch()), align);
    return plus(b_.CreateSelect(any, first, zero), zero);
  }

  // --- one row ---

  void emit_row(Value* row) {
    bases_ = row_bases(row);
    std::ranges::fill(row_values_, nullptr);
    std::ranges::fill(group_values_, nullptr);
    for (int stage = 0; stage <= static_cast<int>(plan_.reductions.size()); ++stage) {
      if (stage > 0)
        emit_stage(plan_.reductions[static_cast<std::size_t>(stage) - 1]);
      emit_row_values(stage);
    }
    emit_outputs();
  }

  /// What has one value a row and needs no stage after `stage`.
  void emit_row_values(int stage) {
    for (NodeId id = 0; id < nodes(); ++id) {
      const ir::Node& made = node(id);
      if (after_[id] || plan_.stage[id] != stage || !is_by_row(made.space) || row_values_[id] ||
          made.op == Op::constant)
        continue;
      if (made.op == Op::scalar)
        row_values_[id] = scalars_[made.param];
      else if (made.op == Op::load)
        row_values_[id] = tensors_.load_row_value(place(bases_, nullptr), made.param);
      else
        row_values_[id] = emit_one(id);
    }
  }

  Value* emit_one(NodeId id) {
    return lower_nodes(b_, job_, 1, std::array{id}, known_values(1, {}))[0];
  }

  /// Row and group values, spread over the lanes, and what was loaded.
  KnownValue known_values(int lanes, const std::vector<Value*>& loaded) {
    return [this, lanes, loaded](NodeId id) -> Value* {
      Value* value = row_values_[id] ? row_values_[id] : group_values_[id];
      if (value)
        return lanes == 1 ? value : b_.CreateVectorSplat(static_cast<unsigned>(lanes), value);
      if (const auto column = column_values_.find(id); column != column_values_.end())
        return column->second;
      return node(id).op == Op::load && !loaded.empty() ? loaded[node(id).param] : nullptr;
    };
  }

  /// Reductions along the row that can be computed in one pass.
  void emit_stage(const std::vector<NodeId>& reductions) {
    Value* region = scratch();
    if (plan_.group > 0)
      region = b_.CreateConstGEP1_64(
          b_.getInt8Ty(), region,
          static_cast<std::uint64_t>(sum_arrays(plan_.group) * ir::kSumLanes * 8));
    const std::vector<Value*> results =
        emit_reductions(reductions, constant(0), arguments_.columns, region);
    for (std::size_t i = 0; i < reductions.size(); ++i)
      row_values_[reductions[i]] = results[i];
  }

  void emit_outputs() {
    std::vector<ir::Store> elements, groups;
    for (const ir::Store& store : job_.kernel.stores()) {
      const ir::Param& param = job_.kernel.params()[store.param];
      if (param.broadcast == Broadcast::none)
        elements.push_back(store);
      else if (param.broadcast == Broadcast::per_group)
        groups.push_back(store);
    }
    const auto store_elements = [&](Value* column, int lanes) {
      accumulate_columns(column, lanes); // before anything is overwritten
      store(elements, place(bases_, column), lanes);
    };
    std::vector<NodeId> roots;
    for (const auto* stores : {&elements, &groups})
      for (const ir::Store& store : *stores)
        roots.push_back(store.node);
    for (const std::size_t sum : column_sums(false))
      roots.push_back(node(plan_.column_sums[sum]).args[0]);
    const bool by_element = !elements.empty() || !column_sums(false).empty();
    accumulate_rows();
    if (!groups.empty() || needs_groups(roots))
      emit_groups(constant(0), arguments_.columns, roots,
                  [&](Value* group, Value* from, Value* to) {
                    store(groups, place(bases_, group), 1);
                    if (by_element)
                      emit_columns(from, to, store_elements);
                  });
    else if (by_element)
      emit_elements(store_elements);
    for (const ir::Store& each : job_.kernel.stores())
      if (job_.kernel.params()[each.param].broadcast == Broadcast::per_row)
        store({each}, place(bases_, nullptr), 1);
  }

  /// The last pass over a row without groups: its stores may go past the cache.
  void emit_elements(const Columns& body) {
    Value* at = constant(0);
    const auto loop = [&](int lanes) {
      return [this, &body, lanes](Value* first, Value* last) {
        return emit_loop(first, b_.CreateSub(last, constant(lanes - 1)), lanes,
                         [&](Value* column) { body(column, lanes); });
      };
    };
    if (schedule_.streaming && schedule_.lanes > 1 && leading_output())
      at = emit_streaming(bases_, at, arguments_.columns, loop(1), loop(schedule_.lanes));
    emit_columns(at, arguments_.columns, body);
  }

  void store(const std::vector<ir::Store>& stores, const Place& at, int lanes) {
    if (stores.empty())
      return;
    const Broadcast broadcast = job_.kernel.params()[stores[0].param].broadcast;
    const bool by_element = broadcast == Broadcast::none || broadcast == Broadcast::per_column;
    const std::vector<Value*> loaded = by_element ? load(at, lanes) : std::vector<Value*>{};
    const std::vector<Value*> bits =
        lower_stores(b_, job_, lanes, stores, known_values(lanes, loaded));
    std::vector<Value*> all(job_.kernel.stores().size());
    for (std::size_t s = 0; s < all.size(); ++s)
      for (std::size_t i = 0; i < stores.size(); ++i)
        if (job_.kernel.stores()[s] == stores[i])
          all[s] = bits[i];
    tensors_.store(at, lanes, all);
  }

  /// The elements of every tensor that has one a column.
  std::vector<Value*> load(const Place& at, int lanes) {
    std::vector<Value*> fixed = scalars_;
    for (std::size_t p = 0; p < fixed.size(); ++p) {
      const ir::Param& param = job_.kernel.params()[p];
      const bool by_column =
          param.broadcast == Broadcast::none || param.broadcast == Broadcast::per_column;
      if (param.is_tensor() && !by_column) // known to whoever needs it
        fixed[p] = llvm::PoisonValue::get(value_type(context_, compute_type(param.dtype), 1));
    }
    return tensors_.load(at, lanes, fixed);
  }

  // --- columns and groups ---

  /// body(column, lanes) over columns [first, last), in vectors and then in ever smaller ones.
  void emit_columns(Value* first, Value* last, const Columns& body) {
    constexpr int kSmallestRemainder = 128; // bits
    Value* at = first;
    const auto loop = [&](int lanes) {
      at = emit_loop(at, b_.CreateSub(last, constant(lanes - 1)), lanes,
                     [&](Value* column) { body(column, lanes); });
    };
    loop(schedule_.lanes);
    if (nodes() <= kRemainderNodes)
      for (int lanes = schedule_.lanes / 4; lanes * 32 >= kSmallestRemainder; lanes /= 4)
        loop(lanes);
    if (schedule_.lanes > 1)
      loop(1);
  }

  /// Whether `roots` need a value that each group has one of, and that is not known.
  bool needs_groups(std::span<const NodeId> roots) const {
    const std::vector<bool> needed = needed_by(roots);
    for (NodeId id = 0; id < nodes(); ++id)
      if (needed[id] && is_by_group(node(id).space))
        return true;
    return false;
  }

  /// By node: whether `roots` need it and it is not known.
  std::vector<bool> needed_by(std::span<const NodeId> roots) const {
    std::vector<bool> needed(nodes(), false);
    const auto mark = [&](NodeId id) {
      if (!row_values_[id] && !group_values_[id])
        needed[id] = true;
    };
    for (const NodeId root : roots)
      mark(root);
    for (auto id = static_cast<NodeId>(nodes()); id-- > 0;)
      if (needed[id])
        for (int i = 0; i < ir::info(node(id).op).arity; ++i)
          mark(node(id).args[static_cast<std::size_t>(i)]);
    return needed;
  }

  /// body(group, from, to) for the part of each group that lies in columns [first, last), with the
  /// group's values that `roots` need computed before.
  void emit_groups(Value* first, Value* last, std::span<const NodeId> roots,
                   const std::function<void(Value*, Value*, Value*)>& body) {
    const std::vector<bool> needed = needed_by(roots);
    Value* size = constant(plan_.group);
    Value* from_group = b_.CreateUDiv(first, size);
    Value* to_group =
        b_.CreateUDiv(b_.CreateAdd(last, constant(std::int64_t{plan_.group} - 1)), size);
    emit_loop(from_group, to_group, 1, [&](Value* group) {
      Value* start = b_.CreateMul(group, size);
      emit_group_values(group, start, needed);
      Value* from = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, first, start);
      body(group, from, smaller(last, b_.CreateAdd(start, size)));
      std::ranges::fill(group_values_, nullptr);
    });
  }

  void emit_group_values(Value* group, Value* start, const std::vector<bool>& needed) {
    for (NodeId id = 0; id < nodes(); ++id) {
      const ir::Node& made = node(id);
      if (!needed[id] || !is_by_group(made.space))
        continue;
      if (made.op == Op::load)
        group_values_[id] = tensors_.load_row_value(place(bases_, group), made.param);
      else if (ir::is_reduction(made.op))
        group_values_[id] = emit_reductions({id}, start, constant(made.space.group), scratch())[0];
      else
        group_values_[id] = emit_one(id);
    }
  }

  // --- reductions ---

  /// One reduction under way: arrays of lanes in scratch memory, the first for the pass at hand.
  struct Sum {
    NodeId id;
    Op op;
    DType type;
    int width;               ///< lanes of a vector of this type
    Value* arrays;           ///< of kSumLanes values each
    Value* target = nullptr; ///< where the pass at hand goes
  };

  std::vector<Sum> make_sums(const std::vector<NodeId>& reductions, Value* arrays_each,
                             Value* region) {
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

  /// The reductions of columns [first, first + count).
  std::vector<Value*> emit_reductions(const std::vector<NodeId>& reductions, Value* first,
                                      Value* count, Value* region) {
    std::vector<NodeId> operands;
    for (const NodeId id : reductions)
      operands.push_back(node(id).args[0]);
    Value* one = constant(1);
    Value* passes = b_.CreateLShr(b_.CreateAdd(count, constant(ir::kSumLanes - 1)), constant(10));
    passes = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, passes, one);
    Value* levels = b_.CreateSub(constant(64), count_zeros(llvm::Intrinsic::ctlz, passes));
    std::vector<Sum> sums = make_sums(reductions, b_.CreateAdd(levels, one), region);
    emit_loop(constant(0), passes, 1, [&](Value* pass) {
      Value* done = b_.CreateMul(pass, constant(ir::kSumLanes));
      Value* here = smaller(b_.CreateSub(count, done), constant(ir::kSumLanes));
      Value* level = count_zeros(llvm::Intrinsic::cttz, b_.CreateNot(pass));
      Value* from = b_.CreateAdd(first, done);
      for (Sum& sum : sums) {
        Value* is_first = b_.CreateICmpEQ(is_extreme(sum.op) ? pass : level, constant(0));
        sum.target = b_.CreateSelect(is_first, array(sum, one), array(sum, constant(0)));
        pad(sum, here, active(sum, count));
      }
      emit_terms(sums, operands, from, b_.CreateAdd(from, here));
      for (const Sum& sum : sums)
        merge(sum, pass, level, active(sum, count));
    });
    std::vector<Value*> results;
    for (const Sum& sum : sums)
      results.push_back(finish(sum, passes, count));
    return results;
  }

  Value* count_zeros(llvm::Intrinsic::ID which, Value* value) {
    return b_.CreateBinaryIntrinsic(which, value, b_.getFalse());
  }

  /// Array 0 is that of the pass at hand where it has to be merged, array 1 + k that of level k.
  Value* array(const Sum& sum, Value* index) {
    return b_.CreateGEP(b_.getInt8Ty(), sum.arrays,
                        b_.CreateMul(index, constant(ir::kSumLanes * size_of(sum.type))));
  }

  /// Lanes that are added up: the power of two from the number of terms, at most all, at least a
  /// vector.
  Value* active(const Sum& sum, Value* count) {
    Value* terms = smaller(count, constant(ir::kSumLanes));
    Value* below = b_.CreateSub(b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, terms, constant(1)),
                                constant(1));
    Value* power = b_.CreateShl(
        constant(1), b_.CreateSub(constant(64), count_zeros(llvm::Intrinsic::ctlz, below)));
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, power, constant(sum.width));
  }

  Type* vector_type(const Sum& sum) { return value_type(context_, sum.type, sum.width); }
  Value* lane(const Sum& sum, Value* base, Value* index) {
    return b_.CreateGEP(value_type(context_, sum.type, 1), base, index);
  }
  Value* load_lanes(const Sum& sum, Value* base, Value* index) {
    return b_.CreateAlignedLoad(vector_type(sum), lane(sum, base, index), align(sum));
  }
  void store_lanes(const Sum& sum, Value* base, Value* index, Value* value) {
    b_.CreateAlignedStore(value, lane(sum, base, index), align(sum));
  }
  static llvm::Align align(const Sum& sum) {
    return llvm::Align(static_cast<std::uint64_t>(sum.width * size_of(sum.type)));
  }

  /// What changes nothing: 0, or the far end of the order.
  llvm::Constant* identity(const Sum& sum, Type* type) const {
    const bool extreme = is_extreme(sum.op), maximum = is_maximum(sum.op);
    if (is_float(sum.type))
      return extreme ? llvm::ConstantFP::getInfinity(type, maximum)
                     : llvm::ConstantFP::get(type, 0.0);
    const unsigned bits = type->getScalarSizeInBits();
    return extreme ? llvm::ConstantInt::get(type, maximum ? llvm::APInt::getSignedMinValue(bits)
                                                          : llvm::APInt::getSignedMaxValue(bits))
                   : llvm::ConstantInt::get(type, 0);
  }

  Value* combine(const Sum& sum, Value* a, Value* b) {
    if (!is_extreme(sum.op))
      return is_float(sum.type) ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
    const bool maximum = is_maximum(sum.op);
    if (!is_float(sum.type))
      return b_.CreateBinaryIntrinsic(maximum ? llvm::Intrinsic::smax : llvm::Intrinsic::smin, a,
                                      b);
    MathBuilder math(b_, job_.target, job_.kernel.math(), Accuracy::full);
    return math.emit(maximum ? Op::max : Op::min, {a, b});
  }

  /// Lanes from the last whole vector below `used` on; terms overwrite what is theirs.
  void pad(const Sum& sum, Value* used, Value* lanes) {
    Value* from = b_.CreateAnd(used, constant(-std::int64_t{sum.width}));
    emit_loop(from, lanes, sum.width,
              [&](Value* i) { store_lanes(sum, sum.target, i, identity(sum, vector_type(sum))); });
  }

  /// The terms of columns [from, to) of one pass into the targets.
  void emit_terms(const std::vector<Sum>& sums, const std::vector<NodeId>& operands, Value* from,
                  Value* to) {
    const auto columns = [&](Value* first, Value* last) {
      emit_columns(first, last, [&](Value* column, int lanes) {
        const std::vector<Value*> loaded = load(place(bases_, column), lanes);
        const std::vector<Value*> terms =
            lower_nodes(b_, job_, lanes, operands, known_values(lanes, loaded));
        Value* at = b_.CreateSub(column, from);
        for (std::size_t i = 0; i < sums.size(); ++i)
          b_.CreateAlignedStore(terms[i], lane(sums[i], sums[i].target, at),
                                llvm::Align(static_cast<std::uint64_t>(size_of(sums[i].type))));
      });
    };
    if (!needs_groups(operands))
      return columns(from, to);
    emit_groups(from, to, operands,
                [&](Value*, Value* first, Value* last) { columns(first, last); });
  }

  /// A pass whose number ends in k ones completes level k: it takes the levels below in.
  void merge(const Sum& sum, Value* pass, Value* level, Value* lanes) {
    const bool extreme = is_extreme(sum.op);
    Value* from = constant(0);
    Value* to = extreme ? b_.CreateSelect(b_.CreateICmpEQ(pass, from), from, constant(1)) : level;
    emit_loop(from, to, 1, [&](Value* below) {
      // The last one goes to the level that is complete then.
      Value* next = b_.CreateAdd(below, constant(1));
      Value* whole = extreme ? constant(1) : b_.CreateAdd(level, constant(1));
      Value* into = b_.CreateSelect(b_.CreateICmpEQ(next, to), whole, constant(0));
      Value* source = array(sum, next);
      Value* target = array(sum, into);
      emit_loop(constant(0), lanes, sum.width, [&](Value* i) {
        store_lanes(sum, target, i,
                    combine(sum, load_lanes(sum, source, i), load_lanes(sum, sum.target, i)));
      });
    });
  }

  /// The levels that are left, from the lowest up, then the tree over lanes.
  Value* finish(const Sum& sum, Value* passes, Value* count) {
    Value* lanes = active(sum, count);
    Value* lowest = is_extreme(sum.op) ? constant(0) : count_zeros(llvm::Intrinsic::cttz, passes);
    Value* result = array(sum, b_.CreateAdd(lowest, constant(1)));
    if (!is_extreme(sum.op)) {
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
    if (is_extreme(sum.op))
      return total;
    Type* type = total->getType();
    total = combine(sum, total, identity(sum, type)); // so that no sum is -0
    if (sum.op != Op::row_mean)
      return total;
    return b_.CreateFDiv(total, b_.CreateSIToFP(count, type));
  }

  /// Neighbours first, to one value.
  Value* add_lanes(const Sum& sum, Value* base, Value* lanes) {
    BasicBlock* before = b_.GetInsertBlock();
    auto* head = BasicBlock::Create(context_, "lanes", function_);
    auto* body = BasicBlock::Create(context_, "halve", function_);
    auto* done = BasicBlock::Create(context_, "lanes_done", function_);
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    llvm::PHINode* left = b_.CreatePHI(b_.getInt64Ty(), 2);
    left->addIncoming(lanes, before);
    b_.CreateCondBr(b_.CreateICmpSGT(left, constant(sum.width)), body, done);
    b_.SetInsertPoint(body);
    Value* half = b_.CreateLShr(left, constant(1));
    emit_loop(constant(0), half, sum.width, [&](Value* i) {
      Value* from = b_.CreateShl(i, constant(1));
      Value* low = load_lanes(sum, base, from);
      Value* high = load_lanes(sum, base, b_.CreateAdd(from, constant(sum.width)));
      store_lanes(sum, base, i,
                  combine(sum, every_second(low, high, 0), every_second(low, high, 1)));
    });
    left->addIncoming(half, b_.GetInsertBlock());
    b_.CreateBr(head);
    b_.SetInsertPoint(done);
    Value* value = load_lanes(sum, base, constant(0));
    for (int width = sum.width; width > 1; width /= 2)
      value = combine(sum, half_of(value, 0), half_of(value, 1));
    return value;
  }

  /// Lanes `first`, `first` + 2, ... of `low` and then of `high`.
  Value* every_second(Value* low, Value* high, int first) {
    const int lanes = lanes_of(low);
    if (lanes == 1)
      return first == 0 ? low : high;
    llvm::SmallVector<int, 64> mask;
    for (int i = 0; i < lanes; ++i)
      mask.push_back(first + 2 * i);
    return b_.CreateShuffleVector(low, high, mask);
  }

  Value* half_of(Value* value, int first) {
    const int lanes = lanes_of(value);
    if (lanes == 2)
      return b_.CreateExtractElement(value, static_cast<std::uint64_t>(first));
    llvm::SmallVector<int, 64> mask;
    for (int i = 0; i < lanes / 2; ++i)
      mask.push_back(first + 2 * i);
    return b_.CreateShuffleVector(value, mask);
  }

  RowPlan plan_;
  std::vector<Value*> bases_;              ///< of the row at hand
  std::vector<Value*> row_values_;         ///< by node: known for the row, one lane
  std::vector<Value*> group_values_;       ///< by node: known for the group at hand
  std::map<NodeId, Value*> column_values_; ///< sums over rows, of the columns at hand
  std::vector<bool> after_;                ///< by node: needs a sum over rows
  Value* scratch_ = nullptr;
  Value* workspace_ = nullptr;
  Value* strands_ = nullptr;
  Value* strand_ = nullptr;   ///< at hand
  Value* is_first_ = nullptr; ///< the row at hand is the first of its strand
};

} // namespace

void lower_host_rows(llvm::Module& module, const Job& job, const HostSchedule& schedule,
                     const std::string& entry) {
  RowLowering(module, job, schedule).run(entry, 4);
}

} // namespace swage::codegen
