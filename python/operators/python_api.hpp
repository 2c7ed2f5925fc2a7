// python_api.hpp -- the functions of CPython's stable ABI (3.10) that the short way from Python
// uses.
//
// Like PyTorch's they are looked up in the process, so that no header of Python is needed to build,
// and one binary serves every version. Signatures: the C API of Python's documentation. All but
// save_thread need the interpreter's lock.
#pragma once

#include <cstddef>

extern "C" {
struct _object;
using PyObject = struct _object;
}

namespace swage::torch {

using Size = std::ptrdiff_t;
using Function = PyObject* (*)(PyObject* self, PyObject* arguments);
using VectorFunction = PyObject* (*)(PyObject* self, PyObject* const* arguments, Size count,
                                     PyObject* names);

/// How a function is called, as its flags say.
enum Convention { kNoArguments = 0x04, kVector = 0x80, kVectorNamed = 0x82 };

/// PyMethodDef.
struct MethodDef {
  const char* name;
  Function function;
  int flags;
  const char* documentation;
};

struct Python {
  PyObject* (*type)(PyObject*) = nullptr; ///< new reference
  void (*retain)(PyObject*) = nullptr;
  void (*release)(PyObject*) = nullptr;
  PyObject* (*call)(PyObject* callable, PyObject* tuple) = nullptr;
  PyObject* (*call_with)(PyObject* callable, ...) = nullptr; ///< ends with nullptr
  PyObject* (*attribute)(PyObject*, PyObject* name) = nullptr;
  PyObject* (*interned)(const char*) = nullptr;
  PyObject* (*tuple)(Size) = nullptr;
  int (*tuple_set)(PyObject*, Size, PyObject*) = nullptr; ///< takes the reference
  PyObject* (*tuple_item)(PyObject*, Size) = nullptr;     ///< borrowed
  Size (*tuple_size)(PyObject*) = nullptr;
  PyObject* (*dict)() = nullptr;
  PyObject* (*dict_item)(PyObject*, PyObject*) = nullptr; ///< borrowed, null where there is none
  int (*dict_set)(PyObject*, PyObject*, PyObject*) = nullptr;
  double (*to_double)(PyObject*) = nullptr;
  long long (*to_integer)(PyObject*) = nullptr;
  PyObject* (*error)() = nullptr; ///< borrowed, null where there is none
  void (*clear_error)() = nullptr;
  PyObject* (*capsule)(void*, const char* name, void (*)(PyObject*)) = nullptr;
  void* (*capsule_pointer)(PyObject*, const char* name) = nullptr;
  PyObject* (*function)(MethodDef*, PyObject* self, PyObject* module) = nullptr;
  Function (*function_pointer)(PyObject*) = nullptr;
  PyObject* (*function_self)(PyObject*) = nullptr; ///< borrowed
  int (*function_flags)(PyObject*) = nullptr;
  void* (*save_thread)() = nullptr;
  void (*restore_thread)(void*) = nullptr;
};

/// Throws std::runtime_error where the process is no Python.
const Python& python();

/// A reference that is given back.
class Reference {
public:
  Reference() = default;
  /// Takes a new reference as its own.
  explicit Reference(PyObject* object) : object_(object) {}
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference() {
    if (object_)
      python().release(object_);
  }
  PyObject* get() const { return object_; }
  PyObject* leave() {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }
  void reset(PyObject* object) {
    if (object_)
      python().release(object_);
    object_ = object;
  }

private:
  PyObject* object_ = nullptr;
};

} // namespace swage::torch
