// subprocess.cpp -- runs the built command as a user would, and temporary folders for its files.
#include "tests/cli/subprocess.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace swage::test {

namespace {

std::string quoted(const std::string& word) {
  std::string result = "'";
  for (const char c : word)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

} // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "swage_cli_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

Outcome run_swage(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment) {
  const TemporaryFolder folder;
  std::string line = "env SWAGE_CACHE_DIR=";
  for (const std::string& setting : environment)
    line += ' ' + quoted(setting);
  line += ' ' + quoted(SWAGE_COMMAND);
  for (const std::string& argument : arguments)
    line += ' ' + quoted(argument);
  line += " >" + quoted(folder.file("out")) + " 2>" + quoted(folder.file("err")) + " </dev/null";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read_text(folder.file("out")), read_text(folder.file("err"))};
}

} // namespace swage::test
