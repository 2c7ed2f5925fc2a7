// foreign_environment.hpp -- what a host program may have set on its threads: subnormals flushed,
// another rounding mode, a decimal comma.
#pragma once

#include <cfenv>
#include <locale>
#include <string_view>

namespace swage::test {

/// Sets what `names` lists, with commas between: `ftz` (subnormals flushed, and read as zero),
/// `upward`, `downward`, `towardzero` (rounding), `comma` (a locale with a decimal comma, for C and
/// C++). Ends the program if one cannot be had.
void set_environment(std::string_view names);

/// A host program's settings for the length of a scope.
class ForeignEnvironment {
public:
  explicit ForeignEnvironment(std::string_view names) {
    std::fegetenv(&saved_);
    set_environment(names);
  }
  ~ForeignEnvironment() {
    std::fesetenv(&saved_);
    std::locale::global(locale_);
  }
  ForeignEnvironment(const ForeignEnvironment&) = delete;
  ForeignEnvironment& operator=(const ForeignEnvironment&) = delete;

private:
  std::fenv_t saved_;
  std::locale locale_; ///< the global one as it was
};

} // namespace swage::test
