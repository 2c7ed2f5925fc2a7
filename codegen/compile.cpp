// compile.cpp -- the pipeline: lower, optimise, emit; one LLVM context a compile.
#include "codegen/compile.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>

#include <fmt/format.h>
#include <llvm/ADT/SmallString.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include "codegen/host.hpp"
#include "codegen/llvm_compat.hpp"
#include "codegen/lower.hpp"
#include "codegen/nvptx.hpp"
#include "codegen/own_stack.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/source_digest.hpp"
#include "swage/error.hpp"

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

namespace swage::codegen {

namespace {

std::atomic<std::int64_t> pipeline_starts{0};

/// Threads that are inside LLVM for Swage. A program may use the same LLVM for itself.
thread_local bool compiling = false;

class CompilingScope {
public:
  CompilingScope() { compiling = true; }
  CompilingScope(const CompilingScope&) = delete;
  CompilingScope& operator=(const CompilingScope&) = delete;
  ~CompilingScope() { compiling = false; }
};

// LLVM ends the process after these return; an exception that leaves them unwinds its frames, which
// have no clean-up of their own (run_pipeline tells what follows). Where the program itself is
// inside LLVM, they return.
void on_fatal_error(void*, const char* reason, bool) {
  if (compiling)
    throw Error(ErrorCode::internal,
                fmt::format("LLVM gave up: {}", reason ? reason : "no reason"));
}
void on_bad_alloc(void*, const char*, bool) {
  if (compiling)
    throw std::bad_alloc();
}

void initialise_backends() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::install_fatal_error_handler(on_fatal_error);
    llvm::install_bad_alloc_error_handler(on_bad_alloc);
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

/// Machines that no compile uses: making one costs as much as a small compile, and machines keep
/// state, so two compiles never share one.
class MachinePool {
public:
  using Machine = std::unique_ptr<llvm::TargetMachine>;

  Machine take(const Target& target) {
    {
      const std::lock_guard lock(mutex_);
      for (auto place = idle_.begin(); place != idle_.end(); ++place)
        if (place->first == target) {
          Machine machine = std::move(place->second);
          idle_.erase(place);
          return machine;
        }
    }
    initialise_backends();
    return target.kind == Target::Kind::cuda ? make_nvptx_machine(target)
                                             : make_host_machine(target);
  }
  void give(const Target& target, Machine machine) {
    constexpr std::size_t kIdle = 64;
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdle)
      idle_.emplace_back(target, std::move(machine));
  }

private:
  std::mutex mutex_;
  std::vector<std::pair<Target, Machine>> idle_;
};

/// Leaked: a compile may run while static objects are destroyed.
MachinePool& machines() {
  static MachinePool* const pool = new MachinePool;
  return *pool;
}

class Stopwatch {
public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    start_ = now;
    return seconds;
  }

private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// One module on its way through the stages.
class Pipeline {
public:
  explicit Pipeline(const Target& target)
      : target_(target), owned_machine_(machines().take(target)), machine_(*owned_machine_),
        module_("swage", context_) {
    ++pipeline_starts;
    // Messages become exceptions after the stage; without a handler LLVM prints errors and exits.
    context_.setDiagnosticHandlerCallBack(&Pipeline::collect, &errors_);
    compat::set_triple(module_, machine_.getTargetTriple());
    module_.setDataLayout(machine_.createDataLayout());
    if (target.kind == Target::Kind::host)
      module_.setPICLevel(llvm::PICLevel::SmallPIC);
  }

  /// Gives the machine to the next compile. Only after success: a stage that failed may have left
  /// anything behind.
  void finish() { machines().give(target_, std::move(owned_machine_)); }

  void lower(const ir::Kernel& kernel, const Specialization& specialization,
             const Schedule& schedule, const std::string& entry) {
    const Job job{kernel, specialization, target_, can_split_bf16(kernel, specialization, target_)};
    if (const auto* cuda = std::get_if<CudaSchedule>(&schedule))
      lower_cuda(module_, job, *cuda, entry);
    else
      lower_host(module_, job, std::get<HostSchedule>(schedule), entry);
  }

  void verify() {
    std::string message;
    llvm::raw_string_ostream stream(message);
    if (llvm::verifyModule(module_, &stream))
      throw Error(ErrorCode::internal, "lowering made LLVM IR that does not verify: " + message);
  }

  /// The code is straight-line, vectorised and unrolled by construction: what is left is to share
  /// address arithmetic, to fold constants and to clean up. Linear in the size of the kernel.
  void optimise() {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager graphs;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder(&machine_);
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(graphs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, graphs, modules);
    llvm::FunctionPassManager passes;
    passes.addPass(llvm::EarlyCSEPass());
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(llvm::EarlyCSEPass());
    passes.addPass(llvm::DCEPass());
    for (llvm::Function& function : module_)
      if (!function.isDeclaration())
        passes.run(function, functions);
    check();
  }

  std::string emit(llvm::CodeGenFileType type) {
    llvm::SmallString<0> buffer;
    llvm::raw_svector_ostream stream(buffer);
    llvm::legacy::PassManager passes;
    if (machine_.addPassesToEmitFile(passes, stream, nullptr, type))
      throw Error(ErrorCode::internal,
                  "LLVM cannot emit this kind of file for the target '" + canonical(target_) + "'");
    passes.run(module_);
    check();
    return std::string(buffer);
  }

  std::string text() const {
    std::string result;
    llvm::raw_string_ostream stream(result);
    module_.print(stream, nullptr);
    return result;
  }

private:
  static void collect(const llvm::DiagnosticInfo* info, void* errors) {
    if (info->getSeverity() != llvm::DS_Error)
      return;
    llvm::raw_string_ostream stream(*static_cast<std::string*>(errors));
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info->print(printer);
    stream << '\n';
  }

  void check() const {
    if (!errors_.empty())
      throw Error(ErrorCode::internal, "LLVM reported: " + errors_);
  }

  const Target& target_;
  MachinePool::Machine owned_machine_;
  llvm::TargetMachine& machine_;
  std::string errors_;
  llvm::LLVMContext context_;
  llvm::Module module_;
};

/// Runs `stages` on a pipeline for `target`, with stack enough. A pipeline that LLVM was thrown out
/// of is left where it is: frames without clean-up leave objects half changed, and destroying them
/// could end the process. That costs the memory of one compile.
void run_pipeline(const Target& target, const std::function<void(Pipeline&)>& stages) {
  with_stack(kCompileStackBytes, [&] {
    const CompilingScope scope;
    auto pipeline = std::make_unique<Pipeline>(target);
    try {
      stages(*pipeline);
      pipeline->finish();
    } catch (...) {
      static_cast<void>(pipeline.release());
      throw;
    }
  });
}

std::string entry_name(const ir::Kernel& kernel) {
  return "swage_" + kernel.name();
}

llvm::CodeGenFileType payload_type(const Target& target) {
  return target.kind == Target::Kind::cuda ? llvm::CodeGenFileType::AssemblyFile
                                           : llvm::CodeGenFileType::ObjectFile;
}

} // namespace

Artifact compile(const ir::Kernel& kernel, const Specialization& specialization,
                 const Schedule& schedule, const Target& target, CompileTimes* times) {
  check_lowered(kernel, target);
  check_schedule(schedule, kernel, specialization, target);
  const Schedule code = code_schedule(schedule);
  Artifact artifact;
  artifact.target = with_ptx_for(target, {&code, 1});
  artifact.entry = entry_name(kernel);
  CompileTimes spent;
  run_pipeline(artifact.target, [&](Pipeline& pipeline) {
    Stopwatch watch;
    pipeline.lower(kernel, specialization, code, artifact.entry);
    pipeline.verify();
    spent.lower = watch.lap();
    pipeline.optimise();
    spent.optimise = watch.lap();
    artifact.payload = pipeline.emit(payload_type(target));
    spent.emit = watch.lap();
  });
  if (target.kind == Target::Kind::cuda)
    artifact.waits_for_dependencies = waits_for_dependencies(artifact.payload, artifact.entry);
  if (times)
    *times = spent;
  return artifact;
}

std::string emit_text(const ir::Kernel& kernel, const Specialization& specialization,
                      const Schedule& schedule, const Target& target, Emit form) {
  check_lowered(kernel, target);
  check_schedule(schedule, kernel, specialization, target);
  const Schedule code = code_schedule(schedule);
  const Target raised = with_ptx_for(target, {&code, 1});
  std::string text;
  run_pipeline(raised, [&](Pipeline& pipeline) {
    pipeline.lower(kernel, specialization, code, entry_name(kernel));
    pipeline.verify();
    if (form != Emit::llvm)
      pipeline.optimise();
    text = form == Emit::llvm || form == Emit::llvm_optimised
               ? pipeline.text()
               : pipeline.emit(llvm::CodeGenFileType::AssemblyFile);
  });
  return text;
}

std::string_view toolchain_identity() noexcept {
  return "Swage " SWAGE_VERSION " " SWAGE_SOURCE_DIGEST ", LLVM " LLVM_VERSION_STRING;
}

std::int64_t compile_count() noexcept {
  return pipeline_starts.load();
}

} // namespace swage::codegen
