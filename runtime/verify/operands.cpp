// operands.cpp -- the arguments of one run: values on entry, device memory, results.
#include "runtime/verify/operands.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "ir/number.hpp"
#include "ir/packed.hpp"
#include "runtime/verify/fill.hpp"

namespace swage::verify {

namespace {

constexpr int kPoison = 0x5a; // an ordinary but unlikely number in every storage type

[[noreturn]] void throw_argument(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

} // namespace

HostBytes::HostBytes(std::size_t size) : size_(size) {
  constexpr std::size_t alignment = 64;
  if (size == 0)
    return;
  data_.reset(static_cast<std::byte*>(
      std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)));
  if (!data_)
    throw Error(ErrorCode::out_of_memory,
                fmt::format("the host has no {} bytes for one tensor; use a smaller shape", size));
}

ir::Elements elements_at(const Operand& operand, std::int64_t index, std::int64_t columns) {
  const int size = size_of(operand.param.dtype);
  if (!operand.param.is_tensor())
    return {&operand.scalar_bits, 0};
  if (!operand.param.is_read())
    return {};
  switch (operand.param.broadcast) {
  case ir::Broadcast::per_row: return {operand.entry.data() + index / columns * size, 0};
  case ir::Broadcast::per_column: return {operand.entry.data() + index % columns * size, size};
  case ir::Broadcast::per_tensor: return {operand.entry.data(), 0};
  case ir::Broadcast::per_group: // of kernels that are compared by rows
  case ir::Broadcast::per_column_group:
  case ir::Broadcast::table: break;
  case ir::Broadcast::none: break;
  }
  return {operand.entry.data() + index * size, size};
}

std::vector<std::uint64_t> inputs_at(std::span<const Operand> operands, std::int64_t index,
                                     std::int64_t columns) {
  std::vector<std::uint64_t> bits;
  for (const Operand& operand : operands) {
    const ir::Elements element = elements_at(operand, index, columns);
    bits.push_back(element.data ? ir::load_bits(operand.param.dtype, element.data) : 0);
  }
  return bits;
}

Shape parameter_shape(const ir::Param& param, const Shape& full) {
  switch (param.broadcast) {
  case ir::Broadcast::per_row: return full.empty() ? full : Shape(full.begin(), full.end() - 1);
  case ir::Broadcast::per_column: return full.empty() ? full : Shape(full.end() - 1, full.end());
  case ir::Broadcast::per_group: {
    Shape groups = full;
    if (!groups.empty())
      groups.back() /= param.group;
    return groups;
  }
  case ir::Broadcast::per_column_group: {
    Shape groups = full;
    if (groups.size() > 1)
      groups[groups.size() - 2] /= param.group;
    return groups;
  }
  case ir::Broadcast::per_tensor: return {};
  case ir::Broadcast::table: return {kTableLength};
  case ir::Broadcast::none: break;
  }
  return full;
}

Operands::Operands(const Device& device, const ir::Kernel& kernel, const OperandOptions& options)
    : device_(device), operands_(kernel.params().size()) {
  for (const NamedValue& value : options.scalars)
    if (std::none_of(kernel.params().begin(), kernel.params().end(), [&](const ir::Param& param) {
          return !param.is_tensor() && param.name == value.name;
        }))
      throw_argument(
          fmt::format("kernel '{}' has no run-time scalar '{}'; a constant is bound when "
                      "the kernel is made",
                      kernel.name(), value.name));
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    operands_[i].param = kernel.params()[i];
    if (operands_[i].param.is_tensor())
      make_tensor(operands_[i], i, options);
    else
      make_scalar(operands_[i], options);
  }
  for (const Operand& operand : operands_)
    arguments_.push_back(operand.param.is_tensor() ? Arg(operand.tensor) : *operand.arg);
}

void Operands::make_scalar(Operand& operand, const OperandOptions& options) {
  NamedValue value{operand.param.name, 1, 1, true};
  for (const NamedValue& given : options.scalars)
    if (given.name == operand.param.name)
      value = given;
  operand.arg = value.is_integer ? Arg(value.integer) : Arg(value.real);
  operand.scalar_bits =
      ir::encode(operand.param.dtype, {.real = value.real, .integer = value.integer});
}

/// Half as many bytes in the buffer as there are elements, each of which has its own in `entry`.
void Operands::make_packed(Operand& operand, std::size_t index, const OperandOptions& options) {
  const auto count = static_cast<std::size_t>(element_count(operand.shape));
  if (operand.shape.empty() || operand.shape.back() % 2 != 0)
    throw_argument(fmt::format("'{}' is {}, two of which share a byte, so rows must have an even "
                               "number of columns, found {}",
                               operand.param.name, name_of(operand.param.dtype),
                               operand.shape.empty() ? 1 : operand.shape.back()));
  operand.buffer = device_.allocate(count / 2);
  operand.tensor = Tensor(operand.buffer.data(), operand.param.dtype, operand.shape);
  if (!operand.param.is_read())
    return;
  operand.owned = HostBytes(count);
  operand.entry = operand.owned.bytes();
  if (options.input)
    ir::unpack(options.input(operand.param, operand.shape), operand.owned.bytes());
  else
    fill_random(operand.param.dtype, operand.owned.bytes(),
                {options.seed, index, options.specials});
}

void Operands::make_tensor(Operand& operand, std::size_t index, const OperandOptions& options) {
  operand.shape = parameter_shape(operand.param, options.shape);
  if (is_packed(operand.param.dtype))
    return make_packed(operand, index, options);
  if (operand.param.is_table() && options.input) // as long as what is given
    operand.shape = {static_cast<std::int64_t>(options.input(operand.param, {}).size()) /
                     size_of(operand.param.dtype)};
  const std::size_t bytes = static_cast<std::size_t>(element_count(operand.shape)) *
                            static_cast<std::size_t>(size_of(operand.param.dtype));
  operand.buffer = device_.allocate(bytes);
  operand.tensor = Tensor(operand.buffer.data(), operand.param.dtype, operand.shape);
  if (!operand.param.is_read())
    return;
  if (options.input) {
    operand.entry = options.input(operand.param, operand.shape);
    return;
  }
  // On the CPU an input that stays as it is needs no second copy.
  const bool in_buffer =
      device_.info().kind == DeviceKind::cpu && operand.param.kind == ir::ParamKind::in;
  if (!in_buffer)
    operand.owned = HostBytes(bytes);
  const std::span<std::byte> memory =
      in_buffer ? std::span(static_cast<std::byte*>(operand.buffer.data()), bytes)
                : operand.owned.bytes();
  fill_random(operand.param.dtype, memory, {options.seed, index, options.specials});
  operand.entry = memory;
}

void Operands::refill(const std::function<void(std::size_t, std::span<std::byte>)>& fill) {
  for (std::size_t p = 0; p < operands_.size(); ++p) {
    const Operand& operand = operands_[p];
    if (!operand.param.is_tensor() || !operand.param.is_read())
      continue;
    const bool in_buffer = operand.entry.data() == operand.buffer.data();
    fill(p, in_buffer
                ? std::span(static_cast<std::byte*>(operand.buffer.data()), operand.entry.size())
                : operand.owned.bytes());
  }
}

void Operands::upload(bool poison) {
  HostBytes pattern;
  for (Operand& operand : operands_) {
    if (operand.param.is_read() && operand.param.is_tensor() && is_packed(operand.param.dtype)) {
      const HostBytes packed(operand.buffer.size());
      ir::pack(operand.entry, packed.bytes());
      operand.buffer.write(packed.bytes().data(), packed.bytes().size());
    } else if (operand.param.is_read() && operand.entry.data() != operand.buffer.data()) {
      operand.buffer.write(operand.entry.data(), operand.entry.size());
    } else if (poison && operand.param.kind == ir::ParamKind::out) {
      if (pattern.bytes().size() < operand.buffer.size()) {
        pattern = HostBytes(operand.buffer.size());
        std::memset(pattern.bytes().data(), kPoison, operand.buffer.size());
      }
      operand.buffer.write(pattern.bytes().data(), operand.buffer.size());
    }
  }
}

void Operands::run(const Kernel& kernel) {
  upload(true);
  kernel.launch(nullptr, arguments());
  device_.synchronize();
  download();
}

void Operands::download() {
  for (std::size_t p = 0; p < operands_.size(); ++p)
    if (Operand& operand = operands_[p];
        operand.param.is_written() && is_packed(operand.param.dtype)) {
      operand.results = HostBytes(2 * operand.buffer.size());
      ir::unpack(stored_result(p), operand.results.bytes());
    }
  if (device_.info().kind == DeviceKind::cpu)
    return;
  for (Operand& operand : operands_)
    if (operand.param.is_written() && !is_packed(operand.param.dtype)) {
      if (operand.results.bytes().size() != operand.buffer.size())
        operand.results = HostBytes(operand.buffer.size());
      operand.buffer.read(operand.results.bytes().data(), operand.buffer.size());
    }
}

std::span<const std::byte> Operands::result(std::size_t param) const {
  const Operand& operand = operands_[param];
  if (device_.info().kind == DeviceKind::cpu && !is_packed(operand.param.dtype))
    return {static_cast<const std::byte*>(operand.buffer.data()), operand.buffer.size()};
  return operand.results.bytes();
}

std::vector<std::byte> Operands::stored_result(std::size_t param) const {
  const Buffer& buffer = operands_[param].buffer;
  std::vector<std::byte> bytes(buffer.size());
  buffer.read(bytes.data(), bytes.size());
  return bytes;
}

bool Operands::in_place() const noexcept {
  return std::any_of(operands_.begin(), operands_.end(), [](const Operand& operand) {
    return operand.param.kind == ir::ParamKind::inout;
  });
}

} // namespace swage::verify
