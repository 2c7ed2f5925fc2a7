// float_environment.hpp -- the floating-point environment that numbers are computed in.
//
// The control register belongs to the caller and to the thread: a host program may flush
// subnormals, round upwards or trap. Every entry of the library that reads, folds, converts or
// prints a number holds one of these, so that its bits depend on its arguments alone.
#pragma once

#include <cfenv>
#include <cstdint>

namespace swage::ir {

/// While it lives, this thread rounds to nearest even, keeps subnormals and traps nothing, in SSE
/// and x87 arithmetic. The end restores the caller's environment, raised flags included. Where the
/// caller's is the default already, as in most programs, it costs two reads of a register each way,
/// so the launch path can afford it. Scopes nest. Operands must come from memory, for a compiler
/// may move arithmetic on values in registers across the change.
class DefaultFloatEnvironment {
public:
  DefaultFloatEnvironment() noexcept {
    save();
    if (!is_default())
      set_default();
    asm volatile("" ::: "memory");
  }
  ~DefaultFloatEnvironment() {
    asm volatile("" ::: "memory");
    restore();
  }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

private:
#if defined(__x86_64__)
  static constexpr std::uint32_t kSseDefault = 0x1f80, kSseFlags = 0x003f;
  static constexpr std::uint16_t kX87Default = 0x037f;

  void save() noexcept {
    sse_ = __builtin_ia32_stmxcsr();
    asm volatile("fnstcw %0" : "=m"(x87_));
  }
  bool is_default() const noexcept {
    return (sse_ & ~kSseFlags) == kSseDefault && x87_ == kX87Default;
  }
  void set_default() noexcept {
    __builtin_ia32_ldmxcsr(kSseDefault);
    asm volatile("fldcw %0" : : "m"(kX87Default));
  }
  void restore() noexcept {
    if (__builtin_ia32_stmxcsr() != sse_)
      __builtin_ia32_ldmxcsr(sse_);
    // A flag raised here would trap at the caller's next instruction, if it unmasked that trap.
    if (x87_ != kX87Default)
      asm volatile("fnclex\n\tfldcw %0" : : "m"(x87_));
  }

  std::uint32_t sse_ = 0;
  std::uint16_t x87_ = 0;
#elif defined(__aarch64__)
  void save() noexcept {
    asm volatile("mrs %0, fpcr" : "=r"(control_));
    asm volatile("mrs %0, fpsr" : "=r"(status_));
  }
  bool is_default() const noexcept {
    return control_ == 0;
  }
  void set_default() noexcept {
    asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}));
  }
  void restore() noexcept {
    asm volatile("msr fpsr, %0" : : "r"(status_));
    if (control_ != 0)
      asm volatile("msr fpcr, %0" : : "r"(control_));
  }

  std::uint64_t control_ = 0, status_ = 0;
#else
  void save() noexcept {
    std::fegetenv(&saved_);
  }
  bool is_default() const noexcept {
    return false;
  }
  void set_default() noexcept {
    std::fesetenv(FE_DFL_ENV);
  }
  void restore() noexcept {
    std::fesetenv(&saved_);
  }

  std::fenv_t saved_;
#endif
};

} // namespace swage::ir
