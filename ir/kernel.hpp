// kernel.hpp -- Kernel, the value that says what is computed: a typed SSA graph for one element
// and what it shares with its row.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/ops.hpp"
#include "ir/space.hpp"
#include "swage/binding.hpp"
#include "swage/dtype.hpp"

namespace swage::ir {

/// Bounds on what one kernel may hold; each has its own message.
inline constexpr std::size_t kMaxSourceBytes = 4u << 20;
inline constexpr int kMaxNesting = 256;
inline constexpr std::size_t kMaxNodes = 100'000;
inline constexpr std::size_t kMaxParams = 64;
inline constexpr std::size_t kMaxNameBytes = 128;
inline constexpr std::size_t kMaxErrors = 20;

using swage::MathMode;
/// The name of every mode as the language writes it, indexed by MathMode.
std::span<const std::string_view> math_mode_names() noexcept;
std::string_view name_of(MathMode mode) noexcept;

enum class ParamKind : std::uint8_t { in, out, inout, scalar };

struct Param {
  std::string name;
  ParamKind kind = ParamKind::in;
  DType dtype = DType::f32;
  Broadcast broadcast = Broadcast::none; ///< of tensors only
  std::uint32_t group = 0; ///< `per_group`, `per_column_group`: columns, or rows, a group

  /// That of its value; a scalar is one for the whole tensor.
  Space space() const noexcept {
    return is_tensor() ? Space{broadcast, group} : Space{Broadcast::per_tensor};
  }
  bool is_tensor() const noexcept { return kind != ParamKind::scalar; }
  bool is_table() const noexcept { return broadcast == Broadcast::table; }
  bool is_read() const noexcept { return kind == ParamKind::in || kind == ParamKind::inout; }
  bool is_written() const noexcept { return kind == ParamKind::out || kind == ParamKind::inout; }
  friend bool operator==(const Param&, const Param&) = default;
};

using NodeId = std::uint32_t;

/// One operation. Operands come before their users in the node list.
struct Node {
  Op op = Op::constant;
  DType type = DType::f32; ///< compute type of the value: f64, f32, i32, i64 or bool
  /// `cast`: the type named. From float to a float the value is rounded once to `storage` and
  /// carried in `type`; between integers it wraps to `storage`; float to integer saturates at the
  /// bounds of `storage`, NaN gives 0; from integer or bool to float it rounds once; to bool it is
  /// `!= 0`. A cast to the compute type that the value already has is the identity, in the machine
  /// and in the evaluator. Other ops: equal to `type`.
  DType storage = DType::f32;
  /// Follows from the operands. Of a group reduction it also says how many columns, or rows, it
  /// goes over.
  Space space = {};
  std::array<NodeId, 3> args{}; ///< info(op).arity of them
  /// `load`, `scalar`, and `lookup`, whose operand is the index: into the kernel's parameters.
  std::uint32_t param = 0;
  /// `constant`: f64 and f32 hold the value as the bits of a double (f32 exactly representable),
  /// integers and bool as a sign-extended 64-bit integer. NaN is canonical.
  std::uint64_t bits = 0;

  friend bool operator==(const Node&, const Node&) = default;
  double real() const noexcept;          ///< value of a float constant
  std::int64_t integer() const noexcept; ///< value of an integer or bool constant
};

/// `params[param]` receives `node`, rounded once to the parameter's dtype.
struct Store {
  std::uint32_t param = 0;
  NodeId node = 0;
  friend bool operator==(const Store&, const Store&) = default;
};

/// Whether a text may store a value of space `value` to `param`: anything to elements; else what is
/// of the same space, or one for all.
bool may_store(const Param& param, Space value) noexcept;

/// An immutable kernel with all types and constants bound. Nodes are in canonical order (post-order
/// from the condition that skips rows, then the stores in parameter order, operands left to right),
/// hold nothing dead and no two equal nodes, so equal kernels compare equal.
class Kernel {
public:
  const std::string& name() const noexcept { return name_; }
  MathMode math() const noexcept { return math_; }
  std::span<const Param> params() const noexcept { return params_; }
  std::span<const Node> nodes() const noexcept { return nodes_; }
  const Node& node(NodeId id) const noexcept { return nodes_[id]; }
  /// One per written parameter, in parameter order.
  std::span<const Store> stores() const noexcept { return stores_; }
  /// A bool of a row, or one for all, made of [row] and [tensor] inputs and scalars alone: rows for
  /// which it holds are neither read, but for these, nor written. The nodes up to it are those that
  /// it is made of. Absent: none are skipped.
  std::optional<NodeId> skip() const noexcept { return skip_; }
  /// Whether every value owes full accuracy, whatever is stored (ir/accuracy.hpp): of a part of a
  /// kernel, whose other parts compute some of the same values. No text says so.
  bool owes_full_accuracy() const noexcept { return owes_full_accuracy_; }

  friend bool operator==(const Kernel&, const Kernel&) = default;

private:
  friend class KernelBuilder;
  std::string name_;
  MathMode math_ = MathMode::accurate;
  std::vector<Param> params_;
  std::vector<Node> nodes_;
  std::vector<Store> stores_;
  std::optional<NodeId> skip_;
  bool owes_full_accuracy_ = false;
};

/// Builds a kernel node by node, merging equal nodes as they are made. Types are the caller's duty
/// (the parser and `verify` check them); structure is checked by `build`.
class KernelBuilder {
public:
  KernelBuilder(std::string name, MathMode math, std::vector<Param> params);

  NodeId load(std::uint32_t param);   ///< of a tensor parameter that is read, no [table]
  NodeId scalar(std::uint32_t param); ///< of a scalar parameter
  /// Of a [table] at `index`, an integer of one value a row or one for all; one value a row. Out of
  /// range it is NaN, 0 or false.
  NodeId lookup(std::uint32_t param, NodeId index);
  NodeId col_index(); ///< i64, from 0 on; one value a column
  /// `type` is a compute type. f32 values are rounded to f32; NaN is made canonical.
  NodeId real(DType type, double value);
  NodeId integer(DType type, std::int64_t value); ///< i32 (wrapped), i64 or bool (0 or 1)
  NodeId cast(DType storage, NodeId value);
  /// An operation of the table; the result type follows from its rule. `group` is the size that a
  /// group reduction takes.
  NodeId make(Op op, std::span<const NodeId> args, std::uint32_t group = 0);
  NodeId make(Op op, std::initializer_list<NodeId> args) {
    return make(op, std::span<const NodeId>(args.begin(), args.size()));
  }
  /// Says how many columns, or rows, a group of a `[group n]` or `[col group n]` parameter has,
  /// before it is loaded.
  void set_group(std::uint32_t param, std::uint32_t size);
  /// Each written parameter must be stored exactly once before `build`.
  void store(std::uint32_t param, NodeId value);
  /// Rows for which `condition` holds are skipped; at most once. False skips none, and is dropped.
  void skip(NodeId condition);
  void owe_full_accuracy() { owes_full_accuracy_ = true; }

  const Node& node(NodeId id) const noexcept { return nodes_[id]; }
  std::size_t size() const noexcept { return nodes_.size(); }
  std::span<const Param> params() const noexcept { return params_; }

  /// The finished kernel in canonical order. Throws Error(internal) on a store missing or doubled.
  Kernel build() &&;

private:
  NodeId intern(const Node& node);

  struct NodeHash {
    std::size_t operator()(const Node& node) const noexcept;
  };
  std::string name_;
  MathMode math_;
  std::vector<Param> params_;
  std::vector<Node> nodes_;
  std::unordered_map<Node, NodeId, NodeHash> index_;
  std::vector<Store> stores_;
  std::optional<NodeId> skip_;
  bool owes_full_accuracy_ = false;
};

/// Whether two elements of some tensor of `kernel` share a byte: whoever stores one stores both,
/// and columns come in pairs.
bool has_packed_tensors(const Kernel& kernel) noexcept;
/// Whether `kernel` holds a reduction.
bool has_reductions(const Kernel& kernel) noexcept;
/// Whether `kernel` says what happens to each element by itself: no reduction, no index of a
/// column, and no tensor but of elements, or an input [row] or [col].
bool is_elementwise(const Kernel& kernel) noexcept;
/// The first thing that makes it more, as in "row_sum" or "'s', a [group 128]"; "" if nothing does.
std::string beyond_elements(const Kernel& kernel);

/// The result type of `op` on operands of these compute types, or nothing if the rule forbids them.
std::optional<DType> result_type(Op op, std::span<const DType> operands) noexcept;

} // namespace swage::ir
