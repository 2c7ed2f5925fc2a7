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

// TEST_CASE and INFO name things by __COUNTER__, which Clang 22 calls an extension.
#if defined(__clang__) && defined(__has_warning)
#if __has_warning("-Wc2y-extensions")
#pragma clang diagnostic ignored "-Wc2y-extensions"
#endif
#endif
