// command.hpp -- the whole command, from arguments to exit status.
#pragma once

namespace swage::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2; ///< the command line or the kernel text was wrong

/// Runs `swage` with these arguments. Throws nothing.
int run_command(int count, const char* const* arguments) noexcept;

} // namespace swage::cli
