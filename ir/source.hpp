// source.hpp -- from kernel text to a bound Kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/kernel.hpp"
#include "swage/binding.hpp"

namespace swage::ir {

/// What a program text declares, for listings; found without binding anything.
struct KernelDeclaration {
  std::string name;
  std::vector<std::string> generics; ///< type parameters in order
  struct Constant {
    std::string name;
    DType dtype; ///< f32 where the type is a generic
    bool has_default;
    std::string generic; ///< the generic that is its type, if one is: `const limit: T`
  };
  std::vector<Constant> constants;
  std::string comment; ///< the `//` lines directly above it, without the slashes
  int line = 0;        ///< of the kernel's name, from 1
  std::string text;    ///< the declaration, from `kernel` or its `@` to the end
  /// What a derived kernel is the gradient of; empty for a kernel written out.
  std::string gradient_of;
  /// What it gives: an input of that kernel for its gradient, or an output to recompute; and the
  /// parameter whose buffer receives it, empty for one of its own.
  struct GradientItem {
    std::string what, into;
  };
  std::vector<GradientItem> gradient_items;
};

struct SourceText {
  std::string_view text;
  std::string_view file = "<kernel>"; ///< name for diagnostics
};

/// The kernels that `source` declares, in order. Throws Error(invalid_kernel) with every diagnostic
/// if the text does not parse.
std::vector<KernelDeclaration> list_kernels(const SourceText& source);

/// Parses `source`, picks kernel `name` (the only one, if `name` is empty), binds its types and
/// constants and checks it. Every generic and every `const` without a default needs a binding; a
/// binding that names nothing is an error that suggests the nearest name. `math` overrides the
/// kernel's own mode (`@triton kernel ...`) when given. `constants`, where it is not null, receives
/// the kernel's constants in the order of the text. The result is not simplified.
/// Throws Error(invalid_kernel) with every diagnostic found, at most kMaxErrors.
Kernel parse_kernel(const SourceText& source, std::string_view name,
                    const std::vector<Binding>& bindings,
                    std::optional<MathMode> math = std::nullopt,
                    std::vector<Constant>* constants = nullptr);

/// parse_kernel, then verify, simplify and contract: what every caller outside `ir` wants.
Kernel load_kernel(const SourceText& source, std::string_view name,
                   const std::vector<Binding>& bindings,
                   std::optional<MathMode> math = std::nullopt,
                   std::vector<Constant>* constants = nullptr);

} // namespace swage::ir
