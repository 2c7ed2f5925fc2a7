// math_jit.hpp -- compiles one operation of MathBuilder for this host, to be called on arrays.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "codegen/math.hpp"

namespace swage::codegen::test {

struct MathForm {
  ir::Op op;
  bool is_double = false;
  unsigned width = 16; ///< lanes; 1 is scalar code
  Accuracy accuracy = Accuracy::full;
  ir::MathMode mode = ir::MathMode::accurate;
  std::string cpu = "";      ///< "": this machine's
  std::string features = ""; ///< with `cpu` alone
};

/// out[i] = op(a[i], b[i], c[i]) for i < n, n a multiple of the width; isnan gives 0 or 1.
class MathFunction {
public:
  explicit MathFunction(const MathForm& form);
  ~MathFunction();
  MathFunction(MathFunction&&) noexcept;

  void operator()(const void* a, const void* b, const void* c, void* out, std::size_t n) const {
    entry_(a, b, c, out, static_cast<std::int64_t>(n));
  }

private:
  struct Jit;
  std::unique_ptr<Jit> jit_;
  void (*entry_)(const void*, const void*, const void*, void*, std::int64_t);
};

/// PTX of a device function `entry` as above. `target` is a CUDA target.
std::string math_ptx(const MathForm& form, const Target& target);

} // namespace swage::codegen::test
