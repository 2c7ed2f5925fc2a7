// c_arguments.cpp -- arguments of the C ABI as those of the C++ API.
#include "runtime/api/c_arguments.hpp"

#include <cstring>
#include <string>

#include "runtime/api/c_structs.hpp"
#include "runtime/api/c_tensor.hpp"

namespace swage::api {

namespace {

Arg to_argument(const swage_arg& arg, std::size_t i, const DeviceInfo& device) {
  switch (arg.kind) {
  case SWAGE_ARG_TENSOR: return to_tensor(arg.value.tensor, i, device);
  case SWAGE_ARG_REAL: return arg.value.real;
  case SWAGE_ARG_INTEGER: return arg.value.integer;
  }
  throw Error(ErrorCode::invalid_argument,
              "argument " + std::to_string(i) + ": its kind is none of swage_arg_kind");
}

} // namespace

Arguments::Arguments(const swage_arg* args, std::size_t count, const DeviceInfo& device)
    : list_(count) {
  if (count > 0)
    require(args, "args");
  if (count > ir::kMaxParams)
    throw Error(ErrorCode::invalid_argument, "more arguments than any kernel has parameters");
  for (std::size_t i = 0; i < count; ++i)
    list_.put(i, to_argument(args[i], i, device));
}

std::vector<ArgSpec> to_specs(std::span<const Parameter> parameters, const swage_arg_spec* specs,
                              std::size_t count) {
  std::vector<ArgSpec> result;
  const std::size_t stride = count > 0 ? specs->size : 0;
  for (std::size_t i = 0; i < count; ++i) {
    swage_arg_spec given;
    std::memcpy(&given.size, reinterpret_cast<const char*>(specs) + i * stride, sizeof given.size);
    if (given.size != stride)
      throw Error(ErrorCode::invalid_argument,
                  "argument " + std::to_string(i) +
                      ": its spec has another size than the first; set every field size to "
                      "sizeof(swage_arg_spec)");
    given = received(
        *reinterpret_cast<const swage_arg_spec*>(reinterpret_cast<const char*>(specs) + i * stride),
        SWAGE_FIRST_SIZE(swage_arg_spec, same_as), "swage_arg_spec", {});
    ArgSpec spec;
    const bool is_tensor = i < parameters.size() && parameters[i].role != Role::scalar;
    if (is_tensor) {
      spec.dtype = type_of(given.type, i);
      if (given.ndim < 0 || given.ndim > kMaxRank)
        throw Error(ErrorCode::invalid_argument, "argument " + std::to_string(i) + ": it has " +
                                                     std::to_string(given.ndim) +
                                                     " dimensions, expected 0 to 8");
      if (given.ndim > 0)
        require(given.shape, "the shape of a spec");
      spec.shape.assign(given.shape, given.shape + given.ndim);
      if (given.strides)
        spec.strides.assign(given.strides, given.strides + given.ndim);
      spec.alignment = given.alignment;
      spec.same_as = given.same_as;
    }
    result.push_back(std::move(spec));
  }
  return result;
}

} // namespace swage::api
