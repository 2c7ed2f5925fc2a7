// scales.hpp -- the usual layouts of scales, as views for [group n] parameters.
//
//   std::vector<std::uint8_t> memory(swage::scale_count(layout, rows, groups));
//   kernel.launch(stream, {..., swage::scale_view(layout, memory.data(), swage::e8m0, rows,
//   groups)});
#pragma once

#include <cstdint>

#include "swage/swage.hpp"

namespace swage {

/// Where the scale of a row and a group lies, in elements. `rows4` is the number of rows rounded up
/// to a multiple of four.
enum class ScaleLayout : std::uint8_t {
  row_major,    ///< row * groups + group
  column_major, ///< group * rows + row
  /// group * rows4 + row: columns of f32 begin at multiples of 16 bytes, as TMA wants them.
  column_major_padded,
  /// (group / 4 * rows4 + row) * 4 + group % 4: four e8m0 in an int32, the int32 column-major.
  packed_words,
  /// Tiles of 128 rows and 4 groups, 512 elements each, row-major; the last ones are padded. Within
  /// a tile row % 32 * 16 + row % 128 / 32 * 4 + group % 4: what block-scaled matrix products of
  /// cuBLAS and of sm_100's tensor cores take.
  swizzled_128x4,
};

namespace detail {
constexpr std::int64_t tiles(std::int64_t size, std::int64_t tile) noexcept {
  return size / tile + (size % tile != 0 ? 1 : 0);
}
} // namespace detail

/// Elements that the memory of a layout has to hold, padding included.
constexpr std::int64_t scale_count(ScaleLayout layout, std::int64_t rows,
                                   std::int64_t groups) noexcept {
  switch (layout) {
  case ScaleLayout::row_major:
  case ScaleLayout::column_major: break;
  case ScaleLayout::column_major_padded: return 4 * detail::tiles(rows, 4) * groups;
  case ScaleLayout::packed_words: return 16 * detail::tiles(rows, 4) * detail::tiles(groups, 4);
  case ScaleLayout::swizzled_128x4:
    return 512 * detail::tiles(rows, 128) * detail::tiles(groups, 4);
  }
  return rows * groups;
}

/// The scales at `data`, memory that the caller owns, for a call of `rows` rows of `groups` groups.
/// Any view of at most five dimensions whose leading ones make up the rows and whose others make up
/// the groups can be passed in the same way; these are the usual ones. Padding is not written: see
/// zero_scales.
inline Tensor scale_view(ScaleLayout layout, void* data, DType type, std::int64_t rows,
                         std::int64_t groups) noexcept {
  const std::int64_t row_tiles = detail::tiles(rows, 128), group_tiles = detail::tiles(groups, 4);
  const std::int64_t rows4 = 4 * detail::tiles(rows, 4);
  switch (layout) {
  case ScaleLayout::row_major: break;
  case ScaleLayout::column_major: return {data, type, {rows, groups}, {1, rows}};
  case ScaleLayout::column_major_padded: return {data, type, {rows, groups}, {1, rows4}};
  case ScaleLayout::packed_words: return {data, type, {rows, group_tiles, 4}, {4, 4 * rows4, 1}};
  case ScaleLayout::swizzled_128x4:
    return {data, type, {row_tiles, 4, 32, group_tiles, 4}, {512 * group_tiles, 4, 16, 512, 1}};
  }
  return {data, type, {rows, groups}};
}

/// Writes zeros to all memory of a layout, in the order of the stream: launched before the kernel
/// that writes the scales, it leaves the padding zero. Makes a kernel each time, which takes some
/// ten microseconds and compiles on first use; cudaMemsetAsync and memset do as well. Throws as
/// Kernel::launch does.
inline void zero_scales(const Device& device, Stream stream, ScaleLayout layout, void* data,
                        DType type, std::int64_t rows, std::int64_t groups) {
  const std::int64_t bytes = scale_count(layout, rows, groups) * size_of(type);
  device.kernel("kernel zero_scales(scales: out u8) { scales = 0; }", "zero_scales")
      .launch(stream, {Tensor(data, u8, {bytes})});
}

} // namespace swage
