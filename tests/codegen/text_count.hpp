// text_count.hpp -- how often something stands in code.
#pragma once

#include <sstream>
#include <string>

namespace swage::codegen::test {

/// Places of `text` where `what` begins; they may overlap.
inline std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++found;
  return found;
}

/// Loads that only some threads make.
inline std::size_t guarded_loads(const std::string& code) {
  std::istringstream lines(code);
  std::size_t found = 0;
  for (std::string line; std::getline(lines, line);)
    found += line.find("@%p") != line.npos && line.find("ld.global") != line.npos;
  return found;
}

} // namespace swage::codegen::test
