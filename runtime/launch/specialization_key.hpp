// specialization_key.hpp -- what a launch is looked up by: a Specialization packed into a few
// words.
#pragma once

#include <bit>
#include <cstdint>

#include "codegen/specialization.hpp"
#include "ir/kernel.hpp"

namespace swage::launch {

/// The Specialization of a call, its size class and, on the host, whether its stores stream. Equal
/// keys are served by one function and one schedule. No heap; only `count` words hold anything.
class SpecializationKey {
public:
  static constexpr int kMaxWords = 1 + static_cast<int>(ir::kMaxParams) / 4;

  /// A key for `tensors` tensor parameters, all bits clear.
  void reset(int tensors) noexcept {
    count_ = 1 + (tensors + 3) / 4;
    for (int i = 0; i < count_; ++i)
      words_[i] = 0;
  }
  void set_call(bool flat, bool index64, bool exact, bool streaming, int size_class) noexcept {
    words_[0] = std::uint64_t{flat} | std::uint64_t{index64} << 1 | std::uint64_t{exact} << 2 |
                std::uint64_t{streaming} << 3 | static_cast<std::uint64_t>(size_class) << 8;
  }
  /// Once for each tensor after `reset`.
  void set_tensor(int index, const codegen::TensorSpec& spec) noexcept {
    // Halves have a partner, all else may have dimensions of rows and of groups.
    const auto more = static_cast<std::uint64_t>(
        codegen::is_interleaved(spec.layout) ? spec.partner
                                             : (spec.row_dims - 1) | (spec.group_dims - 1) << 3);
    const auto bits = static_cast<std::uint64_t>(spec.layout) |
                      static_cast<std::uint64_t>(spec.align_log2) << 4 |
                      std::uint64_t{spec.aliased} << 7 | more << 8;
    words_[1 + index / 4] |= bits << (16 * (index % 4));
  }

  void set_valid_rows(codegen::ValidRows rows, bool counts64) noexcept {
    words_[0] |= static_cast<std::uint64_t>(rows) << 4 | std::uint64_t{counts64} << 6;
  }

  /// Their codegen::column_bound, 0 for none, in eight bits: below 8 itself, then four to an
  /// octave.
  void set_columns(std::int64_t columns) noexcept {
    const std::int64_t bound = codegen::column_bound(columns);
    const auto code = bound <= 8 ? static_cast<std::uint64_t>(bound) : code_of(bound);
    words_[0] |= code << 16 | std::uint64_t{columns > 0 && columns == bound} << 7;
  }

  bool streaming() const noexcept { return (words_[0] >> 3 & 1) != 0; }
  int size_class() const noexcept { return static_cast<int>(words_[0] >> 8 & 0xff); }
  codegen::Specialization specialization(int tensors) const {
    codegen::Specialization result;
    result.flat = (words_[0] & 1) != 0;
    result.index64 = (words_[0] >> 1 & 1) != 0;
    result.exact = (words_[0] >> 2 & 1) != 0;
    result.valid_rows = static_cast<codegen::ValidRows>(words_[0] >> 4 & 3);
    result.counts64 = (words_[0] >> 6 & 1) != 0;
    const auto code = static_cast<int>(words_[0] >> 16 & 0xff);
    result.columns_at_most = code <= 8 ? code : bound_of(code);
    result.columns_known = (words_[0] >> 7 & 1) != 0;
    for (int i = 0; i < tensors; ++i) {
      const std::uint64_t bits = words_[1 + i / 4] >> (16 * (i % 4));
      codegen::TensorSpec spec;
      spec.layout = static_cast<codegen::Layout>(bits & 15);
      spec.align_log2 = static_cast<std::uint8_t>(bits >> 4 & 7);
      spec.aliased = (bits >> 7 & 1) != 0;
      if (codegen::is_interleaved(spec.layout)) {
        spec.partner = static_cast<std::uint8_t>(bits >> 8 & 63);
      } else {
        spec.row_dims = static_cast<std::uint8_t>(1 + (bits >> 8 & 7));
        spec.group_dims = static_cast<std::uint8_t>(1 + (bits >> 11 & 7));
      }
      result.tensors.push_back(spec);
    }
    return result;
  }

  std::uint64_t hash() const noexcept {
    std::uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < count_; ++i)
      h = std::rotl((h ^ words_[i]) * 0xff51afd7ed558ccdu, 31);
    return h ^ h >> 29;
  }
  friend bool operator==(const SpecializationKey& a, const SpecializationKey& b) noexcept {
    if (a.count_ != b.count_)
      return false;
    for (int i = 0; i < a.count_; ++i)
      if (a.words_[i] != b.words_[i])
        return false;
    return true;
  }

private:
  static std::uint64_t code_of(std::int64_t bound) noexcept {
    const int octave =
        static_cast<int>(std::bit_width(static_cast<std::uint64_t>(bound - 1))) - 1; // 3 from 9 on
    return static_cast<std::uint64_t>(9 + 4 * (octave - 3)) +
           static_cast<std::uint64_t>(bound >> (octave - 2)) - 5;
  }
  static std::int64_t bound_of(int code) noexcept {
    return std::int64_t{5 + (code - 9) % 4} << ((code - 9) / 4 + 1);
  }

  std::uint64_t words_[kMaxWords];
  int count_;
};

static_assert(ir::kMaxParams <= 64, "a partner takes six bits");

/// The size class of a call: floor(log2(elements)), and the size that stands for it.
inline int size_class(std::int64_t elements) noexcept {
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(elements))) - 1;
}
inline std::int64_t representative_elements(int size_class) noexcept {
  return std::int64_t{1} << size_class;
}

} // namespace swage::launch
