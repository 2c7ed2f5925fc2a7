// call.cpp -- one call of an operator: from the dispatcher's stack to a launch and back.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "operator.hpp"
#include "shapes.hpp"
#include "values.hpp"

namespace swage::torch {

/// One call: what it took off the stack is given back when it ends.
class Operator::Call {
public:
  Call(Operator& of, StackValue* stack, std::uint64_t inputs) : of_(of) {
    if (inputs != of.takes_tensor_.size())
      refuse("the operator's schema has other arguments than its kernel");
    arguments_.resize(inputs);
    // What may be none is a value of its own on the heap.
    for (const Constant& constant : of.constants_)
      if (constant.kind == kOptionalFloat) {
        StackValue& value = stack[constant.place];
        StackValue* given = nullptr;
        std::memcpy(&given, &value, sizeof given);
        arguments_[static_cast<std::size_t>(constant.place)].is_none = !given;
        value = given ? *given : 0;
        delete given;
      }
    for (std::size_t i = 0; i < inputs; ++i) {
      arguments_[i].value = stack[i];
      arguments_[i].tensor = of.takes_tensor_[i] ? tensor_of(stack[i]) : nullptr;
    }
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    for (const Argument& argument : arguments_)
      if (argument.tensor)
        shim().delete_tensor_object(argument.tensor);
    for (Tensor result : results_)
      if (result)
        shim().delete_tensor_object(result);
    for (const Copy& copy : copies_)
      shim().delete_tensor_object(copy.tensor);
  }

  void run() {
    look();
    Key key = find_types();
    if (!of_.is_out_)
      make_results(key);
    void* stream = nullptr;
    if (key.device_type == shim().device_type_cuda()) {
      if (!shim().get_current_cuda_stream)
        refuse("this PyTorch has no CUDA");
      check(shim().get_current_cuda_stream(key.device_index, &stream), "its current stream");
    }
    swage_kernel* kernel = of_.kernel(key);
    build(key);
    swage_status status = launch(kernel, stream);
    if (status == SWAGE_INVALID_ARGUMENT && copy_scattered()) {
      build(key);
      status = launch(kernel, stream);
    }
    check(status);
    for (const Copy& copy : copies_)
      if (copy.is_written)
        check(shim().copy(copy.of->tensor, copy.tensor, 0), "a copy");
  }

  void leave(StackValue* stack, std::uint64_t outputs) {
    std::uint64_t left = 0;
    for (Tensor& result : results_)
      stack[left++] = value_of(std::exchange(result, nullptr));
    if (left != outputs)
      refuse("the operator's schema has other results than its kernel");
  }

private:
  struct Argument {
    StackValue value = 0;
    bool is_none = false;
    Tensor tensor = nullptr;
    View view;
  };
  /// Stands in for an argument whose strides a launch cannot take.
  struct Copy {
    Argument* of = nullptr;
    Tensor tensor = nullptr;
    bool is_written = false;
  };
  struct Described {
    DLTensor tensor{};
    std::array<std::int64_t, kMostDims> sizes{};
  };

  bool is_given(const Parameter& parameter) const {
    return parameter.is_tensor() && (parameter.role != SWAGE_OUT || of_.is_out_);
  }

  /// The tensors that were passed; all have to be on one device.
  void look() {
    for (Argument& argument : arguments_)
      if (argument.tensor)
        argument.view = view_of(argument.tensor);
    const Parameter* first = nullptr;
    for (const Parameter& parameter : of_.parameters_) {
      if (!is_given(parameter))
        continue;
      const View& view = given(parameter);
      if (view.rank > kMostDims)
        refuse("'" + parameter.name + "' has " + std::to_string(view.rank) + " dimensions");
      if (parameter.half != 0 && (view.rank == 0 || view.sizes[view.rank - 1] % 2 != 0))
        refuse("'" + parameter.name +
               "' is half of a tensor whose last dimension has to be even, and is not");
      if (!first)
        first = &parameter;
      const View& other = given(*first);
      if (view.device_type != other.device_type || view.device_index != other.device_index)
        refuse("'" + parameter.name + "' and '" + first->name +
               "' are on different devices: move one of them");
    }
    if (!first)
      refuse("a call without tensors");
    device_type_ = given(*first).device_type;
    device_index_ = given(*first).device_index;
    if (of_.counts_place_ < 0)
      return;
    const View& counts = this->counts();
    if (counts.device_type != device_type_ || counts.device_index != device_index_)
      refuse("'valid_rows' and '" + first->name + "' are on different devices: move one of them");
    if (counts.rank > kMostDims)
      refuse("'valid_rows' has " + std::to_string(counts.rank) + " dimensions");
  }

  const View& counts() const {
    return arguments_[static_cast<std::size_t>(of_.counts_place_)].view;
  }

  swage_status launch(swage_kernel* kernel, void* stream) const {
    if (of_.counts_place_ < 0)
      return swage_kernel_launch(kernel, stream, launch_.data(), launch_.size());
    const Type type = type_of(counts().dtype);
    if (type.code < 0)
      refuse("'valid_rows' has a type that Swage does not know");
    Described described;
    describe(described, counts(), type, 0);
    swage_launch_options options = swage_default_launch_options();
    options.valid_rows = &described.tensor;
    return swage_kernel_launch_with(kernel, stream, launch_.data(), launch_.size(), &options);
  }

  const View& given(const Parameter& parameter) const {
    return arguments_[static_cast<std::size_t>(parameter.place)].view;
  }

  /// The CPU is one device, whatever PyTorch counts it as.
  std::int32_t index_of_device() const {
    return device_type_ == shim().device_type_cpu() ? 0 : device_index_;
  }

  /// Generics take the types of the tensors, and what no input has that of an argument.
  Key find_types() {
    Key key{device_type_, index_of_device(), {}, {}};
    key.generics.assign(of_.generics_.size(), Type{-1, 0});
    std::vector<const Parameter*> by(of_.generics_.size(), nullptr);
    for (const Parameter& parameter : of_.parameters_) {
      if (!is_given(parameter))
        continue;
      const Type type = type_of(given(parameter).dtype);
      if (type.code < 0)
        refuse("'" + parameter.name + "' has a type that Swage does not know");
      if (parameter.generic < 0) {
        if (type != parameter.type)
          refuse("'" + parameter.name + "' is " + name_of(type) + ", expected " +
                 name_of(parameter.type));
        continue;
      }
      const auto g = static_cast<std::size_t>(parameter.generic);
      if (by[g] && key.generics[g] != type)
        refuse("'" + parameter.name + "' is " + name_of(type) + ", expected " +
               name_of(key.generics[g]) + " as '" + by[g]->name + "' is");
      by[g] = &parameter;
      key.generics[g] = type;
    }
    for (const Constant& constant : of_.constants_) {
      if (constant.kind != kType)
        continue;
      const Type type = type_of(
          static_cast<std::int32_t>(arguments_[static_cast<std::size_t>(constant.place)].value));
      if (type.code < 0)
        refuse("'" + constant.name + "' is a type that Swage does not know");
      for (std::size_t g = 0; g < of_.generics_.size(); ++g)
        if (of_.generics_[g] == constant.name) {
          if (by[g] && key.generics[g] != type)
            refuse("'" + by[g]->name + "' is " + name_of(key.generics[g]) + ", expected " +
                   name_of(type) + " as '" + constant.name + "' says");
          key.generics[g] = type;
        }
    }
    for (const Constant& constant : of_.constants_) {
      if (constant.kind == kType)
        continue;
      const Argument& given = arguments_[static_cast<std::size_t>(constant.place)];
      key.constants.push_back(given.is_none ? std::nullopt : std::optional(given.value));
    }
    return key;
  }

  Type type(const Parameter& parameter, const Key& key) const {
    return parameter.generic < 0 ? parameter.type
                                 : key.generics[static_cast<std::size_t>(parameter.generic)];
  }

  std::int64_t group_of(const Parameter& parameter) const {
    std::int64_t group = parameter.group;
    if (parameter.group_place >= 0)
      group = static_cast<std::int64_t>(
          arguments_[static_cast<std::size_t>(parameter.group_place)].value);
    if (group <= 0)
      refuse("a group of '" + parameter.name + "' has " + std::to_string(group) +
             (parameter.space == SWAGE_COLUMN_GROUP ? " rows" : " columns") +
             ", expected 1 or more");
    return group;
  }

  /// A launch has rows and columns. Tensors of more dimensions whose strides do not merge to these
  /// are copied, and those that are written copied back; whether there were any.
  bool copy_scattered() {
    for (const Parameter& parameter : of_.parameters_) {
      if (!is_given(parameter))
        continue;
      Argument& argument = arguments_[static_cast<std::size_t>(parameter.place)];
      if (argument.view.rank < 2 || is_contiguous(argument.view) || is_copied(argument))
        continue;
      const View& view = argument.view;
      const std::vector<std::int64_t> sizes(view.sizes, view.sizes + view.rank);
      const Tensor made = empty(sizes, view.dtype);
      copies_.push_back({&argument, made, parameter.role != SWAGE_IN});
      check(shim().copy(made, argument.tensor, 0), "a copy");
    }
    for (const Copy& copy : copies_)
      copy.of->view = view_of(copy.tensor);
    return !copies_.empty();
  }

  bool is_copied(const Argument& argument) const {
    return std::ranges::any_of(copies_, [&](const Copy& copy) { return copy.of == &argument; });
  }

  /// A new contiguous tensor on the call's device.
  Tensor empty(const std::vector<std::int64_t>& sizes, std::int32_t dtype) const {
    std::vector<std::int64_t> strides(sizes.size());
    contiguous_strides(static_cast<std::int64_t>(sizes.size()), sizes.data(), strides.data());
    Tensor made = nullptr;
    check(shim().empty_strided(static_cast<std::int64_t>(sizes.size()), sizes.data(),
                               strides.data(), dtype, device_type_, device_index_, &made),
          "memory");
    return made;
  }

  /// PyTorch 2.11 has no zero of codes in pairs on a GPU, so these are cleared as the bytes they
  /// are.
  static void clear(Tensor result, bool is_of_pairs) {
    if (!is_of_pairs)
      return check(shim().zero(result), "a result that is 0");
    const View view = view_of(result);
    Tensor bytes = nullptr;
    check(shim().tensor_of_memory(view.data, view.rank, view.sizes, view.strides, 0,
                                  dtype_of({1, 8}), view.device_type, view.device_index, &bytes),
          "a result as bytes");
    const std::int32_t status = shim().zero(bytes);
    shim().delete_tensor_object(bytes);
    check(status, "a result that is 0");
  }

  /// Contiguous, shaped as the first input with one value an element says.
  void make_results(const Key& key) {
    const Parameter* like = nullptr;
    for (const Parameter& parameter : of_.parameters_)
      if (!like && is_given(parameter) && parameter.space == SWAGE_ELEMENT)
        like = &parameter;
    for (const Parameter& parameter : of_.parameters_) {
      if (parameter.role != SWAGE_OUT || parameter.half == 2)
        continue;
      if (!like)
        refuse("no input has one value an element, so nothing says how large '" + parameter.name +
               "' is: use the form with out");
      const View& view = given(*like);
      std::vector<std::int64_t> sizes(view.sizes, view.sizes + view.rank);
      if (like->half != 0)
        sizes.back() /= 2;
      if (is_pairs(type(*like, key)))
        double_pairs(view.rank, view.strides, sizes.data());
      sizes.resize(std::max<std::size_t>(sizes.size(), 1)); // room for what has columns alone
      const std::int64_t group = has_groups(parameter.space) ? group_of(parameter) : 1;
      const std::int64_t rank =
          shape_result(parameter.space, parameter.half != 0, group, view.rank, sizes.data());
      sizes.resize(static_cast<std::size_t>(rank));
      if (is_pairs(type(parameter, key))) {
        if (sizes.empty() || sizes.back() % 2 != 0)
          refuse("'" + parameter.name +
                 "' has two elements a byte: the last dimension has to be even");
        sizes.back() /= 2;
      }
      results_.push_back(nullptr);
      results_.back() = empty(sizes, dtype_of(type(parameter, key)));
      if (of_.is_cleared_ || (of_.counts_place_ >= 0 && is_of_rows(parameter.space)))
        clear(results_.back(), is_pairs(type(parameter, key)));
    }
  }

  void build(const Key& key) {
    launch_.clear();
    described_.resize(of_.parameters_.size());
    std::vector<View> made;
    made.reserve(results_.size());
    for (Tensor result : results_)
      made.push_back(view_of(result));
    for (std::size_t i = 0; i < of_.parameters_.size(); ++i) {
      const Parameter& parameter = of_.parameters_[i];
      if (parameter.is_tensor()) {
        const View& view = is_given(parameter) ? given(parameter)
                                               : made.at(static_cast<std::size_t>(parameter.place));
        describe(described_[i], view, type(parameter, key), parameter.half);
        launch_.push_back(swage_tensor(&described_[i].tensor));
        continue;
      }
      swage_arg argument{};
      const StackValue value = arguments_[static_cast<std::size_t>(parameter.place)].value;
      const Type of = type(parameter, key);
      const bool is_real = of.code != kDLInt && of.code != kDLUInt && of.code != kDLBool;
      if (is_real) {
        argument.kind = SWAGE_ARG_REAL;
        argument.value.real = real_of(value);
      } else {
        argument.kind = SWAGE_ARG_INTEGER;
        argument.value.integer =
            parameter.generic < 0 ? whole(value, of) : whole(real_of(value), parameter);
      }
      launch_.push_back(argument);
    }
  }

  /// Whether an element is two, as those of PyTorch's float4_e2m1fn_x2 are.
  static bool is_pairs(Type of) { return of.bits == 4; }

  static std::int64_t whole(StackValue value, Type of) {
    return static_cast<std::int64_t>(of.code == kDLBool ? value & 0xff : value);
  }

  /// A scalar of a generic type is a float to the operator, whatever its type is in a call.
  static std::int64_t whole(double value, const Parameter& parameter) {
    if (!(value >= -0x1p63 && value < 0x1p63) || value != std::trunc(value))
      refuse("'" + parameter.name + "' is " + std::to_string(value) + ", expected a whole number");
    return static_cast<std::int64_t>(value);
  }

  void describe(Described& into, const View& view, Type type, int half) const {
    std::copy_n(view.sizes, view.rank, into.sizes.begin());
    auto* data = static_cast<char*>(view.data);
    if (half != 0) {
      const auto last = static_cast<std::size_t>(view.rank - 1);
      into.sizes[last] /= 2;
      if (half == 2 && data)
        data += into.sizes[last] * view.strides[last] * std::max(type.bits / 8, 1);
    }
    into.tensor.data = data;
    into.tensor.device = {view.device_type == shim().device_type_cpu() ? kDLCPU : kDLCUDA,
                          view.device_type == shim().device_type_cpu() ? 0 : view.device_index};
    into.tensor.ndim = static_cast<std::int32_t>(view.rank);
    into.tensor.dtype = {static_cast<std::uint8_t>(type.code), static_cast<std::uint8_t>(type.bits),
                         static_cast<std::uint16_t>(is_pairs(type) ? 2 : 1)};
    into.tensor.shape = into.sizes.data();
    into.tensor.strides = const_cast<std::int64_t*>(view.strides);
  }

  Operator& of_;
  std::vector<Argument> arguments_;
  std::vector<Tensor> results_;
  std::vector<Copy> copies_;
  std::int32_t device_type_ = 0, device_index_ = 0;
  std::vector<Described> described_;
  std::vector<swage_arg> launch_;
};

void Operator::run(StackValue* stack, std::uint64_t inputs, std::uint64_t outputs) {
  Call call(*this, stack, inputs);
  call.run();
  call.leave(stack, outputs);
}

} // namespace swage::torch
