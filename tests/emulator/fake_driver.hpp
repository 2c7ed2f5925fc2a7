// fake_driver.hpp -- the fake driver, opened as a program opens libcuda.so.1.
#pragma once

#include "emulator/driver_types.hpp"
#include "emulator/fake_cuda.h"
#include "tests/support/catch.hpp"

#include <dlfcn.h>

#include <string>
#include <vector>

namespace swage::fake::testing {

using Handle = struct Opaque*;

/// The entry point called `name`, with the parameters of the call.
template <class... T>
int call(const char* name, T... arguments) {
  static void* const library = dlopen(SWAGE_FAKE_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  INFO((library != nullptr ? "opened" : dlerror()));
  REQUIRE(library != nullptr);
  auto* const function = reinterpret_cast<int (*)(T...)>(dlsym(library, name));
  INFO(name);
  REQUIRE(function != nullptr);
  return function(arguments...);
}

template <class R, class... T>
R control(const char* name, T... arguments) {
  static void* const library = dlopen(SWAGE_FAKE_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<R (*)(T...)>(dlsym(library, name))(arguments...);
}

inline swage_fake_cuda_count calls(const char* name) {
  return control<swage_fake_cuda_count>("swage_fake_cuda_calls", name);
}

/// A current context of device 0 with what most tests need. Everything goes with it.
struct Session {
  Session() {
    REQUIRE(call("cuInit", 0U) == 0);
    control<void>("swage_fake_cuda_reset");
    REQUIRE(call("cuCtxCreate_v2", &context, 0U, 0) == 0);
  }
  ~Session() {
    call("cuCtxDestroy_v2", context);
    control<void>("swage_fake_cuda_reset");
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Handle load(const std::string& text) {
    Handle module = nullptr;
    REQUIRE(call("cuModuleLoadData", &module, text.c_str()) == 0);
    return module;
  }
  Handle function(const std::string& text, const char* name) {
    Handle module = load(text);
    Handle result = nullptr;
    REQUIRE(call("cuModuleGetFunction", &result, module, name) == 0);
    int registers = 0;
    REQUIRE(call("cuFuncGetAttribute", &registers, 4, result) == 0);
    return result;
  }
  template <class T>
  DevicePointer upload(const std::vector<T>& values) {
    DevicePointer pointer = 0;
    REQUIRE(call("cuMemAlloc_v2", &pointer, values.size() * sizeof(T)) == 0);
    REQUIRE(call("cuMemcpyHtoD_v2", pointer, static_cast<const void*>(values.data()),
                 values.size() * sizeof(T)) == 0);
    return pointer;
  }
  template <class T>
  std::vector<T> download(DevicePointer pointer, std::size_t count) {
    std::vector<T> values(count);
    REQUIRE(call("cuMemcpyDtoH_v2", static_cast<void*>(values.data()), pointer,
                 count * sizeof(T)) == 0);
    return values;
  }

  Handle context = nullptr;
};

inline int launch(Handle function, unsigned blocks, unsigned threads, Handle stream,
                  std::vector<void*> parameters) {
  return call("cuLaunchKernel", function, blocks, 1U, 1U, threads, 1U, 1U, 0U, stream,
              parameters.data(), static_cast<void**>(nullptr));
}

} // namespace swage::fake::testing
