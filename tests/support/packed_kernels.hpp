// packed_kernels.hpp -- kernels with tensors of which two elements share a byte, whose bits are
// known.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/row_case.hpp"

namespace swage::test {

/// Element by element, with a tensor that is updated.
inline const std::string kPackedElements = "kernel k<T>(x: in T, p: in f4e2m1, t: inout f4e2m1, r: "
                                           "in f32 [row], q: out f4e2m1, y: out T) {"
                                           "  q = f32(x) * 4 + p;"
                                           "  t = t * 1.5 - r;"
                                           "  y = T(f4e2m1(f32(x)) + t);"
                                           "}";

/// Along rows and over them.
inline const std::string kPackedRows =
    "kernel k<T>(x: in T, p: in f4e2m1, w: in T [col], r: in f32 [row], t: inout f4e2m1,"
    "            q: out f4e2m1, y: out T, total: out f32 [row], top: out f32 [row]) {"
    "  let a = f32(x) + p;"
    "  let m = row_max(abs(a));"
    "  total = row_sum(a + t);"
    "  top = m;"
    "  q = (m > 4 ? 0.5 : 2) * a;"
    "  t = f32(w) + t + r;"
    "  y = T(a - row_sum(f32(p)));"
    "}";
inline const std::string kPackedOverRows =
    "kernel k(p: in f4e2m1, x: in f32, q: out f4e2m1, d: out f32 [col], e: out f32 [row]) {"
    "  d = col_sum(p * x);"
    "  e = row_sum(p * x);"
    "  q = x + p;"
    "}";
inline const std::string kPackedGroups =
    "kernel k<T>(x: in T, p: in f4e2m1, c: in f32 [group n], q: out f4e2m1, s: out f32 [group n],"
    "            y: out T, const n: i32) {"
    "  let a = f32(x) + p;"
    "  let m = group_max(abs(a), n);"
    "  s = m;"
    "  q = a * (m > 1 ? 0.5 : 2);"
    "  y = T(group_sum(f32(p), n) + c);"
    "}";

/// Groups of `n` rows, with those of 8 columns or without; in place, or not, in one tensor. Its
/// other outputs of four bits may be transposed.
inline std::string packed_tiles(bool groups, bool in_place) {
  return std::string("kernel k<T>(x: in T, p: in f4e2m1, w: in f32 [col], q: out f4e2m1,") +
         " c: out f4e2m1, s: out f32 [col group n], y: out T," +
         (in_place ? " t: inout f4e2m1," : "") + (groups ? " u: out f32 [group 8]," : "") +
         "const n: i32) { let a = f32(x) + p * w; let top = col_group_max(abs(a), n); s = top;" +
         " q = a * (top > 2 ? 0.5 : 2); c = a * (top > 3 ? 0.25 : 1);" +
         " y = T(a + col_group_sum(f32(p), n));" + (in_place ? " t = t * 1.5 - a;" : "") +
         (groups ? " u = group_max(abs(a), 8);" : "") + " }";
}

/// How the other tensors lie while rows of these begin at whole bytes.
inline constexpr RowView kPackedViews[] = {{1, 0, 0}, {1, 0, 2}, {1, 3, 1},
                                           {1, 2, 6}, {2, 1, 0}, {3, 5, 3}};

inline constexpr std::int64_t kEvenColumns[] = {2,    4,    6,    10,   14,   16,   30,  32,  34,
                                                62,   64,   66,   100,  254,  256,  258, 510, 1000,
                                                1022, 1024, 1026, 2050, 3074, 4096, 4098};

} // namespace swage::test
