// step_kernels.hpp -- kernels that are computed in steps, for the tests of every device.
//
// Operations whose bits are defined alone, so that results can be held to the evaluator to the bit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/source.hpp"

namespace swage::test {

/// A kernel, or several and the name of the one that is meant.
struct StepKernel {
  const char* text;
  const char* name = "";
  std::size_t steps = 2; ///< in which it is computed

  /// Of three rows; rows are whole groups then.
  bool has_groups_of_rows() const {
    return std::string_view(text).find("[col group 3]") != std::string_view::npos;
  }
};

inline const std::vector<StepKernel> kStepKernels = {
    // Gradients of a weight that the kernel itself normalises.
    {"kernel f<T>(x: in T, w: in T [col], y: out T) { y = x * w / sqrt(row_mean(w * w)); }"
     "kernel g = grad f(x, w);",
     "g", 3},
    {"kernel f<T>(x: in T, c: in T [col], y: out T) { y = x * row_max(c); } kernel g = grad f(c);",
     "g"},
    {"kernel f<T>(x: in T, t: in T [tensor], y: out T) { y = row_sum(f32(t)) * x; }"
     "kernel g = grad f(t);",
     "g"},
    // Rows that need a sum over all rows: losses, and gradients of what is one for all columns.
    {"kernel f<T>(x: in T, l: out f32 [tensor]) { l = col_sum(row_mean(x * x)) / col_sum(f32(1)); }"
     "kernel g = grad f(x);",
     "g"},
    {"kernel f<T>(x: in T, l: out f32 [tensor]) { l = sqrt(col_sum(row_sum(x * x))); }"
     "kernel g = grad f(x);",
     "g"},
    {"kernel g<T>(x: in T, l: out f32 [tensor]) { l = col_sum(row_sum(x)) / row_sum(f32(1)); }",
     "g"},
    {"kernel f<T>(x: in T, y: out f32 [col]) { let s = col_sum(x); y = s * s; }"
     "kernel g = grad f(x);",
     "g"},
    // Sums of sums: batch normalisation, and its gradient with all that its outputs need.
    {"kernel g<T>(x: in T, w: in T [col], b: in T [col], y: out T, mean: out f32 [col]) {"
     "  let n = col_sum(f32(1)); let m = col_sum(x) / n; let v = col_sum((x - m) * (x - m)) / n;"
     "  mean = m; y = (x - m) / sqrt(v + 0.00001) * w + b; }",
     "g", 4},
    {"kernel f<T>(x: in T, w: in T [col], b: in T [col], y: out T) {"
     "  let n = col_sum(f32(1)); let m = col_sum(x) / n; let v = col_sum((x - m) * (x - m)) / n;"
     "  y = (x - m) / sqrt(v + 0.00001) * w + b; }"
     "kernel g = grad f(x, w, b);",
     "g", 6},
    // Outputs of every space, and what overwrites what it is made of.
    {"kernel g<T>(x: inout T, c: inout f32 [col], t: inout f32 [tensor], s: f32,"
     "  r: out f32 [row], n: out i64 [col], d: out f64 [tensor]) {"
     "  let sum = col_sum(x * c); let all = row_sum(sum * t);"
     "  x = x - sum * s; r = row_max(x) + t; c = c / row_max(c) + sum; t = all;"
     "  n = i64(row_sum(i64(c))) + col_sum(i64(row_min(x) > 0 ? 1 : 0));"
     "  d = f64(row_sum(f64(c))) * f64(all); }",
     "g", 3},
    // Over the columns alone.
    {"kernel g<T>(x: in T, c: in T [col], y: out T [col], m: out f32 [tensor], z: out T) {"
     "  y = c / row_sum(f32(c)); m = row_mean(f32(c)); z = x + 1; }",
     "g"},
    {"kernel g<T>(x: in T, y: out i64 [tensor], z: out T [col]) {"
     "  y = row_sum(i64(1)) + row_max(col_index()); z = T(col_sum(x) / row_sum(f32(1))); }",
     "g"},
    // Rows that are skipped, tables, and groups of columns.
    {"kernel g<T>(id: in i32 [row], x: in T, scale: in f32 [table], y: out T, s: out f32 [group 4],"
     "  c: out f32 [col]) {"
     "  skip where id < 0; let a = f32(x) * scale[id]; let m = col_sum(a);"
     "  s = group_max(a - m, 4); y = T(a / (group_max(abs(a), 4) + 1) - m); c = m / row_max(m); }",
     "g", 3},
    // Tiles that need whole rows, or what is over them, and outputs of columns beside them.
    {"kernel g<T>(x: in T, y: out T, s: out f32 [col group 3]) {"
     "  let a = f32(x) / (row_max(abs(f32(x))) + 1); let c = col_group_max(abs(a), 3);"
     "  s = c; y = T(a / (c + 1)); }",
     "g"},
    {"kernel g<T>(x: inout T, c: inout f32 [col], t: inout f32 [tensor], r: out f32 [row],"
     "  u: out f32 [col group 3], v: out f32 [group 4]) {"
     "  let m = col_sum(f32(x)); let top = row_max(abs(f32(x) - m)) + row_max(c);"
     "  let a = f32(x) / (top + 1) * t; u = col_group_sum(a, 3); v = group_max(a, 4); r = top;"
     "  x = T(a - col_group_max(a, 3)); c = m + c * row_mean(c); t = row_sum(m); }",
     "g", 5},
    {"kernel g<T>(x: in T, y: out f32 [col group 3], n: out i64 [tensor], s: out f32 [col]) {"
     "  y = col_group_max(f32(x), 3) + row_max(col_sum(f32(x))); n = 3; s = col_sum(f32(x)); }",
     "g", 4},
    {"kernel g<T>(x: in T, r: in f32 [row], y: out T, s: out f32 [col group 3]) {"
     "  let q = row_max(abs(f32(x))) / (col_sum(row_sum(f32(x * x))) + 1) + r * col_sum(r);"
     "  let a = f32(x) * q; s = col_group_max(a, 3); y = T(a); }",
     "g"},
};

} // namespace swage::test
