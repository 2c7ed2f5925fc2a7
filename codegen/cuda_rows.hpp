// cuda_rows.hpp -- the CUDA kernel that works row by row, shared by its source files.
//
// Which thread has which columns says row_geometry.hpp. A thread keeps the bits of its accesses
// where they are all of its row, and reads them again for each stage where they are not. A sum has
// the order of ir/sum_order.hpp in every geometry: passes first, within a thread; then lanes, of a
// thread, of a warp by shuffles, of warps through shared memory. Every thread takes part in every
// exchange, so threads leave as all do that meet; what lies outside a row counts as 0.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "codegen/cuda_function.hpp"
#include "codegen/held_memory.hpp"
#include "codegen/reduction.hpp"
#include "codegen/row_geometry.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/strand_sums.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

class CudaRows final : public CudaFunction {
public:
  CudaRows(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
           const std::string& entry);

private:
  using NodeId = ir::NodeId;
  using Op = ir::Op;
  using Value = llvm::Value;

  /// One access of a thread: `vector` columns from `column` on.
  struct Chunk {
    int held = -1; ///< its number where it is kept
    Value* column = nullptr;
    std::vector<Value*> bases; ///< by parameter: what `offset` counts from
    Value* offset = nullptr;   ///< columns, 64 bits
    Value* inside =
        nullptr; ///< whether the columns are of the row, one for all or by lane; null: yes
    Guard guard;
    std::vector<Value*> loaded; ///< by parameter, in compute types
    /// By node: values by group, of `group_lanes_` lanes.
    std::map<NodeId, Value*> groups;
    /// By node: what earlier passes kept, and its values in the pass at hand.
    std::map<NodeId, Value*> kept, kept_values;
  };

  const ir::Node& node(NodeId id) const { return job_.kernel.node(id); }
  std::size_t nodes() const { return job_.kernel.nodes().size(); }
  Value* wide(Value* index) { return b_.CreateZExt(index, b_.getInt64Ty()); }
  Value* wide(std::int64_t value) { return b_.getInt64(static_cast<std::uint64_t>(value)); }
  Value* both(Value* a, Value* b) { return !a ? b : !b ? a : b_.CreateAnd(a, b); }

  // lower_cuda_rows.cpp
  void emit_body() override;
  void prepare();
  void make_shared();
  bool has_row_value(NodeId id) const;
  Value* load_row_value(NodeId id);
  void emit_selected(Value* inside, const std::function<void()>& body);
  Value* any_meets(Value* inside);
  /// What follows is of row `row`, 64 bits; `inside` null: there is one.
  void begin_row(Value* row, Value* inside);
  /// Stages and outputs of the row at hand.
  void emit_row();
  Value* first_column(Value* passes_a_run);
  std::vector<Value*> bases_from(Value* column);
  Chunk make_chunk(const std::vector<Value*>& bases, Value* first, Value* offset, int held,
                   bool always);
  /// By node: whether `roots` need it and it is not known for the row.
  std::vector<bool> needed_by(std::span<const NodeId> roots) const;
  /// Loads what the needed nodes read of elements and columns.
  void load(Chunk& chunk, const std::vector<bool>& needed);
  std::vector<Value*> load_fixed(const std::vector<bool>& needed);
  KnownValue known(const Chunk& chunk, int lanes);
  /// Whether a pass before the one at hand kept it.
  bool is_kept(NodeId id) const;
  void keep(Chunk& chunk, NodeId id, Value* value);
  /// The values of `roots` in a chunk that holds what they need.
  std::vector<Value*> values(Chunk& chunk, std::span<const NodeId> roots);
  void emit_row_values(int stage);
  /// Of the threads of a row.
  void sync();

  // lower_cuda_early_loads.cpp
  void load_early(bool meet);
  void fetch_row(Value* row);
  bool prepares_row_values() const;
  void load_row_values();
  bool holds_many() const;
  /// Loads what is held of the row at hand.
  void load_held(const std::vector<bool>& needed);
  /// By node: whether reductions of the rows or what is stored while they are gone over need it.
  std::vector<bool> needed_of_rows() const;
  /// By node: loads of tensors of this space that the rows need.
  std::vector<bool> needed_loads(ir::Broadcast of) const;

  // lower_cuda_stores.cpp
  void find_early_stores();
  void emit_outputs();
  bool keeps_codes_apart() const;
  void emit_looped_chunks();
  void emit_chunks(std::vector<Chunk>& chunks);
  /// `stores`: of elements.
  void store_elements(Chunk& chunk, const std::vector<ir::Store>& stores);
  void store_rows();
  bool writes_what_all_read() const;

  // lower_cuda_strands.cpp: sums over rows
  void emit_strand();
  void emit_rows_of_strand(Value* end);
  Value* selected_from(Value* row, Value* end, Value* apart);
  std::vector<Value*> merge_if(Value* condition, const std::vector<Value*>& before,
                               const std::function<std::vector<Value*>()>& body);
  void clear_strand(Value* is_empty);
  std::vector<llvm::Type*> accumulator_types() const;
  std::size_t accumulators_of(std::size_t sum) const;
  std::vector<NodeId> terms_by_column() const;
  void accumulate(Chunk& chunk);
  void accumulate_row();
  /// Rows of a block in their order, from shared memory.
  void accumulate_block();
  Value* stored_columns();
  Value* rounded_up(Value* count, std::int64_t power_of_two);
  void clear_padding(llvm::Value* thread);
  void store_strand();
  Value* term_at(std::size_t sum, Value* row, Value* column);
  void block_sync();
  /// Columns of a thread where a block has several rows.
  std::size_t columns_each() const;

  // lower_cuda_single_row.cpp
  void store_sums();
  void store_single_row();
  std::vector<Chunk> columns_of_sums();
  std::vector<Value*> totals_of(std::size_t index);
  bool overwrites_what_rows_read() const;

  // lower_cuda_groups.cpp
  int group_lanes() const;
  bool by_group(NodeId id) const { return node(id).space.broadcast == ir::Broadcast::per_group; }
  Value* group_of(const Chunk& chunk, int lane);
  Guard group_guard(const Chunk& chunk, int lane);
  void emit_groups(Chunk& chunk, const std::vector<bool>& needed);
  Value* load_groups(Chunk& chunk, std::uint32_t param);
  void fetch_groups(const Chunk& chunk, std::uint32_t param);
  Value* is_first_of_group(const Chunk& chunk, int lane);
  Value* reduce_within_warp(Chunk& chunk, NodeId id);
  Value* spread(Value* groups, int lanes);
  void store_groups(Chunk& chunk);
  /// Groups that no warp holds whole: the warp computes each that it meets.
  void emit_wide_groups(Chunk& chunk, const std::vector<bool>& needed);
  std::map<NodeId, Value*> group_values(Value* group, const std::vector<bool>& needed);
  Value* reduce_group(Value* group, NodeId id, const std::map<NodeId, Value*>& known);
  /// A tree over `count` items as they come, neighbours first.
  Value* sum_in_order(std::int64_t count, Op op, DType type,
                      const std::function<Value*(Value*)>& item);

  // lower_cuda_reductions.cpp
  struct Partial {
    NodeId id;
    std::vector<Value*> slabs; ///< vectors of lanes; one where the order does not show
  };
  void emit_stage(const std::vector<NodeId>& all);
  bool is_count(NodeId id) const;
  std::vector<Partial> held_partials(const std::vector<NodeId>& reductions);
  std::vector<Partial> looped_partials(const std::vector<NodeId>& reductions);
  /// By reduction: the terms of some chunks as far as a thread can add them.
  std::vector<Partial> partials_of(std::vector<Chunk>& chunks,
                                   const std::vector<NodeId>& reductions);
  std::vector<Value*> terms(Chunk& chunk, const std::vector<NodeId>& reductions);
  void finish(std::vector<Partial>& partials);
  void combine_runs(std::vector<Partial>& partials);
  // lower_cuda_cluster.cpp: a row over several blocks
  std::vector<Value*> cluster_tree(const std::vector<Partial>& partials);
  bool has_runs(NodeId id) const;
  Value* is_adding(int warps);
  int numbers_sent(NodeId id) const;
  void send_partials(const std::vector<Partial>& partials, const std::vector<std::int64_t>& places,
                     int turn);
  void store_runs(const Partial& partial);
  Value* sum_of_runs(NodeId id);
  void send_value(NodeId id, Value* value, Value* number, std::int64_t place, int turn);
  void send_to_block(Value* value, Value* at, Value* block, int turn);
  void cluster_sync();
  void enter_cluster();
  void await_cluster();
  std::int64_t region_at(int turn) const;
  Value* arrivals_at(int turn);
  void arrivals(int turn, const std::string& text);
  void await_arrivals(int turn, int phase);
  std::vector<Value*> lanes_in(Value* vector);
  Value* lanes_tree(NodeId id, Value* vector);
  /// The values of a warp, lane by lane: which thread has which slab afterwards says `spread`.
  std::vector<Value*> warp_tree(NodeId id, std::vector<Value*> slabs, int& distributed);
  /// Of `values` the first half in the thread without bit `distance` and the second in the one with
  /// it, of both together.
  std::vector<Value*> halve(NodeId id, const std::vector<Value*>& values, int distance);
  std::vector<Value*> block_tree(const std::vector<Partial>& partials);
  Value* complete(NodeId id, Value* total);
  bool is_ordered(NodeId id) const;
  Value* combine(NodeId id, Value* a, Value* b) {
    return combine(node(id).op, node(id).type, a, b);
  }
  Value* combine(Op op, DType type, Value* a, Value* b) {
    return combine_terms(b_, job_, op, type, a, b);
  }
  llvm::Constant* identity(NodeId id, llvm::Type* type) const {
    return reduction_identity(node(id).op, node(id).type, type);
  }
  Value* tree(NodeId id, std::vector<Value*> values);
  Value* shared(std::int64_t offset, Value* bytes);

  RowPlan plan_;
  RowGeometry geometry_;
  HeldMemory held_;
  Tensors tensors_;
  std::vector<Value*> scalars_;
  std::vector<Value*> row_values_; ///< by node: known for the row, one lane
  std::vector<Value*> row_bases_;  ///< by parameter
  std::vector<Chunk> chunks_;      ///< held ones
  std::vector<KeptValue> kept_;    ///< in registers, in place of the bits of what is held
  int pass_ = 0;                   ///< see KeptValue
  /// Stores of elements: where the row is reduced first, and in the end.
  std::vector<ir::Store> early_, late_;
  bool multiple_ = false;         ///< an access lies in the row, or outside, in whole
  bool small_groups_ = false;     ///< a warp has whole groups
  Value* columns_ = nullptr;      ///< index type
  Value* thread_ = nullptr;       ///< in the row, index type
  Value* row_in_block_ = nullptr; ///< 64 bits
  Value* part_ = nullptr;       ///< which of the blocks of the row, index type; null: the only one
  Value* row_inside_ = nullptr; ///< null: always
  Value* warp_lane_ = nullptr;  ///< 32 bits
  llvm::GlobalVariable* shared_ = nullptr;
  std::int64_t exchange_bytes_ = 0, value_bytes_ = 0;
  int turn_ = 0;              ///< which of two regions the next values go to
  int exchanges_ = 0;         ///< stages so far whose values blocks have sent each other
  bool runs_stored_ = false;  ///< one of them stored runs for warps to add up
  bool cluster_runs_ = false; ///< all its blocks do
  // Of kernels that store when all rows are done:
  std::vector<bool> after_; ///< by node: needs a sum over rows
  StrandSums strands_;
  std::vector<Value*> accumulators_; ///< of the strand so far, see accumulator_types
  Value* strand_ = nullptr;          ///< of the block, 64 bits
  Value* is_first_ = nullptr;        ///< the rows at hand are the first of the strand
};

} // namespace swage::codegen
