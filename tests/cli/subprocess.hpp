// subprocess.hpp -- runs the built command as a user would, and temporary folders for its files.
#pragma once

#include <string>
#include <vector>

namespace swage::test {

/// What a finished command left behind.
struct Outcome {
  int status = -1; ///< exit status; 128 + signal if it was killed
  std::string out, err;
};

/// Runs `swage` with these arguments and environment additions ("NAME=value").
Outcome run_swage(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment = {});

/// A folder that is removed with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + '/' + name; }
  const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
};

std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

} // namespace swage::test
