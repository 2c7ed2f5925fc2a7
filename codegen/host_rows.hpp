// host_rows.hpp -- the host function of a kernel that works row by row, shared by its source files.
//
// A sum has the order of ir/sum_order.hpp whatever the width of vectors: the terms of a pass are
// written to an array of lanes, arrays are merged as the counter of passes says, and the last one
// is added up neighbours first. Lanes and passes that are missing are zeros.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "codegen/host_function.hpp"
#include "codegen/reduction.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/tile_plan.hpp"
#include "ir/sum_order.hpp"

namespace swage::codegen {

using ir::Broadcast;
using ir::NodeId;
using ir::Op;
using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

class RowLowering final : public HostFunction {
public:
  RowLowering(llvm::Module& module, const Job& job, const HostSchedule& schedule)
      : HostFunction(module, job, schedule), plan_(make_row_plan(job.kernel)),
        tiles_(make_tile_plan(job.kernel)), row_values_(job.kernel.nodes().size()),
        group_values_(job.kernel.nodes().size()), after_(needs_column_sums(job.kernel)) {}

private:
  using Columns = std::function<void(Value* column, int lanes)>;
  const ir::Node& node(NodeId id) const { return job_.kernel.node(id); }
  std::size_t nodes() const { return job_.kernel.nodes().size(); }
  Value* constant(std::int64_t value) { return b_.getInt64(static_cast<std::uint64_t>(value)); }
  /// The fields of HostRowMemory.
  Value* memory_field(Type* type, unsigned index);
  Value* scratch() const { return scratch_; }
  static bool is_by_row(ir::Space space) {
    return space.broadcast == Broadcast::per_row || space.broadcast == Broadcast::per_tensor;
  }
  static bool is_by_group(ir::Space space) { return space.broadcast == Broadcast::per_group; }
  void emit_body() override;

  // lower_host_columns.cpp: sums over rows
  /// Values of one sum over rows: by strand, then by column.
  Value* strand_values(std::size_t sum, Value* strand, Value* column);
  DType sum_type(std::size_t sum) const { return node(plan_.column_sums[sum]).type; }
  llvm::Align element_align(std::size_t sum) const;
  Value* plus(Value* a, Value* b);
  /// Sets what the strand at hand has to 0, for rows that may all be left out.
  void clear_strand();
  /// Adds `term` to what its strand has.
  void accumulate(std::size_t sum, Value* column, Value* term);
  /// The operands of sums over rows that have one value for all columns, or one a column.
  std::vector<std::size_t> column_sums(bool for_all_columns) const;
  void accumulate_columns(Value* column, int lanes);
  void accumulate_rows();
  /// When all rows are done: columns [begin, end) of the outputs [col]; those [tensor] beside the
  /// first.
  void emit_after_rows();
  void store_columns(const std::vector<ir::Store>& stores, Value* column, int lanes);
  /// The strands of some columns, added where they are: nobody else looks at them.
  Value* total_of_column(std::size_t sum, Value* column, int lanes);
  /// The same of one value for all, in memory of this thread: each looks at them.
  Value* total_for_all(std::size_t sum);
  /// Neighbours first, then 0; of no rows 0.
  Value* add_strands(Type* type, llvm::Align align, const std::function<Value*(Value*)>& from,
                     const std::function<Value*(Value*)>& to);

  // lower_host_tiles.cpp: groups of rows
  void emit_tiles();
  /// Emits `tile` where a row of the group at hand, from `first` on, is computed.
  void emit_selected_tile(Value* first, const std::function<void()>& tile);
  /// The pointers of [col group n] tensors are those of the group of rows at hand.
  void set_group_bases();
  /// What follows is of the columns of the tile, not of a row.
  void begin_tile_columns();
  /// A pass over the rows of a tile: what it reduces, or, the last one, what it stores.
  void emit_tile_pass(int pass, Value* first_row);
  void emit_tile_row(int pass, Value* row);
  /// Computes the values of groups of rows that need so many passes, and no reduction of their own.
  void emit_tile_values(int stage);
  void store_tile_values();
  void store_tile_row();
  /// body(column, lanes) over the columns of the tile.
  void emit_tile_columns(const Columns& body) { emit_columns(tile_first_, tile_last_, body); }
  /// Where value `index` of TilePlan::values is for `column`, one after the other.
  Value* tile_value(std::size_t index, Value* column);
  std::size_t tile_index(NodeId id) const;
  Value* load_tile_value(std::size_t index, Value* column, int lanes);
  void store_tile_value(std::size_t index, Value* column, Value* value);

  // lower_host_rows.cpp: one row
  void emit_row(Value* row);
  /// Whether the next row's elements of this input are asked for beside work on a row.
  bool is_fetched(std::uint32_t param) const;
  /// The last pass reads nothing new, and no prefetcher looks past the row.
  void fetch_next(Value* column, int lanes);
  /// What has one value a row and needs no stage after `stage`.
  void emit_row_values(int stage);
  Value* emit_one(NodeId id);
  Value* emit_lookup(const ir::Node& lookup);
  /// Row and group values, spread over the lanes, what was loaded, and of the columns from `column`
  /// on (null: nothing) their numbers and what an earlier pass kept.
  KnownValue known_values(int lanes, const std::vector<Value*>& loaded, Value* column);
  /// Where value `index` of the kept ones is for `column`.
  Value* kept(std::size_t index, Value* column);
  llvm::Align kept_align(std::size_t index) const;
  /// Reductions along the row that can be computed in one pass.
  void emit_stage(const std::vector<NodeId>& reductions);
  void emit_outputs();
  /// The last pass over a row without groups: its stores may go past the cache.
  void emit_elements(const Columns& body);
  void store(const std::vector<ir::Store>& stores, const Place& at, int lanes);
  /// The elements of every tensor that has one a column.
  std::vector<Value*> load(const Place& at, int lanes);
  /// The values of `ids` in the columns from `column` on; keeps what this pass has to.
  std::vector<Value*> emit_elements_of(const std::vector<NodeId>& ids, Value* column, int lanes);

  // lower_host_rows.cpp: columns and groups
  /// body(column, lanes) over columns [first, last), in vectors and then in ever smaller ones.
  void emit_columns(Value* first, Value* last, const Columns& body);
  /// Whether `roots` need a value that each group has one of, and that is not known.
  bool needs_groups(std::span<const NodeId> roots) const;
  /// By node: whether `roots` need it and it is not known.
  std::vector<bool> needed_by(std::span<const NodeId> roots) const;
  /// body(group, from, to) for the part of each group that lies in columns [first, last), with the
  /// group's values that `roots` need computed before.
  void emit_groups(Value* first, Value* last, std::span<const NodeId> roots,
                   const std::function<void(Value*, Value*, Value*)>& body);
  void emit_group_values(Value* group, Value* start, const std::vector<bool>& needed);

  // lower_host_reductions.cpp: reductions
  /// One reduction under way: arrays of lanes in scratch memory, the first for the pass at hand.
  struct Sum {
    NodeId id;
    Op op;
    DType type;
    int width;               ///< lanes of a vector of this type
    Value* arrays;           ///< of kSumLanes values each
    Value* target = nullptr; ///< where the pass at hand goes
  };
  /// A pass over kSumLanes columns, or over those of several passes that are joined.
  struct Pass {
    Value* number; ///< among those of its kind
    Value* level;  ///< of the subtree that it completes
    int lowest;    ///< level of the subtree that it is itself
  };
  std::vector<Sum> make_sums(const std::vector<NodeId>& reductions, Value* arrays_each,
                             Value* region);
  /// The reductions of columns [first, first + count).
  std::vector<Value*> emit_reductions(const std::vector<NodeId>& reductions, Value* first,
                                      Value* count, Value* region);
  /// Whether whole passes can be joined: their columns are many, and the same code serves all.
  bool can_join_passes(const std::vector<NodeId>& operands, Value* count) const;
  /// Sets the targets of `sums`.
  Pass begin_pass(std::vector<Sum>& sums, Value* number, int lowest);
  Value* count_zeros(llvm::Intrinsic::ID which, Value* value);
  /// Array 0 is that of the pass at hand where it has to be merged, array 1 + k that of level k.
  Value* array(const Sum& sum, Value* index);
  /// Lanes that are added up: the power of two from the number of terms, at most all, at least a
  /// vector.
  Value* active(const Sum& sum, Value* count);
  Type* vector_type(const Sum& sum) { return value_type(context_, sum.type, sum.width); }
  Value* lane(const Sum& sum, Value* base, Value* index);
  Value* load_lanes(const Sum& sum, Value* base, Value* index);
  void store_lanes(const Sum& sum, Value* base, Value* index, Value* value);
  static llvm::Align align(const Sum& sum) {
    return llvm::Align(static_cast<std::uint64_t>(sum.width * size_of(sum.type)));
  }
  static llvm::Constant* identity(const Sum& sum, Type* type) {
    return reduction_identity(sum.op, sum.type, type);
  }
  Value* combine(const Sum& sum, Value* a, Value* b) {
    return combine_terms(b_, job_, sum.op, sum.type, a, b);
  }
  /// Lanes from the last whole vector below `used` on; terms overwrite what is theirs.
  void pad(const Sum& sum, Value* used, Value* lanes);
  /// The terms of columns [from, to) of one pass into the targets.
  void emit_terms(const std::vector<Sum>& sums, const std::vector<NodeId>& operands, Value* from,
                  Value* to);
  /// The sums of the terms of joined passes from column `from` on into the targets.
  void emit_joined_terms(const std::vector<Sum>& sums, const std::vector<NodeId>& operands,
                         Value* from);
  /// A pass whose number ends in k ones completes level k: it takes the levels below in.
  void merge(const Sum& sum, const Pass& pass, Value* lanes);
  /// The levels that are left, from the lowest up, then the tree over lanes.
  Value* finish(const Sum& sum, Value* passes, Value* count);
  /// for (left = count; left > until; left = halve(left)): one level of a tree after the other.
  void emit_halving(Value* count, std::int64_t until, const std::function<Value*(Value*)>& halve);
  /// Neighbours first, to one value.
  Value* add_lanes(const Sum& sum, Value* base, Value* lanes);
  /// Lanes `first`, `first` + 2, ... of `low` and then of `high`.
  Value* every_second(Value* low, Value* high, int first);
  Value* half_of(Value* value, int first);

  RowPlan plan_;
  TilePlan tiles_;
  int tile_stage_ = 0;                     ///< passes over the tile at hand that are done
  Value* tile_first_ = nullptr;            ///< column of the tile at hand
  Value* tile_last_ = nullptr;             ///< the one after it
  Value* tile_group_ = nullptr;            ///< of rows
  Value* tile_rows_ = nullptr;             ///< of the group that counts leave
  Value* tile_memory_ = nullptr;           ///< TilePlan::values, by value and column
  std::vector<Value*> bases_;              ///< of the row at hand
  std::vector<Value*> next_;               ///< of the row after it, as far as it is fetched
  std::vector<Value*> row_values_;         ///< by node: known for the row, one lane
  std::vector<Value*> group_values_;       ///< by node: known for the group at hand
  std::map<NodeId, Value*> column_values_; ///< sums over rows, of the columns at hand
  std::vector<bool> after_;                ///< by node: needs a sum over rows
  int pass_ = 0;                           ///< over the row at hand, as KeptValue has it
  Value* kept_ = nullptr;                  ///< values of one row
  Value* scratch_ = nullptr;
  Value* workspace_ = nullptr;
  Value* strands_ = nullptr;
  Value* strand_ = nullptr;   ///< at hand
  Value* is_first_ = nullptr; ///< the row at hand is the first of its strand
};

} // namespace swage::codegen
