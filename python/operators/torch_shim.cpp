// torch_shim.cpp -- finds PyTorch in the process.
#include "torch_shim.hpp"

#include <array>
#include <stdexcept>
#include <string>

#include <dlfcn.h>

namespace swage::torch {

namespace {

void* loaded(const char* library) {
  return dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function)
    throw std::runtime_error(std::string("PyTorch 2.10 or later is needed: the one in this process "
                                         "has no ") +
                             name);
}

Shim find_all() {
  void* cpu = loaded("libtorch_cpu.so");
  if (!cpu)
    throw std::runtime_error("PyTorch is not loaded: import torch first");
  Shim shim;
  find(cpu, "aoti_torch_library_init_fragment", shim.init_fragment);
  find(cpu, "aoti_torch_library_init_impl", shim.init_implementation);
  find(cpu, "aoti_torch_library_def", shim.define);
  find(cpu, "torch_library_impl", shim.implement);
  find(cpu, "aoti_torch_get_dtype", shim.get_dtype);
  find(cpu, "aoti_torch_get_device_type", shim.get_device_type);
  find(cpu, "aoti_torch_get_device_index", shim.get_device_index);
  find(cpu, "aoti_torch_get_dim", shim.get_dim);
  find(cpu, "aoti_torch_get_sizes", shim.get_sizes);
  find(cpu, "aoti_torch_get_strides", shim.get_strides);
  find(cpu, "aoti_torch_get_data_ptr", shim.get_data_ptr);
  find(cpu, "aoti_torch_delete_tensor_object", shim.delete_tensor_object);
  find(cpu, "aoti_torch_empty_strided", shim.empty_strided);
  find(cpu, "aoti_torch_create_tensor_from_blob", shim.tensor_of_memory);
  find(cpu, "aoti_torch_copy_", shim.copy);
  find(cpu, "aoti_torch_zero_", shim.zero);
  find(cpu, "aoti_torch_device_type_cpu", shim.device_type_cpu);
  find(cpu, "aoti_torch_device_type_cuda", shim.device_type_cuda);
  if (void* cuda = loaded("libtorch_cuda.so"))
    shim.get_current_cuda_stream = reinterpret_cast<decltype(shim.get_current_cuda_stream)>(
        dlsym(cuda, "aoti_torch_get_current_cuda_stream"));
  return shim;
}

struct Row {
  Type type;
  const char* name;
  const char* getter; ///< of PyTorch's number
  std::int32_t dtype = -1;
};

/// DLPack's codes of types.
enum Code {
  integer = 0,
  natural = 1,
  real = 2,
  bfloat = 4,
  boolean = 6,
  f8e4m3 = 10,
  f8e4m3fnuz = 11,
  f8e5m2 = 12,
  f8e5m2fnuz = 13,
  e8m0 = 14,
  f4e2m1 = 17
};
constexpr std::size_t kTypes = 16;

std::array<Row, kTypes> find_types() {
  std::array<Row, kTypes> rows{{
      {{real, 64}, "f64", "aoti_torch_dtype_float64"},
      {{real, 32}, "f32", "aoti_torch_dtype_float32"},
      {{real, 16}, "f16", "aoti_torch_dtype_float16"},
      {{bfloat, 16}, "bf16", "aoti_torch_dtype_bfloat16"},
      {{integer, 8}, "i8", "aoti_torch_dtype_int8"},
      {{natural, 8}, "u8", "aoti_torch_dtype_uint8"},
      {{integer, 16}, "i16", "aoti_torch_dtype_int16"},
      {{integer, 32}, "i32", "aoti_torch_dtype_int32"},
      {{integer, 64}, "i64", "aoti_torch_dtype_int64"},
      {{boolean, 8}, "bool", "aoti_torch_dtype_bool"},
      {{f8e4m3, 8}, "f8e4m3", "aoti_torch_dtype_float8_e4m3fn"},
      {{f8e4m3fnuz, 8}, "f8e4m3fnuz", "aoti_torch_dtype_float8_e4m3fnuz"},
      {{f8e5m2, 8}, "f8e5m2", "aoti_torch_dtype_float8_e5m2"},
      {{f8e5m2fnuz, 8}, "f8e5m2fnuz", "aoti_torch_dtype_float8_e5m2fnuz"},
      {{e8m0, 8}, "e8m0", "torch_dtype_float8_e8m0fnu"}, // from 2.11 on
      {{f4e2m1, 4}, "f4e2m1", "torch_dtype_float4_e2m1fn_x2"},
  }};
  void* cpu = loaded("libtorch_cpu.so");
  for (Row& row : rows)
    if (auto* getter = reinterpret_cast<std::int32_t (*)()>(dlsym(cpu, row.getter)))
      row.dtype = getter();
  return rows;
}

const std::array<Row, kTypes>& types() {
  static const std::array<Row, kTypes> rows = find_types();
  return rows;
}

} // namespace

const Shim& shim() {
  static const Shim found = find_all();
  return found;
}

Type type_of(std::int32_t dtype) {
  for (const Row& row : types())
    if (row.dtype == dtype)
      return row.type;
  return {-1, 0};
}

std::int32_t dtype_of(Type type) {
  for (const Row& row : types())
    if (row.type == type && row.dtype >= 0)
      return row.dtype;
  throw std::runtime_error(std::string("this PyTorch has no type ") + name_of(type));
}

const char* name_of(Type type) {
  for (const Row& row : types())
    if (row.type == type)
      return row.name;
  return "a type that Swage has not";
}

} // namespace swage::torch
