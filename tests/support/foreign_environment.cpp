// foreign_environment.cpp -- a host program's settings, for a scope or for a whole test program.
//
// SWAGE_TEST_ENVIRONMENT sets them for the whole program. A test that computes with floats of its
// own holds a DefaultFloatEnvironment meanwhile.
#include "tests/support/foreign_environment.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace swage::test {

namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "foreign environment: %s\n", why.c_str());
  std::exit(3);
}

void flush_subnormals() {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#elif defined(__aarch64__)
  std::uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" : : "r"(control | std::uint64_t{1} << 24));
#else
  give_up("how to flush subnormals is not known on this machine");
#endif
}

void take_comma_locale() {
#ifdef SWAGE_TEST_LOCALES
  setenv("LOCPATH", SWAGE_TEST_LOCALES, 1);
#if defined(__SANITIZE_ADDRESS__)
  const __lsan::ScopedDisabler glibc_keeps_the_path; // of LOCPATH, for ever
#endif
  try {
    std::locale::global(std::locale("de_DE.UTF-8"));
  } catch (const std::exception&) {
    give_up("no locale de_DE.UTF-8 in " SWAGE_TEST_LOCALES ": build the target swage_test_locale");
  }
#else
  give_up("this build could make no locale with a decimal comma: install locales and configure");
#endif
}

void set_one(std::string_view name) {
  if (name == "ftz")
    flush_subnormals();
  else if (name == "upward")
    std::fesetround(FE_UPWARD);
  else if (name == "downward")
    std::fesetround(FE_DOWNWARD);
  else if (name == "towardzero")
    std::fesetround(FE_TOWARDZERO);
  else if (name == "comma")
    take_comma_locale();
  else
    give_up("'" + std::string(name) + "' is none of ftz, upward, downward, towardzero, comma");
}

} // namespace

void set_environment(std::string_view names) {
  while (!names.empty()) {
    const std::size_t comma = names.find(',');
    set_one(names.substr(0, comma));
    names.remove_prefix(comma == names.npos ? names.size() : comma + 1);
  }
}

namespace {

[[maybe_unused]] const bool whole_program = [] {
  const char* given = std::getenv("SWAGE_TEST_ENVIRONMENT");
  set_environment(given ? given : "");
  return given != nullptr;
}();

} // namespace

} // namespace swage::test
