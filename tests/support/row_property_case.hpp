// row_property_case.hpp -- one random call of one random kernel that reaches along its rows, over
// them, or by groups of them, on any device.
//
// Everything about a case follows from its seed: the kernel, whether it skips rows, the sizes, how
// tensors lie, counts of rows, what is overwritten in place, and two schedules beside the default.
// It is for what the tests of one subject each do not have together.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ir/source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/property_case.hpp"
#include "tests/support/random_quantiser.hpp"
#include "tests/support/row_case.hpp"

namespace swage::test {

class RowPropertyCase {
public:
  RowPropertyCase(const Device& device, std::uint64_t seed)
      : device_(device), seed_(seed), random_(seed), text_(make_text()) {
    make_size();
    make_view();
  }

  /// "" if all is as it should be, else what is not. Nothing for what the device says that it has
  /// no code for, or promises no bits for.
  std::optional<std::string> run() {
    std::optional<Kernel> kernel;
    try {
      kernel = device_.kernel(text_, "");
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unsupported)
        return std::nullopt;
      return std::string("not made: ") + error.what();
    }
    const bool on_cuda = device_.info().kind == DeviceKind::cuda;
    if (on_cuda && divides_approximately(launch::ir_kernel(*kernel)))
      return std::nullopt;
    RowCase call(device_, *kernel, size_, view_, seed_);
    if (!counts_.empty())
      call.count_rows(counts_, random_.one_in(2) ? i32 : i64);
    std::string found = call.run();
    std::vector<codegen::Schedule> schedules =
        found.empty() ? call.schedules() : std::vector<codegen::Schedule>{};
    if (schedules.empty() && found.empty())
      return "no schedule is legal";
    if (quantises_)
      prefer_many_accesses(schedules);
    const int tried = quantises_ ? 4 : 2;
    for (int i = 0; i < tried && found.empty(); ++i) {
      const codegen::Schedule& schedule = random_.pick(schedules);
      schedule_ = codegen::canonical(schedule);
      found = call.run(&schedule);
    }
    return is_limit(found) ? std::nullopt : std::optional(found);
  }

  std::string describe() const {
    return fmt::format("SWAGE_PROPERTY_SEED={} on {}: {} x {}, gap {}, skew {}, stride {}, tile {}"
                       "{}{}, counts [{}]{}{}\n{}",
                       seed_, device_.info().id, size_.rows, size_.columns, view_.gap, view_.skew,
                       view_.column_stride, view_.tile, view_.by_columns ? ", by columns" : "",
                       view_.in_place ? ", in place" : "", fmt::join(counts_, ", "),
                       schedule_.empty() ? "" : ", schedule ", schedule_, text_);
  }

private:
  template <class T, std::size_t n>
  const T& one_of(const T (&values)[n]) {
    return values[random_.below(n)];
  }
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::size_t>(bound)));
  }

  /// Threads that have much of a row keep products, or what they are made of, in their bits.
  static void prefer_many_accesses(std::vector<codegen::Schedule>& schedules) {
    const auto few = [](const codegen::Schedule& schedule) {
      const auto* cuda = std::get_if<codegen::CudaSchedule>(&schedule);
      return cuda && cuda->accesses < 8;
    };
    if (!std::ranges::all_of(schedules, few))
      std::erase_if(schedules, few);
  }

  /// By elements and columns, along rows, over rows, or by tiles of `rows_` rows.
  std::string make_text() {
    static constexpr std::uint32_t kRows[] = {1, 2, 3, 4, 6, 8, 10, 16, 32, 48, 64, 65};
    static constexpr std::uint32_t kOfPairs[] = {2, 4, 8, 32};
    static constexpr std::uint32_t kColumns[] = {1, 3, 4, 12, 16, 48};
    if (seed_ % 8 == 5)
      return make_quantiser(one_of(kOfPairs));
    const bool tiles = random_.one_in(2);
    const bool apart = !tiles && random_.one_in(3);
    packed_ = random_.one_in(2);
    rows_ = tiles ? one_of(kRows) : 1;
    group_ = packed_ || tiles ? one_of(kOfPairs) : one_of(kColumns);
    RandomKernelOptions options;
    options.reductions = !apart;
    options.rows_beside_groups = tiles && random_.one_in(3);
    options.over_rows = (!tiles || options.rows_beside_groups) && random_.one_in(2);
    options.places = !apart && random_.one_in(3);
    options.group_rows = tiles ? static_cast<std::uint32_t>(rows_) : 0;
    options.groups = {static_cast<std::uint32_t>(group_)};
    options.nodes = 12 + random_.below(20);
    options.outputs = 1 + random_.below(4);
    options.inouts = random_.one_in(2) ? 0 : random_.below(3);
    options.ops = ops_with_bits();
    if (packed_)
      options.dtypes.insert(options.dtypes.end(), 3, f4e2m1);
    for (std::uint64_t attempt = 0;; ++attempt) {
      const ir::Kernel kernel = random_kernel(seed_ * 1000 + attempt, options);
      const bool shaped = std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
        return param.is_tensor() && param.broadcast == ir::Broadcast::none;
      });
      if (shaped)
        return random_.one_in(2) ? skipping_by(ir::print(kernel)) : ir::print(kernel);
    }
  }

  std::string make_quantiser(std::uint32_t group) {
    RandomQuantiser made = random_quantiser(random_, group);
    quantises_ = true;
    packed_ = made.packed;
    rows_ = 1;
    group_ = group;
    return random_.one_in(3) ? skipping_by(std::move(made.text)) : std::move(made.text);
  }

  /// `text` with one of several conditions to skip rows, and the parameters that it needs.
  std::string skipping_by(std::string text) {
    struct Skip {
      const char* params;
      const char* condition;
    };
    static constexpr Skip kSkips[] = {
        {"sk: in i32 [row], ", "sk < 0"},
        {"sk: in i64 [row], of: in i32 [tensor], ", "sk < 0 || of > 3"},
        {"sk: in i8 [row], r: in f32 [row], ", "!(sk >= 0) && r < 1.0"},
        {"sk: in i32 [row], r: in bf16 [row], a0: f32, ", "r * a0 > 0.25 || sk == 1"},
        {"sk: in i16 [row], off: in bool [row], ", "off || sk < -1"}};
    const Skip& skip = one_of(kSkips);
    const std::size_t body = text.find('{', text.find("kernel")) + 1;
    text.insert(body, fmt::format(" skip where {};", skip.condition));
    return text.insert(text.find('(', text.find("kernel")) + 1, skip.params);
  }

  void make_size() {
    batches_ = 1 + below(3);
    batch_rows_ = rows_ * (1 + below(rows_ > 1 ? 3 : 9));
    const std::int64_t unit = packed_ && group_ % 2 != 0 ? 2 * group_ : group_;
    const bool many = quantises_ ? !random_.one_in(4) : random_.one_in(5);
    const std::int64_t most = many ? std::max<std::int64_t>(1200 / unit, 1) : 12;
    size_ = {batches_ * batch_rows_, unit * (1 + below(most))};
  }

  void make_view() {
    if (random_.one_in(2))
      view_.gap = below(5);
    if (random_.one_in(3))
      view_.skew = below(7);
    if (random_.one_in(5))
      view_.column_stride = 2 + below(2);
    if (batches_ > 1 || random_.one_in(2)) {
      for (std::int64_t batch = 0; batch < batches_; ++batch)
        counts_.push_back(random_.one_in(5)   ? 0
                          : random_.one_in(4) ? batch_rows_ + 3 * below(2)
                                              : below(batch_rows_ + 1));
    } else if (random_.one_in(3)) {
      view_.tile = 2 + 2 * below(3);
    }
    view_.by_columns = rows_ > 1 && random_.one_in(2);
    view_.in_place = random_.one_in(3);
  }

  Device device_;
  std::uint64_t seed_;
  Random random_;
  std::int64_t rows_ = 1, group_ = 1; ///< of groups
  bool quantises_ = false;
  bool packed_ = false; ///< tensors of four bits, so that columns are even
  std::string text_;
  std::int64_t batches_ = 1, batch_rows_ = 1;
  ir::CallSize size_{};
  RowView view_;
  std::vector<std::int64_t> counts_;
  std::string schedule_;
};

/// So many cases, or as many as the environment says, from its seed on. Most have code.
inline void check_row_property_cases(const Device& device, std::uint64_t usual) {
  const std::uint64_t first = property_seed(), cases = property_cases(usual);
  std::uint64_t ran = 0;
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    RowPropertyCase call(device, seed);
    const std::optional<std::string> found = call.run();
    INFO(call.describe());
    REQUIRE(found.value_or("") == "");
    ran += found.has_value();
  }
  CHECK(2 * ran + 1 >= cases);
}

} // namespace swage::test
