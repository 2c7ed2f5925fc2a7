// llvm_start.cpp -- LLVM is not made for exceptions: one that passes through it unwinds frames
// without clean-up, so locks stay locked and containers half changed. For what belongs to one
// compile that is no harm, for it is left behind (see run_pipeline in compile.cpp). What belongs to
// the process must not see one: it is all made here, with memory in reserve.
#include "codegen/llvm_start.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <llvm/ADT/SmallString.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/PassRegistry.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/RWMutex.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>

#include "codegen/llvm_compat.hpp"
#include "codegen/machine.hpp"
#include "codegen/memory_reserve.hpp"
#include "swage/error.hpp"

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
#ifdef SWAGE_LLVM_FOREIGN // the back end of the other CPUs, for those who compile for them here
#if defined(__x86_64__)
#define SWAGE_FOREIGN(part) LLVMInitializeAArch64##part
#else
#define SWAGE_FOREIGN(part) LLVMInitializeX86##part
#endif
void SWAGE_FOREIGN(TargetInfo)();
void SWAGE_FOREIGN(Target)();
void SWAGE_FOREIGN(TargetMC)();
void SWAGE_FOREIGN(AsmPrinter)();
#endif
}

namespace swage::codegen {

namespace {

thread_local bool inside = false;

// LLVM ends the process after these return. Where the program itself is inside LLVM, they do.
void on_fatal_error(void*, const char* reason, bool) {
  if (inside)
    throw Error(ErrorCode::internal,
                fmt::format("LLVM gave up: {}", reason ? reason : "no reason"));
}
void on_bad_alloc(void*, const char*, bool) {
  if (inside)
    throw std::bad_alloc();
}

/// The lock of LLVM's registry of passes, which is private: an explicit instantiation may name it.
using RegistryLock = llvm::sys::SmartRWMutex<true>;
RegistryLock& lock_of(llvm::PassRegistry& registry);
template <RegistryLock llvm::PassRegistry::*Lock>
struct LockOf {
  friend RegistryLock& lock_of(llvm::PassRegistry& registry) { return registry.*Lock; }
};
template struct LockOf<&llvm::PassRegistry::Lock>;

/// Gives the lock back, for reading or writing, if an exception of this thread has left it locked.
/// Others hold it for microseconds.
void unlock_pass_registry() {
  RegistryLock& lock = lock_of(*llvm::PassRegistry::getPassRegistry());
  for (int tries = 0; !lock.try_lock(); ++tries) {
    constexpr int kTries = 50;
    if (tries == kTries)
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  lock.unlock();
}

enum Backend { cuda, native, foreign, kBackends };

Backend backend_of(const Target& target) {
  if (target.kind == Target::Kind::cuda)
    return cuda;
  const auto arch = [](std::string_view triple) { return triple.substr(0, triple.find('-')); };
  return arch(target.triple) == arch(host_target().triple) ? native : foreign;
}

/// The registry of targets is a list without a lock, which one back end's start may search while
/// another's is under way: all that there will be are entered before any.
void register_targets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVM_NATIVE_TARGETINFO();
#ifdef SWAGE_LLVM_FOREIGN
    SWAGE_FOREIGN(TargetInfo)();
#endif
  });
}

void register_backend(Backend backend) {
  register_targets();
  if (backend == cuda) {
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  } else if (backend == native) {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  } else {
#ifdef SWAGE_LLVM_FOREIGN
    SWAGE_FOREIGN(Target)();
    SWAGE_FOREIGN(TargetMC)();
    SWAGE_FOREIGN(AsmPrinter)();
#endif
  }
}

/// All that one compile makes.
struct Compile {
  explicit Compile(const Target& target) : machine(take_machine(target)) {}

  std::unique_ptr<llvm::TargetMachine> machine;
  llvm::LLVMContext context;
  llvm::Module module{"swage", context};
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream stream{buffer};
  llvm::legacy::PassManager passes;
};

/// Compiles an empty function: passes register themselves as they are first made. The machine, and
/// what it has worked out, serves the compile that follows. After a failure everything is left
/// where it is: to destroy what is half changed could end the process.
void compile_nothing(const Target& target) {
  const bool cuda = target.kind == Target::Kind::cuda;
  auto compile = std::make_unique<Compile>(target);
  try {
    compat::set_triple(compile->module, compile->machine->getTargetTriple());
    compile->module.setDataLayout(compile->machine->createDataLayout());
    llvm::IRBuilder<> b(compile->context);
    auto* function =
        llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), false),
                               llvm::GlobalValue::ExternalLinkage, "nothing", compile->module);
    b.SetInsertPoint(llvm::BasicBlock::Create(compile->context, "entry", function));
    b.CreateRetVoid();
    if (!cuda)
      set_host_attributes(*function, target);
    if (!compile->machine->addPassesToEmitFile(compile->passes, compile->stream, nullptr,
                                               cuda ? llvm::CodeGenFileType::AssemblyFile
                                                    : llvm::CodeGenFileType::ObjectFile))
      compile->passes.run(compile->module);
    give_machine(target, std::move(compile->machine));
  } catch (...) {
    static_cast<void>(compile.release());
    throw;
  }
}

} // namespace

LlvmScope::LlvmScope() : outer_(inside) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::install_fatal_error_handler(on_fatal_error);
    llvm::install_bad_alloc_error_handler(on_bad_alloc);
  });
  inside = true;
}

LlvmScope::~LlvmScope() {
  inside = outer_;
}

void start_llvm(const Target& target) {
  struct Start {
    std::once_flag once;
    bool broken = false;
  };
  static Start starts[kBackends]; // most processes compile with one alone
  const Backend backend = backend_of(target);
  Start& one = starts[backend];
#ifndef SWAGE_LLVM_FOREIGN
  if (backend == foreign)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("this build of Swage compiles host code for its own architecture alone, "
                    "not for {}",
                    target.triple));
#endif
  std::call_once(one.once, [&] {
    const auto start = [&] {
      const MemoryReserve reserve;
      register_backend(backend);
      compile_nothing(backend == native ? host_target() : target);
    };
    // What grows by malloc, which knows no handler, grows before it changes: it may be tried again.
    try {
      start();
    } catch (...) {
      unlock_pass_registry();
      try {
        start();
      } catch (...) {
        one.broken = true;
      }
    }
  });
  if (one.broken)
    throw Error(
        ErrorCode::out_of_memory,
        fmt::format("memory ran out while LLVM was starting, and nothing can be compiled for "
                    "{} in this process any more; start it again with more memory",
                    backend == cuda ? "CUDA" : "the CPU"));
}

} // namespace swage::codegen
