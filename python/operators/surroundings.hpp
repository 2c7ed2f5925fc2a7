// surroundings.hpp -- whether anything looks on at a call: then it is the dispatcher's.
#pragma once

#include <vector>

#include "exchange.hpp"
#include "operators.h"
#include "python_api.hpp"
#include "torch_shim.hpp"

namespace swage::torch {

/// What Python tells once: types, singletons, and what has to hold for a call to go past the
/// dispatcher. It lives as long as the process. Needs the interpreter's lock, as all that follows.
class Surroundings {
public:
  /// Throws std::runtime_error where this PyTorch lacks something that is needed.
  explicit Surroundings(const swage_torch_python& told);

  /// No mode, transform, tracer, profiler or level of forward mode is active. May leave a Python
  /// error.
  bool are_plain() const;
  bool is_grad_enabled() const { return is_same(grad_enabled_, yes); }
  /// Of type Tensor or Parameter, and not the negative of what its memory holds.
  bool is_plain(PyObject* tensor) const;
  bool requires_grad(PyObject* tensor) const;
  /// Whether DLPack can describe the tensor as it lies on the CPU or a GPU; leaves no error.
  bool view(PyObject* tensor, DLTensor& into) const;
  /// Of type float (int, bool), with its value; false for all others.
  bool real(PyObject* value, double& into) const;
  bool integer(PyObject* value, long long& into) const;
  bool truth(PyObject* value, bool& into) const;
  /// A torch.dtype, as code * 256 + bits; false for what is none.
  bool type(PyObject* value, int& into) const;
  /// A Python object for a tensor of PyTorch's, or null.
  PyObject* wrap(Tensor tensor) const { return wrap_(tensor); }

  PyObject* not_implemented;
  PyObject* none;
  PyObject* yes;

private:
  /// A function of no arguments, called without the way through Python.
  struct Question {
    PyObject* callable = nullptr;
    PyObject* self = nullptr;
    Function pointer = nullptr;
    int flags = 0;
  };
  struct Guard {
    Question question; ///< or
    PyObject* dict = nullptr;
    PyObject* key = nullptr;
    PyObject* expected = nullptr;
  };
  struct Dtype {
    PyObject* object;
    int code_and_bits;
  };

  static Question question(PyObject* callable);
  static PyObject* ask(const Question& question);
  static bool is_same(const Question& question, PyObject* expected);
  bool has_type(PyObject* value, PyObject* wanted) const;

  PyObject* no;
  PyObject *tensor_, *parameter_, *float_, *int_, *is_neg_, *requires_grad_;
  Question grad_enabled_;
  std::vector<Guard> guards_;
  std::vector<Dtype> dtypes_;
  const Exchange* exchange_ = nullptr;
  PyObject* (*wrap_)(Tensor) =
      nullptr; ///< takes a reference to at::Tensor, which the handle points to
};

} // namespace swage::torch
