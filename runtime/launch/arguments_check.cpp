// arguments_check.cpp -- the arguments of a call against the parameters of its kernel.
#include "runtime/launch/arguments_check.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ir/float_environment.hpp"
#include "ir/float_format.hpp"
#include "ir/number.hpp"
#include "runtime/launch/shapes.hpp"
#include "runtime/launch/view_dims.hpp"
#include "swage/error.hpp"

namespace swage::launch {

namespace {

[[noreturn]] void refuse(std::string_view message) {
  throw Error(ErrorCode::invalid_argument, std::string(message));
}

[[noreturn]] void refuse_count(const Signature& signature, std::size_t found) {
  refuse(fmt::format("kernel '{}' takes {} arguments ({}), {} were given", signature.kernel_name,
                     signature.params.size(), fmt::join(signature.names, ", "), found));
}

[[noreturn]] void refuse_kind(const Signature& signature, std::size_t param) {
  const ParamInfo& info = signature.params[param];
  refuse(fmt::format("argument '{}' is a {}, expected a {} of type {}", signature.names[param],
                     info.is_tensor ? "number" : "tensor", info.is_tensor ? "tensor" : "number",
                     name_of(info.dtype)));
}

[[noreturn]] void refuse_dtype(const Signature& signature, std::size_t param, DType found) {
  const bool known = static_cast<int>(found) < kDTypeCount;
  const DType wanted = signature.params[param].dtype;
  const bool may_hold_codes = known && !is_float(found) && is_float(wanted) && size_of(wanted) == 1;
  refuse(fmt::format(
      "tensor '{}' holds {}, expected {}; {}, or bind the kernel's type to match",
      signature.names[param], known ? name_of(found) : "an unknown type", name_of(wanted),
      may_hold_codes ? fmt::format("if its bytes are such codes, give a view of them "
                                   "as {}; else convert it",
                                   name_of(wanted))
                     : "convert it"));
}

[[noreturn]] void refuse_rank(const Signature& signature, std::size_t param, int rank) {
  refuse(
      fmt::format("tensor '{}' has rank {} or strides that do not fit its shape, expected rank 0 "
                  "to {} with one stride a dimension",
                  signature.names[param], rank, kMaxRank));
}

[[noreturn]] void refuse_negative(const Signature& signature, std::size_t param,
                                  const Tensor& tensor) {
  refuse(fmt::format("tensor '{}' has shape {}, sizes must not be negative", signature.names[param],
                     shape_text(tensor)));
}

[[noreturn]] void refuse_size(const Signature& signature, std::size_t param, const Tensor& tensor) {
  refuse(fmt::format("tensor '{}' of shape {} has more than 2^60 elements; check its shape",
                     signature.names[param], shape_text(tensor)));
}

[[noreturn]] void refuse_shape(const Signature& signature, std::size_t param, const Tensor& tensor,
                               const Tensor& full) {
  const std::string& reference = signature.names[signature.tensors[signature.shape_of]];
  std::string expected;
  switch (signature.params[param].broadcast) {
  case ir::Broadcast::none: expected = "the same shape"; break;
  case ir::Broadcast::per_row:
    expected = "one value a row: its leading dimensions, with or without a last 1, [rows], or "
               "dimensions that make up the rows";
    break;
  case ir::Broadcast::per_column:
    expected = "one value a column: [columns], with or without leading 1s";
    break;
  case ir::Broadcast::per_group:
    expected = fmt::format("one value for {} columns: its leading dimensions and a last one {} "
                           "times smaller, [rows, groups], or dimensions that make up the rows, "
                           "then the groups",
                           signature.params[param].group, signature.params[param].group);
    break;
  case ir::Broadcast::per_column_group:
    expected = fmt::format("one value for {} rows of a column: the same shape with {} times fewer "
                           "rows, or dimensions that make up the groups of rows, then the columns",
                           signature.params[param].group, signature.params[param].group);
    break;
  case ir::Broadcast::per_tensor: expected = "one value: no dimensions, or 1s"; break;
  case ir::Broadcast::table: expected = "one dimension: it is a [table]"; break;
  }
  refuse(fmt::format("tensor '{}' has shape {}, but '{}' has {}; expected {}",
                     signature.names[param], shape_text(tensor), reference, shape_text(full),
                     expected));
}

[[noreturn]] void refuse_value(const Signature& signature, std::size_t param, double value) {
  refuse(fmt::format("argument '{}' is {}, which {} does not hold exactly", signature.names[param],
                     value, name_of(signature.params[param].dtype)));
}

/// Whether two rows may share a byte, which one thread then has.
bool packs_rows(const Signature& signature) {
  return signature.group_rows > 0 && signature.group_rows % 2 == 0;
}

[[noreturn]] void refuse_packed(const Signature& signature, std::size_t param, const Tensor& tensor,
                                std::string_view what) {
  const bool takes_transposed = packs_rows(signature);
  const bool is_transposed = tensor.rank > 1 && tensor.strides[tensor.rank - 2] == 1;
  refuse(fmt::format(
      "tensor '{}' is {}, two of which share a byte: its last dimension must be even "
      "and dense, and its other strides even{}; found {}, with shape {} and strides "
      "[{}]{}",
      signature.names[param], name_of(tensor.dtype), takes_transposed ? ", or its rows dense" : "",
      what, shape_text(tensor), fmt::join(tensor.strides, tensor.strides + tensor.rank, ", "),
      is_transposed && !takes_transposed
          ? "; kernels with groups of an even number of rows take it transposed, others take it as "
            "it lies, and every other tensor transposed"
          : ""));
}

/// That no row of a tensor of which two elements share a byte begins or ends within one.
void check_packed(const Signature& signature, std::size_t param, const Tensor& tensor) {
  const int last = tensor.rank - 1;
  if (last < 0)
    refuse_packed(signature, param, tensor, "no dimension");
  if (tensor.shape[last] % 2 != 0)
    refuse_packed(signature, param, tensor, fmt::format("{} columns", tensor.shape[last]));
  if (has_no_elements(tensor))
    return;
  // Two rows of a group share a byte of a transposed tensor.
  const bool by_rows = last > 0 && tensor.strides[last - 1] == 1 && tensor.strides[last] != 1 &&
                       tensor.strides[last] % 2 == 0 && packs_rows(signature);
  if (tensor.shape[last] > 0 && tensor.strides[last] != 1 && !by_rows)
    refuse_packed(signature, param, tensor, fmt::format("columns {} apart", tensor.strides[last]));
  for (int i = 0; i < last - by_rows; ++i)
    if (tensor.shape[i] > 1 && tensor.strides[i] % 2 != 0)
      refuse_packed(signature, param, tensor,
                    fmt::format("a stride of {} elements", tensor.strides[i]));
}

/// Whether an integer is a value of an integer type or bool.
bool fits(DType type, std::int64_t value) {
  switch (type) {
  case DType::boolean: return value == 0 || value == 1;
  case DType::u8: return value >= 0 && value <= 255;
  case DType::i64: return true;
  default: {
    const std::int64_t half = std::int64_t{1} << (8 * size_of(type) - 1);
    return value >= -half && value < half;
  }
  }
}

std::uint64_t scalar_bits(const Signature& signature, std::size_t param, const Arg& arg) {
  const DType type = signature.params[param].dtype;
  const bool integer = arg.kind() == Arg::Kind::integer;
  if (is_float(type)) {
    // In integers, whatever this thread does with subnormals and rounding.
    return ir::with_float(type, [&]<DType format>() {
      return integer ? ir::encode_float<format>(arg.integer())
                     : ir::encode_float<format>(arg.real());
    });
  }
  const ir::DefaultFloatEnvironment environment;
  std::int64_t value = integer ? arg.integer() : 0;
  if (!integer) {
    // 2^63 is the first double past i64; NaN fails both comparisons.
    if (!(arg.real() >= -0x1p63 && arg.real() < 0x1p63) || std::trunc(arg.real()) != arg.real())
      refuse_value(signature, param, arg.real());
    value = static_cast<std::int64_t>(arg.real());
  }
  if (!fits(type, value))
    refuse_value(signature, param, static_cast<double>(value));
  return ir::encode(type, {0, value});
}

bool same_dims(const Tensor& a, const Tensor& b, int count) {
  for (int i = 0; i < count; ++i)
    if (a.shape[i] != b.shape[i])
      return false;
  return true;
}

bool fits_rows(const Tensor& tensor, const Tensor& full) {
  const int leading = std::max(full.rank - 1, 0);
  if (tensor.rank == leading && same_dims(tensor, full, leading))
    return true;
  if (tensor.rank == full.rank && full.rank > 0 && same_dims(tensor, full, leading) &&
      tensor.shape[leading] == 1)
    return true;
  const std::int64_t rows = product(full, leading);
  return (tensor.rank == 1 && tensor.shape[0] == rows) || holds_rows(tensor, rows);
}

bool fits_columns(const Tensor& tensor, const Tensor& full) {
  const std::int64_t columns = full.rank > 0 ? full.shape[full.rank - 1] : 1;
  if (tensor.rank == 0)
    return columns == 1;
  for (int i = 0; i + 1 < tensor.rank; ++i)
    if (tensor.shape[i] != 1)
      return false;
  return tensor.shape[tensor.rank - 1] == columns;
}

std::int64_t columns_of(const Tensor& full) {
  return full.rank > 0 ? full.shape[full.rank - 1] : 1;
}

std::int64_t rows_of(const Tensor& full) {
  return product(full, full.rank - 1);
}

/// The dimensions of `tensor` that make up the rows of a call, or the groups of rows.
int row_dims_of(ir::Space space, const Tensor& tensor, const Tensor& full) {
  switch (space.broadcast) {
  case ir::Broadcast::per_row: return tensor.rank;
  case ir::Broadcast::per_group:
    return leading_row_dims(tensor, rows_of(full), columns_of(full) / space.group);
  case ir::Broadcast::per_column_group:
    return leading_row_dims(tensor, rows_of(full) / space.group, columns_of(full));
  default: return 0;
  }
}

bool fits_groups(ir::Space space, const Tensor& tensor, const Tensor& full) {
  if (tensor.rank == 0)
    return false;
  const int leading = full.rank - 1;
  const bool usual = tensor.shape[tensor.rank - 1] * space.group == columns_of(full) &&
                     ((tensor.rank == full.rank && same_dims(tensor, full, leading)) ||
                      (tensor.rank == 2 && tensor.shape[0] == rows_of(full)));
  return usual || row_dims_of(space, tensor, full) > 0;
}

bool fits_column_groups(ir::Space space, const Tensor& tensor, const Tensor& full) {
  return has_usual_rows(tensor, full, space.group) || row_dims_of(space, tensor, full) > 0;
}

/// Whether a view has padding of its own for each batch. Rows are counted through all batches, so
/// those of the second would lie in the padding of the first. Two dimensions beside one that is as
/// large as all batches are a tile of rows of all batches, of which there are so many by chance.
bool pads_each_batch(ir::Space space, const Tensor& tensor, const Tensor& full) {
  if (full.rank < 3 || tensor.rank < 2)
    return false;
  const int row_dims = row_dims_of(space, tensor, full);
  if (row_dims == 0)
    return false;
  const std::int64_t batches = product(full, full.rank - 2), rows = rows_of(full);
  const std::int64_t each = space.broadcast == ir::Broadcast::per_column_group ? space.group : 1;
  if (batches < 2 || rows == 0)
    return false;
  int dims = 0; // of the batches
  for (std::int64_t leading = 1; leading < batches; ++dims)
    if (dims == row_dims || __builtin_mul_overflow(leading, tensor.shape[dims], &leading) ||
        (leading >= batches && leading != batches))
      return false;
  std::int64_t room = 1; // of a batch
  for (int i = dims; i < row_dims; ++i)
    if (__builtin_mul_overflow(room, tensor.shape[i], &room))
      return false;
  const bool tile = row_dims - dims == 2 && tensor.shape[dims] > 1 && tensor.shape[dims + 1] > 1;
  return dims < row_dims && !tile && room != rows / batches / each;
}

[[noreturn]] void refuse_padded_batches(const Signature& signature, std::size_t param,
                                        const Tensor& tensor, const Tensor& full) {
  const std::int64_t batches = product(full, full.rank - 2);
  refuse(fmt::format("tensor '{}' has shape {}, which has padding after the {} rows of each of {} "
                     "batches, but rows are counted through all of them; launch once for each, or "
                     "with as many rows as there is room for",
                     signature.names[param], shape_text(tensor), rows_of(full) / batches, batches));
}

bool fits_shape(ir::Space space, const Tensor& tensor, const Tensor& full) {
  switch (space.broadcast) {
  case ir::Broadcast::per_group: return fits_groups(space, tensor, full);
  case ir::Broadcast::per_column_group: return fits_column_groups(space, tensor, full);
  case ir::Broadcast::per_tensor: return has_one_value(tensor);
  case ir::Broadcast::table: return tensor.rank == 1;
  case ir::Broadcast::per_row: return fits_rows(tensor, full);
  case ir::Broadcast::per_column: return fits_columns(tensor, full);
  default: return tensor.rank == full.rank && same_dims(tensor, full, full.rank);
  }
}

/// What a kernel that reaches along its rows needs of them.
void check_columns(const Signature& signature, const Tensor& full) {
  const std::int64_t columns = columns_of(full);
  if (signature.group > 0 && columns % signature.group != 0)
    refuse(
        fmt::format("kernel '{}' has groups of {} columns, which do not divide the {} columns of "
                    "shape {}",
                    signature.kernel_name, signature.group, columns, shape_text(full)));
  if (const std::int64_t rows = full.rank > 1 ? full.shape[full.rank - 2] : 1;
      signature.group_rows > 0 && rows % signature.group_rows != 0)
    refuse(
        fmt::format("kernel '{}' has groups of {} rows, which do not divide the {} rows of shape "
                    "{}",
                    signature.kernel_name, signature.group_rows, rows, shape_text(full)));
  if (signature.group_rows > 0 && signature.writes_rows && columns == 0 && rows_of(full) > 0)
    refuse(fmt::format("kernel '{}' has groups of rows and an output [row], and rows of 0 columns, "
                       "which no tile has",
                       signature.kernel_name));
  if (signature.extremes && columns == 0 && rows_of(full) > 0)
    refuse(fmt::format("kernel '{}' takes a maximum or minimum along rows of 0 columns, which have "
                       "none",
                       signature.kernel_name));
}

/// The number of elements, at most 2^60 so that no later product of sizes can overflow.
std::int64_t element_count(const Signature& signature, std::size_t param, const Tensor& tensor) {
  std::int64_t count = 1;
  bool empty = false;
  for (int i = 0; i < tensor.rank; ++i) {
    if (tensor.shape[i] < 0) [[unlikely]]
      refuse_negative(signature, param, tensor);
    empty |= tensor.shape[i] == 0;
    if (tensor.shape[i] != 0 && (__builtin_mul_overflow(count, tensor.shape[i], &count) ||
                                 count > (std::int64_t{1} << 60))) [[unlikely]]
      refuse_size(signature, param, tensor);
  }
  return empty ? 0 : count;
}

} // namespace

std::int64_t check_arguments(const Signature& signature, std::span<const Arg> arguments,
                             const Tensor** views, std::uint64_t* scalars) {
  if (arguments.size() != signature.params.size()) [[unlikely]]
    refuse_count(signature, arguments.size());
  for (std::size_t p = 0; p < arguments.size(); ++p) {
    const ParamInfo& info = signature.params[p];
    if (info.is_tensor != (arguments[p].kind() == Arg::Kind::tensor)) [[unlikely]]
      refuse_kind(signature, p);
    if (!info.is_tensor) {
      scalars[p] = scalar_bits(signature, p, arguments[p]);
      continue;
    }
    const Tensor& tensor = arguments[p].tensor();
    if (tensor.dtype != info.dtype) [[unlikely]]
      refuse_dtype(signature, p, tensor.dtype);
    if (tensor.rank < 0 || tensor.rank > kMaxRank) [[unlikely]]
      refuse_rank(signature, p, tensor.rank);
    views[info.tensor] = &tensor;
  }

  const Tensor& full = *views[signature.shape_of];
  const std::int64_t elements =
      element_count(signature, signature.tensors[signature.shape_of], full);
  if (signature.by_rows) [[unlikely]]
    check_columns(signature, full);
  for (std::size_t t = 0; t < signature.tensors.size(); ++t) {
    const std::uint8_t param = signature.tensors[t];
    if (views[t] != &full && !fits_shape(signature.params[param].space(), *views[t], full))
        [[unlikely]]
      refuse_shape(signature, param, *views[t], full);
    if (pads_each_batch(signature.params[param].space(), *views[t], full)) [[unlikely]]
      refuse_padded_batches(signature, param, *views[t], full);
    if (signature.packed && is_packed(signature.params[param].dtype)) [[unlikely]]
      check_packed(signature, param, *views[t]);
    if (signature.params[param].broadcast == ir::Broadcast::table) [[unlikely]]
      element_count(signature, param, *views[t]); // the only length that is not of the others
  }
  return elements;
}

void refuse_address(const Signature& signature, int param, std::uint64_t address) {
  const auto p = static_cast<std::size_t>(param);
  if (address == 0)
    refuse(
        fmt::format("tensor '{}' has elements but its data pointer is null", signature.names[p]));
  const DType type = signature.params[p].dtype;
  refuse(fmt::format("tensor '{}' is at address {:#x}, expected a multiple of {}, the size of {}",
                     signature.names[p], address, size_of(type), name_of(type)));
}

void refuse_range(const Signature& signature, int param) {
  refuse(fmt::format("tensor '{}' reaches outside the address space; check its shape and strides",
                     signature.names[static_cast<std::size_t>(param)]));
}

void refuse_self_overlap(const Signature& signature, int param, const Tensor& view) {
  refuse(fmt::format("tensor '{}' is written, but with shape {} and strides [{}] several of its "
                     "elements share memory; give each element its own",
                     signature.names[static_cast<std::size_t>(param)], shape_text(view),
                     fmt::join(view.strides, view.strides + view.rank, ", ")));
}

void refuse_row_overwritten(const Signature& signature, int written, int other) {
  refuse(
      fmt::format("tensor '{}', an output [row] of a kernel with groups of rows, lies where '{}' "
                  "is read by several tiles; give it memory of its own",
                  signature.names[static_cast<std::size_t>(written)],
                  signature.names[static_cast<std::size_t>(other)]));
}

void refuse_overlap(const Signature& signature, int written, int other) {
  const std::string& a = signature.names[static_cast<std::size_t>(written)];
  const std::string& b = signature.names[static_cast<std::size_t>(other)];
  if (signature.params[static_cast<std::size_t>(other)].is_written)
    refuse(fmt::format("tensors '{}' and '{}' are both written and share memory; give each its own",
                       a, b));
  if (signature.params[static_cast<std::size_t>(other)].broadcast == ir::Broadcast::table)
    refuse(
        fmt::format("tensor '{}' is written and shares memory with '{}', a [table], which any row "
                    "may read; give each its own",
                    a, b));
  const ir::Space space = signature.params[static_cast<std::size_t>(written)].space();
  const ir::Space of_other = signature.params[static_cast<std::size_t>(other)].space();
  if (space != of_other)
    refuse(
        fmt::format("tensor '{}', one value {}, is written and shares memory with '{}', one value "
                    "{}; give each its own",
                    a, ir::per_what(space), b, ir::per_what(of_other)));
  refuse(fmt::format("tensor '{}' is written and overlaps tensor '{}' without being the same view; "
                     "use the same address and strides for both, or separate memory",
                     a, b));
}

} // namespace swage::launch
