// shape.cpp -- the shape of a call.
#include "runtime/verify/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "swage/error.hpp"

namespace swage::verify {

namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 59; // 2^62 bytes of 8-byte elements

} // namespace

std::int64_t element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape)
    if (size < 0 || (size > 0 && count > kMaxElements / size))
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("shape {} holds more elements than memory can; at most 2^59 are possible",
                      fmt::join(shape, "x")));
    else
      count *= size;
  return count;
}

} // namespace swage::verify
