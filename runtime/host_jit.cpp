// host_jit.cpp -- object code for this CPU to a function that can be called. The one file of the
// runtime that knows LLVM: its linker alone, so that code from the disk cache starts no compiler.
#include "runtime/host_jit.hpp"

#include <atomic>

#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h>
#include <llvm/Support/MemoryBuffer.h>

#include "swage/error.hpp"

namespace swage::runtime {

namespace {

namespace orc = llvm::orc;

[[noreturn]] void fail(const char* step, llvm::Error error) {
  throw Error(ErrorCode::internal,
              std::string(step) + " failed: " + llvm::toString(std::move(error)));
}

template <typename T>
T value_or_fail(const char* step, llvm::Expected<T> value) {
  if (!value)
    fail(step, value.takeError());
  return std::move(*value);
}

struct Linker {
  orc::ExecutionSession session;
  orc::ObjectLinkingLayer layer;
  std::atomic<std::uint64_t> libraries = 0;

  Linker()
      : session(value_or_fail("starting the linker", orc::SelfExecutorProcessControl::Create())),
        layer(session, value_or_fail("reserving memory for code",
                                     llvm::jitlink::InProcessMemoryManager::Create())) {
    // Errors come back to the caller; the session's own report would go to standard error.
    session.setErrorReporter([](llvm::Error error) { llvm::consumeError(std::move(error)); });
  }
};

/// Leaked: code may still run while static objects are destroyed.
Linker& linker() {
  static Linker* const instance = new Linker;
  return *instance;
}

} // namespace

struct HostCode::Library {
  orc::JITDylib* dylib = nullptr;

  Library() {
    Linker& link = linker();
    dylib = &link.session.createBareJITDylib("swage." + std::to_string(link.libraries++));
  }
  ~Library() {
    if (llvm::Error error = linker().session.removeJITDylib(*dylib))
      llvm::consumeError(std::move(error));
  }
};

HostCode::HostCode(const std::string& object, const std::string& entry)
    : library_(std::make_unique<Library>()) {
  Linker& link = linker();
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(object, entry);
  if (llvm::Error error = link.layer.add(*library_->dylib, std::move(buffer)))
    fail("reading compiled code", std::move(error));
  const orc::ExecutorSymbolDef symbol = value_or_fail(
      "linking compiled code", link.session.lookup({library_->dylib}, llvm::StringRef(entry)));
  entry_ = symbol.getAddress().toPtr<HostEntry>();
}

HostCode::~HostCode() = default;

} // namespace swage::runtime
