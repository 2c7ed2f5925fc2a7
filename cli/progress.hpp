// progress.hpp -- a progress bar on a terminal, and nothing anywhere else.
#pragma once

#include <string_view>

namespace swage::cli {

/// One line of standard error that is redrawn in place and gone when the object is. Draws nothing
/// unless standard error is a terminal that is not dumb.
class ProgressBar {
public:
  explicit ProgressBar(bool wanted);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  /// `share` from 0 to 1.
  void show(double share, std::string_view what);
  void clear();

private:
  bool drawn_ = false;
  const bool enabled_;
};

} // namespace swage::cli
