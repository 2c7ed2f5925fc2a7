// operator.hpp -- a kernel as an operator of PyTorch: what it takes, what it gives, how it is run.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "operators.h"
#include "swage/swage.h"
#include "torch_shim.hpp"

namespace swage::torch {

constexpr int kOptionalFloat = 3, kType = 4; // kinds of constants as operators.h has them

class Operator {
public:
  class Direct;

  explicit Operator(const swage_torch_operator& described);

  /// Takes the arguments off the stack, launches, and leaves the results. Throws
  /// std::runtime_error, and leaves no tensor behind.
  void run(StackValue* stack, std::uint64_t inputs, std::uint64_t outputs);

private:
  struct Parameter {
    std::string name;
    int role, space, group, group_place;
    int generic; ///< -1 where the type is fixed
    Type type;
    int place, half;
    bool is_tensor() const { return role != SWAGE_SCALAR; }
  };
  struct Constant {
    std::string name;
    int kind, place;
  };
  /// What a handle of the library is made for.
  struct Key {
    std::int32_t device_type = 0, device_index = 0;
    std::vector<Type> generics;
    std::vector<std::optional<StackValue>> constants;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Made {
    Key key;
    swage_kernel* kernel = nullptr;
    const Made* next = nullptr;
  };
  class Call;

  swage_kernel* kernel(const Key& key);
  /// Null where no call made it yet.
  swage_kernel* find(const Key& key) const;
  swage_kernel* make(const Key& key) const;

  std::string source_, kernel_;
  bool is_out_, is_cleared_;
  int counts_place_; ///< -1: none
  int math_;
  std::vector<Parameter> parameters_;
  std::vector<Constant> constants_;
  std::vector<std::string> generics_;
  std::vector<bool> takes_tensor_;          ///< by argument
  std::atomic<const Made*> made_ = nullptr; ///< grows at its head; read without a lock
  std::mutex mutex_;                        ///< of those that make
};

} // namespace swage::torch
