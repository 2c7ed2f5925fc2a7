// surroundings.cpp -- questions to PyTorch and Python about what goes on around a call.
#include "surroundings.hpp"

#include <stdexcept>

#include <dlfcn.h>

namespace swage::torch {

namespace {

PyObject* kept(PyObject* object) {
  python().retain(object);
  return object;
}

/// torch::THPVariable_Wrap(const at::TensorBase&), which PyTorch exports to extensions.
constexpr const char* kWrap = "_Z16THPVariable_WrapRKN2at10TensorBaseE";

const Exchange* exchange_of(PyObject* capsule) {
  const auto* table =
      static_cast<const Exchange*>(python().capsule_pointer(capsule, "dlpack_exchange_api"));
  while (table && table->major > 1)
    table = table->older;
  if (!table || table->major != 1 || !table->view)
    throw std::runtime_error("this PyTorch has no DLPack exchange of version 1");
  return table;
}

} // namespace

Surroundings::Surroundings(const swage_torch_python& told)
    : not_implemented(kept(told.not_implemented)), none(kept(told.none)), yes(kept(told.yes)),
      no(kept(told.no)), tensor_(kept(told.tensor)), parameter_(kept(told.parameter)),
      float_(kept(told.real)), int_(kept(told.integer)), is_neg_(kept(told.is_neg)),
      requires_grad_(python().interned("requires_grad")),
      grad_enabled_(question(told.is_grad_enabled)), exchange_(exchange_of(told.exchange)) {
  const Python& py = python();
  void* library = dlopen("libtorch_python.so", RTLD_LAZY | RTLD_NOLOAD);
  wrap_ = library ? reinterpret_cast<decltype(wrap_)>(dlsym(library, kWrap)) : nullptr;
  if (!wrap_)
    throw std::runtime_error("this PyTorch does not make Python's tensors of its own");
  for (Size i = 0; i < py.tuple_size(told.guards); ++i) {
    PyObject* guard = py.tuple_item(told.guards, i);
    Guard made;
    if (py.tuple_size(guard) == 2) {
      made.question = question(py.tuple_item(guard, 0));
      made.expected = kept(py.tuple_item(guard, 1));
    } else {
      made.dict = kept(py.tuple_item(guard, 0));
      made.key = kept(py.tuple_item(guard, 1));
      made.expected = kept(py.tuple_item(guard, 2));
    }
    guards_.push_back(made);
  }
  for (Size i = 0; i < py.tuple_size(told.types); ++i) {
    PyObject* type = py.tuple_item(told.types, i);
    dtypes_.push_back({kept(py.tuple_item(type, 0)),
                       static_cast<int>(py.to_integer(py.tuple_item(type, 1)) * 256 +
                                        py.to_integer(py.tuple_item(type, 2)))});
  }
}

Surroundings::Question Surroundings::question(PyObject* callable) {
  const Python& py = python();
  Question made{kept(callable), nullptr, nullptr, py.function_flags(callable)};
  if (made.flags == kNoArguments || made.flags == kVector || made.flags == kVectorNamed) {
    made.self = py.function_self(callable);
    made.pointer = py.function_pointer(callable);
  }
  if (py.error()) // it is no builtin
    py.clear_error();
  return made;
}

PyObject* Surroundings::ask(const Question& question) {
  switch (question.pointer ? question.flags : 0) {
  case kNoArguments: return question.pointer(question.self, nullptr);
  case kVector: {
    using Vector = PyObject* (*)(PyObject*, PyObject* const*, Size);
    return reinterpret_cast<Vector>(reinterpret_cast<void*>(question.pointer))(question.self,
                                                                               nullptr, 0);
  }
  case kVectorNamed:
    return reinterpret_cast<VectorFunction>(reinterpret_cast<void*>(question.pointer))(
        question.self, nullptr, 0, nullptr);
  default: return python().call(question.callable, nullptr);
  }
}

bool Surroundings::is_same(const Question& question, PyObject* expected) {
  const Reference answer(ask(question));
  return answer.get() == expected;
}

bool Surroundings::are_plain() const {
  for (const Guard& guard : guards_) {
    const bool holds = guard.dict ? python().dict_item(guard.dict, guard.key) == guard.expected
                                  : is_same(guard.question, guard.expected);
    if (!holds)
      return false;
  }
  return true;
}

bool Surroundings::has_type(PyObject* value, PyObject* wanted) const {
  const Reference type(python().type(value));
  return type.get() == wanted;
}

bool Surroundings::is_plain(PyObject* tensor) const {
  const Reference type(python().type(tensor));
  if (type.get() != tensor_ && type.get() != parameter_)
    return false;
  const Reference negative(python().call_with(is_neg_, tensor, nullptr));
  return negative.get() == no;
}

bool Surroundings::requires_grad(PyObject* tensor) const {
  const Reference answer(python().attribute(tensor, requires_grad_));
  return answer.get() != no;
}

bool Surroundings::view(PyObject* tensor, DLTensor& into) const {
  if (exchange_->view(tensor, &into) == 0)
    return into.device.device_type == kDLCPU || into.device.device_type == kDLCUDA;
  python().clear_error();
  return false;
}

bool Surroundings::real(PyObject* value, double& into) const {
  if (!has_type(value, float_))
    return false;
  into = python().to_double(value);
  return true;
}

bool Surroundings::integer(PyObject* value, long long& into) const {
  if (!has_type(value, int_))
    return false;
  into = python().to_integer(value);
  if (into != -1 || !python().error())
    return true;
  python().clear_error(); // beyond 64 bits
  return false;
}

bool Surroundings::truth(PyObject* value, bool& into) const {
  into = value == yes;
  return value == yes || value == no;
}

bool Surroundings::type(PyObject* value, int& into) const {
  for (const Dtype& dtype : dtypes_)
    if (dtype.object == value) {
      into = dtype.code_and_bits;
      return true;
    }
  return false;
}

} // namespace swage::torch
