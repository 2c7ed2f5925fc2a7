// c_tensor.cpp -- DLTensor to Tensor.
#include "runtime/api/c_tensor.hpp"

#include <span>

#include <fmt/format.h>

#include "runtime/launch/shapes.hpp"

namespace swage::api {

namespace {

struct TypeRow {
  std::uint8_t code, bits;
  DType type;
};
// Numbers rather than DLPack's names: headers before 1.0 lack some of these.
constexpr TypeRow kTypes[] = {
    {2, 64, DType::f64},        {2, 32, DType::f32},        {2, 16, DType::f16},
    {4, 16, DType::bf16},       {0, 8, DType::i8},          {0, 16, DType::i16},
    {0, 32, DType::i32},        {0, 64, DType::i64},        {1, 8, DType::u8},
    {6, 8, DType::boolean},     {10, 8, DType::f8e4m3},     {12, 8, DType::f8e5m2},
    {11, 8, DType::f8e4m3fnuz}, {13, 8, DType::f8e5m2fnuz}, {14, 8, DType::e8m0},
    {17, 4, DType::f4e2m1},
};
constexpr int kCpu = 1, kCuda = 2, kCudaHost = 3, kCudaManaged = 13;

[[noreturn]] void refuse(std::size_t index, std::string_view what) {
  throw Error(ErrorCode::invalid_argument, index == kValidRows
                                               ? fmt::format("valid_rows: {}", what)
                                               : fmt::format("argument {}: {}", index, what));
}

void check_device(const DLTensor& tensor, std::size_t index, const DeviceInfo& device) {
  const int type = static_cast<int>(tensor.device.device_type);
  if (type == kCudaHost || type == kCudaManaged)
    return; // both sides reach it
  const bool cuda = device.kind == DeviceKind::cuda;
  if (type == (cuda ? kCuda : kCpu) && (!cuda || tensor.device.device_id == device.index))
    return;
  refuse(index, fmt::format("the tensor is on DLPack device type {}, id {}, but the kernel is for "
                            "{}; move the tensor, or use a kernel of its device",
                            type, tensor.device.device_id, device.id));
}

/// The dimension along which a view of pairs has both of one: the last, or, of a transposed matrix,
/// the one before it. -1 where neither is dense.
int dimension_of_pairs(const Tensor& view) {
  const int last = view.rank - 1;
  // NumPy gives tensors without elements strides of 0.
  if (last < 0 || launch::has_no_elements(view) || view.shape[last] == 1 || view.strides[last] == 1)
    return last;
  return last > 0 && view.strides[last - 1] == 1 ? last - 1 : -1;
}

/// From a view of pairs, as PyTorch's float4_e2m1fn_x2 is, to one of elements.
void count_elements(Tensor& view, std::size_t index) {
  const int dense = dimension_of_pairs(view);
  if (dense < 0)
    refuse(index,
           "the tensor has two elements to a byte, expected a last dimension that is dense, or "
           "the one before it, as transposed tensors have it");
  for (int i = 0; i < view.rank; ++i)
    if (i != dense && __builtin_mul_overflow(view.strides[i], 2, &view.strides[i]))
      refuse(index, "the strides of the tensor reach outside the address space");
  if (__builtin_mul_overflow(view.shape[dense], 2, &view.shape[dense]))
    refuse(index, "the shape of the tensor reaches outside the address space");
  view.strides[dense] = 1;
}

} // namespace

DType type_of(const DLDataType& type, std::size_t index) {
  for (const TypeRow& row : kTypes)
    if (row.code == type.code && row.bits == type.bits &&
        (type.lanes == 1 || (type.lanes == 2 && is_packed(row.type))))
      return row.type;
  refuse(index, fmt::format("DLPack type code {}, {} bits, {} lanes is none that kernels take",
                            type.code, type.bits, type.lanes));
}

DLDataType to_dlpack(DType type) noexcept {
  DLDataType result = {0, 0, 1};
  for (const TypeRow& row : kTypes)
    if (row.type == type) {
      result.code = row.code;
      result.bits = row.bits;
    }
  return result;
}

Tensor to_tensor(const DLTensor* tensor, std::size_t index, const DeviceInfo& device) {
  if (!tensor)
    refuse(index, "the DLTensor is null");
  const DType type = type_of(tensor->dtype, index);
  check_device(*tensor, index, device);
  if (tensor->ndim < 0 || tensor->ndim > kMaxRank)
    refuse(index,
           fmt::format("the tensor has {} dimensions, expected 0 to {}", tensor->ndim, kMaxRank));
  if (tensor->ndim > 0 && !tensor->shape)
    refuse(index, "the tensor has dimensions but its shape is null");
  const auto rank = static_cast<std::size_t>(tensor->ndim);
  Tensor view(tensor->data, type, std::span<const std::int64_t>(tensor->shape, rank));
  if (tensor->strides)
    for (std::size_t i = 0; i < rank; ++i)
      view.strides[i] = tensor->strides[i];
  if (tensor->dtype.lanes == 2)
    count_elements(view, index);
  if (tensor->data)
    view.data = static_cast<char*>(tensor->data) + tensor->byte_offset;
  return view;
}

} // namespace swage::api

static_assert(sizeof(DLTensor) == 48, "the layout that every DLPack producer uses");
