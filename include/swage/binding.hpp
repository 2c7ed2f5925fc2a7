// binding.hpp -- what turns a kernel text into one kernel: types, constants and the math mode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "swage/dtype.hpp"

namespace swage {

/// A value for a generic type or a `const` parameter of a kernel: {"T", swage::bf16},
/// {"limit", 5.0}.
struct Binding {
  std::string name;
  std::variant<DType, double, std::int64_t> value;
  Binding(std::string key, DType type) : name(std::move(key)), value(type) {}
  Binding(std::string key, double number) : name(std::move(key)), value(number) {}
  Binding(std::string key, std::int64_t number) : name(std::move(key)), value(number) {}
  Binding(std::string key, int number) : name(std::move(key)), value(std::int64_t{number}) {}
};

/// A `const` parameter of a kernel: what it was bound to when the kernel was made, and what it is
/// where nothing binds it. A number is a double for a float type, else an integer (a bool: 0 or 1),
/// as the type holds it.
struct Constant {
  using Number = std::variant<double, std::int64_t>;
  std::string name;
  DType dtype = DType::f32;
  Number value;
  std::optional<Number> default_value; ///< none: every kernel has to bind it
};

/// Accuracy contract of a kernel's functions, see docs/numbers.md. Values are part of the C ABI.
enum class MathMode : std::uint8_t { accurate = 0, triton = 1, fast = 2, torch = 3 };

} // namespace swage
