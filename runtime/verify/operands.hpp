// operands.hpp -- the arguments of one run: values on entry, device memory, results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/kernel.hpp"
#include "runtime/verify/shape.hpp"
#include "swage/swage.hpp"

namespace swage::verify {

/// Host memory without a value, aligned to 64 bytes. Throws Error(out_of_memory).
class HostBytes {
public:
  HostBytes() = default;
  explicit HostBytes(std::size_t size);
  std::span<std::byte> bytes() const noexcept { return {data_.get(), size_}; }

private:
  struct Free {
    void operator()(std::byte* data) const noexcept { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

/// One parameter of the kernel with its value.
struct Operand {
  ir::Param param;
  Shape shape; ///< empty for scalars
  /// A tensor's value on entry, empty for `out`; a scalar's bits in its storage type. Of f4e2m1 one
  /// element to a byte here and in `result`, two in the buffer.
  std::span<const std::byte> entry;
  std::uint64_t scalar_bits = 0;

  HostBytes owned;   ///< what `entry` looks at, unless that is a file or the buffer itself
  Buffer buffer;     ///< of tensors, on the device
  HostBytes results; ///< read back from a device, or unpacked
  Tensor tensor;
  std::optional<Arg> arg;
};

/// The value of a run-time scalar.
struct NamedValue {
  std::string name;
  double real = 0;
  std::int64_t integer = 0;
  bool is_integer = false;
};

struct OperandOptions {
  Shape shape{}; ///< of tensors without broadcast
  /// The bytes on entry of a tensor of this shape, which outlive the operands; empty: random
  /// values. A [table] is as long as what is given.
  std::function<std::span<const std::byte>(const ir::Param&, const Shape&)> input{};
  std::vector<NamedValue> scalars{}; ///< run-time scalars; 1 where not named
  std::uint64_t seed = 0;
  bool specials = false;
};

/// The operands of one kernel on one device.
class Operands {
public:
  /// Throws Error(invalid_argument) when a name does not fit the kernel.
  Operands(const Device& device, const ir::Kernel& kernel, const OperandOptions& options);
  Operands(const Operands&) = delete;
  Operands& operator=(const Operands&) = delete;

  /// Gives every tensor that is read new entry values: `fill(param, bytes)` writes all of them.
  /// `upload` takes them to the device. Not for operands from a file.
  void refill(const std::function<void(std::size_t param, std::span<std::byte> bytes)>& fill);
  /// Writes the entry values to the device again; with `poison`, a pattern into pure outputs, so
  /// that an element which is never stored is seen.
  void upload(bool poison);
  /// Launches once over poisoned outputs, and reads the results back.
  void run(const Kernel& kernel);
  /// Reads every written tensor back. The spans of `result` hold until the next call.
  void download();
  std::span<const std::byte> result(std::size_t param) const;
  /// The same as the buffer has it.
  std::vector<std::byte> stored_result(std::size_t param) const;

  std::span<const Arg> arguments() const noexcept { return arguments_; }
  std::span<const Operand> all() const noexcept { return operands_; }
  bool in_place() const noexcept; ///< some tensor is read and written

private:
  void make_scalar(Operand& operand, const OperandOptions& options);
  void make_packed(Operand& operand, std::size_t index, const OperandOptions& options);
  void make_tensor(Operand& operand, std::size_t index, const OperandOptions& options);

  Device device_;
  std::vector<Operand> operands_; ///< by parameter; tensors in it are referred to by `arguments_`
  std::vector<Arg> arguments_;
};

/// What element `index` (row-major) of a call with rows of `columns` reads of `operand`, and those
/// after it up to the end of its row; nothing of an `out`.
ir::Elements elements_at(const Operand& operand, std::int64_t index, std::int64_t columns);
/// The bits of every parameter that the element reads; 0 for `out`.
std::vector<std::uint64_t> inputs_at(std::span<const Operand> operands, std::int64_t index,
                                     std::int64_t columns);

/// The values of a [table] of random ones, which half of random indices are within.
inline constexpr std::int64_t kTableLength = 8;

/// The shape of a parameter for a call of this shape: all of it, its leading dimensions ([row]) or
/// its last ([col]), say; of a [table] kTableLength.
Shape parameter_shape(const ir::Param& param, const Shape& full);

} // namespace swage::verify
