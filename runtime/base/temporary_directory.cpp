// temporary_directory.cpp -- a directory for the length of a scope.
#include "runtime/base/temporary_directory.hpp"

#include <cstdlib>
#include <filesystem>
#include <new>
#include <system_error>

namespace swage::base {

TemporaryDirectory::TemporaryDirectory() {
  std::error_code error;
  path_ = (std::filesystem::temp_directory_path(error) / "swage-XXXXXX").string();
  if (error || ::mkdtemp(path_.data()) == nullptr)
    path_.clear();
}

TemporaryDirectory::~TemporaryDirectory() {
  try {
    std::error_code ignored;
    if (!path_.empty())
      std::filesystem::remove_all(path_, ignored);
  } catch (const std::bad_alloc&) {
    // It stays, in the folder for what may stay.
  }
}

} // namespace swage::base
