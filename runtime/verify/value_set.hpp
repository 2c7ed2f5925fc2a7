// value_set.hpp -- arithmetic on sets of values: what one operation may give for what it may take.
#pragma once

#include <array>
#include <functional>
#include <span>

#include "runtime/verify/admissible.hpp"

namespace swage::verify {

/// One operation on sets. `evaluate` gives its exact result for single values.
struct Operation {
  const ir::Node& node;
  std::array<const ValueSet*, 3> operands;
  std::array<DType, 3> types; ///< compute types of the operands
  std::function<ir::Scalar(std::span<const ir::Scalar>)> evaluate;
};

/// The set of one value.
ValueSet exactly(DType type, const ir::Scalar& value);

/// What an operation without errors of its own may give. Pieces are narrow, so that operations are
/// as good as monotone on each side of zero.
ValueSet image(const Operation& operation);

/// Rounds a float result as `node` may: correctly, or with its stated error. `argument` is what its
/// first operand may be.
void round(ValueSet& set, const ir::Node& node, const ValueSet& argument, ir::MathMode math,
           ir::Accuracy accuracy);

/// Whether nothing but the exact value is in the set.
bool is_exactly(const ValueSet& set, DType type) noexcept;

/// Whether `value`, of the storage type `type`, is something of the set, stored.
bool holds_stored(const ValueSet& set, DType type, const ir::Scalar& value) noexcept;

long double lowest_normal(DType compute) noexcept;

} // namespace swage::verify
