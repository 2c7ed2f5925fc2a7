// agreement.cpp -- whether two results have the same bits.
#include "runtime/verify/agreement.hpp"

#include <cmath>
#include <cstring>

#include "ir/number.hpp"

namespace swage::verify {

namespace {

bool is_nan(DType type, std::uint64_t bits) {
  return is_float(type) && std::isnan(ir::decode(type, bits).real);
}

} // namespace

void add_bits(Agreement& agreement, DType type, std::span<const std::byte> got,
              std::span<const std::byte> reference, const Operands& operands,
              std::int64_t columns) {
  const std::int64_t size = size_of(type), count = static_cast<std::int64_t>(got.size()) / size;
  agreement.checked += count;
  agreement.equal += count;
  if (std::memcmp(got.data(), reference.data(), got.size()) == 0)
    return;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t a = ir::load_bits(type, got.data() + i * size);
    const std::uint64_t b = ir::load_bits(type, reference.data() + i * size);
    if (a == b || (is_nan(type, a) && is_nan(type, b)))
      continue;
    --agreement.equal;
    if (!agreement.first)
      agreement.first = {.index = i,
                         .inputs = inputs_at(operands.all(), i, columns),
                         .got = a,
                         .expected = b,
                         .exact = ir::decode(type, b),
                         .error = 0};
  }
}

} // namespace swage::verify
