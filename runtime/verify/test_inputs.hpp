// test_inputs.hpp -- the inputs that a kernel's errors are measured on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ir/kernel.hpp"

namespace swage::verify {

struct InputOptions {
  bool exhaustive = false;
  /// Exhaustive with two inputs: so many random values of the second for each of the first.
  std::optional<std::int64_t> pairs{};
  std::int64_t samples = std::int64_t{1} << 24; ///< not exhaustive
  std::uint64_t seed = 0;
};

/// Element i of the tensors that a kernel reads, for i in [0, count()), without those before it.
///
/// Exhaustive: every combination of bits, the first tensor the slowest. Otherwise random: of eight
/// floats four have any exponent (any bits), three one near 1, where most functions bend, and one
/// is a zero, an infinity, NaN or a value at the end of the range; integers have any bits.
class TestInputs {
public:
  /// Throws Error(invalid_argument) when the kernel has too many inputs for what is asked.
  TestInputs(const ir::Kernel& kernel, const InputOptions& options);

  std::int64_t count() const noexcept { return count_; }
  /// Writes elements [first, first + n) of parameter `param` to `bytes`, on all cores.
  void fill(std::size_t param, std::int64_t first, std::span<std::byte> bytes) const;

private:
  std::uint64_t element(std::size_t param, std::int64_t index) const noexcept;
  void plan_exhaustive(const ir::Kernel& kernel);

  struct Field {
    DType dtype = DType::f32;
    int shift = 0; ///< exhaustive: where its bits stand in the index
    int bits = 0;
  };
  InputOptions options_;
  std::vector<Field> fields_;         ///< by parameter
  std::optional<std::size_t> random_; ///< the parameter that `pairs` makes random
  std::int64_t count_ = 0;
};

} // namespace swage::verify
