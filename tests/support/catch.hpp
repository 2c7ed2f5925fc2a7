// catch.hpp -- Catch2 2 or 3 under one name.
#pragma once

#ifdef SWAGE_CATCH2_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>

namespace Catch::Matchers {
/// Catch2 3's name for it; there, Contains looks for an element of a range.
inline auto ContainsSubstring(const std::string& text) {
  return Contains(text);
}
} // namespace Catch::Matchers
#endif
