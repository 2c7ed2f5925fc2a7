// main.cpp -- the swage command.
#include <csignal>

#include "cli/command.hpp"

int main(int count, char** arguments) {
  // A reader that closes the pipe is seen as a failed write, not as a signal that ends the process
  // halfway through writing its files.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN); // likewise a file that grows past the limit
  return swage::cli::run_command(count, arguments);
}
