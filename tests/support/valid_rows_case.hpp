// valid_rows_case.hpp -- kernels of every kind, and counts of rows, for both devices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swage::test {

/// Elements alone, with what is shared by rows and columns; with packed halves of the layouts.
inline const std::string kElements =
    "kernel k<T>(x: in T, z: inout T, r: in f32 [row], c: in f32 [col], y: out T) {"
    "  y = T(f32(x) * r + c); z = T(f32(z) - r * c); }";
inline const std::string kFlat = "kernel k<T>(x: in T, z: in T, y: out T) { y = x * z + 1; }";
/// Every space along the row.
inline const std::string kAlong =
    "kernel k<T>(x: in T, r: in f32 [row], g: in f32 [group 8], w: in f32 [col], y: out T,"
    "            s: out f32 [row], q: out f32 [group 8]) {"
    "  let m = row_mean(f32(x) * w); s = row_sum(f32(x) * r) + row_max(f32(x));"
    "  q = group_sum(f32(x), 8) * g; y = T(f32(x) - m); }";
/// Sums over rows beside outputs of rows.
inline const std::string kOverRows =
    "kernel k<T>(x: in T, w: in T [col], r: in f32 [row], y: out T, m: out f32 [row],"
    "            dw: out f32 [col], all: out f32 [tensor], n: out i32 [tensor]) {"
    "  let a = f32(x) * f32(w); let mean = row_mean(a); m = mean * r; y = T(a - mean);"
    "  dw = col_sum((a - mean) * r) + 1; all = col_sum(row_sum(a * a) * r); n = col_sum(i32(1)); }";

/// Groups of `n` rows, of both kinds of reductions down them, beside groups of 8 columns.
inline const std::string kByTiles =
    "kernel k<T>(x: in T, v: in f32 [col group n], r: in f32 [row], w: in f32 [col], y: out T,"
    "            top: out f32 [col group n], sum: out f32 [col group n], low: out T [group 8],"
    "            const n: i32) {"
    "  let a = f32(x) * r; let c = col_group_max(abs(a), n) + 1; top = c * v;"
    "  sum = col_group_sum(a * rcp(c), n) + col_group_min(a, n) * w; low = T(group_min(a * c, 8));"
    "  y = T(a * c * w); }";
/// The same beside what has one value a row, read, looked up and written; with groups of columns
/// or without.
inline std::string rows_by_tiles(bool groups) {
  return std::string("kernel k<T>(x: in T, r: in f32 [row], id: in i32 [row], t: in f32 [table],") +
         "  a: f32, y: out T, m: out f32 [row], e: out i32 [row], s: out f32 [col group n]," +
         (groups ? " low: out f32 [group 8]," : "") + "const n: i32) {" +
         "  let w = r * t[id]; m = w + a; e = id * 2; s = col_group_sum(f32(x) * r, n);" +
         (groups ? " low = group_min(f32(x) * r, 8) * w;" : "") +
         "  y = T(f32(x) * r - col_group_max(f32(x) * r, n)); }";
}
/// What is written is also read, and rows that are left out would make NaN of what is.
inline const std::string kTilesInPlace =
    "kernel k<T>(x: in T, z: inout T, v: inout f32 [col group n], const n: i32) {"
    "  let a = f32(x) + z; let c = col_group_max(abs(a), n); z = T(a * c); "
    "  v = col_group_sum(a * c, n) + v; }";

/// The same, skipping the rows that an integer of theirs, or a bool, names.
inline std::string skipping(const std::string& kernel) {
  std::string text = kernel;
  text.replace(text.find("(x: in T,"), 9, "(id: in i32 [row], on: in bool [row], x: in T,");
  const std::size_t body = text.find('{', text.find("kernel")) + 1;
  return text.insert(body, " skip where id < 0 || !on;");
}

/// Any kernel, with an integer of a row in front of its parameters; the rows where it is negative
/// are skipped.
inline std::string skipping_some(std::string text) {
  const std::size_t body = text.find('{', text.find("kernel")) + 1;
  text.insert(body, " skip where skipped_id < 0;");
  return text.insert(text.find('(', text.find("kernel")) + 1, "skipped_id: in i32 [row], ");
}

/// Kernels that skip rows as they are: by what they write themselves, beside a table, by scalars.
inline const std::vector<std::string> kSkipping = {
    skipping(kElements),
    skipping(kFlat),
    skipping(kAlong),
    skipping(kOverRows),
    "kernel k<T>(x: in T, id: inout i32 [row], s: inout f32 [row], y: out T) { skip where id < 0;"
    "  y = T(f32(x) * s - row_max(f32(x))); id = -1; s = row_sum(f32(x)); }",
    "kernel k<T>(x: in T, id: inout i32 [row], y: out T) { skip where id < 0; y = x + x; id = -1; "
    "}",
    "kernel k<T>(x: in T, id: in i32 [row], t: in T [table], z: inout T) { skip where id < 0;"
    "  z = z * t[id] + x; }",
    "kernel k<T>(x: in T, first: in i32 [tensor], on: bool, y: out T) { skip where !on && first < "
    "0;"
    "  y = x; }",
    "kernel k<T>(x: in T, y: out T) { y = x; skip where true; }",
};

/// Counts for `rows` rows: none, one, some, all, beyond, and what a count must not be.
inline std::vector<std::vector<std::int64_t>> one_count(std::int64_t rows) {
  return {{0}, {1}, {rows / 3}, {rows - 1}, {rows}, {rows + 1}, {std::int64_t{1} << 30}, {-1}};
}
/// The same for three batches of `rows` rows each.
inline std::vector<std::vector<std::int64_t>> counts_of_batches(std::int64_t rows) {
  return {{0, 0, 0},          {0, rows, 0},      {1, 0, rows / 2},
          {rows, rows, rows}, {-5, 1, rows + 7}, {rows - 1, rows / 2, 1}};
}

} // namespace swage::test
