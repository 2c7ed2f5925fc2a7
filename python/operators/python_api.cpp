// python_api.cpp -- finds the interpreter in the process.
#include "python_api.hpp"

#include <stdexcept>
#include <string>

#include <dlfcn.h>

namespace swage::torch {

namespace {

template <class F>
void find(const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
  if (!function)
    throw std::runtime_error(std::string("this process has no Python with ") + name);
}

Python find_all() {
  Python python;
  find("PyObject_Type", python.type);
  find("Py_IncRef", python.retain);
  find("Py_DecRef", python.release);
  find("PyObject_CallObject", python.call);
  find("PyObject_CallFunctionObjArgs", python.call_with);
  find("PyObject_GetAttr", python.attribute);
  find("PyUnicode_InternFromString", python.interned);
  find("PyTuple_New", python.tuple);
  find("PyTuple_SetItem", python.tuple_set);
  find("PyTuple_GetItem", python.tuple_item);
  find("PyTuple_Size", python.tuple_size);
  find("PyDict_New", python.dict);
  find("PyDict_GetItem", python.dict_item);
  find("PyDict_SetItem", python.dict_set);
  find("PyFloat_AsDouble", python.to_double);
  find("PyLong_AsLongLong", python.to_integer);
  find("PyErr_Occurred", python.error);
  find("PyErr_Clear", python.clear_error);
  find("PyCapsule_New", python.capsule);
  find("PyCapsule_GetPointer", python.capsule_pointer);
  find("PyCFunction_NewEx", python.function);
  find("PyCFunction_GetFunction", python.function_pointer);
  find("PyCFunction_GetSelf", python.function_self);
  find("PyCFunction_GetFlags", python.function_flags);
  find("PyEval_SaveThread", python.save_thread);
  find("PyEval_RestoreThread", python.restore_thread);
  return python;
}

} // namespace

const Python& python() {
  static const Python found = find_all();
  return found;
}

} // namespace swage::torch
