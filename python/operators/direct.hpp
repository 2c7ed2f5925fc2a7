// direct.hpp -- the short way from Python to a launch: past PyTorch's dispatcher, where nothing
// needs it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "operator.hpp"
#include "surroundings.hpp"

namespace swage::torch {

/// Takes the calls of one operator that are plain: tensors of PyTorch's own on one device, of types
/// that the operator was called with before, and nothing around that looks on. All others are
/// declined, and the dispatcher says what is wrong with them, if anything is.
class Operator::Direct {
public:
  /// Throws std::runtime_error where the operator is none for it.
  Direct(Operator& of, const Surroundings& around, const swage_torch_direct_operator& told);

  /// A new reference: the result, a tuple of several, NotImplemented for a call that is declined,
  /// or null with a Python error.
  PyObject* call(PyObject* const* arguments, Size count, PyObject* names);

private:
  static constexpr std::size_t kMostArguments = 16, kMostRank = 8;
  /// What may be none is told by a value that no float has in its bits: a NaN of this payload.
  static constexpr StackValue kNone = 0x7ff8'5347'4e4f'4e45;

  /// What decides which kernel a call takes.
  struct Kind {
    DLDevice device{};
    std::array<std::uint32_t, kMostArguments> types{};  ///< of tensors: code, bits and lanes
    std::array<StackValue, kMostArguments> constants{}; ///< kType: code * 256 + bits
    friend bool operator==(const Kind& a, const Kind& b) {
      return a.device.device_type == b.device.device_type &&
             a.device.device_id == b.device.device_id && a.types == b.types &&
             a.constants == b.constants;
    }
  };
  struct Plan {
    Kind kind;
    swage_kernel* kernel = nullptr;
    std::vector<Type> types;          ///< of parameters
    std::vector<std::int32_t> dtypes; ///< PyTorch's numbers for them
    const Plan* next = nullptr;
  };
  struct Taken {
    Kind kind;
    std::array<DLTensor, kMostArguments> tensors;   ///< by argument, those that are tensors
    std::array<StackValue, kMostArguments> scalars; ///< by argument, the others
    bool needs_grad = false;
  };
  struct Result;

  bool take(PyObject* const* arguments, Size count, PyObject* names, Taken& taken) const;
  bool take_constants(PyObject* const* values, PyObject* names, Taken& taken) const;
  bool take_scalar(PyObject* value, const Parameter& parameter, StackValue& into) const;
  bool take_constant(PyObject* value, const Constant& constant, StackValue& into) const;
  const Plan* plan(const Kind& kind);
  bool types_of(const Kind& kind, Key& key) const;
  bool make_results(const Plan& plan, const Taken& taken, std::span<Result> results) const;
  bool launch(const Plan& plan, const Taken& taken, std::span<Result> results) const;
  PyObject* differentiable(PyObject* result, PyObject* const* arguments, PyObject* names) const;
  PyObject* decline() const;
  std::int64_t group_of(const Parameter& parameter, const Taken& taken) const;

  Operator& of_;
  const Surroundings& around_;
  std::size_t inputs_ = 0, results_ = 0;
  const Parameter* like_ = nullptr; ///< its tensor says what the elements are shaped like
  std::vector<const Parameter*> by_input_;
  PyObject *names_, *defaults_, *apply_;
  std::atomic<const Plan*> plans_ = nullptr; ///< as Operator's
};

} // namespace swage::torch
