// row_support.hpp -- calls of kernels that reach along their rows, held to the evaluator.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "ir/evaluate_rows.hpp"
#include "ir/float_environment.hpp"
#include "tests/runtime/launch_support.hpp"

namespace swage::test {

/// How element tensors lie in memory.
struct RowLayout {
  std::int64_t column_stride = 1;
  std::int64_t gap = 0; ///< elements between rows
};

/// One call of `kernel` on rows x columns with guarded memory. `out` and `in` do not overlap.
class RowCall {
public:
  RowCall(const ir::Kernel& graph, ir::CallSize size, RowLayout layout = {}, std::uint64_t seed = 1)
      : graph_(graph), size_(size) {
    for (const ir::Param& param : graph.params()) {
      const ir::Space space = param.space();
      const std::int64_t width =
          space.broadcast == ir::Broadcast::none || space.broadcast == ir::Broadcast::per_column
              ? size.columns
          : space.broadcast == ir::Broadcast::per_group ? size.columns / space.group
                                                        : 1;
      const bool by_row = space.broadcast != ir::Broadcast::per_column &&
                          space.broadcast != ir::Broadcast::per_tensor;
      View view;
      view.width = width;
      view.rows = by_row ? size.rows : 1;
      view.column_stride = layout.column_stride;
      view.row_stride = width * layout.column_stride + layout.gap;
      const std::int64_t count = param.is_tensor() ? view.rows * view.row_stride + 1 : 1;
      view.memory.emplace_back(param.dtype, count, seed++);
      views_.push_back(std::move(view));
    }
  }

  Memory& memory(std::size_t param) { return views_[param].memory[0]; }

  std::vector<Arg> arguments() {
    std::vector<Arg> arguments;
    tensors_.clear();
    tensors_.reserve(views_.size());
    for (std::size_t p = 0; p < views_.size(); ++p) {
      const ir::Param& param = graph_.params()[p];
      View& view = views_[p];
      if (!param.is_tensor()) {
        const ir::Scalar value = memory(p).get(0);
        if (is_float(param.dtype))
          arguments.emplace_back(static_cast<double>(value.real));
        else
          arguments.emplace_back(value.integer);
        continue;
      }
      std::vector<std::int64_t> shape, strides;
      switch (param.broadcast) {
      case ir::Broadcast::per_row:
        shape = {view.rows};
        strides = {view.row_stride};
        break;
      case ir::Broadcast::per_column:
        shape = {view.width};
        strides = {view.column_stride};
        break;
      case ir::Broadcast::per_tensor: break;
      default: shape = {view.rows, view.width}; strides = {view.row_stride, view.column_stride};
      }
      Tensor tensor(memory(p).data(), param.dtype, std::span<const std::int64_t>(shape));
      std::copy(strides.begin(), strides.end(), tensor.strides);
      tensors_.push_back(tensor);
      arguments.emplace_back(tensors_.back());
    }
    return arguments;
  }

  /// The values of every parameter now.
  std::vector<std::vector<ir::Scalar>> values() const {
    std::vector<std::vector<ir::Scalar>> result;
    for (const View& view : views_) {
      std::vector<ir::Scalar> values;
      for (std::int64_t row = 0; row < view.rows; ++row)
        for (std::int64_t i = 0; i < view.width; ++i)
          values.push_back(view.memory[0].get(view.offset(row, i)));
      result.push_back(std::move(values));
    }
    return result;
  }

  /// Launches and compares each output with `expected`, by bits where `ulps` is 0. "" if all is
  /// well.
  std::string launch(const Kernel& kernel, const std::vector<std::vector<ir::Scalar>>& expected,
                     long double ulps = 0) {
    kernel.launch(nullptr, arguments());
    for (std::size_t s = 0; s < graph_.stores().size(); ++s) {
      const std::size_t p = graph_.stores()[s].param;
      const DType type = graph_.params()[p].dtype;
      const View& view = views_[p];
      for (std::int64_t row = 0; row < view.rows; ++row)
        for (std::int64_t i = 0; i < view.width; ++i) {
          const ir::Scalar& exact = expected[s][static_cast<std::size_t>(row * view.width + i)];
          const ir::Scalar want = ir::decode(type, ir::encode(type, exact));
          const ir::Scalar got = view.memory[0].get(view.offset(row, i));
          const bool nan = std::isnan(want.real) && std::isnan(got.real);
          const bool same = ir::encode(type, want) == ir::encode(type, got);
          const bool near =
              ulps > 0 && is_float(type) && ir::ulp_error(type, got.real, exact.real) <= ulps;
          if (!nan && !same && !near)
            return fmt::format("'{}' at row {}, column {}: got {:a} ({}), expected {:a} ({})",
                               graph_.params()[p].name, row, i, static_cast<double>(got.real),
                               got.integer, static_cast<double>(want.real), want.integer);
        }
    }
    for (const View& view : views_)
      if (!view.memory[0].guards_intact())
        return "something outside the elements was written";
    return "";
  }

private:
  struct View {
    std::vector<Memory> memory; ///< one
    std::int64_t rows = 1, width = 1, row_stride = 0, column_stride = 1;
    std::int64_t offset(std::int64_t row, std::int64_t i) const {
      return row * row_stride + i * column_stride;
    }
  };

  const ir::Kernel& graph_;
  ir::CallSize size_;
  std::vector<View> views_;
  std::vector<Tensor> tensors_;
};

} // namespace swage::test
