// counts_support.hpp -- one call with counts of rows on the CPU.
#pragma once

#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "tests/support/catch.hpp"
#include "tests/support/row_case.hpp"

namespace swage::test {

/// A kernel of the text in one schedule: a call with counts, of i32 where `turn` is even, has the
/// evaluator's bits and leaves the rest alone.
inline void check_call_with_counts(const std::string& text, const std::vector<Binding>& bindings,
                                   ir::CallSize size, const std::vector<std::int64_t>& counts,
                                   const std::string& schedule, RowView view, std::size_t turn) {
  KernelOptions options;
  options.schedule = schedule;
  INFO(text << "\n"
            << size.rows << " x " << size.columns << ", " << schedule << ", counts "
            << fmt::format("{}", fmt::join(counts, " ")));
  const Device device = Device::open("cpu");
  const Kernel kernel = device.kernel(text, "", bindings, options);
  RowCase call(device, kernel, size, view, turn);
  call.count_rows(counts, turn % 2 == 0 ? DType::i32 : DType::i64);
  REQUIRE(call.run() == "");
}

} // namespace swage::test
