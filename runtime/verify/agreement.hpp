// agreement.hpp -- whether two results have the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/verify/compare.hpp"

namespace swage::verify {

/// How one output stands to one reference.
struct Agreement {
  std::int64_t checked = 0, equal = 0; ///< equal bits, NaN for NaN
  std::optional<ShownElement> first{}; ///< that differs; `expected` is the reference's
};

/// Adds where `got`, of type `type`, has the reference's bits. Both are results of one call of what
/// `operands` holds, with rows of `columns`.
void add_bits(Agreement& agreement, DType type, std::span<const std::byte> got,
              std::span<const std::byte> reference, const Operands& operands, std::int64_t columns);

} // namespace swage::verify
