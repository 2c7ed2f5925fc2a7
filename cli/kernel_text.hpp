// kernel_text.hpp -- which kernel a command line means: a catalogue name or a file, with bindings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/kernel.hpp"
#include "ir/source.hpp"
#include "swage/swage.hpp"

namespace CLI {
class App;
}

namespace swage::cli {

/// The options that every verb on a kernel shares, as written.
struct KernelOptionsText {
  std::string what;   ///< NAME or FILE
  std::string kernel; ///< --kernel
  std::vector<std::string> defines;
  std::string math;
};

/// NAME|FILE, --kernel, -D and --math.
void add_kernel_options(CLI::App& app, KernelOptionsText& options);

/// A program text and the kernel of it that is meant.
struct KernelText {
  std::string file;   ///< name for diagnostics: the path, or "swiglu.swg" of the catalogue
  std::string text;   ///< the whole program
  std::string kernel; ///< the kernel's name in it
  bool from_catalogue = false;
  std::vector<Binding> bindings;
  std::optional<ir::MathMode> math;
  std::vector<ir::KernelDeclaration> declared; ///< all kernels of the text, in order

  ir::SourceText source() const { return {text, file}; }
  const ir::KernelDeclaration& declaration() const;
};

/// Reads the text that `what` names, without choosing a kernel in it: a file if it exists, holds a
/// '/' or ends in ".swg", else the catalogue file that declares it. Throws Error: io,
/// invalid_argument (unknown name, with the nearest one), invalid_kernel (does not parse).
KernelText read_program(const KernelOptionsText& options);

/// The same with the kernel chosen: --kernel, the catalogue name, or the only one of the file.
KernelText read_kernel(const KernelOptionsText& options);

/// Parsed, bound, simplified.
ir::Kernel bind_kernel(const KernelText& text);

/// "T=bf16 limit=5": for tables; empty without bindings.
std::string format_bindings(const std::vector<Binding>& bindings);

/// Names of all kernels in the catalogue, in order.
std::vector<std::string> catalogue_names();

} // namespace swage::cli
