// call.hpp -- one call of a kernel with buffers in random layouts, for either back end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/arguments.hpp"
#include "codegen/compile.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::codegen::test {

using swage::test::Random;

struct CallOptions {
  std::int64_t rows = 3, columns = 5;
  bool random_layouts = true; ///< strides, offsets, interleaving, aliasing; else contiguous
  bool index64 = false;
};

/// Buffers, filled at random, for every parameter of a kernel, and what is known about them.
class Call {
public:
  Call(const ir::Kernel& kernel, Random& random, const CallOptions& options);

  const Specialization& specialization() const { return specialization_; }
  const ir::Kernel& kernel() const { return kernel_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  /// Elements of the whole call.
  std::int64_t elements() const { return rows_ * columns_; }
  std::string describe() const;

  /// Back to the bytes of the start.
  void reset();
  /// The argument words of a host function.
  std::vector<std::uint64_t> words() const;
  /// The parameters of a CUDA kernel, packed; `shape` as launch_shape gives it.
  std::vector<std::byte> parameters(const LaunchShape& shape) const;
  LaunchShape launch_shape(const CudaSchedule& schedule, int sm_count) const;
  /// The bytes of every buffer, the gaps and guards between elements included.
  struct Bytes {
    std::byte* data;
    std::size_t size;
  };
  std::vector<Bytes> buffers() const;
  std::vector<std::vector<std::byte>> snapshot() const;

  std::uint64_t load(std::size_t param, std::int64_t row, std::int64_t column) const;
  /// Puts `bits` in place of one element, until `reset`.
  void store(std::size_t param, std::int64_t row, std::int64_t column, std::uint64_t bits);
  /// The storage of every parameter for one element.
  std::vector<std::uint64_t> arguments(std::int64_t row, std::int64_t column) const;

  /// What `evaluate_strictly` says that all buffers should hold after the call.
  std::vector<std::vector<std::byte>> expected();
  /// Empty if the buffers hold `expected`, NaN for NaN; else where and what.
  std::string difference(const std::vector<std::vector<std::byte>>& expected) const;

private:
  struct Tensor {
    std::size_t buffer = 0;
    std::int64_t offset = 0; ///< bytes from the buffer's start to element (0, 0)
    std::int64_t row_stride = 0, column_stride = 1;
  };
  struct Buffer {
    std::unique_ptr<std::byte, void (*)(void*)> data{nullptr, nullptr};
    std::vector<std::byte> initial;
  };

  void place_all(Random& random, bool random_layouts);
  void place(Random& random, std::size_t param, bool plain);
  bool place_interleaved(Random& random, std::size_t even, std::size_t odd);
  bool place_alias(std::size_t input, std::size_t output);
  std::size_t allocate(Random& random, std::size_t bytes, DType fill);
  std::byte* address(std::size_t param, std::int64_t row, std::int64_t column) const;
  void set_alignment(std::size_t param);
  TensorSpec& spec(std::size_t param);
  std::uint64_t value_of(const Slot& slot) const;

  ir::Kernel kernel_;
  std::int64_t rows_, columns_;
  Specialization specialization_;
  std::vector<Tensor> tensors_;        ///< by parameter
  std::vector<std::uint64_t> scalars_; ///< by parameter
  std::vector<Buffer> buffers_;
};

} // namespace swage::codegen::test
