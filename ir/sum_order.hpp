// sum_order.hpp -- the order of a sum: one fixed tree, a function of the number of terms alone.
//
// docs/numbers.md states it for others to reproduce. Terms are dealt to kSumLanes lanes, term i to
// lane i mod kSumLanes in pass i / kSumLanes. First each lane adds its passes as a binary tree,
// neighbours first; then the lanes are added as a binary tree, neighbours first. Where a node of a
// tree has one child only, it is that child. Last, 0 is added.
//
// Why this one. A thread of a GPU that reads 2, 4 or 8 neighbouring columns keeps as many lanes, so
// the lowest levels of the tree over lanes cost it no exchange, the next five one shuffle each.
// More threads than lanes take runs of passes, 2^k long, and blocks of a cluster neighbouring
// lanes: subtrees. A vector of a CPU is so many lanes, and its loop over passes no horizontal
// operation. What is added last makes padding with zeros of either sign harmless, for the only sum
// that could tell them apart is one of -0 alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace swage::ir {

/// Lanes of a sum along the columns of a row or of a group.
inline constexpr std::int64_t kSumLanes = 1024;

/// Strands of a sum over rows: row r is added to strand r mod kSumStrands, in the order of rows,
/// and the strands are added as the lanes of a row are. Few enough that a workspace of one value a
/// strand and column is small beside the rows, enough to occupy every multiprocessor.
inline constexpr std::int64_t kSumStrands = 256;

/// Adds terms as they come, as a binary tree over their order, neighbours first: the counter's bits
/// say which subtrees are complete. Constant memory, at most 2^40 terms.
template <class Value>
class PairwiseSum {
public:
  template <class Add>
  void push(Value term, Add add) {
    std::size_t level = 0;
    for (std::uint64_t bits = count_++; bits & 1; bits >>= 1)
      term = add(complete_[level++], term);
    complete_[level] = term;
  }

  /// Needs at least one term.
  template <class Add>
  Value total(Add add) const {
    std::size_t level = 0;
    while (!(count_ >> level & 1))
      ++level;
    Value sum = complete_[level];
    while (count_ >> ++level)
      if (count_ >> level & 1)
        sum = add(complete_[level], sum);
    return sum;
  }

private:
  std::uint64_t count_ = 0;
  std::array<Value, 40> complete_{}; ///< by level, where the counter has a 1
};

/// The tree over `count` lanes, at least one. Changes `lanes`.
template <class Value, class Add>
Value add_lanes(Value* lanes, std::int64_t count, Add add) {
  for (; count > 1; count = (count + 1) / 2)
    for (std::int64_t i = 0; i < count; i += 2)
      lanes[i / 2] = i + 1 < count ? add(lanes[i], lanes[i + 1]) : lanes[i];
  return lanes[0];
}

/// The sum of term(0) to term(count - 1) along columns; `zero` where there is none. `add` rounds to
/// the compute type (integers wrap).
template <class Value, class Term, class Add>
Value sum_columns(std::int64_t count, Value zero, Term term, Add add) {
  if (count == 0)
    return zero;
  std::array<Value, kSumLanes> lanes;
  const std::int64_t used = std::min(count, kSumLanes);
  for (std::int64_t lane = 0; lane < used; ++lane) {
    PairwiseSum<Value> passes;
    for (std::int64_t i = lane; i < count; i += kSumLanes)
      passes.push(term(i), add);
    lanes[static_cast<std::size_t>(lane)] = passes.total(add);
  }
  return add(add_lanes(lanes.data(), used, add), zero);
}

/// The same over rows.
template <class Value, class Term, class Add>
Value sum_rows(std::int64_t count, Value zero, Term term, Add add) {
  if (count == 0)
    return zero;
  std::array<Value, kSumStrands> strands;
  const std::int64_t used = std::min(count, kSumStrands);
  for (std::int64_t strand = 0; strand < used; ++strand) {
    Value sum = term(strand);
    for (std::int64_t i = strand + kSumStrands; i < count; i += kSumStrands)
      sum = add(sum, term(i));
    strands[static_cast<std::size_t>(strand)] = sum;
  }
  return add(add_lanes(strands.data(), used, add), zero);
}

/// The same over the rows of a group, one after the other from the first on: a thread, or a vector,
/// goes down the rows of its columns and keeps one value for each.
template <class Value, class Term, class Add>
Value sum_in_order(std::int64_t count, Value zero, Term term, Add add) {
  Value sum = zero;
  for (std::int64_t i = 0; i < count; ++i)
    sum = add(sum, term(i));
  return sum;
}

} // namespace swage::ir
