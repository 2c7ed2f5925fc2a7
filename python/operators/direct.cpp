// direct.cpp -- what a plain call passes, and the operator's gradient around it.
#include "direct.hpp"

#include <bit>
#include <stdexcept>

namespace swage::torch {

Operator::Direct::Direct(Operator& of, const Surroundings& around,
                         const swage_torch_direct_operator& told)
    : of_(of), around_(around), names_(told.names), defaults_(told.defaults),
      apply_(told.apply == around.none ? nullptr : told.apply) {
  if (of.is_out_ || of.is_cleared_ || of.takes_tensor_.size() > kMostArguments ||
      of.parameters_.size() > kMostArguments)
    throw std::runtime_error("the operator is none for short calls");
  inputs_ = of.takes_tensor_.size() - of.constants_.size();
  by_input_.resize(inputs_);
  for (const Parameter& parameter : of.parameters_) {
    if (parameter.role == SWAGE_INOUT)
      throw std::runtime_error("the operator changes its arguments");
    if (parameter.role == SWAGE_OUT) {
      results_ += parameter.half != 2;
      continue;
    }
    by_input_.at(static_cast<std::size_t>(parameter.place)) = &parameter;
    if (!like_ && parameter.is_tensor() && parameter.space == SWAGE_ELEMENT)
      like_ = &parameter;
  }
  if (!like_ || results_ == 0)
    throw std::runtime_error("nothing says how large the operator's results are");
  const Python& py = python();
  for (PyObject* object : {names_, defaults_, told.apply})
    py.retain(object);
}

PyObject* Operator::Direct::decline() const {
  const Python& py = python();
  if (py.error())
    py.clear_error();
  py.retain(around_.not_implemented);
  return around_.not_implemented;
}

bool Operator::Direct::take_scalar(PyObject* value, const Parameter& parameter,
                                   StackValue& into) const {
  const Type type = parameter.type;
  const bool is_real = type.code != kDLInt && type.code != kDLUInt && type.code != kDLBool;
  double real = 0;
  long long integer = 0;
  bool truth = false;
  if (parameter.generic >= 0) // a float to the operator, whatever it is to the kernel
    return false;
  if (is_real                ? !around_.real(value, real)
      : type.code == kDLBool ? !around_.truth(value, truth)
                             : !around_.integer(value, integer))
    return false;
  into = is_real                ? std::bit_cast<StackValue>(real)
         : type.code == kDLBool ? StackValue{truth}
                                : static_cast<StackValue>(integer);
  return true;
}

bool Operator::Direct::take_constant(PyObject* value, const Constant& constant,
                                     StackValue& into) const {
  double real = 0;
  long long integer = 0;
  bool truth = false;
  int type = 0;
  switch (constant.kind) {
  case kType:
    if (!around_.type(value, type))
      return false;
    into = static_cast<StackValue>(type);
    return true;
  case 2:
    if (!around_.truth(value, truth))
      return false;
    into = StackValue{truth};
    return true;
  case 1:
    if (!around_.integer(value, integer))
      return false;
    into = static_cast<StackValue>(integer);
    return true;
  default:
    into = kNone;
    if (constant.kind == kOptionalFloat && value == around_.none)
      return true;
    if (!around_.real(value, real))
      return false;
    into = std::bit_cast<StackValue>(real);
    return into != kNone;
  }
}

bool Operator::Direct::take_constants(PyObject* const* values, PyObject* names,
                                      Taken& taken) const {
  const Python& py = python();
  const Size given = names ? py.tuple_size(names) : 0;
  Size used = 0;
  for (std::size_t i = 0; i < of_.constants_.size(); ++i) {
    const auto at = static_cast<Size>(i);
    PyObject* value = py.tuple_item(defaults_, at);
    for (Size n = 0; n < given; ++n)
      if (py.tuple_item(names, n) == py.tuple_item(names_, at)) { // names in programs are interned
        value = values[n];
        ++used;
      }
    StackValue& into = taken.kind.constants.at(i);
    if (!take_constant(value, of_.constants_[i], into))
      return false;
    taken.scalars.at(static_cast<std::size_t>(of_.constants_[i].place)) = into;
  }
  return used == given;
}

bool Operator::Direct::take(PyObject* const* arguments, Size count, PyObject* names,
                            Taken& taken) const {
  if (static_cast<std::size_t>(count) != inputs_ || !around_.are_plain() ||
      !take_constants(arguments + count, names, taken))
    return false;
  const bool grad = around_.is_grad_enabled();
  // These questions may let other threads run, which may free what a view points to: they come
  // first.
  for (std::size_t i = 0; i < inputs_; ++i) {
    if (!by_input_[i])
      return false;
    if (!by_input_[i]->is_tensor())
      continue;
    if (!around_.is_plain(arguments[i]))
      return false;
    if (grad && !taken.needs_grad)
      taken.needs_grad = around_.requires_grad(arguments[i]);
  }
  bool is_first = true;
  for (std::size_t i = 0; i < inputs_; ++i) {
    if (!by_input_[i]->is_tensor()) {
      if (!take_scalar(arguments[i], *by_input_[i], taken.scalars.at(i)))
        return false;
      continue;
    }
    DLTensor& tensor = taken.tensors.at(i);
    if (!around_.view(arguments[i], tensor))
      return false;
    if (static_cast<std::size_t>(tensor.ndim) > kMostRank)
      return false;
    taken.kind.types.at(i) = std::bit_cast<std::uint32_t>(tensor.dtype);
    if (is_first)
      taken.kind.device = tensor.device;
    is_first = false;
    if (tensor.device.device_type != taken.kind.device.device_type ||
        tensor.device.device_id != taken.kind.device.device_id)
      return false;
    // What has no memory to read is not what it seems: PyTorch wraps tensors in such.
    if (!tensor.data)
      return false;
  }
  for (const Parameter& parameter : of_.parameters_)
    if (parameter.half != 0 && parameter.role == SWAGE_IN) {
      const DLTensor& whole = taken.tensors.at(static_cast<std::size_t>(parameter.place));
      if (whole.ndim == 0 || whole.shape[whole.ndim - 1] % 2 != 0)
        return false;
    }
  return !taken.needs_grad || apply_;
}

PyObject* Operator::Direct::differentiable(PyObject* result, PyObject* const* arguments,
                                           PyObject* names) const {
  const Python& py = python();
  const Reference made(py.tuple(2)), passed(py.tuple(static_cast<Size>(inputs_) + 1));
  Reference named;
  if (names && py.tuple_size(names) > 0) {
    named.reset(py.dict());
    for (Size n = 0; named.get() && n < py.tuple_size(names); ++n)
      py.dict_set(named.get(), py.tuple_item(names, n),
                  arguments[inputs_ + static_cast<std::size_t>(n)]);
  } else {
    py.retain(around_.none);
    named.reset(around_.none);
  }
  if (!made.get() || !passed.get() || !named.get())
    return nullptr;
  py.retain(result);
  py.tuple_set(made.get(), 0, result);
  py.tuple_set(made.get(), 1, named.leave());
  py.retain(made.get());
  py.tuple_set(passed.get(), 0, made.get());
  for (std::size_t i = 0; i < inputs_; ++i) {
    py.retain(arguments[i]);
    py.tuple_set(passed.get(), static_cast<Size>(i) + 1, arguments[i]);
  }
  return py.call(apply_, passed.get());
}

} // namespace swage::torch
