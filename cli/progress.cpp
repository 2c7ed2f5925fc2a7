// progress.cpp -- a progress bar on a terminal, and nothing anywhere else.
#include "cli/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include <fmt/format.h>

namespace swage::cli {

namespace {

bool stderr_is_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

} // namespace

ProgressBar::ProgressBar(bool wanted) : enabled_(wanted && stderr_is_terminal()) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::show(double share, std::string_view what) {
  if (!enabled_)
    return;
  constexpr int kWidth = 30;
  const double whole = std::clamp(share, 0.0, 1.0);
  const int full = static_cast<int>(whole * kWidth);
  const std::string line =
      fmt::format("\r[{}{}] {:3.0f} %  {}\x1b[K", std::string(static_cast<std::size_t>(full), '#'),
                  std::string(static_cast<std::size_t>(kWidth - full), '.'), 100 * whole, what);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::clear() {
  if (!drawn_)
    return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

} // namespace swage::cli
