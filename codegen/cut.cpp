// cut.cpp -- in which order a large body is computed, where it is cut, and what lives across cuts.
#include "codegen/cut.hpp"

#include <algorithm>
#include <array>

namespace swage::codegen {

using ir::NodeId;
using ir::Op;

namespace {

bool is_from_outside(const ir::Node& node) {
  return node.op == Op::load || node.op == Op::scalar;
}

std::size_t arity(const ir::Node& node) {
  return static_cast<std::size_t>(ir::info(node.op).arity);
}

/// By node: how many values its computation holds at once, as if nothing were used twice.
std::vector<std::uint32_t> values_at_once(const ir::Kernel& kernel) {
  std::vector<std::uint32_t> result(kernel.nodes().size(), 0);
  for (NodeId id = 0; id < result.size(); ++id) {
    const ir::Node& node = kernel.node(id);
    std::array<std::uint32_t, 3> of{};
    for (std::size_t i = 0; i < arity(node); ++i)
      of[i] = result[node.args[i]];
    std::ranges::sort(of, std::greater{});
    if (arity(node) > 0)
      result[id] = std::max({of[0], of[1] + 1, of[2] + 2, 1u});
  }
  return result;
}

/// What a node adds to its piece; functions are called.
std::size_t weight(const ir::Node& node) {
  constexpr std::size_t kCall = 4;
  const std::size_t size = instructions(node);
  return size >= kFunctionInstructions ? kCall : size;
}

} // namespace

std::vector<NodeId> emission_order(const ir::Kernel& kernel) {
  const std::vector<std::uint32_t> need = values_at_once(kernel);
  const auto heavier_first = [&](NodeId a, NodeId b) { return need[a] > need[b]; };
  std::vector<NodeId> order, roots;
  std::vector<bool> known(need.size());
  for (const ir::Store& store : kernel.stores())
    roots.push_back(store.node);
  std::ranges::stable_sort(roots, heavier_first);

  struct Visit {
    NodeId id;
    std::array<NodeId, 3> operands; ///< heavier first
    std::size_t next = 0;
  };
  std::vector<Visit> path;
  const auto enter = [&](NodeId id) {
    if (known[id])
      return;
    known[id] = true;
    const ir::Node& node = kernel.node(id);
    Visit visit{id, {}, 0};
    std::copy_n(node.args.begin(), arity(node), visit.operands.begin());
    std::stable_sort(visit.operands.begin(),
                     visit.operands.begin() + static_cast<std::ptrdiff_t>(arity(node)),
                     heavier_first);
    path.push_back(visit);
  };
  for (const NodeId root : roots) {
    enter(root);
    while (!path.empty()) {
      Visit& visit = path.back();
      if (visit.next < arity(kernel.node(visit.id))) {
        enter(visit.operands[visit.next++]);
        continue;
      }
      order.push_back(visit.id);
      path.pop_back();
    }
  }
  return order;
}

int scratch_size(DType type) {
  return size_of(type) == 8 ? 8 : 4;
}

Cut::Cut(const ir::Kernel& kernel)
    : kernel_(kernel), order_(emission_order(kernel)), place_(kernel.nodes().size(), -1) {
  find_pieces();
  find_places();
}

void Cut::find_pieces() {
  constexpr std::size_t kPieceWeight = 256;
  begins_ = {0};
  std::size_t size = 0;
  for (std::size_t at = 0; at < order_.size(); ++at) {
    size += weight(kernel_.node(order_[at]));
    if (size >= kPieceWeight) {
      begins_.push_back(at + 1);
      size = 0;
    }
  }
  if (begins_.back() != order_.size())
    begins_.push_back(order_.size());
}

void Cut::find_places() {
  std::vector<std::size_t> last(place_.size(), 0); // piece of the last use
  for (std::size_t p = 0; p < pieces(); ++p)
    for (const NodeId id : piece(p))
      for (std::size_t i = 0; i < arity(kernel_.node(id)); ++i)
        last[kernel_.node(id).args[i]] = p;
  for (const ir::Store& store : kernel_.stores())
    last[store.node] = pieces(); // the caller's
  std::vector<std::vector<NodeId>> ending(pieces() + 1);
  std::array<std::vector<std::int64_t>, 2> free; // of 4 and of 8 bytes
  const auto give_place = [&](NodeId id, bool may_reuse) {
    const int size = scratch_size(kernel_.node(id).type);
    auto& places = free[size == 8];
    if (may_reuse && !places.empty()) {
      place_[id] = places.back();
      places.pop_back();
      return;
    }
    place_[id] = (bytes_ + size - 1) / size * size;
    bytes_ = place_[id] + size;
  };
  // What comes from outside is written before the first piece, so its place is its own.
  for (const NodeId id : order_)
    if (is_from_outside(kernel_.node(id)))
      give_place(id, false);
  for (std::size_t p = 0; p < pieces(); ++p) {
    if (p > 0)
      for (const NodeId dead : ending[p - 1])
        free[scratch_size(kernel_.node(dead).type) == 8].push_back(place_[dead]);
    for (const NodeId id : piece(p)) {
      const ir::Node& node = kernel_.node(id);
      if (node.op == Op::constant || is_from_outside(node) || last[id] <= p)
        continue;
      give_place(id, true);
      ending[last[id]].push_back(id);
    }
  }
}

std::size_t host_stack_bytes(const ir::Kernel& kernel, const HostSchedule& schedule) {
  constexpr std::size_t kSmall = 32 << 10;
  constexpr std::size_t kFrames = 64 << 10;
  const std::size_t nodes = kernel.nodes().size();
  if (nodes > kWholeBodyNodes)
    return kFrames +
           static_cast<std::size_t>(std::max(kScratchBytes, Cut(kernel).scratch_bytes_a_lane()));
  // As if every value were spilled.
  const std::size_t bytes = nodes * 8 * static_cast<std::size_t>(schedule.lanes * schedule.unroll);
  return bytes > kSmall ? bytes + kFrames : 0;
}

std::optional<std::int64_t> Cut::place(NodeId id) const {
  return place_[id] < 0 ? std::nullopt : std::optional(place_[id]);
}

} // namespace swage::codegen
