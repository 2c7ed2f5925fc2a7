// temporary_directory.hpp -- a directory for the length of a scope.
#pragma once

#include <string>

namespace swage::base {

/// Of its own, below the system's folder for what may go, and removed with all in it.
class TemporaryDirectory {
public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  /// Empty where none could be made.
  const std::string& path() const { return path_; }

private:
  std::string path_;
};

} // namespace swage::base
