// cuda_tiles.hpp -- the CUDA kernel of groups of rows, shared by its source files.
//
// Who has which rows and columns says tile_geometry.hpp. A thread goes down the rows of its columns
// once for each pass of tile_plan.hpp. Where the geometry is held, what later passes need stays in
// registers, in its storage type where it has one, and all rows are written out; else a loop over
// the rows reads them again. Threads of a warp meet for groups of columns alone: those beyond the
// last column work on the first ones then, and store nothing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "codegen/body.hpp"
#include "codegen/cuda_function.hpp"
#include "codegen/held_memory.hpp"
#include "codegen/reduction.hpp"
#include "codegen/tile_geometry.hpp"

namespace swage::codegen {

class CudaTiles final : public CudaFunction {
public:
  CudaTiles(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
            const std::string& entry);

private:
  using NodeId = ir::NodeId;
  using Op = ir::Op;
  using Value = llvm::Value;

  /// One row of a thread in one pass.
  struct Row {
    std::vector<Value*> bases;       ///< by parameter: where what the thread has of it begins
    std::vector<Value*> loaded;      ///< by parameter, of elements, in compute types
    std::map<NodeId, Value*> single; ///< what is loaded or reduced of the row and its group
    std::map<NodeId, Value*> held;   ///< what an earlier pass found
    std::unique_ptr<Body> narrow;    ///< one value, of the row and the group of columns
    std::unique_ptr<Body> elements;
  };

  const ir::Node& node(NodeId id) const { return job_.kernel.node(id); }
  std::size_t nodes() const { return job_.kernel.nodes().size(); }
  ir::Broadcast space(NodeId id) const { return node(id).space.broadcast; }
  Value* wide(Value* index) { return b_.CreateZExt(index, b_.getInt64Ty()); }
  Value* wide(std::int64_t value) { return b_.getInt64(static_cast<std::uint64_t>(value)); }
  Value* splat(Value* value);

  // lower_cuda_tiles.cpp: tiles and passes
  void emit_body() override;
  void find_needed();
  /// Emits `tile`, the thread's tile, for those of its rows that are computed: as it is where they
  /// are all of them, in a loop over them where they are some.
  void emit_selected(const std::function<void()>& tile);
  /// Whether all rows of the group are computed, and whether any is; the same in a warp.
  std::pair<Value*, Value*> selected_rows(Value* counted);
  /// The rows of a group of which not all are computed.
  std::vector<Value*> emit_some_rows(int pass, Value* first, std::vector<Value*> accumulators);
  /// The columns of the thread, from `column` on.
  void emit_columns_from(Value* column);
  /// The tile of the thread from `column` on, of `lanes` columns.
  void emit_tile(Value* column, int lanes);
  void emit_pass(int pass);
  /// `count` rows from `row` on (64 bits, of the group), the first of which is row `first` of the
  /// group, or of a loop's steps; `accumulators` are what the pass reduces.
  void emit_rows(int pass, Value* row, int first, int count, std::vector<Value*>& accumulators);
  /// What has one value for all.
  void emit_shared();
  /// What has one value a column, or a group of rows of it, and needs so many passes.
  void emit_columns(int stage);
  void store_columns();
  Value* column_value(NodeId id);

  // lower_cuda_shared_tiles.cpp: tiles that several warps share
  /// What all warps of the tile have of the reductions of a pass, of what this one has.
  std::vector<Value*> meet(int pass, const std::vector<Value*>& accumulators);

  // lower_cuda_tile_rows.cpp: a row
  std::vector<Value*> bases_at(Value* row, const std::vector<bool>& used);
  std::vector<Value*> next_bases(const std::vector<Value*>& bases, Value* row,
                                 const std::vector<bool>& used);
  std::unique_ptr<Row> begin_row(int pass, std::vector<Value*> bases, int number);
  /// Threads beyond the last column read what others read, and nothing of a call that writes it.
  void guard_reads() { memory_->set_guard({late_ ? inside_ : nullptr, {}}); }
  std::vector<Value*> load(const std::vector<Value*>& bases, const std::vector<bool>& wanted,
                           bool of_columns);
  /// What the pass needs of a row.
  void emit_row(int pass, Row& row);
  Value* narrow_value(Row& row, NodeId id);
  Value* element_value(Row& row, NodeId id);
  Value* lookup(Row& row, NodeId id);
  Value* reduce_group(NodeId id, Value* terms);
  void keep(Row& row, int number);
  void store_row(int pass, Row& row);
  /// Of stores to one kind of tensor, bits by store; null elsewhere.
  template <class IsOne, class Bits>
  std::vector<Value*> bits_of(int pass, const IsOne& is_one, const Bits& bits);
  /// Whether the columns of a tensor are spread over several dimensions: each lane is found for
  /// itself then, and bases are those of the first column.
  bool is_spread_over_columns(std::uint32_t param) const {
    return tensors_.spec(param).layout == Layout::per_column_group_strided &&
           tensors_.spec(param).group_dims > 1;
  }
  bool is_transposed(std::uint32_t param) const {
    return tensors_.spec(param).layout == Layout::column_major;
  }

  // lower_cuda_transposed.cpp: outputs that lie column by column
  /// Rows that are stored together, from `first` on.
  struct Gathered {
    int first = 0, count = 0;
    Value* base = nullptr;    ///< of the first
    std::vector<Value*> bits; ///< by row; of four bits by eight rows, in words
  };
  /// Of an access to `param`, at most: a power of two that divides the rows of a group.
  int rows_at_once(std::uint32_t param) const;
  void gather(std::uint32_t param, const Row& row, int number, Value* bits);
  void store_gathered();
  void store_transposed(std::uint32_t param, const Gathered& rows);
  void store_codes_down(std::uint32_t param, const Gathered& rows);
  Value* down(const std::vector<Value*>& rows, int lane);
  std::vector<Value*> bytes_down(const std::vector<Value*>& rows);
  Value* permute(Value* a, Value* b, std::uint32_t selector);

  TilePlan plan_;
  TileGeometry geometry_;
  bool late_; ///< see stores_late
  BodyFacts facts_;
  Calls calls_;
  HeldMemory memory_of_rows_;
  Tensors tensors_;
  std::vector<Value*> scalars_;
  std::vector<NodeId> held_;              ///< see passed_on; none where nothing is held
  std::vector<std::vector<bool>> needed_; ///< by pass and node, of rows and elements
  std::vector<std::vector<bool>> used_; ///< by pass and parameter: tensors of rows that it accesses
  Value* lane_ = nullptr;               ///< of the warp, index type
  Value* warp_ = nullptr;               ///< of the block, index type
  Value* group_ = nullptr;              ///< of rows, 64 bits
  Value* column_ = nullptr;             ///< the thread's first, 64 bits
  Value* inside_ = nullptr;             ///< whether it is one of the call's; null: it is
  Value* cut_row_ = nullptr;            ///< the one at hand of a group of which some are left out
  Value* counted_ = nullptr; ///< rows of the group, where some are left out; null: all are computed
  int lanes_ = 1;
  std::vector<Value*> column_bases_, column_loaded_; ///< by parameter
  std::map<NodeId, Value*> reduced_;                 ///< down the columns
  std::map<NodeId, std::vector<Value*>> kept_;       ///< by held node and row
  std::map<std::uint32_t, Gathered> gathered_;       ///< by parameter
  std::unique_ptr<Body> shared_, columns_;
  llvm::GlobalVariable* meeting_ = nullptr; ///< where warps meet
};

} // namespace swage::codegen
