// property_case.hpp -- one random call of one random kernel through the public API, on any device.
//
// Everything about a case follows from its seed: kernel, shape, layouts, aliasing, values,
// schedule. What must come out is worked out on the host element by element; then every byte of
// every buffer, the gaps and the guards around the elements included, is compared.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/schedule.hpp"
#include "ir/accuracy.hpp"
#include "ir/arithmetic.hpp"
#include "ir/evaluate.hpp"
#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "runtime/api/make_kernel.hpp"
#include "runtime/launch/inspect.hpp"
#include "swage/swage.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::test {

/// Cases to run: $SWAGE_PROPERTY_CASES, else `usual`.
inline std::uint64_t property_cases(std::uint64_t usual) {
  const char* text = std::getenv("SWAGE_PROPERTY_CASES");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : usual;
}

/// The seed of the first case: $SWAGE_PROPERTY_SEED, else 0. To run one case again, name its seed
/// there and ask for one case.
inline std::uint64_t property_seed() {
  const char* text = std::getenv("SWAGE_PROPERTY_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 0;
}

struct PropertyOptions {
  std::int64_t max_elements = 40'000;
  bool schedules = true; ///< some cases run under a random legal schedule
};

class PropertyCase {
public:
  PropertyCase(const Device& device, std::uint64_t seed, const PropertyOptions& options)
      : device_(device), seed_(seed), random_(seed), options_(options), kernel_(make_kernel()),
        tensors_(kernel_.params().size()) {
    make_shape();
    make_scalars();
    make_layouts();
  }

  /// Launches and compares. "" if all is as it should be, else what is not.
  std::string run() {
    for (const Buffer& buffer : buffers_)
      uploaded_.push_back(upload(buffer.initial));
    const std::vector<std::vector<std::byte>> expected = expect();
    if (const std::string refusal = launch(); !refusal.empty())
      return refusal;
    for (std::size_t b = 0; b < buffers_.size(); ++b) {
      std::vector<std::byte> got(buffers_[b].initial.size());
      uploaded_[b].read(got.data(), got.size());
      if (std::string found = difference(b, expected[b], got); !found.empty())
        return found;
    }
    return "";
  }

  std::string describe() const {
    std::string text =
        fmt::format("SWAGE_PROPERTY_SEED={} on {}: shape [{}]{}{}\n", seed_, device_.info().id,
                    fmt::join(shape_, ", "), schedule_.empty() ? "" : ", schedule ", schedule_);
    for (std::size_t p = 0; p < tensors_.size(); ++p)
      if (kernel_.params()[p].is_tensor())
        text += fmt::format("  {}: {} of buffer {}, from byte {}, shape [{}], strides [{}]\n",
                            kernel_.params()[p].name, tensors_[p].how, tensors_[p].buffer,
                            tensors_[p].offset, fmt::join(tensors_[p].shape, ", "),
                            fmt::join(tensors_[p].strides, ", "));
    return text + ir::print(kernel_);
  }
  std::int64_t elements() const { return rows_ * columns_; }

private:
  static constexpr std::int64_t kGuard = 256; ///< bytes before and behind every view

  struct View {
    const char* how = "";
    std::size_t buffer = 0;
    std::int64_t offset = 0; ///< bytes from the buffer's start to element 0
    std::vector<std::int64_t> shape, strides;
    std::int64_t row_stride = 0, column_stride = 0; ///< elements
  };
  struct Buffer {
    std::vector<std::byte> initial;
  };

  bool on_cuda() const { return device_.info().kind == DeviceKind::cuda; }

  // Kernels of operations that IEEE 754 or integer arithmetic defines, so that every bit is known;
  // every third has functions too, each straight from an input to an output.

  ir::Kernel make_kernel() {
    if (random_.one_in(3))
      return function_kernel();
    for (std::uint64_t attempt = 0;; ++attempt) {
      ir::Kernel kernel = random_kernel(seed_ * 1000 + attempt, exact_options());
      if (!on_cuda() || !divides_approximately(kernel))
        return kernel;
    }
  }

  RandomKernelOptions exact_options() {
    RandomKernelOptions options;
    options.ops = ops_with_bits();
    options.nodes = 2 + random_.below(20);
    options.inputs = 1 + random_.below(4);
    options.inouts = random_.below(2);
    options.outputs = 1 + random_.below(2);
    options.scalars = random_.below(2);
    options.broadcasts = random_.one_in(3);
    constexpr DType floats[] = {f32, f16, bf16};
    if (random_.one_in(2))
      options.dtypes = {random_.pick(floats)}; // alike, so that views can pair and alias
    return options;
  }

  ir::Kernel function_kernel() {
    exact_ = false;
    constexpr DType types[] = {f64, f32, f16, bf16};
    const DType type = random_.pick(types);
    std::vector<ir::Op> functions = all_ops();
    std::erase_if(functions, [](ir::Op op) {
      return ir::info(op).rule != ir::TypeRule::real || ir::eval::is_exactly_rounded(op) ||
             ir::info(op).arity != 1;
    });
    const std::size_t count = 1 + random_.below(3);
    std::vector<ir::Param> params;
    for (std::size_t i = 0; i < count; ++i) {
      params.push_back({"x" + std::to_string(i), ir::ParamKind::in, type});
      params.push_back({"y" + std::to_string(i), ir::ParamKind::out, type});
    }
    ir::KernelBuilder builder("functions", ir::MathMode::accurate, params);
    for (std::uint32_t i = 0; i < count; ++i) {
      const ir::NodeId x = builder.load(2 * i);
      builder.store(2 * i + 1, builder.make(random_.pick(functions), std::span(&x, 1)));
    }
    return std::move(builder).build();
  }

  // Shapes: dimensions before `split_` are the rows, the others the columns, of every tensor, so
  // that all collapse.

  void make_shape() {
    static constexpr std::int64_t sizes[] = {
        0,  1,  2,   3,   5,   7,   8,   13,  15,  16,   17,   31,   32,   33,   63,   64,
        65, 97, 127, 128, 129, 251, 255, 256, 257, 1021, 1023, 1024, 1025, 3420, 4096, 4097};
    const std::size_t rank = 1 + random_.below(4);
    std::int64_t left = options_.max_elements;
    for (std::size_t i = 0; i < rank; ++i) {
      std::int64_t size = random_.pick(sizes);
      while (size > left || (size == 0 && !random_.one_in(4)))
        size = random_.pick(sizes);
      shape_.push_back(size);
      left /= std::max<std::int64_t>(size, 1);
    }
    std::rotate(shape_.begin(), shape_.begin() + static_cast<std::ptrdiff_t>(random_.below(rank)),
                shape_.end());
    const bool broadcasts =
        std::any_of(kernel_.params().begin(), kernel_.params().end(),
                    [](const ir::Param& param) { return param.broadcast != ir::Broadcast::none; });
    split_ = broadcasts ? rank - 1 : random_.below(rank);
    for (std::size_t i = 0; i < rank; ++i)
      (i < split_ ? rows_ : columns_) *= shape_[i];
  }

  void make_scalars() {
    for (const ir::Param& param : kernel_.params()) {
      std::uint64_t bits = 0;
      if (!param.is_tensor())
        bits =
            random_.element(param.dtype) & (~std::uint64_t{0} >> (64 - 8 * size_of(param.dtype)));
      scalars_.push_back(bits);
    }
  }

  // Layouts.

  void make_layouts() {
    const auto params = kernel_.params();
    std::vector<bool> done(params.size(), false);
    const auto is_free = [&](std::size_t p) {
      return params[p].is_tensor() && params[p].broadcast == ir::Broadcast::none && !done[p];
    };
    for (std::size_t a = 0; a < params.size(); ++a)
      for (std::size_t b = a + 1; b < params.size(); ++b)
        if (is_free(a) && is_free(b) && params[a].dtype == params[b].dtype && random_.one_in(4)) {
          place_together(a, b);
          done[a] = done[b] = true;
        }
    for (std::size_t out = 0; out < params.size(); ++out)
      for (std::size_t in = 0; in < params.size(); ++in)
        if (params[out].kind == ir::ParamKind::out && params[in].kind == ir::ParamKind::in &&
            is_free(out) && is_free(in) && params[in].dtype == params[out].dtype &&
            random_.one_in(3)) {
          place(out);
          tensors_[in] = tensors_[out];
          tensors_[in].how = "an output";
          done[in] = done[out] = true;
        }
    for (std::size_t p = 0; p < params.size(); ++p)
      if (params[p].is_tensor() && !done[p])
        place(p);
  }

  /// Two views of one buffer: interleaved, or halves of each row.
  void place_together(std::size_t a, std::size_t b) {
    if (random_.one_in(2))
      std::swap(a, b);
    const bool interleaved = random_.one_in(2);
    const std::int64_t pad = random_.one_in(2) ? 0 : static_cast<std::int64_t>(random_.below(5));
    const std::int64_t pitch = 2 * columns_ + pad;
    const std::int64_t skew = random_.one_in(2) ? 0 : static_cast<std::int64_t>(random_.below(9));
    const std::int64_t size = size_of(kernel_.params()[a].dtype);
    const std::size_t buffer = allocate(a, (skew + rows_ * pitch) * size);
    const std::int64_t offset = kGuard + skew * size;
    const char* how = interleaved ? "an interleaved half" : "a packed half";
    set_view(a, how, buffer, offset, pitch, interleaved ? 2 : 1);
    set_view(b, how, buffer, offset + (interleaved ? 1 : columns_) * size, pitch,
             interleaved ? 2 : 1);
  }

  void place(std::size_t param) {
    const ir::Param& info = kernel_.params()[param];
    std::int64_t column = 1, row = 0;
    const char* how = "all";
    const auto some = [&](std::size_t most) {
      return 1 + static_cast<std::int64_t>(random_.below(most));
    };
    switch (random_.below(info.is_written() ? 8 : 10)) {
    case 0: how = "a column slice", row = columns_ + some(9); break;
    case 1: how = "every other column", column = 1 + some(3), row = columns_ * column; break;
    case 2: how = "reversed columns", column = -some(2), row = -column * columns_; break;
    case 3: how = "reversed rows", row = -(columns_ + some(3) - 1); break;
    case 4: how = "the transpose", column = std::max<std::int64_t>(rows_, 1), row = 1; break;
    case 8: how = "one row for all", row = 0; break;
    case 9: how = "one column for all", column = 0, row = some(3); break;
    default: row = columns_;
    }
    if (info.broadcast == ir::Broadcast::per_row)
      how = "a value a row", column = 0, row = some(3);
    if (info.broadcast == ir::Broadcast::per_column)
      how = "a value a column", row = 0;
    const std::int64_t size = size_of(info.dtype);
    const std::int64_t before = span_below(rows_, row) + span_below(columns_, column);
    const std::int64_t behind = span_below(rows_, -row) + span_below(columns_, -column) + 1;
    const std::int64_t skew = random_.one_in(2) ? 0 : static_cast<std::int64_t>(random_.below(9));
    const std::size_t buffer = allocate(param, (before + behind + skew) * size);
    set_view(param, how, buffer, kGuard + (before + skew) * size, row, column);
  }

  /// Elements that a dimension reaches before its first one.
  static std::int64_t span_below(std::int64_t count, std::int64_t stride) {
    return std::max<std::int64_t>((count - 1) * -stride, 0);
  }

  std::size_t allocate(std::size_t param, std::int64_t bytes) {
    const DType type = kernel_.params()[param].dtype;
    const std::size_t size = static_cast<std::size_t>((bytes + 2 * kGuard + 63) / 64 * 64);
    buffers_.push_back(
        {random_elements(random_, type, size / static_cast<std::size_t>(size_of(type)))});
    return buffers_.size() - 1;
  }

  void set_view(std::size_t param, const char* how, std::size_t buffer, std::int64_t offset,
                std::int64_t row, std::int64_t column) {
    View& view = tensors_[param];
    view = {how, buffer, offset, {}, {}, row, column};
    const ir::Broadcast broadcast = kernel_.params()[param].broadcast;
    const std::size_t first = broadcast == ir::Broadcast::per_column ? split_ : 0;
    const std::size_t last = broadcast == ir::Broadcast::per_row ? split_ : shape_.size();
    view.shape.assign(shape_.begin() + static_cast<std::ptrdiff_t>(first),
                      shape_.begin() + static_cast<std::ptrdiff_t>(last));
    view.strides.resize(view.shape.size());
    for (std::size_t i = last; i-- > first;) {
      std::int64_t& stride = i < split_ ? row : column;
      view.strides[i - first] = stride;
      stride *= shape_[i];
    }
  }

  // What should come out.

  std::int64_t byte_of(std::size_t param, std::int64_t row, std::int64_t column) const {
    const View& view = tensors_[param];
    return view.offset + (row * view.row_stride + column * view.column_stride) *
                             size_of(kernel_.params()[param].dtype);
  }

  std::vector<std::uint64_t> arguments_at(std::int64_t row, std::int64_t column) const {
    std::vector<std::uint64_t> bits = scalars_;
    for (std::size_t p = 0; p < bits.size(); ++p)
      if (kernel_.params()[p].is_read())
        bits[p] =
            ir::load_bits(kernel_.params()[p].dtype,
                          buffers_[tensors_[p].buffer].initial.data() + byte_of(p, row, column));
    return bits;
  }

  /// Every buffer after the call. All of it is computed from the bytes before the call: aliased
  /// views may share single elements alone.
  std::vector<std::vector<std::byte>> expect() {
    std::vector<std::vector<std::byte>> after;
    for (const Buffer& buffer : buffers_)
      after.push_back(buffer.initial);
    for (std::size_t b = 0; b < buffers_.size(); ++b)
      written_.emplace_back(buffers_[b].initial.size());
    const auto params = kernel_.params();
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::int64_t column = 0; column < columns_; ++column) {
        const std::vector<std::uint64_t> results = run_machine(kernel_, arguments_at(row, column));
        for (std::size_t s = 0; s < results.size(); ++s) {
          const std::uint32_t p = kernel_.stores()[s].param;
          const auto at = static_cast<std::size_t>(byte_of(p, row, column));
          ir::store_bits(params[p].dtype, after[tensors_[p].buffer].data() + at, results[s]);
          written_[tensors_[p].buffer][at] = params[p].dtype;
        }
      }
    return after;
  }

  swage::Buffer upload(const std::vector<std::byte>& bytes) const {
    swage::Buffer buffer = device_.allocate(bytes.size());
    buffer.write(bytes.data(), bytes.size());
    return buffer;
  }

  std::string launch() {
    std::vector<Tensor> views(tensors_.size());
    std::vector<Arg> arguments;
    for (std::size_t p = 0; p < tensors_.size(); ++p) {
      const ir::Param& param = kernel_.params()[p];
      if (param.is_tensor()) {
        const View& from = tensors_[p];
        auto* const base = static_cast<std::byte*>(uploaded_[from.buffer].data());
        views[p] = Tensor(base + from.offset, param.dtype, from.shape);
        std::copy(from.strides.begin(), from.strides.end(), views[p].strides);
        arguments.emplace_back(views[p]);
      } else if (const ir::Scalar value = ir::decode(param.dtype, scalars_[p]);
                 is_float(param.dtype)) {
        arguments.emplace_back(static_cast<double>(value.real));
      } else {
        arguments.emplace_back(value.integer);
      }
    }
    try {
      const Kernel kernel = api::make_kernel(device_, kernel_);
      launch(kernel, arguments);
      device_.synchronize();
    } catch (const Error& error) {
      return std::string("refused: ") + error.what();
    }
    return "";
  }

  void launch(const Kernel& kernel, const std::vector<Arg>& arguments) {
    if (!options_.schedules || elements() == 0 || !random_.one_in(3))
      return kernel.launch(nullptr, arguments);
    const auto plan = launch::describe(kernel, arguments);
    const auto schedules =
        codegen::all_schedules(*plan.code, plan.specialization, launch::target(device_));
    const codegen::Schedule& schedule = random_.pick(schedules);
    schedule_ = codegen::canonical(schedule);
    launch::launch_with(kernel, schedule, nullptr, arguments);
  }

  std::string difference(std::size_t buffer, const std::vector<std::byte>& expected,
                         const std::vector<std::byte>& got) const {
    for (std::size_t at = 0; at < got.size();) {
      const std::optional<DType> type = written_[buffer][at];
      const std::size_t size = type ? static_cast<std::size_t>(size_of(*type)) : 1;
      if (std::memcmp(got.data() + at, expected.data() + at, size) != 0) {
        if (!type)
          return fmt::format("byte {} of buffer {} was written, which no output holds", at, buffer);
        const std::uint64_t a = ir::load_bits(*type, got.data() + at);
        const std::uint64_t b = ir::load_bits(*type, expected.data() + at);
        if (!agrees(*type, a, b))
          return fmt::format("{} at byte {} of buffer {} is {:#x}, expected {:#x}", name_of(*type),
                             at, buffer, a, b);
      }
      at += size;
    }
    return "";
  }

  /// Equal, or both NaN; functions may also be off by their bounds. The machine's functions are
  /// rounded from a wider type, then to storage.
  bool agrees(DType type, std::uint64_t got, std::uint64_t expected) const {
    if (!is_float(type))
      return got == expected;
    const long double a = ir::decode(type, got).real, b = ir::decode(type, expected).real;
    if (std::isnan(a) || std::isnan(b))
      return std::isnan(a) && std::isnan(b);
    if (exact_)
      return got == expected;
    return ir::ulp_error(type, a, b) <= (size_of(type) == 2 ? 1 : 5);
  }

  Device device_;
  std::uint64_t seed_;
  Random random_;
  PropertyOptions options_;
  bool exact_ = true;
  ir::Kernel kernel_;
  std::vector<std::int64_t> shape_;
  std::size_t split_ = 0;
  std::int64_t rows_ = 1, columns_ = 1;
  std::vector<View> tensors_;          ///< by parameter
  std::vector<std::uint64_t> scalars_; ///< by parameter, storage bits
  std::vector<Buffer> buffers_;
  std::vector<swage::Buffer> uploaded_;
  std::vector<std::vector<std::optional<DType>>>
      written_; ///< by buffer, by byte: the element that starts there, if one does
  std::string schedule_;
};

} // namespace swage::test
