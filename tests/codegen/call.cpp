// call.cpp -- buffers in random layouts.
#include "tests/codegen/call.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "ir/number.hpp"
#include "tests/codegen/strict.hpp"
#include "tests/support/e2m1.hpp"

namespace swage::codegen::test {

namespace {

constexpr std::size_t kGuard = 256; ///< bytes around every buffer that nothing may touch

} // namespace

Call::Call(const ir::Kernel& kernel, Random& random, const CallOptions& options)
    : kernel_(kernel), rows_(options.rows), columns_(options.columns),
      tensors_(kernel.params().size()), scalars_(kernel.params().size()) {
  specialization_ = contiguous(kernel);
  specialization_.index64 = options.index64;
  specialization_.exact = columns_ % 64 == 0;
  if (options.random_layouts && random.one_in(2))
    specialization_.flat = false;
  if (specialization_.flat) {
    columns_ *= rows_;
    rows_ = 1;
    specialization_.exact = columns_ % 64 == 0;
  }
  for (std::size_t p = 0; p < tensors_.size(); ++p)
    if (!kernel.params()[p].is_tensor())
      scalars_[p] = random.element(kernel.params()[p].dtype) &
                    (~std::uint64_t{0} >> (64 - 8 * size_of(kernel.params()[p].dtype)));
  place_all(random, options.random_layouts);
}

TensorSpec& Call::spec(std::size_t param) {
  std::size_t tensor = 0;
  for (std::size_t p = 0; p < param; ++p)
    tensor += kernel_.params()[p].is_tensor();
  return specialization_.tensors[tensor];
}

std::size_t Call::allocate(Random& random, std::size_t bytes, DType fill) {
  const std::size_t size = (bytes + 2 * kGuard + 63) / 64 * 64;
  Buffer buffer{{static_cast<std::byte*>(std::aligned_alloc(64, size)), std::free}, {}};
  buffer.initial =
      swage::test::random_elements(random, fill, size / static_cast<std::size_t>(size_of(fill)));
  buffers_.push_back(std::move(buffer));
  std::memcpy(buffers_.back().data.get(), buffers_.back().initial.data(), size);
  return buffers_.size() - 1;
}

void Call::place_all(Random& random, bool random_layouts) {
  const auto params = kernel_.params();
  std::vector<bool> done(params.size(), false);
  const auto is_plain_tensor = [&](std::size_t p) {
    return params[p].is_tensor() && params[p].broadcast == ir::Broadcast::none && !done[p] &&
           !is_packed(params[p].dtype);
  };
  if (random_layouts)
    for (std::size_t a = 0; a < params.size(); ++a)
      for (std::size_t b = a + 1; b < params.size(); ++b)
        if (is_plain_tensor(a) && is_plain_tensor(b) && params[a].dtype == params[b].dtype &&
            random.one_in(2)) {
          const bool swap = random.one_in(2);
          done[a] = done[b] = place_interleaved(random, swap ? b : a, swap ? a : b);
        }
  for (std::size_t p = 0; p < params.size(); ++p)
    if (params[p].is_tensor() && !done[p])
      place(random, p, !random_layouts);
  if (random_layouts)
    for (std::size_t in = 0; in < params.size(); ++in)
      for (std::size_t out = 0; out < params.size(); ++out)
        if (params[in].kind == ir::ParamKind::in && params[out].kind == ir::ParamKind::out &&
            random.one_in(3) && place_alias(in, out))
          return;
  for (std::size_t p = 0; p < params.size(); ++p)
    if (params[p].is_tensor())
      set_alignment(p);
}

void Call::place(Random& random, std::size_t param, bool plain) {
  const ir::Param& row = kernel_.params()[param];
  Tensor& tensor = tensors_[param];
  const bool two_d = !specialization_.flat;
  TensorSpec& known = spec(param);
  std::int64_t column_stride = 1;
  const bool packed = is_packed(row.dtype); // in whole bytes a row
  if (two_d && !plain && !packed && random.one_in(3)) {
    constexpr std::int64_t strides[] = {2, 3, -1, -2, 0};
    const std::size_t choices = row.is_written() ? 4 : 5; // written elements must not coincide
    column_stride = strides[random.below(choices)];
    if (row.broadcast == ir::Broadcast::none)
      known.layout = Layout::strided;
    else if (row.broadcast == ir::Broadcast::per_column)
      known.layout = Layout::per_column_strided;
    else
      column_stride = 1;
  }
  const std::int64_t width =
      std::max<std::int64_t>(columns_ * std::max<std::int64_t>(std::abs(column_stride), 1), 1);
  std::int64_t row_stride =
      width + (two_d && !plain ? static_cast<std::int64_t>(random.below(6)) : 0);
  if (row.broadcast == ir::Broadcast::per_row)
    row_stride = plain ? 1 : static_cast<std::int64_t>(random.below(3)) + 1;
  if (packed)
    row_stride += row_stride % 2;
  if (two_d && !plain && random.one_in(4))
    row_stride = -row_stride;
  if (row.broadcast == ir::Broadcast::per_column)
    row_stride = 0;
  const std::int64_t rows_before = row_stride < 0 ? (rows_ - 1) * -row_stride : 0;
  const std::int64_t columns_before = column_stride < 0 ? width : 0;
  const std::int64_t skew =
      (plain ? 0 : static_cast<std::int64_t>(random.below(9))) * (packed ? 2 : 1);
  const std::int64_t before = rows_before + columns_before + skew;
  const std::int64_t total = before + width + rows_ * std::abs(row_stride);
  tensor.buffer = allocate(random, static_cast<std::size_t>(bytes_of(row.dtype, total)), row.dtype);
  tensor.offset = static_cast<std::int64_t>(kGuard) + bytes_of(row.dtype, before);
  tensor.row_stride = row_stride;
  tensor.column_stride = row.broadcast == ir::Broadcast::per_row ? 0 : column_stride;
}

bool Call::place_interleaved(Random& random, std::size_t even, std::size_t odd) {
  const std::int64_t size = size_of(kernel_.params()[even].dtype);
  const std::int64_t pad = specialization_.flat ? 0 : static_cast<std::int64_t>(random.below(5));
  const std::int64_t row_stride = 2 * columns_ + pad;
  const std::int64_t skew = random.one_in(2) ? 0 : static_cast<std::int64_t>(random.below(5));
  const std::size_t buffer =
      allocate(random, static_cast<std::size_t>((skew + rows_ * row_stride) * size),
               kernel_.params()[even].dtype);
  const std::int64_t offset = static_cast<std::int64_t>(kGuard) + skew * size;
  tensors_[even] = {buffer, offset, row_stride, 2};
  tensors_[odd] = {buffer, offset + size, row_stride, 2};
  spec(even).layout = Layout::interleaved_even;
  spec(even).partner = static_cast<std::uint8_t>(odd);
  spec(odd).layout = Layout::interleaved_odd;
  spec(odd).partner = static_cast<std::uint8_t>(even);
  return true;
}

/// Puts an output where an input is, if both are alike.
bool Call::place_alias(std::size_t input, std::size_t output) {
  if (kernel_.params()[input].dtype != kernel_.params()[output].dtype ||
      kernel_.params()[input].broadcast != ir::Broadcast::none ||
      spec(input).layout != Layout::unit || spec(output).layout != Layout::unit)
    return false;
  tensors_[output] = tensors_[input];
  spec(input).aliased = true;
  for (std::size_t p = 0; p < tensors_.size(); ++p)
    if (kernel_.params()[p].is_tensor())
      set_alignment(p);
  return true;
}

void Call::set_alignment(std::size_t param) {
  const auto bits = reinterpret_cast<std::uintptr_t>(address(param, 0, 0));
  const std::int64_t pitch =
      specialization_.flat || rows_ < 2 ? 0
      : is_packed(kernel_.params()[param].dtype)
          ? tensors_[param].row_stride / 2
          : tensors_[param].row_stride * size_of(kernel_.params()[param].dtype);
  const std::uint64_t all = bits | static_cast<std::uint64_t>(pitch);
  spec(param).align_log2 = static_cast<std::uint8_t>(std::min(std::countr_zero(all), 6));
}

std::byte* Call::address(std::size_t param, std::int64_t row, std::int64_t column) const {
  const Tensor& tensor = tensors_[param];
  const DType type = kernel_.params()[param].dtype;
  const std::int64_t at = row * tensor.row_stride + column * tensor.column_stride;
  return buffers_[tensor.buffer].data.get() + tensor.offset +
         (is_packed(type) ? at >> 1 : at * size_of(type));
}

std::uint64_t Call::load(std::size_t param, std::int64_t row, std::int64_t column) const {
  return swage::test::load_element(kernel_.params()[param].dtype, address(param, row, 0),
                                   column * tensors_[param].column_stride);
}

void Call::set(std::size_t param, std::int64_t row, std::int64_t column, std::uint64_t bits) {
  swage::test::store_element(kernel_.params()[param].dtype, address(param, row, 0),
                             column * tensors_[param].column_stride, bits);
}

std::vector<std::uint64_t> Call::arguments(std::int64_t row, std::int64_t column) const {
  std::vector<std::uint64_t> bits(tensors_.size());
  for (std::size_t p = 0; p < bits.size(); ++p)
    bits[p] = kernel_.params()[p].is_tensor() ? load(p, row, column) : scalars_[p];
  return bits;
}

void Call::reset() {
  for (const Buffer& buffer : buffers_)
    std::memcpy(buffer.data.get(), buffer.initial.data(), buffer.initial.size());
}

std::vector<Call::Bytes> Call::buffers() const {
  std::vector<Bytes> all;
  for (const Buffer& buffer : buffers_)
    all.push_back({buffer.data.get(), buffer.initial.size()});
  return all;
}

std::vector<std::vector<std::byte>> Call::snapshot() const {
  std::vector<std::vector<std::byte>> all;
  for (const Bytes& buffer : buffers())
    all.emplace_back(buffer.data, buffer.data + buffer.size);
  return all;
}

std::uint64_t Call::value_of(const Slot& slot) const {
  switch (slot.kind) {
  case SlotKind::pointer: return reinterpret_cast<std::uintptr_t>(address(slot.param, 0, 0));
  case SlotKind::row_stride: return static_cast<std::uint64_t>(tensors_[slot.param].row_stride);
  case SlotKind::column_stride:
    return static_cast<std::uint64_t>(tensors_[slot.param].column_stride);
  case SlotKind::scalar: return scalars_[slot.param];
  case SlotKind::rows: return static_cast<std::uint64_t>(rows_);
  case SlotKind::columns: return static_cast<std::uint64_t>(columns_);
  default: return 0;
  }
}

std::vector<std::uint64_t> Call::words() const {
  std::vector<std::uint64_t> words;
  for (const Slot& slot : argument_slots(kernel_, specialization_, Target::Kind::host))
    words.push_back(value_of(slot));
  return words;
}

LaunchShape Call::launch_shape(const CudaSchedule& schedule, int sm_count) const {
  return codegen::launch_shape(schedule, vector_elements(schedule, kernel_), rows_, columns_,
                               sm_count);
}

std::vector<std::byte> Call::parameters(const LaunchShape& shape) const {
  std::vector<std::byte> bytes;
  const auto items = static_cast<std::uint64_t>(shape.items_per_row);
  const Divider by = divider(items, specialization_.index64 ? 64 : 32);
  for (const Slot& slot : argument_slots(kernel_, specialization_, Target::Kind::cuda)) {
    const std::uint64_t value = slot.kind == SlotKind::items_per_row    ? items
                                : slot.kind == SlotKind::divider_factor ? by.factor
                                : slot.kind == SlotKind::divider_shift  ? by.shift
                                                                        : value_of(slot);
    bytes.resize((bytes.size() + slot.bytes - 1) / slot.bytes * slot.bytes);
    const auto* raw = reinterpret_cast<const std::byte*>(&value); // little-endian hosts alone
    bytes.insert(bytes.end(), raw, raw + slot.bytes);
  }
  return bytes;
}

std::vector<std::vector<std::byte>> Call::expected() {
  reset();
  struct Write {
    std::byte* to;
    DType type;
    std::uint64_t bits;
  };
  for (std::int64_t row = 0; row < rows_; ++row)
    for (std::int64_t column = 0; column < columns_; ++column) {
      const auto results = evaluate_strictly(kernel_, arguments(row, column));
      for (std::size_t i = 0; i < results.size(); ++i) {
        const std::uint32_t param = kernel_.stores()[i].param;
        set(param, row, column, results[i]);
      }
    }
  auto bytes = snapshot();
  reset();
  return bytes;
}

std::string Call::difference(const std::vector<std::vector<std::byte>>& expected) const {
  // Elements first, NaN for NaN; then whatever else of the buffers changed.
  auto actual = snapshot();
  for (const ir::Store& store : kernel_.stores()) {
    const std::size_t p = store.param;
    const DType type = kernel_.params()[p].dtype;
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::int64_t column = 0; column < columns_; ++column) {
        std::byte* at = address(p, row, column);
        const std::size_t buffer = tensors_[p].buffer;
        const auto place = static_cast<std::size_t>(at - buffers_[buffer].data.get());
        const std::int64_t half = is_packed(type) ? column % 2 : 0; // of the byte there
        const std::uint64_t wanted =
            swage::test::load_element(type, expected[buffer].data() + place, half);
        const std::uint64_t got = swage::test::load_element(type, at, half);
        if (!same_bits(type, wanted, got))
          return fmt::format("{}[{}, {}] is {:#x} ({}), expected {:#x} ({})",
                             kernel_.params()[p].name, row, column, got,
                             static_cast<double>(ir::decode(type, got).real), wanted,
                             static_cast<double>(ir::decode(type, wanted).real));
        if (is_packed(type))
          continue; // all of its bits are compared
        std::copy_n(expected[buffer].begin() + static_cast<std::ptrdiff_t>(place), size_of(type),
                    actual[buffer].begin() + static_cast<std::ptrdiff_t>(place));
      }
  }
  for (std::size_t i = 0; i < actual.size(); ++i)
    if (actual[i] != expected[i]) {
      const auto at = std::ranges::mismatch(actual[i], expected[i]).in1 - actual[i].begin();
      return fmt::format("byte {} of buffer {} changed, which no element covers", at, i);
    }
  return {};
}

std::string Call::describe() const {
  return fmt::format("{} rows x {} columns, {}", rows_, columns_,
                     canonical(specialization_, kernel_));
}

} // namespace swage::codegen::test
