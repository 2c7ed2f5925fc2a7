// lower.hpp -- what the two back ends share: the body of a kernel, arguments, tensor accesses.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <llvm/IR/IRBuilder.h>

#include "codegen/arguments.hpp"
#include "codegen/convert.hpp"
#include "codegen/math.hpp"
#include "codegen/schedule.hpp"
#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::codegen {

/// What one function is made from; lives as long as the lowering.
struct Job {
  const ir::Kernel& kernel;
  const Specialization& specialization;
  const Target& target;
  /// Vectors hold the even elements of a run first, then the odd ones, so that bf16 is widened and
  /// joined by shifts and masks of words, without shuffles. See `can_split_bf16`.
  bool split_bf16 = false;
};

/// Adds the CUDA kernel function `entry` to `module`.
void lower_cuda(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                const std::string& entry);
/// The second launch of a kernel that stores when all rows are done, `totals_entry`.
void lower_cuda_totals(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                       const std::string& entry);
/// Adds the host function `entry` to `module`.
void lower_host(llvm::Module& module, const Job& job, const HostSchedule& schedule,
                const std::string& entry);
/// The same for a kernel that works row by row, see row_plan.hpp.
void lower_host_rows(llvm::Module& module, const Job& job, const HostSchedule& schedule,
                     const std::string& entry);

/// Emits every node of the kernel. `loaded[p]` is the value of parameter p in its compute type,
/// with `lanes` lanes (a scalar for one). Returns storage bits, one per `kernel.stores()`; with
/// `split_bf16`, of more than one lane, words of two elements.
std::vector<llvm::Value*> lower_body(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                                     const std::vector<llvm::Value*>& loaded);

/// The value of a node as it is known outside what is emitted, with as many lanes; null where the
/// node is to be emitted.
using KnownValue = std::function<llvm::Value*(ir::NodeId)>;

/// Emits what `roots` need, each node once, down to what is known; loads and scalars must be.
std::vector<llvm::Value*> lower_nodes(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                                      std::span<const ir::NodeId> roots, const KnownValue& known);
/// The same for what `stores` take, as storage bits.
std::vector<llvm::Value*> lower_stores(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                                       std::span<const ir::Store> stores, const KnownValue& known);
/// The stores of outputs of one space, in their order.
std::vector<ir::Store> stores_of(const ir::Kernel& kernel, ir::Broadcast broadcast);

/// The dimensions of an index beyond the innermost: extents of those within, strides of these.
struct OuterDims {
  std::vector<llvm::Value*> extents; ///< of the index type
  std::vector<llvm::Value*> strides; ///< i64
};

/// The argument list as LLVM values. By parameter index where a slot belongs to a parameter; absent
/// ones are null. Strides are i64 elements, sizes of the index type.
struct Arguments {
  std::vector<llvm::Value*> base, row_stride, column_stride, length;
  std::vector<llvm::Value*> scalar; ///< in storage bits
  std::vector<OuterDims> row_dims, group_dims;
  llvm::Value* rows = nullptr;
  llvm::Value* columns = nullptr;
  llvm::Value* items_per_row = nullptr;
  llvm::Value* divider_factor = nullptr;
  llvm::Value* divider_shift = nullptr;
  llvm::Value* workspace = nullptr;
  llvm::Value* valid_rows = nullptr; ///< the address of the counts
  llvm::Value* batch_rows = nullptr;
  llvm::Value* batch_factor = nullptr;
  llvm::Value* batch_shift = nullptr;

  explicit Arguments(std::size_t params);
  void bind(const Slot& slot, llvm::Value* value);

  /// Elements of tensor `param` before its row `row`, in the type of `row`; null where the same
  /// values serve every row.
  llvm::Value* row_offset(llvm::IRBuilderBase& builder, std::uint32_t param,
                          llvm::Value* row) const;
  /// The base of tensor `param` for row `row`, of 64 bits.
  llvm::Value* row_base(llvm::IRBuilderBase& builder, const ir::Kernel& kernel, std::uint32_t param,
                        llvm::Value* row) const;
};

/// How a back end reads and writes consecutive elements.
class Memory {
public:
  virtual ~Memory() = default;
  /// `count` elements of `unit` bytes at `address`, as an integer vector (an integer for one).
  virtual llvm::Value* load(llvm::Value* address, int unit, int count, std::uint32_t param) = 0;
  virtual void store(llvm::Value* address, int unit, llvm::Value* bits, std::uint32_t param) = 0;
};

/// One run of consecutive elements of one row.
struct Place {
  std::vector<llvm::Value*> base;   ///< by parameter: pointer the offset counts from
  std::vector<llvm::Value*> offset; ///< by parameter: elements before column 0 of the row, or null
  llvm::Value* column = nullptr;
};

/// A value of a [table].
struct TableEntry {
  llvm::Value* inside = nullptr;  ///< whether there is one
  llvm::Value* address = nullptr; ///< of it then
};

/// Loads and stores of the tensors of a kernel in all their layouts.
class Tensors {
public:
  Tensors(llvm::IRBuilderBase& builder, const Job& job, Memory& memory, const Arguments& arguments,
          bool wide_index);

  const TensorSpec& spec(std::uint32_t param) const { return specs_[param]; }
  /// The address of the element at `place`, or of the byte that it shares.
  llvm::Value* address(const Place& place, std::uint32_t param);

  /// Every parameter's value for `lanes` elements from `place` on, in compute types; entries of
  /// `fixed` that are not null are taken as they are. Of tensors of shared bytes several lanes
  /// begin at an even column.
  std::vector<llvm::Value*> load(const Place& place, int lanes,
                                 const std::vector<llvm::Value*>& fixed);
  /// `bits` as lower_body returns them. Of shared bytes several lanes, from an even column on.
  void store(const Place& place, int lanes, const std::vector<llvm::Value*>& bits);
  /// The same of `stores` alone, as lower_stores returns their bits.
  void store(const Place& place, int lanes, std::span<const ir::Store> stores,
             const std::vector<llvm::Value*>& bits);

  /// The row that is accessed from now on, for tensors of which two rows share a byte. Where it is
  /// stored its half of the byte is replaced: nobody else may write there meanwhile.
  void set_row(llvm::Value* row) { row_ = row; }

  /// The scalar parameters, widened, by parameter index; null for tensors.
  std::vector<llvm::Value*> scalars();
  /// The value of a per-row tensor at `place`, one lane.
  llvm::Value* load_row_value(const Place& place, std::uint32_t param);
  /// That of a table at `index`, an integer.
  TableEntry entry(llvm::Value* index, std::uint32_t param);
  /// Its value, NaN, 0 or false where there is none: the address is read in any case, unless the
  /// memory has a guard.
  llvm::Value* load_entry(const TableEntry& entry, std::uint32_t param);

private:
  bool is_cuda() const noexcept { return job_.target.kind == Target::Kind::cuda; }
  bool paired(std::uint32_t param, bool for_store) const;
  void load_pair(const Place& place, int lanes, std::uint32_t even,
                 std::vector<llvm::Value*>& values);
  llvm::Value* load_one(const Place& place, int lanes, std::uint32_t param);
  llvm::Value* load_packed(const Place& place, int lanes, std::uint32_t param);
  llvm::Value* load_lanes(const Place& place, int lanes, std::uint32_t param);
  void store_one(const Place& place, int lanes, std::uint32_t param, llvm::Value* bits);
  void store_halves(const Place& place, int lanes, std::uint32_t param, llvm::Value* codes);
  llvm::Value* lane_stride(std::uint32_t param) const;
  llvm::Value* lane_address(const Place& place, llvm::Value* first, int lane, std::uint32_t param);
  llvm::Value* splat(llvm::Value* value, int lanes);

  llvm::IRBuilderBase& b_;
  const Job& job_;
  Memory& memory_;
  const Arguments& arguments_;
  Converter convert_;
  bool wide_index_;
  llvm::Value* row_ = nullptr;
  std::vector<TensorSpec> specs_; ///< by parameter index
};

} // namespace swage::codegen
