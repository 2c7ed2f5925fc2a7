// input_tensors.cpp -- the tensors of files that a run takes for its parameters.
#include "cli/input_tensors.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/table.hpp"
#include "cli/tensor_place.hpp"
#include "ir/nearest.hpp"
#include "swage/error.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

/// "; did you mean 'gate'?; it holds gate, up".
std::string holdings(const Checkpoint& checkpoint, std::string_view wanted) {
  constexpr std::size_t kShown = 8;
  const std::vector<std::string> names = checkpoint.names();
  const std::vector<std::string_view> views(names.begin(), names.end());
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i)
    shown.push_back(printable(names[i]));
  const std::string nearest = ir::did_you_mean(wanted, views);
  return fmt::format("{}; it holds {}{}", nearest.empty() ? "" : "; " + nearest,
                     shown.empty() ? "none" : fmt::format("{}", fmt::join(shown, ", ")),
                     names.size() > kShown ? ", ... ('swage list FILE' shows all)" : "");
}

/// Rows of a tensor: they lie one after the other.
SafetensorsEntry rows_of(const SafetensorsEntry& entry, const RowRange& range) {
  const std::int64_t rows = entry.shape.empty() ? 0 : entry.shape[0];
  const std::int64_t end = range.end.value_or(range.begin + 1);
  if (range.begin >= end || end > rows)
    refuse(fmt::format("tensor '{}' has {} rows, found [{}{}]; rows are counted from 0, and the "
                       "end is the row after the last",
                       printable(entry.name), rows, range.begin,
                       range.end ? fmt::format(":{}", *range.end) : ""));
  if (entry.dtype && is_packed(*entry.dtype) &&
      (entry.shape.size() < 2 || entry.shape.back() % 2 != 0))
    refuse(fmt::format("tensor '{}' of {} has rows that end within a byte", printable(entry.name),
                       format_shape(entry.shape)));
  SafetensorsEntry part = entry;
  const std::size_t row = entry.data.size() / static_cast<std::size_t>(rows);
  part.data = entry.data.subspan(row * static_cast<std::size_t>(range.begin),
                                 row * static_cast<std::size_t>(end - range.begin));
  if (range.end)
    part.shape[0] = end - range.begin;
  else
    part.shape.erase(part.shape.begin());
  return part;
}

/// What a parameter of this type makes of a tensor: U8 holds the codes of any float of 8 bits, or
/// two of f4e2m1 in each byte.
SafetensorsEntry as_read(SafetensorsEntry entry, DType type) {
  if (entry.dtype != DType::u8 || !is_float(type) || size_of(type) != 1)
    return entry;
  if (is_packed(type)) {
    if (entry.shape.empty())
      return entry;
    entry.shape.back() *= 2;
  }
  entry.dtype = type;
  return entry;
}

} // namespace

InputTensors::InputTensors(const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    const TensorPlace place = parse_input_place(value);
    const Checkpoint& checkpoint = open(place.file);
    if (place.param.empty()) {
      whole_.push_back(&checkpoint);
      continue;
    }
    if (named(place.param))
      refuse(fmt::format("--input gives '{}' twice", place.param));
    named_.push_back(
        take(place.param, place.file, place.tensor.empty() ? place.param : place.tensor));
  }
}

const Checkpoint& InputTensors::open(const std::string& path) {
  auto& checkpoint = checkpoints_[path];
  if (!checkpoint)
    checkpoint = std::make_unique<Checkpoint>(path);
  return *checkpoint;
}

InputTensors::Named InputTensors::take(const std::string& param, const std::string& file,
                                       const std::string& tensor) {
  const Checkpoint& checkpoint = open(file);
  if (const SafetensorsEntry* entry = checkpoint.find(tensor))
    return {param, *entry, checkpoint.file_of(tensor)};
  if (const auto range = parse_row_range(tensor))
    if (const SafetensorsEntry* entry = checkpoint.find(range->tensor))
      return {param, rows_of(*entry, *range), checkpoint.file_of(range->tensor)};
  refuse(fmt::format("{} holds no tensor '{}'{}", file, printable(tensor),
                     holdings(checkpoint, tensor)));
}

const InputTensors::Named* InputTensors::named(std::string_view param) const {
  const auto found = std::find_if(named_.begin(), named_.end(),
                                  [&](const Named& one) { return one.param == param; });
  return found == named_.end() ? nullptr : &*found;
}

const SafetensorsEntry* InputTensors::find(std::string_view param) const {
  if (const Named* one = named(param))
    return &one->entry;
  for (const Checkpoint* checkpoint : whole_)
    if (const SafetensorsEntry* entry = checkpoint->find(param))
      return entry;
  return nullptr;
}

const SafetensorsEntry& InputTensors::require(std::string_view param) const {
  if (const SafetensorsEntry* entry = find(param))
    return *entry;
  if (whole_.empty())
    refuse(fmt::format("no --input gives '{}'; add --input {}=FILE:TENSOR", param, param));
  refuse(
      fmt::format("{} holds no tensor '{}' for the parameter of that name{}; a tensor of another "
                  "name is given as --input {}=FILE:TENSOR",
                  whole_.back()->path(), param, holdings(*whole_.back(), param), param));
}

std::string InputTensors::describe(std::string_view param) const {
  if (const Named* one = named(param))
    return fmt::format("tensor '{}' of {} for parameter '{}'", printable(one->entry.name),
                       one->file, param);
  for (const Checkpoint* checkpoint : whole_)
    if (checkpoint->find(param))
      return fmt::format("tensor '{}' of {}", param, checkpoint->file_of(param));
  return fmt::format("tensor '{}'", param);
}

void InputTensors::check_names(const ir::Kernel& kernel) const {
  for (const Named& one : named_)
    if (std::none_of(kernel.params().begin(), kernel.params().end(), [&](const ir::Param& param) {
          return param.is_tensor() && param.is_read() && param.name == one.param;
        }))
      refuse(fmt::format("kernel '{}' reads no tensor '{}', found in --input {}={}", kernel.name(),
                         one.param, one.param, one.file));
}

std::span<const std::byte> InputTensors::entry(const ir::Param& param, const Shape& shape) const {
  const SafetensorsEntry entry = as_read(require(param.name), param.dtype);
  if (entry.dtype != param.dtype)
    refuse(fmt::format(
        "{} is {}, but the parameter is {}; bind the kernel's types with -D, or convert the tensor",
        describe(param.name), printable(entry.dtype_name), name_of(param.dtype)));
  if (entry.shape.size() > kMaxRank)
    refuse(fmt::format("{} has {} dimensions, expected at most {}", describe(param.name),
                       entry.shape.size(), kMaxRank));
  if (param.is_table()) {
    if (entry.shape.size() != 1)
      refuse(fmt::format("{} has shape {}, but a [table] has one dimension", describe(param.name),
                         format_shape(entry.shape)));
    return load(entry);
  }
  if (entry.shape != shape)
    refuse(fmt::format("{} has shape {}, but the call needs {}", describe(param.name),
                       format_shape(entry.shape), format_shape(shape)));
  return load(entry);
}

Shape shape_of_input(const ir::Kernel& kernel, const InputTensors& input) {
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && param.is_read() && param.broadcast == ir::Broadcast::none)
      return as_read(input.require(param.name), param.dtype).shape;
  refuse("no input of the kernel has the shape of its outputs; give it with --shape");
}

bool types_match(const ir::Kernel& kernel, const InputTensors& input, TensorTypes types) {
  return std::all_of(kernel.params().begin(), kernel.params().end(), [&](const ir::Param& param) {
    if (!param.is_tensor() || !param.is_read())
      return true;
    const SafetensorsEntry* entry = input.find(param.name);
    if (entry == nullptr)
      return false;
    const bool codes = types == TensorTypes::codes_too;
    return (codes ? as_read(*entry, param.dtype) : *entry).dtype == param.dtype;
  });
}

} // namespace swage::cli
