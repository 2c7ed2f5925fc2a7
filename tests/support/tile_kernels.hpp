// tile_kernels.hpp -- kernels with groups of rows beside groups of columns, for both devices.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace swage::test {

/// Reductions over both kinds of groups, of n rows and of m columns, one of which needs another,
/// and inputs of every space. What is scaled is divided where `divides`, which a GPU rounds
/// otherwise.
inline std::string tile_kernel(bool divides) {
  std::string text =
      "kernel k<T>(x: in T, v: in f32 [col group n], w: in T [col], r: in f32 [row],"
      "            g: in f32 [group m], t: in f32 [tensor], y: out T, z: out f32,"
      "            top: out f32 [col group n], sum: out f32 [col group n], low: out T [group m],"
      "            const n: i32, const m: i32) {"
      "  let a = f32(x) * r + t; let c = col_group_max(abs(a), n) + 1; let s = a OVER c;"
      "  top = c * v; sum = col_group_sum(a PER c * w, n) + col_group_min(a, n) * 2;"
      "  low = T(group_min(s, m) * g); y = T(s * w);"
      "  z = a + col_group_sum(group_max(a, m) - a, n); }";
  const auto replace = [&](std::string_view what, std::string_view by) {
    text.replace(text.find(what), what.size(), by);
  };
  replace("OVER c", divides ? "/ c" : "* c");
  replace("PER c", divides ? "/ c" : "* rcp(c)");
  return text;
}

/// The next multiple of `group` from `columns` on.
inline std::int64_t whole_groups(std::int64_t columns, std::int64_t group) {
  return (columns + group - 1) / group * group;
}

} // namespace swage::test
