// launch_support.hpp -- memory with guard bytes, and launches held to the evaluator.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/number.hpp"
#include "ir/source.hpp"
#include "runtime/launch/inspect.hpp"
#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

namespace swage::test {

/// Host memory with a margin on both sides that nothing may write to. Filled with small values
/// from `seed`, the same for equal seeds.
class Memory {
public:
  static constexpr std::size_t kGuard = 256;

  Memory(DType type, std::int64_t elements, std::uint64_t seed)
      : type_(type),
        size_(static_cast<std::size_t>(elements) * static_cast<std::size_t>(size_of(type))),
        bytes_(size_ + 2 * kGuard + 64, std::byte{0xa5}) {
    // The first element lies on a cache line, as allocators of tensors have it.
    const auto start = reinterpret_cast<std::uintptr_t>(bytes_.data() + kGuard);
    first_ = kGuard + (64 - start % 64) % 64;
    for (std::int64_t i = 0; i < elements; ++i)
      set(i, value(seed, i));
  }

  std::byte* data() { return bytes_.data() + first_; }
  DType dtype() const { return type_; }
  ir::Scalar get(std::int64_t i) const { return ir::decode(type_, bits(i)); }
  std::uint64_t bits(std::int64_t i) const {
    return ir::load_bits(type_, bytes_.data() + first_ + i * size_of(type_));
  }
  void set(std::int64_t i, double value) {
    ir::store_bits(type_, data() + i * size_of(type_),
                   ir::encode(type_, {value, static_cast<std::int64_t>(value)}));
  }
  std::string text() const {
    return std::string(reinterpret_cast<const char*>(bytes_.data() + first_), size_);
  }
  /// Everything outside the elements is as it was made.
  bool guards_intact() const {
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      if ((i < first_ || i >= first_ + size_) && bytes_[i] != std::byte{0xa5})
        return false;
    return true;
  }

  /// Multiples of 1/8 in [-8, 8), spread by a hash.
  static double value(std::uint64_t seed, std::int64_t i) {
    std::uint64_t x = (seed << 32) + static_cast<std::uint64_t>(i);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return static_cast<double>(x >> 57) / 8 - 8;
  }

private:
  DType type_;
  std::size_t size_;
  std::size_t first_ = 0;
  std::vector<std::byte> bytes_;
};

/// The offset in elements of index `i` (row-major) of a view.
inline std::int64_t offset_of(const Tensor& view, std::int64_t i) {
  std::int64_t offset = 0;
  for (int d = view.rank - 1; d >= 0; --d) {
    offset += i % view.shape[d] * view.strides[d];
    i /= view.shape[d];
  }
  return offset;
}

inline std::int64_t count_of(const Tensor& view) {
  std::int64_t count = 1;
  for (int d = 0; d < view.rank; ++d)
    count *= view.shape[d];
  return count;
}

/// The value of a view at row-major index `i` of the full shape, by broadcast.
inline std::int64_t broadcast_offset(const ir::Param& param, const Tensor& view, const Tensor& full,
                                     std::int64_t i) {
  const std::int64_t columns = full.rank > 0 ? full.shape[full.rank - 1] : 1;
  switch (param.broadcast) {
  case ir::Broadcast::per_row: return offset_of(view, i / columns);
  case ir::Broadcast::per_column: return offset_of(view, i % columns);
  default: return offset_of(view, i);
  }
}

/// Launches on `device` and compares every element of every output with the evaluator. `ulps` is
/// the error allowed in results, on top of the rounding at the store. Returns the largest seen.
inline long double launch_and_compare(const Kernel& kernel, std::span<const Arg> arguments,
                                      long double ulps) {
  const ir::Kernel& graph = launch::ir_kernel(kernel);
  const ir::Evaluator evaluate(graph);
  ir::Evaluator::Workspace workspace;
  const auto params = graph.params();
  const Tensor* full = nullptr;
  for (std::size_t p = 0; p < params.size() && !full; ++p)
    if (params[p].is_tensor() && params[p].broadcast == ir::Broadcast::none)
      full = &arguments[p].tensor();

  const std::int64_t count = count_of(*full);
  const auto at = [&](std::size_t p, std::int64_t i) {
    const Tensor& view = arguments[p].tensor();
    return static_cast<std::byte*>(view.data) +
           broadcast_offset(params[p], view, *full, i) * size_of(view.dtype);
  };
  std::vector<std::vector<ir::Scalar>> expected;
  std::vector<ir::Scalar> inputs(params.size());
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t p = 0; p < params.size(); ++p)
      if (!params[p].is_tensor())
        inputs[p] = {arguments[p].kind() == Arg::Kind::real
                         ? arguments[p].real()
                         : static_cast<double>(arguments[p].integer()),
                     arguments[p].kind() == Arg::Kind::integer ? arguments[p].integer() : 0};
      else if (params[p].is_read())
        inputs[p] = ir::decode(params[p].dtype, ir::load_bits(params[p].dtype, at(p, i)));
    expected.emplace_back(graph.stores().size());
    evaluate(inputs, expected.back(), workspace);
  }
  kernel.launch(nullptr, arguments);
  kernel.device().synchronize();
  long double worst = 0;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::size_t s = 0; s < graph.stores().size(); ++s) {
      const std::uint32_t p = graph.stores()[s].param;
      const std::uint64_t bits = ir::load_bits(params[p].dtype, at(p, i));
      const ir::Scalar want = expected[static_cast<std::size_t>(i)][s];
      if (is_float(params[p].dtype))
        worst = std::max(worst, ir::ulp_error(params[p].dtype,
                                              ir::decode(params[p].dtype, bits).real, want.real));
      else if (bits != ir::encode(params[p].dtype, want))
        worst = INFINITY;
    }
  CHECK(worst <= ulps);
  return worst;
}

} // namespace swage::test
