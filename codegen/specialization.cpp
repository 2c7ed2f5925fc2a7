// specialization.cpp -- what is known about a call: its canonical line and its checks.
#include "codegen/specialization.hpp"

#include <bit>

#include <fmt/format.h>

#include "codegen/specialization_text.hpp"
#include "codegen/tile_plan.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

constexpr std::string_view kLayoutNames[] = {
    "unit",     "strided",         "even",     "odd",    "row",
    "col",      "colstrided",      "group",    "tensor", "table",
    "colgroup", "colgroupstrided", "colmajor",
};

constexpr ir::Broadcast broadcast_of(Layout layout) {
  switch (layout) {
  case Layout::per_row: return ir::Broadcast::per_row;
  case Layout::per_column:
  case Layout::per_column_strided: return ir::Broadcast::per_column;
  case Layout::per_group: return ir::Broadcast::per_group;
  case Layout::per_tensor: return ir::Broadcast::per_tensor;
  case Layout::table: return ir::Broadcast::table;
  case Layout::per_column_group:
  case Layout::per_column_group_strided: return ir::Broadcast::per_column_group;
  default: return ir::Broadcast::none;
  }
}

constexpr Layout usual_layout(ir::Broadcast broadcast) {
  switch (broadcast) {
  case ir::Broadcast::per_row: return Layout::per_row;
  case ir::Broadcast::per_column: return Layout::per_column;
  case ir::Broadcast::per_group: return Layout::per_group;
  case ir::Broadcast::per_tensor: return Layout::per_tensor;
  case ir::Broadcast::table: return Layout::table;
  case ir::Broadcast::per_column_group: return Layout::per_column_group;
  case ir::Broadcast::none: break;
  }
  return Layout::unit;
}

[[noreturn]] void refuse(const ir::Param& param, std::string_view why) {
  throw Error(ErrorCode::invalid_argument, fmt::format("parameter '{}': {}", param.name, why));
}

/// The spec of parameter `index`, which must be a tensor.
const TensorSpec& spec_of(const Specialization& specialization, const ir::Kernel& kernel,
                          std::size_t index) {
  std::size_t tensor = 0;
  for (std::size_t p = 0; p < index; ++p)
    tensor += kernel.params()[p].is_tensor();
  return specialization.tensors[tensor];
}

void check_partner(const Specialization& specialization, const ir::Kernel& kernel,
                   std::size_t index, const TensorSpec& spec) {
  const ir::Param& param = kernel.params()[index];
  const std::size_t partner = spec.partner;
  if (partner >= kernel.params().size() || !kernel.params()[partner].is_tensor() ||
      partner == index)
    refuse(param, "an interleaved layout needs another tensor parameter as its partner");
  const TensorSpec& other = spec_of(specialization, kernel, partner);
  const Layout expected =
      spec.layout == Layout::interleaved_even ? Layout::interleaved_odd : Layout::interleaved_even;
  if (other.layout != expected || other.partner != index)
    refuse(param,
           fmt::format("its interleaved partner '{}' does not name it back as the other half",
                       kernel.params()[partner].name));
  if (kernel.params()[partner].dtype != param.dtype)
    refuse(param, fmt::format("it is {} but its interleaved partner '{}' is {}; both must be of "
                              "one type",
                              swage::name_of(param.dtype), kernel.params()[partner].name,
                              swage::name_of(kernel.params()[partner].dtype)));
}

void check_dims(const ir::Param& param, const TensorSpec& spec) {
  const bool has_groups =
      spec.layout == Layout::per_group || spec.layout == Layout::per_column_group_strided;
  const bool has_rows = spec.layout == Layout::per_row || has_groups;
  if (spec.row_dims == 1 && spec.group_dims == 1)
    return;
  if (!has_rows || (spec.layout == Layout::per_row && spec.group_dims != 1))
    refuse(param, fmt::format("layout '{}' has no dimensions of rows, or of groups, of its own",
                              name_of(spec.layout)));
  const int groups = has_groups ? spec.group_dims : 0;
  if (spec.row_dims < 1 || spec.group_dims < 1 || spec.row_dims + groups > kMaxViewDims)
    refuse(param, fmt::format("{} dimensions of rows and {} of groups, expected at least one of "
                              "each and {} together",
                              spec.row_dims, groups, kMaxViewDims));
}

void check_tensor(const Specialization& specialization, const ir::Kernel& kernel, std::size_t index,
                  const TensorSpec& spec) {
  const ir::Param& param = kernel.params()[index];
  if (broadcast_of(spec.layout) != param.broadcast)
    refuse(param, fmt::format("layout '{}' does not fit its broadcast", name_of(spec.layout)));
  if (spec.align_log2 > 6)
    refuse(param,
           fmt::format("alignment 2^{} is above 64 bytes, the highest used", spec.align_log2));
  if ((1 << spec.align_log2) < size_of(param.dtype))
    refuse(param, fmt::format("alignment of {} bytes is below that of one {}", 1 << spec.align_log2,
                              swage::name_of(param.dtype)));
  if (specialization.flat && spec.layout != Layout::unit && !is_interleaved(spec.layout))
    refuse(param, fmt::format("layout '{}' needs rows and columns, not one flat run",
                              name_of(spec.layout)));
  if (is_interleaved(spec.layout))
    check_partner(specialization, kernel, index, spec);
  if (is_packed(param.dtype) && spec.layout == Layout::column_major &&
      rows_of_groups(kernel) % 2 != 0)
    refuse(param, "two of its rows share a byte, which takes groups of an even number of rows");
  if (is_packed(param.dtype) && spec.layout != Layout::unit && spec.layout != Layout::column_major)
    refuse(param, fmt::format("layout '{}' has no whole bytes, of which each holds two neighbours",
                              name_of(spec.layout)));
  check_dims(param, spec);
}

} // namespace

std::string_view name_of(Layout layout) noexcept {
  return kLayoutNames[static_cast<std::size_t>(layout)];
}

namespace {

/// The distance between bounds around `columns`, which is above 4.
std::int64_t quarter_octave(std::int64_t columns) noexcept {
  return std::int64_t{1} << (std::bit_width(static_cast<std::uint64_t>(columns - 1)) - 3);
}

} // namespace

std::int64_t column_bound(std::int64_t columns) noexcept {
  if (columns <= 4)
    return columns;
  const std::int64_t step = quarter_octave(columns);
  return (columns + step - 1) / step * step;
}

std::int64_t columns_above(std::int64_t bound) noexcept {
  return bound <= 4 ? bound - 1 : bound - quarter_octave(bound);
}

void set_columns(Specialization& specialization, std::int64_t columns) noexcept {
  specialization.columns_at_most = column_bound(columns);
  specialization.columns_known = columns > 0 && columns == specialization.columns_at_most;
}

std::string canonical(const Specialization& specialization, const ir::Kernel& kernel) {
  std::string line =
      fmt::format("{} {}{}", specialization.flat ? "flat" : "2d",
                  specialization.index64 ? "i64" : "i32", specialization.exact ? " exact" : "");
  if (specialization.columns_at_most > 0)
    line += fmt::format(" columns{}{}",
                        specialization.columns_known ? "=" : "<=", specialization.columns_at_most);
  if (specialization.valid_rows != ValidRows::all)
    line += fmt::format(" valid_rows={}:{}",
                        specialization.valid_rows == ValidRows::one ? "one" : "per_batch",
                        specialization.counts64 ? "i64" : "i32");
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    const TensorSpec& spec = specialization.tensors.at(tensor++);
    line += fmt::format(" {}={}", param.name, name_of(spec.layout));
    if (is_interleaved(spec.layout))
      line += fmt::format("({})", kernel.params()[spec.partner].name);
    else if (spec.layout == Layout::per_row && spec.row_dims > 1)
      line += fmt::format("({})", spec.row_dims);
    else if (spec.row_dims > 1 || spec.group_dims > 1)
      line += fmt::format("({}x{})", spec.row_dims, spec.group_dims);
    line += fmt::format("@{}{}", 1 << spec.align_log2, spec.aliased ? " aliased" : "");
  }
  return line;
}

Specialization contiguous(const ir::Kernel& kernel) {
  Specialization specialization;
  specialization.flat = ir::is_elementwise(kernel) && !kernel.skip();
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    specialization.tensors.push_back({.layout = usual_layout(param.broadcast)});
    if (param.broadcast != ir::Broadcast::none)
      specialization.flat = false;
  }
  return specialization;
}

void check_specialization(const Specialization& specialization, const ir::Kernel& kernel) {
  std::size_t tensors = 0;
  for (const ir::Param& param : kernel.params())
    tensors += param.is_tensor();
  if (specialization.tensors.size() != tensors)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the specialization describes {} tensors, kernel '{}' has {}",
                            specialization.tensors.size(), kernel.name(), tensors));
  if (specialization.flat && !ir::is_elementwise(kernel))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("kernel '{}' uses {}, which needs rows and columns, not one flat run",
                            kernel.name(), ir::beyond_elements(kernel)));
  if (specialization.flat && kernel.skip())
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("kernel '{}' skips rows, which needs rows and columns, not one flat run",
                    kernel.name()));
  if (specialization.flat && specialization.valid_rows != ValidRows::all)
    throw Error(ErrorCode::invalid_argument,
                "valid_rows needs rows and columns, not one flat run; say so, as in 'rows "
                "valid_rows=one:i32'");
  if (specialization.counts64 && specialization.valid_rows == ValidRows::all)
    throw Error(ErrorCode::invalid_argument, "counts of 64 bits are given, but no valid_rows");
  const std::int64_t bound = specialization.columns_at_most;
  if (bound < 0 || column_bound(bound) != bound || (bound > 0 && ir::is_elementwise(kernel)))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("columns{}{} is no bound of columns for kernel '{}'; they are 1, 2, 3, "
                            "4 and four to an octave, for kernels that reach along their rows",
                            specialization.columns_known ? "=" : "<=", bound, kernel.name()));
  if (specialization.columns_known && bound == 0)
    throw Error(ErrorCode::invalid_argument, "columns are said to be known, but no count is given");
  std::size_t tensor = 0;
  for (std::size_t p = 0; p < kernel.params().size(); ++p)
    if (kernel.params()[p].is_tensor())
      check_tensor(specialization, kernel, p, specialization.tensors[tensor++]);
}

} // namespace swage::codegen
