// scale_case.hpp -- scales written and read in the usual layouts, against tables of offsets that
// are made by walking the memory.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "swage/scales.hpp"
#include "tests/support/catch.hpp"

namespace swage::test {

inline constexpr ScaleLayout kScaleLayouts[] = {
    ScaleLayout::row_major, ScaleLayout::column_major, ScaleLayout::column_major_padded,
    ScaleLayout::packed_words, ScaleLayout::swizzled_128x4};

struct ScalePlace {
  std::int64_t row, group;
};

/// A kernel of every space that may be a view of many dimensions, read and written.
inline constexpr const char* kEverySpace =
    "kernel k<T>(x: in T, g: in f32 [group n], y: out T, s: out f32 [group n], r: out f32 [row], "
    "t: in f32 [row], u: inout f32 [row], const n: i32) {"
    "  let v = f32(x) * t; let top = group_max(abs(v), n) + 1;"
    "  s = group_sum(v / top, n) * g + u; r = row_sum(v * g) + row_max(top);"
    "  u = u + row_max(v); y = T(v / top * g + row_mean(v)); }";

/// Which row and group each element of the memory is of, padding included.
inline std::vector<ScalePlace> places(ScaleLayout layout, std::int64_t rows, std::int64_t groups) {
  std::vector<ScalePlace> all;
  const auto up = [](std::int64_t size, std::int64_t to) {
    while (size % to != 0)
      ++size;
    return size;
  };
  switch (layout) {
  case ScaleLayout::row_major:
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t group = 0; group < groups; ++group)
        all.push_back({row, group});
    break;
  case ScaleLayout::column_major:
  case ScaleLayout::column_major_padded:
    for (std::int64_t group = 0; group < groups; ++group)
      for (std::int64_t row = 0; row < up(rows, layout == ScaleLayout::column_major ? 1 : 4); ++row)
        all.push_back({row, group});
    break;
  case ScaleLayout::packed_words:
    for (std::int64_t word = 0; word < up(groups, 4); word += 4)
      for (std::int64_t row = 0; row < up(rows, 4); ++row)
        for (std::int64_t byte = 0; byte < 4; ++byte)
          all.push_back({row, word + byte});
    break;
  case ScaleLayout::swizzled_128x4:
    for (std::int64_t row = 0; row < up(rows, 128); row += 128)
      for (std::int64_t group = 0; group < up(groups, 4); group += 4)
        for (std::int64_t line = 0; line < 32; ++line) // of 16 bytes: four rows, 32 apart
          for (std::int64_t quarter = 0; quarter < 4; ++quarter)
            for (std::int64_t one = 0; one < 4; ++one)
              all.push_back({row + 32 * quarter + line, group + one});
    break;
  }
  return all;
}

/// Memory on a device with guards around it.
class GuardedMemory {
public:
  static constexpr std::size_t kGuard = 64;
  static constexpr unsigned char kUntouched = 0xab;

  GuardedMemory(const Device& device, std::size_t bytes)
      : bytes_(bytes + 2 * kGuard, kUntouched), buffer_(device.allocate(bytes_.size())) {
    buffer_.write(bytes_.data(), bytes_.size());
  }
  void* data() const { return static_cast<char*>(buffer_.data()) + kGuard; }
  /// What lies between the guards; empty if a guard was touched.
  std::vector<unsigned char> read() {
    buffer_.read(bytes_.data(), bytes_.size());
    for (std::size_t i = 0; i < kGuard; ++i)
      if (bytes_[i] != kUntouched || bytes_[bytes_.size() - 1 - i] != kUntouched)
        return {};
    return {bytes_.begin() + kGuard, bytes_.end() - kGuard};
  }
  void write(const void* from, std::size_t bytes) { buffer_.write(from, bytes, kGuard); }

private:
  std::vector<unsigned char> bytes_;
  Buffer buffer_;
};

/// Rows of groups of four columns, one scale a group, of one byte: the low bits of a number that
/// tells groups and rows apart.
class ScaleCase {
public:
  static constexpr int kSize = 4;

  ScaleCase(const Device& device, ScaleLayout layout, std::int64_t rows, std::int64_t groups)
      : device_(device), layout_(layout), rows_(rows), groups_(groups),
        count_(static_cast<std::size_t>(scale_count(layout, rows, groups))),
        elements_(static_cast<std::size_t>(rows * groups * kSize)), x_(device, elements_),
        y_(device, elements_), scales_(device, count_), table_(places(layout, rows, groups)) {
    std::vector<unsigned char> x(elements_);
    for (std::size_t i = 0; i < elements_; ++i)
      x[i] = i % kSize == 0 ? value(static_cast<std::int64_t>(i)) : 0;
    x_.write(x.data(), x.size());
  }

  /// "" where all scales are in their places after they were written, and padding is `padding`.
  std::string written(unsigned char padding, const LaunchOptions& options = {}) {
    device_.kernel("kernel write(x: in u8, s: out u8 [group 4]) { s = group_max(x, 4); }", "write")
        .launch(nullptr, arguments(x_), options);
    return difference(padding, rows_);
  }
  std::string difference(unsigned char padding, std::int64_t rows) {
    device_.synchronize();
    if (table_.size() != count_)
      return fmt::format("{} elements, expected {}", count_, table_.size());
    const std::vector<unsigned char> found = scales_.read();
    if (found.empty())
      return "memory around the scales was written";
    for (std::size_t i = 0; i < count_; ++i) {
      const auto [row, group] = table_[i];
      const unsigned want =
          row < rows && group < groups_ ? value((row * groups_ + group) * kSize) : padding;
      if (found[i] != want)
        return fmt::format("element {} (row {}, group {}) is {}, expected {}", i, row, group,
                           found[i], want);
    }
    return "";
  }
  /// "" where every element gets the scale of its row and group, each written to its place before.
  std::string read() {
    std::vector<unsigned char> scales(count_);
    for (std::size_t i = 0; i < count_; ++i)
      scales[i] = table_[i].row < rows_ && table_[i].group < groups_
                      ? value((table_[i].row * groups_ + table_[i].group) * kSize)
                      : 0xee;
    scales_.write(scales.data(), scales.size());
    device_.kernel("kernel read(y: out u8, s: in u8 [group 4]) { y = s; }", "read")
        .launch(nullptr, arguments(y_));
    device_.synchronize();
    const std::vector<unsigned char> found = y_.read();
    for (std::size_t i = 0; i < elements_; ++i)
      if (const unsigned want = value(static_cast<std::int64_t>(i));
          found.empty() || found[i] != want)
        return fmt::format("element {} got another scale than {}", i, want);
    return "";
  }
  void zero() { zero_scales(device_, nullptr, layout_, scales_.data(), u8, rows_, groups_); }

private:
  /// Of the group of element `i`.
  static unsigned char value(std::int64_t i) {
    return static_cast<unsigned char>(1 + i / kSize * 7 % 151);
  }
  std::vector<Arg> arguments(const GuardedMemory& elements) const {
    return {Tensor(elements.data(), u8, {rows_, groups_ * kSize}),
            scale_view(layout_, scales_.data(), u8, rows_, groups_)};
  }

  Device device_;
  ScaleLayout layout_;
  std::int64_t rows_, groups_;
  std::size_t count_, elements_;
  GuardedMemory x_, y_, scales_;
  std::vector<ScalePlace> table_;
};

/// Every layout at sizes within and across tiles.
template <typename Check>
void for_all_scale_layouts(const Device& device, const Check& check) {
  for (const ScaleLayout layout : kScaleLayouts)
    for (const auto& [rows, groups] : {std::pair<std::int64_t, std::int64_t>{1, 1},
                                       {1, 6},
                                       {3, 4},
                                       {5, 3},
                                       {33, 1},
                                       {128, 4},
                                       {129, 5},
                                       {300, 9}}) {
      INFO("layout " << static_cast<int>(layout) << ", " << rows << " rows, " << groups
                     << " groups");
      ScaleCase of(device, layout, rows, groups);
      check(of);
    }
}

} // namespace swage::test
