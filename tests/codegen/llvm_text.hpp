// llvm_text.hpp -- what versions of LLVM write differently, for tests that look at text.
#pragma once

#include <regex>
#include <string>

#include <llvm/Config/llvm-config.h>

namespace swage::codegen::test {

inline constexpr int kLlvm = LLVM_VERSION_MAJOR;

/// PTX in the words of LLVM 22: an access names the width of what it moves, not its type, and a
/// bound of threads one dimension.
inline std::string as_newest(const std::string& ptx) {
  static const std::regex access(R"(\b((?:ld|st)\.[\w.:]*)\.[usf](8|16|32|64)\b)");
  static const std::regex bound(R"((\.maxntid \d+), 1, 1\b)");
  return std::regex_replace(std::regex_replace(ptx, access, "$1.b$2"), bound, "$1");
}

} // namespace swage::codegen::test
