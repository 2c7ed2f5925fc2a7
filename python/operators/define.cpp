// define.cpp -- operators that are made at run time, each with a function of its own for PyTorch.
#include <array>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "direct.hpp"
#include "operator.hpp"

namespace swage::torch {

namespace {

/// A function for the dispatcher has no argument that says which operator it is: each takes a
/// place.
constexpr std::size_t kPlaces = 4096;
std::array<Operator*, kPlaces> operators{};
std::size_t taken = 0;
std::mutex mutex;

template <std::size_t kPlace>
void run_at(StackValue* stack, std::uint64_t inputs, std::uint64_t outputs) {
  operators[kPlace]->run(stack, inputs, outputs);
}

template <std::size_t... kPlace>
constexpr std::array<Boxed, sizeof...(kPlace)> functions_of(std::index_sequence<kPlace...>) {
  return {run_at<kPlace>...};
}

constexpr std::array<Boxed, kPlaces> functions = functions_of(std::make_index_sequence<kPlaces>());

thread_local std::string last_error;

void check(std::int32_t status, const std::string& what) {
  if (status != 0)
    throw std::runtime_error("PyTorch refused " + what + "; its own message is on standard error");
}

// In PyTorch's table the two headers' version says what a value on the stack is: 2.10.
constexpr std::uint64_t kStackVersion = (std::uint64_t{2} << 56) | (std::uint64_t{10} << 48);

void define(const std::string& space, const std::string& name, const char* schema,
            const swage_torch_operator& described, std::int32_t& number) {
  const Shim& torch = shim();
  const std::lock_guard lock(mutex);
  if (taken == kPlaces)
    throw std::runtime_error("a process can have " + std::to_string(kPlaces) + " operators");
  auto made = std::make_unique<Operator>(described);
  // The libraries are kept: what was registered through them ends with them.
  Library fragment = nullptr;
  check(torch.init_fragment(space.c_str(), "swage", 0, &fragment), "namespace " + space);
  check(torch.define(fragment, schema), std::string("the schema ") + schema);
  const Boxed function = functions[taken];
  number = static_cast<std::int32_t>(taken);
  operators[taken++] =
      made.release(); // taken whatever comes: the dispatcher may know it from here on
  for (const char* key : {"CPU", "CUDA"}) {
    Library implementation = nullptr;
    check(torch.init_implementation(space.c_str(), key, "swage", 0, &implementation), key);
    check(torch.implement(implementation, name.c_str(), function, kStackVersion), name);
  }
}

/// What calls past the dispatcher know of Python; for ever.
const Surroundings* surroundings = nullptr;

constexpr const char* kCapsule = "swage.direct";

PyObject* call_direct(PyObject* self, PyObject* const* arguments, Size count, PyObject* names) {
  return static_cast<Operator::Direct*>(python().capsule_pointer(self, kCapsule))
      ->call(arguments, count, names);
}

PyObject* direct(std::int32_t number, const swage_torch_direct_operator& told) {
  static MethodDef method{"direct",
                          reinterpret_cast<Function>(reinterpret_cast<void*>(&call_direct)),
                          kVectorNamed, "The operator for plain calls; NotImplemented for others."};
  Operator& of = *operators.at(static_cast<std::size_t>(number));
  // Like the operator it lives as long as the process.
  auto made = std::make_unique<Operator::Direct>(of, *surroundings, told);
  const Reference capsule(python().capsule(made.get(), kCapsule, nullptr));
  if (!capsule.get())
    return nullptr;
  made.release();
  return python().function(&method, capsule.get(), nullptr);
}

template <class Body>
std::int32_t guarded(const Body& body) {
  try {
    body();
    return 0;
  } catch (const std::exception& error) {
    try {
      last_error = error.what();
    } catch (...) {
      last_error.clear();
    }
    return 1;
  }
}

} // namespace

} // namespace swage::torch

extern "C" {

int32_t swage_torch_define(const char* space, const char* name, const char* schema,
                           const swage_torch_operator* described, int32_t* number) {
  return swage::torch::guarded(
      [&] { swage::torch::define(space, name, schema, *described, *number); });
}

int32_t swage_torch_prepare_direct(const swage_torch_python* told) {
  return swage::torch::guarded([&] {
    if (!swage::torch::surroundings)
      swage::torch::surroundings = new swage::torch::Surroundings(*told);
  });
}

PyObject* swage_torch_direct(int32_t number, const swage_torch_direct_operator* told) {
  PyObject* made = nullptr;
  swage::torch::guarded([&] { made = swage::torch::direct(number, *told); });
  return made;
}

const char* swage_torch_last_error(void) {
  return swage::torch::last_error.c_str();
}

} // extern "C"
