// kernel.cpp -- hash-consing and canonical order.
#include "ir/kernel.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "ir/float_format.hpp"
#include "swage/error.hpp"

namespace swage::ir {

namespace {
constexpr Space kTensor{Broadcast::per_tensor};
} // namespace

std::span<const std::string_view> math_mode_names() noexcept {
  static constexpr std::string_view names[] = {"accurate", "triton", "fast", "torch"};
  return names;
}

std::string_view name_of(MathMode mode) noexcept {
  return math_mode_names()[static_cast<std::size_t>(mode)];
}

double Node::real() const noexcept {
  return std::bit_cast<double>(bits);
}
std::int64_t Node::integer() const noexcept {
  return static_cast<std::int64_t>(bits);
}

bool may_store(const Param& param, Space value) noexcept {
  return param.broadcast == Broadcast::none || value == param.space() || value == kTensor;
}

bool has_packed_tensors(const Kernel& kernel) noexcept {
  return std::ranges::any_of(kernel.params(), [](const Param& param) {
    return param.is_tensor() && is_packed(param.dtype);
  });
}

bool has_reductions(const Kernel& kernel) noexcept {
  return std::ranges::any_of(kernel.nodes(),
                             [](const Node& node) { return is_reduction(node.op); });
}

namespace {

bool is_known_to_elements(const Param& param) noexcept {
  const bool vector =
      param.broadcast == Broadcast::per_row || param.broadcast == Broadcast::per_column;
  return !param.is_tensor() || param.broadcast == Broadcast::none ||
         (vector && param.kind == ParamKind::in);
}

} // namespace

bool is_elementwise(const Kernel& kernel) noexcept {
  return std::ranges::none_of(kernel.nodes(),
                              [](const Node& node) { return reaches_beyond(node.op); }) &&
         std::ranges::all_of(kernel.params(), is_known_to_elements);
}

std::string beyond_elements(const Kernel& kernel) {
  for (const Node& node : kernel.nodes())
    if (reaches_beyond(node.op) && node.op != Op::lookup)
      return std::string(info(node.op).spelling);
  for (const Param& param : kernel.params())
    if (!is_known_to_elements(param))
      return "'" + param.name + "', a [" + name_of(param.space()) + "]";
  return {};
}

std::optional<DType> result_type(Op op, std::span<const DType> operands) noexcept {
  const OpInfo& row = info(op);
  if (static_cast<int>(operands.size()) != row.arity || operands.empty())
    return std::nullopt;
  const DType first = operands[0];
  const bool alike = [&] {
    for (DType type : operands)
      if (type != first)
        return false;
    return true;
  }();
  switch (row.rule) {
  case TypeRule::number:
  case TypeRule::reduce:
    return alike && (is_float(first) || is_integer(first)) ? std::optional(first) : std::nullopt;
  case TypeRule::real:
  case TypeRule::reduce_real: return alike && is_float(first) ? std::optional(first) : std::nullopt;
  case TypeRule::compare: return alike ? std::optional(DType::boolean) : std::nullopt;
  case TypeRule::order:
    return alike && first != DType::boolean ? std::optional(DType::boolean) : std::nullopt;
  case TypeRule::logic:
    return alike && first == DType::boolean ? std::optional(DType::boolean) : std::nullopt;
  case TypeRule::select:
    return first == DType::boolean && operands[1] == operands[2] ? std::optional(operands[1])
                                                                 : std::nullopt;
  case TypeRule::test: return is_float(first) ? std::optional(DType::boolean) : std::nullopt;
  case TypeRule::leaf:
  case TypeRule::cast: return std::nullopt;
  }
  return std::nullopt;
}

std::size_t KernelBuilder::NodeHash::operator()(const Node& node) const noexcept {
  std::uint64_t hash = 0x9e3779b97f4a7c15u;
  const auto mix = [&hash](std::uint64_t value) {
    hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
  };
  mix(static_cast<std::uint64_t>(node.op) | static_cast<std::uint64_t>(node.type) << 8 |
      static_cast<std::uint64_t>(node.storage) << 16 | std::uint64_t{node.param} << 32);
  mix(std::uint64_t{node.args[0]} | std::uint64_t{node.args[1]} << 32);
  mix(std::uint64_t{node.args[2]} | std::uint64_t{node.space.group} << 32);
  mix(node.bits);
  return hash;
}

KernelBuilder::KernelBuilder(std::string name, MathMode math, std::vector<Param> params)
    : name_(std::move(name)), math_(math), params_(std::move(params)) {}

NodeId KernelBuilder::intern(const Node& node) {
  if (const auto found = index_.find(node); found != index_.end())
    return found->second;
  if (info(node.op).commutes) {
    // Equal up to operand order is equal; the order seen first stays, as the reader wrote it.
    Node swapped = node;
    std::swap(swapped.args[0], swapped.args[1]);
    if (const auto found = index_.find(swapped); found != index_.end())
      return found->second;
  }
  const auto id = static_cast<NodeId>(nodes_.size());
  nodes_.push_back(node);
  index_.emplace(node, id);
  return id;
}

NodeId KernelBuilder::load(std::uint32_t param) {
  const DType type = compute_type(params_.at(param).dtype);
  return intern({.op = Op::load,
                 .type = type,
                 .storage = type,
                 .space = params_[param].space(),
                 .param = param});
}

NodeId KernelBuilder::scalar(std::uint32_t param) {
  const DType type = compute_type(params_.at(param).dtype);
  return intern(
      {.op = Op::scalar, .type = type, .storage = type, .space = kTensor, .param = param});
}

NodeId KernelBuilder::lookup(std::uint32_t param, NodeId index) {
  const DType type = compute_type(params_.at(param).dtype);
  return intern({.op = Op::lookup,
                 .type = type,
                 .storage = type,
                 .space = {Broadcast::per_row},
                 .args = {index, 0, 0},
                 .param = param});
}

NodeId KernelBuilder::col_index() {
  return intern({.op = Op::col_index,
                 .type = DType::i64,
                 .storage = DType::i64,
                 .space = {Broadcast::per_column}});
}

NodeId KernelBuilder::real(DType type, double value) {
  if (type == DType::f32)
    value = round_float<DType::f32, double>(value); // in integers: any thread may build
  if (std::isnan(value))
    value = std::numeric_limits<double>::quiet_NaN();
  return intern({.op = Op::constant,
                 .type = type,
                 .storage = type,
                 .space = kTensor,
                 .bits = std::bit_cast<std::uint64_t>(value)});
}

NodeId KernelBuilder::integer(DType type, std::int64_t value) {
  if (type == DType::i32)
    value = static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
  if (type == DType::boolean)
    value = value != 0;
  return intern({.op = Op::constant,
                 .type = type,
                 .storage = type,
                 .space = kTensor,
                 .bits = static_cast<std::uint64_t>(value)});
}

NodeId KernelBuilder::cast(DType storage, NodeId value) {
  return intern({.op = Op::cast,
                 .type = compute_type(storage),
                 .storage = storage,
                 .space = nodes_.at(value).space,
                 .args = {value, 0, 0}});
}

NodeId KernelBuilder::make(Op op, std::span<const NodeId> args, std::uint32_t group) {
  std::array<DType, 3> types{};
  Node node{.op = op, .space = kTensor};
  for (std::size_t i = 0; i < args.size() && i < 3; ++i) {
    node.args[i] = args[i];
    types[i] = nodes_.at(args[i]).type;
    node.space = join(node.space, nodes_[args[i]].space);
  }
  const auto type = result_type(op, std::span(types.data(), std::min<std::size_t>(args.size(), 3)));
  if (!type)
    throw Error(ErrorCode::internal,
                "operation '" + std::string(info(op).id) + "' made on operands its rule forbids");
  if (takes_size(info(op).form) ? group == 0 || group > kMaxGroup : group != 0)
    throw Error(ErrorCode::internal, "operation '" + std::string(info(op).id) +
                                         "' made with a group of " + std::to_string(group));
  if (is_reduction(op))
    node.space = reduced(op, node.space, group);
  node.type = node.storage = *type;
  return intern(node);
}

void KernelBuilder::set_group(std::uint32_t param, std::uint32_t size) {
  params_.at(param).group = size;
}

void KernelBuilder::store(std::uint32_t param, NodeId value) {
  stores_.push_back({param, value});
}

void KernelBuilder::skip(NodeId condition) {
  const Node& node = nodes_[condition];
  if (node.op != Op::constant || node.integer() != 0)
    skip_ = condition;
}

Kernel KernelBuilder::build() && {
  Kernel kernel;
  kernel.name_ = std::move(name_);
  kernel.math_ = math_;
  kernel.owes_full_accuracy_ = owes_full_accuracy_;
  std::vector<NodeId> stored(params_.size(), 0);
  std::vector<int> count(params_.size(), 0);
  for (const Store& store : stores_) {
    stored.at(store.param) = store.node;
    ++count[store.param];
  }
  constexpr NodeId kUnseen = ~NodeId{0};
  std::vector<NodeId> renamed(nodes_.size(), kUnseen);
  std::vector<std::pair<NodeId, int>>
      stack; // node and its next operand; no recursion: graphs are deep
  const auto place = [&](NodeId root) {
    stack.emplace_back(root, 0);
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      if (renamed[id] != kUnseen) {
        stack.pop_back();
      } else if (next < info(nodes_[id].op).arity) {
        const NodeId operand = nodes_[id].args[static_cast<std::size_t>(next++)];
        if (renamed[operand] == kUnseen)
          stack.emplace_back(operand, 0);
      } else {
        Node node = nodes_[id];
        for (int i = 0; i < info(node.op).arity; ++i)
          node.args[static_cast<std::size_t>(i)] = renamed[node.args[static_cast<std::size_t>(i)]];
        renamed[id] = static_cast<NodeId>(kernel.nodes_.size());
        kernel.nodes_.push_back(node);
        stack.pop_back();
      }
    }
    return renamed[root];
  };
  if (skip_)
    kernel.skip_ = place(*skip_);
  for (std::uint32_t p = 0; p < params_.size(); ++p) {
    if (count[p] != (params_[p].is_written() ? 1 : 0))
      throw Error(ErrorCode::internal, "parameter '" + params_[p].name + "' is stored " +
                                           std::to_string(count[p]) + " times");
    if (count[p] > 0)
      kernel.stores_.push_back({p, place(stored[p])});
  }
  kernel.params_ = std::move(params_);
  return kernel;
}

} // namespace swage::ir
