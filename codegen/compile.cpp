// compile.cpp -- the pipeline: lower, optimise, emit; one LLVM context a compile.
#include "codegen/compile.hpp"

#include <atomic>
#include <chrono>
#include <memory>

#include <fmt/format.h>
#include <llvm/ADT/SmallString.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include "codegen/assembler_faults.hpp"
#include "codegen/cut.hpp"
#include "codegen/host_loop.hpp"
#include "codegen/llvm_compat.hpp"
#include "codegen/llvm_start.hpp"
#include "codegen/lower.hpp"
#include "codegen/machine.hpp"
#include "codegen/memory_reserve.hpp"
#include "codegen/nvptx.hpp"
#include "codegen/overlap.hpp"
#include "codegen/own_stack.hpp"
#include "codegen/row_geometry.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/tile_plan.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

std::atomic<std::int64_t> pipeline_starts{0};

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

/// Above so many nodes code is generated quickly, at a third to a half of the speed of good code.
constexpr std::size_t kQuickNodes = 16'384;

/// One module on its way through the stages.
class Pipeline {
public:
  explicit Pipeline(const Target& target)
      : target_(target), owned_machine_(take_machine(target)), machine_(*owned_machine_),
        module_("swage", context_) {
    ++pipeline_starts;
  }

  void begin() {
    // Messages become exceptions after the stage; without a handler LLVM prints errors and exits.
    context_.setDiagnosticHandlerCallBack(&Pipeline::collect, &errors_);
    compat::set_triple(module_, machine_.getTargetTriple());
    module_.setDataLayout(machine_.createDataLayout());
    if (target_.kind == Target::Kind::host)
      module_.setPICLevel(llvm::PICLevel::SmallPIC);
  }

  /// Gives the machine to the next compile. Only after success: a stage that failed may have left
  /// anything behind.
  void finish() { give_machine(target_, std::move(owned_machine_)); }

  void lower(const ir::Kernel& kernel, const Specialization& specialization,
             const Schedule& schedule, const std::string& entry) {
    size_ = kernel.nodes().size();
    machine_.setOptLevel(size_ > kQuickNodes ? llvm::CodeGenOptLevel::None
                                             : llvm::CodeGenOptLevel::Default);
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
    optimiser_ = std::make_unique<Optimiser>(machine_);
    auto& [loops, functions, graphs, modules, builder, passes] = *optimiser_;
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(graphs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, graphs, modules);
    passes.addPass(llvm::EarlyCSEPass());
    // It looks back through chains of choices at each of them.
    if (target_.kind == Target::Kind::host || size_ <= kWholeBodyNodes)
      passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(llvm::EarlyCSEPass());
    passes.addPass(llvm::DCEPass());
    for (llvm::Function& function : module_)
      if (!function.isDeclaration())
        passes.run(function, functions);
    if (target_.kind == Target::Kind::cuda)
      avoid_assembler_faults(module_);
    else
      overlap_iterations(module_);
    optimiser_.reset();
    check();
  }

  std::string emit(llvm::CodeGenFileType type) {
    emitter_ = std::make_unique<Emitter>();
    if (machine_.addPassesToEmitFile(emitter_->passes, emitter_->stream, nullptr, type))
      throw Error(ErrorCode::internal,
                  "LLVM cannot emit this kind of file for the target '" + canonical(target_) + "'");
    run_emitter();
    std::string result(emitter_->buffer);
    emitter_.reset();
    check();
    if (target_.kind == Target::Kind::cuda) {
      compat::add_clusters(result, module_);
      avoid_assembler_faults(result);
    }
    return result;
  }

  std::string text() const {
    std::string result;
    llvm::raw_string_ostream stream(result);
    module_.print(stream, nullptr);
    return result;
  }

private:
  void run_emitter() {
    // NVPTX keeps what it knows of modules for the whole process, behind a lock; the selection of
    // instructions allocates where it must not be thrown out of.
    const MemoryReserve reserve;
    emitter_->passes.run(module_);
  }

  // Members, not variables, for what LLVM was thrown out of must not be destroyed: see
  // run_pipeline.
  struct Optimiser {
    explicit Optimiser(llvm::TargetMachine& machine) : builder(&machine) {}

    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager graphs;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder;
    llvm::FunctionPassManager passes;
  };
  struct Emitter {
    llvm::SmallString<0> buffer;
    llvm::raw_svector_ostream stream{buffer};
    llvm::legacy::PassManager passes;
  };

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
  std::unique_ptr<llvm::TargetMachine> owned_machine_;
  llvm::TargetMachine& machine_;
  std::string errors_;
  std::size_t size_ = 0; ///< nodes of the kernel
  llvm::LLVMContext context_;
  llvm::Module module_;
  std::unique_ptr<Optimiser> optimiser_;
  std::unique_ptr<Emitter> emitter_;
};

/// Runs `stages` on a pipeline for `target`, with stack enough. A pipeline that LLVM was thrown out
/// of is left where it is: frames without clean-up leave objects half changed, and destroying them
/// could end the process. That costs the memory of one compile.
void run_pipeline(const Target& target, const std::function<void(Pipeline&)>& stages) {
  with_stack(kCompileStackBytes, [&] {
    const LlvmScope scope;
    start_llvm(target);
    auto pipeline = std::make_unique<Pipeline>(target);
    try {
      pipeline->begin();
      stages(*pipeline);
      pipeline->finish();
    } catch (...) {
      static_cast<void>(pipeline.release());
      throw;
    }
  });
}

/// What is not done in place. It is said before anything is lowered, for a pipeline that LLVM is
/// thrown out of is not freed.
void check_in_place(const ir::Kernel& kernel, const Specialization& specialization,
                    const Schedule& schedule) {
  check_totals_in_place(kernel, &specialization);
  const auto* cuda = std::get_if<CudaSchedule>(&schedule);
  if (!cuda || cuda->row_threads == 0 || rows_of_groups(kernel) > 0)
    return;
  // Groups that no warp has in whole are computed by all warps that meet them, from memory.
  const std::uint32_t group = make_row_plan(kernel).group;
  if (group == 0 || is_within_warp(make_row_geometry(kernel, specialization, *cuda), group))
    return;
  if (const auto param = groups_in_place(kernel, specialization))
    throw Error(ErrorCode::unsupported,
                fmt::format("'{}' has groups of {} columns and is overwritten in place, which CUDA "
                            "code does for groups of 2^n columns that one warp accesses; pass "
                            "another output",
                            kernel.params()[*param].name, group));
}

/// What the driver's assembler makes of a straight line grows faster than the line, and GPUs have
/// no stack worth cutting it for.
void check_size(const ir::Kernel& kernel, const Target& target) {
  if (target.kind != Target::Kind::cuda)
    return;
  const std::size_t passes =
      ir::is_elementwise(kernel) ? 1 : static_cast<std::size_t>(make_row_plan(kernel).passes());
  const std::size_t size = cuda_instructions(kernel) * passes;
  if (size > kMaxCudaInstructions)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("kernel '{}' is too long for a GPU: its operations count {}{}, expected "
                    "at most {}, where a function counts {} and more; split it into "
                    "several kernels",
                    kernel.name(), size,
                    passes > 1 ? fmt::format(" in {} passes over a row", passes) : "",
                    kMaxCudaInstructions, kFunctionInstructions));
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
  check_size(kernel, target);
  check_schedule(schedule, kernel, specialization, target);
  check_in_place(kernel, specialization, schedule);
  const Schedule code = code_schedule(schedule);
  Artifact artifact;
  artifact.target = with_ptx_for(kernel, target, {&code, 1});
  artifact.entry = entry_name(kernel);
  CompileTimes spent;
  run_pipeline(within_ptx(artifact.target, compat::kNewestPtx), [&](Pipeline& pipeline) {
    Stopwatch watch;
    pipeline.lower(kernel, specialization, code, artifact.entry);
    pipeline.verify();
    spent.lower = watch.lap();
    pipeline.optimise();
    spent.optimise = watch.lap();
    artifact.payload = pipeline.emit(payload_type(target));
    spent.emit = watch.lap();
  });
  artifact.has_totals = target.kind == Target::Kind::cuda && stores_after_rows(kernel);
  if (artifact.has_totals)
    artifact.stores_single_row =
        stores_single_row(kernel, specialization, std::get<CudaSchedule>(code));
  if (target.kind == Target::Kind::cuda)
    artifact.waits_for_dependencies =
        waits_for_dependencies(artifact.payload, artifact.entry) &&
        (!artifact.has_totals ||
         waits_for_dependencies(artifact.payload, totals_entry(artifact.entry)));
  if (times)
    *times = spent;
  return artifact;
}

std::string emit_text(const ir::Kernel& kernel, const Specialization& specialization,
                      const Schedule& schedule, const Target& target, Emit form) {
  check_lowered(kernel, target);
  check_size(kernel, target);
  check_schedule(schedule, kernel, specialization, target);
  check_in_place(kernel, specialization, schedule);
  const Schedule code = code_schedule(schedule);
  const Target raised = within_ptx(with_ptx_for(kernel, target, {&code, 1}), compat::kNewestPtx);
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

std::int64_t compile_count() noexcept {
  return pipeline_starts.load();
}

} // namespace swage::codegen
