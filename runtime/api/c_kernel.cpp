// c_kernel.cpp -- kernels of the C ABI: made, described, given back.
#include <string>
#include <utility>
#include <vector>

#include "runtime/api/binding_text.hpp"
#include "runtime/api/c_failure.hpp"
#include "runtime/api/c_objects.hpp"
#include "runtime/api/c_structs.hpp"
#include "runtime/api/c_tensor.hpp"

using swage::Error;
using swage::ErrorCode;
using swage::api::guarded;
using swage::api::hand_out;
using swage::api::received;
using swage::api::require;
using swage::api::text_or;

namespace {

std::vector<swage::Binding> parse_bindings(const char* const* bindings, std::size_t count) {
  std::vector<swage::Binding> result;
  if (count > 0)
    require(bindings, "bindings");
  for (std::size_t i = 0; i < count; ++i) {
    require(bindings[i], "a binding");
    result.push_back(swage::api::parse_binding(bindings[i]));
  }
  return result;
}

swage::KernelOptions to_options(const swage_options* pointer) {
  swage::KernelOptions options;
  if (!pointer)
    return options;
  const swage_options all = received(*pointer, SWAGE_FIRST_SIZE(swage_options, file),
                                     "swage_options", swage_default_options());
  const swage_options* given = &all;
  if (given->math != SWAGE_MATH_DEFAULT) {
    if (given->math < SWAGE_MATH_ACCURATE || given->math > SWAGE_MATH_TORCH)
      throw Error(ErrorCode::invalid_argument, "options.math is none of the modes of swage_math");
    options.math = static_cast<swage::MathMode>(given->math);
  }
  options.schedule = text_or(given->schedule, "");
  options.file = text_or(given->file, "<kernel>");
  return options;
}

swage_kernel* wrap(swage::Kernel kernel, const swage::Device& device) {
  std::string text = kernel.text();
  std::vector<swage::Parameter> parameters = kernel.parameters();
  std::vector<swage::Constant> constants = kernel.constants();
  return new swage_kernel{std::move(kernel), device, std::move(text), std::move(parameters),
                          std::move(constants)};
}

template <typename List>
swage_status give_count(const swage_kernel* kernel, List swage_kernel::*list, std::size_t* count) {
  return guarded([&] {
    require(kernel, "kernel");
    require(count, "count");
    *count = (kernel->*list).size();
  });
}

/// Element `index` of a kernel's list of `what`.
template <typename T>
const T& at(const std::vector<T>& list, std::size_t index, const char* what) {
  if (index >= list.size())
    throw Error(ErrorCode::invalid_argument, std::string(what) + " " + std::to_string(index) +
                                                 " is outside the list of " +
                                                 std::to_string(list.size()));
  return list[index];
}

void put(const swage::Constant::Number& number, double& real, std::int64_t& integer) {
  if (const double* value = std::get_if<double>(&number))
    real = *value;
  else
    integer = std::get<std::int64_t>(number);
}

} // namespace

extern "C" {

swage_status swage_kernel_create(const swage_device* device, const char* source, const char* name,
                                 const char* const* bindings, size_t binding_count,
                                 const swage_options* options, swage_kernel** kernel) {
  return guarded([&] {
    require(device, "device");
    require(source, "source");
    require(kernel, "kernel");
    *kernel =
        wrap(device->device.kernel(source, text_or(name, ""),
                                   parse_bindings(bindings, binding_count), to_options(options)),
             device->device);
  });
}

swage_status swage_kernel_from_catalogue(const swage_device* device, const char* name,
                                         const char* const* bindings, size_t binding_count,
                                         const swage_options* options, swage_kernel** kernel) {
  return guarded([&] {
    require(device, "device");
    require(name, "name");
    require(kernel, "kernel");
    *kernel = wrap(device->device.catalogue_kernel(name, parse_bindings(bindings, binding_count),
                                                   to_options(options)),
                   device->device);
  });
}

void swage_kernel_destroy(swage_kernel* kernel) {
  delete kernel;
}

const char* swage_kernel_name(const swage_kernel* kernel) {
  return kernel ? kernel->kernel.name().c_str() : nullptr;
}

const char* swage_kernel_text(const swage_kernel* kernel) {
  return kernel ? kernel->text.c_str() : nullptr;
}

swage_status swage_kernel_parameter_count(const swage_kernel* kernel, size_t* count) {
  return give_count(kernel, &swage_kernel::parameters, count);
}

swage_status swage_kernel_parameter(const swage_kernel* kernel, size_t index,
                                    swage_parameter* parameter) {
  return guarded([&] {
    require(kernel, "kernel");
    require(parameter, "parameter");
    const swage::Parameter& found = at(kernel->parameters, index, "parameter");
    swage_parameter filled = {};
    filled.name = found.name.data(); // a whole std::string of the kernel's, with its end
    filled.role = static_cast<std::int32_t>(found.role);
    filled.space = static_cast<std::int32_t>(found.space);
    filled.type = swage::api::to_dlpack(found.dtype);
    filled.group = static_cast<std::int32_t>(found.group);
    hand_out(filled, SWAGE_FIRST_SIZE(swage_parameter, type), "swage_parameter", parameter);
  });
}

swage_status swage_kernel_constant_count(const swage_kernel* kernel, size_t* count) {
  return give_count(kernel, &swage_kernel::constants, count);
}

swage_status swage_kernel_constant(const swage_kernel* kernel, size_t index,
                                   swage_constant* constant) {
  return guarded([&] {
    require(kernel, "kernel");
    require(constant, "constant");
    const swage::Constant& found = at(kernel->constants, index, "constant");
    swage_constant filled = {};
    filled.name = found.name.c_str();
    filled.type = swage::api::to_dlpack(found.dtype);
    put(found.value, filled.value, filled.integer);
    filled.has_default = found.default_value ? 1 : 0;
    if (found.default_value)
      put(*found.default_value, filled.default_value, filled.default_integer);
    hand_out(filled, SWAGE_FIRST_SIZE(swage_constant, default_integer), "swage_constant", constant);
  });
}

} // extern "C"
