// memory_reserve.hpp -- memory for code that must not be thrown out of.
#pragma once

namespace swage::codegen {

/// 4 MiB that operator new of this thread falls back on, once, while one lives: LLVM holds locks of
/// the process at places where it allocates, is not made for exceptions, and thrown out of there it
/// would leave them locked for ever. Any number may live, in any threads. While one does, the
/// process's new handler is this class's; to other threads it behaves as the one before it. Throws
/// std::bad_alloc if there is not that much memory.
class MemoryReserve {
public:
  MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;
  ~MemoryReserve();

private:
  static void handle();

  static thread_local MemoryReserve* innermost;
  void* memory_;
  MemoryReserve* outer_;
};

} // namespace swage::codegen
