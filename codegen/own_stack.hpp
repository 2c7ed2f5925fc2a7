// own_stack.hpp -- room for recursion, whatever stack the calling thread was given.
#pragma once

#include <cstddef>
#include <functional>

namespace swage::codegen {

/// Of the threads that `with_stack` makes: what the largest legal kernel needs, and as much again.
inline constexpr std::size_t kOwnStackBytes = std::size_t{32} << 20;
/// What parsing and printing the deepest legal text needs, and what compiling needs.
inline constexpr std::size_t kTextStackBytes = std::size_t{2} << 20;
inline constexpr std::size_t kCompileStackBytes = std::size_t{6} << 20;

/// Runs `body` here if this thread has `bytes` of stack left, else on a thread of its own and waits
/// for it. Throws what `body` throws, Error(out_of_memory) if there can be no such thread.
void with_stack(std::size_t bytes, const std::function<void()>& body);

} // namespace swage::codegen
