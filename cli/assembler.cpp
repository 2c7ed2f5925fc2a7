// assembler.cpp -- PTX to machine code on a machine that need not have the GPU.
#include "cli/assembler.hpp"

#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/files.hpp"
#include "runtime/base/temporary_directory.hpp"
#include "runtime/device/assemble.hpp"
#include "swage/error.hpp"

extern char** environ;

namespace swage::cli {

namespace {

constexpr std::size_t kMaxOutput = std::size_t{64} << 20;

bool is_program(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0;
}

std::string find_ptxas() {
  std::string places = std::getenv("PATH") ? std::getenv("PATH") : "";
  if (const char* home = std::getenv("CUDA_HOME"))
    places += std::string(":") + home + "/bin";
  places += ":/usr/local/cuda/bin";
  for (std::size_t at = 0; at <= places.size();) {
    const std::size_t end = std::min(places.find(':', at), places.size());
    const std::string path = places.substr(at, end - at) + "/ptxas";
    if (end > at && is_program(path))
      return path;
    at = end + 1;
  }
  return {};
}

/// Runs a program with its output in a file; gives its exit status.
int run(const std::vector<std::string>& command, const std::string& output) {
  std::vector<char*> words;
  for (const std::string& word : command)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t child = 0;
  const int error = posix_spawn(&child, words[0], &files, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0)
    throw Error(ErrorCode::io, fmt::format("{} could not be started", command.front()));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string assemble_by_driver(const std::string& ptx, int sm, bool must) {
  const std::string wanted = fmt::format("sm_{}", sm);
  for (const Device& device : Device::all())
    if (device.info().kind == DeviceKind::cuda && device.info().target == wanted)
      return device::assemble(device, ptx);
  if (must)
    throw Error(ErrorCode::no_device,
                fmt::format("there is no {} device whose driver could assemble; use --assembler "
                            "ptxas, or none for PTX alone",
                            wanted));
  return {};
}

} // namespace

Assembler::Assembler(const std::string& choice) {
  if (choice == "none")
    return;
  driver_ = choice == "driver" || choice == "auto";
  must_ = choice == "driver";
  if (choice == "driver")
    return;
  ptxas_ = choice == "auto" || choice == "ptxas" ? find_ptxas() : choice;
  if (choice != "auto" && (ptxas_.empty() || !is_program(ptxas_)))
    throw Error(ErrorCode::invalid_argument,
                choice == "ptxas"
                    ? "there is no ptxas in PATH, $CUDA_HOME/bin or /usr/local/cuda/bin; name its "
                      "path, or use --assembler none for PTX alone"
                    : fmt::format("--assembler '{}' is neither auto, ptxas, driver, none nor a "
                                  "program",
                                  choice));
}

std::string Assembler::assemble(const std::string& ptx, const codegen::Target& target) const {
  if (!ptxas_.empty())
    return run_ptxas(ptx, target.sm);
  return driver_ ? assemble_by_driver(ptx, target.sm, must_) : std::string();
}

std::string Assembler::run_ptxas(const std::string& ptx, int sm) const {
  const base::TemporaryDirectory scratch;
  if (scratch.path().empty())
    throw Error(ErrorCode::io, "no temporary directory could be made for ptxas");
  const std::string input = scratch.path() + "/kernel.ptx",
                    output = scratch.path() + "/kernel.cubin", log = scratch.path() + "/log";
  write_file(input, [&](FileWriter& file) { file.write(ptx); });
  const int status = run({ptxas_, fmt::format("-arch=sm_{}", sm), input, "-o", output}, log);
  if (status != 0)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("{} refuses the PTX for sm_{}: {}; use a newer one, or --assembler none "
                    "for PTX alone",
                    ptxas_, sm, read_file(log, kMaxOutput)));
  return read_file(output, kMaxOutput);
}

std::string_view Assembler::name() const noexcept {
  return !ptxas_.empty() ? "ptxas" : driver_ ? "the driver" : "nobody";
}

} // namespace swage::cli
