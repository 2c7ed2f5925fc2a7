// direct_launch.cpp -- the kernel of a plain call, its results and its launch.
#include <algorithm>
#include <bit>
#include <exception>

#include "direct.hpp"
#include "new_tensor.hpp"
#include "shapes.hpp"

namespace swage::torch {

/// A new tensor, given back unless Python has it.
struct Operator::Direct::Result {
  Tensor tensor = nullptr;
  DLTensor view{};
  std::array<std::int64_t, kMostRank + 1> sizes, strides; ///< of the view
  Result() = default;
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() {
    if (tensor)
      shim().delete_tensor_object(tensor);
  }
};

/// Whether the types go together; then they are the key's.
bool Operator::Direct::types_of(const Kind& kind, Key& key) const {
  key.generics.assign(of_.generics_.size(), Type{-1, 0});
  const auto put = [&](std::size_t generic, Type type) {
    Type& known = key.generics[generic];
    if (known.code >= 0 && known != type)
      return false;
    known = type;
    return true;
  };
  for (const Parameter& parameter : of_.parameters_) {
    if (!parameter.is_tensor() || parameter.role == SWAGE_OUT)
      continue;
    const auto dtype =
        std::bit_cast<DLDataType>(kind.types.at(static_cast<std::size_t>(parameter.place)));
    const Type type{dtype.code, dtype.bits};
    if (dtype.lanes != 1 || (parameter.generic < 0 && type != parameter.type) ||
        (parameter.generic >= 0 && !put(static_cast<std::size_t>(parameter.generic), type)))
      return false;
  }
  for (std::size_t i = 0; i < of_.constants_.size(); ++i) {
    const StackValue value = kind.constants.at(i);
    if (of_.constants_[i].kind != kType) {
      key.constants.push_back(of_.constants_[i].kind == kOptionalFloat && value == kNone
                                  ? std::nullopt
                                  : std::optional(value));
      continue;
    }
    const Type type{static_cast<std::int32_t>(value / 256), static_cast<std::int32_t>(value % 256)};
    for (std::size_t g = 0; g < of_.generics_.size(); ++g)
      if (of_.generics_[g] == of_.constants_[i].name && !put(g, type))
        return false;
  }
  // Two elements a byte are the dispatcher's.
  const auto is_other = [](Type type) { return type.code < 0 || type.bits == 4; };
  return std::ranges::none_of(key.generics, is_other) &&
         std::ranges::none_of(of_.parameters_, [&](const Parameter& parameter) {
           return parameter.is_tensor() && parameter.generic < 0 && is_other(parameter.type);
         });
}

const Operator::Direct::Plan* Operator::Direct::plan(const Kind& kind) {
  for (const Plan* made = plans_.load(std::memory_order_acquire); made; made = made->next)
    if (made->kind == kind)
      return made;
  const bool is_cpu = kind.device.device_type == kDLCPU;
  Key key{is_cpu ? shim().device_type_cpu() : shim().device_type_cuda(),
          is_cpu ? 0 : kind.device.device_id,
          {},
          {}};
  if (!types_of(kind, key))
    return nullptr;
  swage_kernel* kernel = of_.find(key);
  if (!kernel) // the dispatcher's call makes it
    return nullptr;
  auto* made = new Plan{kind, kernel, {}, {}, nullptr};
  for (const Parameter& parameter : of_.parameters_) {
    const Type type = parameter.generic < 0
                          ? parameter.type
                          : key.generics[static_cast<std::size_t>(parameter.generic)];
    made->types.push_back(type);
    made->dtypes.push_back(dtype_of(type));
  }
  made->next = plans_.load(std::memory_order_relaxed);
  while (!plans_.compare_exchange_weak(made->next, made, std::memory_order_release)) {
  }
  return made; // it lives as long as the operator: for ever
}

std::int64_t Operator::Direct::group_of(const Parameter& parameter, const Taken& taken) const {
  if (parameter.group_place < 0)
    return parameter.group;
  return static_cast<std::int64_t>(
      taken.scalars.at(static_cast<std::size_t>(parameter.group_place)));
}

bool Operator::Direct::make_results(const Plan& plan, const Taken& taken,
                                    std::span<Result> results) const {
  const DLTensor& like = taken.tensors.at(static_cast<std::size_t>(like_->place));
  const bool is_cpu = taken.kind.device.device_type == kDLCPU;
  for (std::size_t i = 0; i < of_.parameters_.size(); ++i) {
    const Parameter& parameter = of_.parameters_[i];
    if (parameter.role != SWAGE_OUT || parameter.half == 2)
      continue;
    Result& result = results[static_cast<std::size_t>(parameter.place)];
    std::copy_n(like.shape, like.ndim, result.sizes.begin());
    if (like_->half != 0)
      result.sizes.at(static_cast<std::size_t>(like.ndim - 1)) /= 2;
    const std::int64_t group = has_groups(parameter.space) ? group_of(parameter, taken) : 1;
    if (group <= 0)
      return false;
    const std::int64_t rank =
        shape_result(parameter.space, parameter.half != 0, group, like.ndim, result.sizes.data());
    contiguous_strides(rank, result.sizes.data(), result.strides.data());
    result.tensor = new_tensor({rank, result.sizes.data(), result.strides.data(), plan.dtypes[i],
                                is_cpu ? shim().device_type_cpu() : shim().device_type_cuda(),
                                taken.kind.device.device_id});
    DLTensor& view = result.view;
    if (!result.tensor || shim().get_data_ptr(result.tensor, &view.data) != 0)
      return false;
    view.device = taken.kind.device;
    view.ndim = static_cast<std::int32_t>(rank);
    view.shape = result.sizes.data();
    view.strides = result.strides.data();
  }
  return true;
}

bool Operator::Direct::launch(const Plan& plan, const Taken& taken,
                              std::span<Result> results) const {
  struct Half {
    DLTensor view;
    std::array<std::int64_t, kMostRank + 1> sizes;
  };
  std::array<Half, kMostArguments> halves;
  std::array<swage_arg, kMostArguments> arguments{};
  for (std::size_t i = 0; i < of_.parameters_.size(); ++i) {
    const Parameter& parameter = of_.parameters_[i];
    const auto place = static_cast<std::size_t>(parameter.place);
    const Type type = plan.types[i];
    if (!parameter.is_tensor()) {
      const StackValue value = taken.scalars.at(place);
      const bool is_real = type.code != kDLInt && type.code != kDLUInt && type.code != kDLBool;
      arguments.at(i).kind = is_real ? SWAGE_ARG_REAL : SWAGE_ARG_INTEGER;
      if (is_real)
        arguments.at(i).value.real = std::bit_cast<double>(value);
      else
        arguments.at(i).value.integer = static_cast<std::int64_t>(value);
      continue;
    }
    DLTensor& view = halves.at(i).view;
    view = parameter.role == SWAGE_OUT ? results[place].view : taken.tensors.at(place);
    view.dtype = {static_cast<std::uint8_t>(type.code), static_cast<std::uint8_t>(type.bits), 1};
    if (parameter.half != 0) {
      const auto last = static_cast<std::size_t>(view.ndim - 1);
      std::copy_n(view.shape, view.ndim, halves.at(i).sizes.begin());
      halves.at(i).sizes.at(last) /= 2;
      if (parameter.half == 2 && view.data)
        view.data = static_cast<char*>(view.data) +
                    halves.at(i).sizes.at(last) * view.strides[last] * (type.bits / 8);
      view.shape = halves.at(i).sizes.data();
    }
    arguments.at(i) = swage_tensor(&view);
  }
  void* stream = nullptr;
  if (taken.kind.device.device_type == kDLCUDA &&
      (!shim().get_current_cuda_stream ||
       shim().get_current_cuda_stream(taken.kind.device.device_id, &stream) != 0))
    return false;
  const Python& py = python();
  void* thread = py.save_thread(); // others run on while the kernel does, or its launch waits
  const swage_status status =
      swage_kernel_launch(plan.kernel, stream, arguments.data(), of_.parameters_.size());
  py.restore_thread(thread);
  return status == SWAGE_OK;
}

PyObject* Operator::Direct::call(PyObject* const* arguments, Size count, PyObject* names) {
  try {
    Taken taken;
    if (!take(arguments, count, names, taken))
      return decline();
    const Plan* found = plan(taken.kind);
    if (!found)
      return decline();
    std::array<Result, kMostArguments> made;
    const std::span<Result> results(made.data(), results_);
    if (!make_results(*found, taken, results) || !launch(*found, taken, results))
      return decline();
    const Python& py = python();
    Reference all(results_ == 1 ? around_.wrap(results[0].tensor)
                                : py.tuple(static_cast<Size>(results_)));
    if (results_ != 1)
      for (std::size_t i = 0; all.get() && i < results_; ++i) {
        PyObject* one = around_.wrap(results[i].tensor);
        if (!one)
          return nullptr;
        py.tuple_set(all.get(), static_cast<Size>(i), one);
      }
    return taken.needs_grad && all.get() ? differentiable(all.get(), arguments, names)
                                         : all.leave();
  } catch (const std::exception&) {
    return decline(); // what went wrong goes wrong again, and is said there
  }
}

} // namespace swage::torch
