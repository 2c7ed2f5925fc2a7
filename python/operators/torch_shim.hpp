// torch_shim.hpp -- the functions of PyTorch's stable C ABI that the operators use.
//
// They are looked up in the libraries that the process has loaded, so that nothing of PyTorch is
// needed to build, and one binary serves every version from 2.10 on. Signatures:
// torch/csrc/stable/c/ shim.h and torch/csrc/inductor/aoti_torch/c/shim.h of PyTorch.
#pragma once

#include <cstdint>

namespace swage::torch {

/// A value of the dispatcher's stack: a tensor's handle, the bits of a double, an integer, a bool.
using StackValue = std::uint64_t;
using Tensor = struct AtenTensorOpaque*;
using Library = struct TorchLibraryOpaque*;
/// What implements an operator: takes `inputs` values off the stack and leaves `outputs` of them.
/// The tensors that it takes are its own.
using Boxed = void (*)(StackValue* stack, std::uint64_t inputs, std::uint64_t outputs);

/// Each returns 0, or another number where PyTorch threw.
struct Shim {
  std::int32_t (*init_fragment)(const char* space, const char* file, std::uint32_t line,
                                Library*) = nullptr;
  std::int32_t (*init_implementation)(const char* space, const char* key, const char* file,
                                      std::uint32_t line, Library*) = nullptr;
  std::int32_t (*define)(Library, const char* schema) = nullptr;
  std::int32_t (*implement)(Library, const char* name, Boxed, std::uint64_t version) = nullptr;
  std::int32_t (*get_dtype)(Tensor, std::int32_t*) = nullptr;
  std::int32_t (*get_device_type)(Tensor, std::int32_t*) = nullptr;
  std::int32_t (*get_device_index)(Tensor, std::int32_t*) = nullptr;
  std::int32_t (*get_dim)(Tensor, std::int64_t*) = nullptr;
  std::int32_t (*get_sizes)(Tensor, std::int64_t**) = nullptr;
  std::int32_t (*get_strides)(Tensor, std::int64_t**) = nullptr;
  std::int32_t (*get_data_ptr)(Tensor, void**) = nullptr;
  std::int32_t (*delete_tensor_object)(Tensor) = nullptr;
  std::int32_t (*empty_strided)(std::int64_t rank, const std::int64_t* sizes,
                                const std::int64_t* strides, std::int32_t dtype,
                                std::int32_t device_type, std::int32_t device_index,
                                Tensor*) = nullptr;
  std::int32_t (*tensor_of_memory)(void* data, std::int64_t rank, const std::int64_t* sizes,
                                   const std::int64_t* strides, std::int64_t offset,
                                   std::int32_t dtype, std::int32_t device_type,
                                   std::int32_t device_index, Tensor*) = nullptr;
  std::int32_t (*copy)(Tensor into, Tensor from, std::int32_t non_blocking) = nullptr;
  std::int32_t (*zero)(Tensor) = nullptr;
  std::int32_t (*device_type_cpu)() = nullptr;
  std::int32_t (*device_type_cuda)() = nullptr;
  /// Null in a PyTorch without CUDA.
  std::int32_t (*get_current_cuda_stream)(std::int32_t device_index, void** stream) = nullptr;
};

/// A type as DLPack names it.
struct Type {
  std::int32_t code = 0, bits = 0;
  friend bool operator==(const Type&, const Type&) = default;
};

/// Throws std::runtime_error where PyTorch is not loaded, or is too old.
const Shim& shim();
/// Of PyTorch's number for a type; code -1 for types that Swage has not.
Type type_of(std::int32_t dtype);
/// The other way round; throws std::runtime_error where this PyTorch has no such type.
std::int32_t dtype_of(Type type);
/// "bf16" and so on.
const char* name_of(Type type);

} // namespace swage::torch
