// math_jit.cpp -- compiles one operation of MathBuilder for this host.
#include "tests/codegen/math_jit.hpp"

#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <stdexcept>
#include <string>

#include "codegen/llvm_compat.hpp"

namespace swage::codegen::test {
namespace {

template <typename T>
T take(llvm::Expected<T> value) {
  if (!value)
    throw std::runtime_error(llvm::toString(value.takeError()));
  return std::move(*value);
}

/// The module's one function, a loop over vectors.
void build(llvm::Module& module, const MathForm& form, const Target& target) {
  llvm::LLVMContext& context = module.getContext();
  llvm::IRBuilder<> b(context);
  llvm::Type* scalar = form.is_double ? b.getDoubleTy() : b.getFloatTy();
  llvm::Type* value = form.width == 1 ? scalar : llvm::FixedVectorType::get(scalar, form.width);
  llvm::Type* pointer = b.getPtrTy();
  auto* function = llvm::Function::Create(
      llvm::FunctionType::get(b.getVoidTy(), {pointer, pointer, pointer, pointer, b.getInt64Ty()},
                              false),
      llvm::Function::ExternalLinkage, "entry", module);

  auto* head = llvm::BasicBlock::Create(context, "head", function);
  auto* loop = llvm::BasicBlock::Create(context, "loop", function);
  auto* done = llvm::BasicBlock::Create(context, "done", function);
  b.SetInsertPoint(head);
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  llvm::PHINode* i = b.CreatePHI(b.getInt64Ty(), 2);
  i->addIncoming(b.getInt64(0), head);

  const llvm::Align align(form.is_double ? 8 : 4);
  llvm::SmallVector<llvm::Value*, 3> args;
  for (unsigned k = 0; k < static_cast<unsigned>(ir::info(form.op).arity); ++k)
    args.push_back(
        b.CreateAlignedLoad(value, b.CreateGEP(scalar, function->getArg(k), {i}), align));
  MathBuilder math(b, target, form.mode, form.accuracy);
  llvm::Value* result = math.emit(form.op, args);
  if (form.op == ir::Op::isnan)
    result = b.CreateUIToFP(result, value);
  b.CreateAlignedStore(result, b.CreateGEP(scalar, function->getArg(3), {i}), align);

  llvm::Value* next = b.CreateAdd(i, b.getInt64(form.width));
  i->addIncoming(next, loop);
  b.CreateCondBr(b.CreateICmpULT(next, function->getArg(4)), loop, done);
  b.SetInsertPoint(done);
  b.CreateRetVoid();
  if (llvm::verifyModule(module, &llvm::errs()))
    throw std::runtime_error("the module does not verify");
}

} // namespace

struct MathFunction::Jit {
  std::unique_ptr<llvm::orc::LLJIT> lljit;
};

MathFunction::MathFunction(const MathForm& form) : jit_(std::make_unique<Jit>()) {
  static const bool initialised = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialised;

  auto machine = take(llvm::orc::JITTargetMachineBuilder::detectHost());
  if (!form.cpu.empty()) {
    machine.setCPU(form.cpu);
    machine.getFeatures() = llvm::SubtargetFeatures(form.features);
  }
  jit_->lljit = take(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(machine).create());
  auto context = std::make_unique<llvm::LLVMContext>();
  auto module = std::make_unique<llvm::Module>("math", *context);
  module->setDataLayout(jit_->lljit->getDataLayout());
  build(*module, form, Target{}); // of the host nothing but its kind counts
  // Straight from the IR that MathBuilder made: what the optimiser does to it is tested elsewhere.
  if (auto error = jit_->lljit->addIRModule(
          llvm::orc::ThreadSafeModule(std::move(module), std::move(context))))
    throw std::runtime_error(llvm::toString(std::move(error)));
  entry_ = take(jit_->lljit->lookup("entry")).toPtr<decltype(entry_)>();
}

MathFunction::~MathFunction() = default;
MathFunction::MathFunction(MathFunction&&) noexcept = default;

std::string math_ptx(const MathForm& form, const Target& target) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  const llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target* back_end = compat::lookup_target(triple, error);
  if (!back_end)
    throw std::runtime_error(error);
  const Target emitted = within_ptx(target, compat::kNewestPtx);
  const std::unique_ptr<llvm::TargetMachine> machine = compat::create_machine(
      *back_end, triple, "sm_" + std::to_string(emitted.sm), "+ptx" + std::to_string(emitted.ptx),
      {}, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Default);

  llvm::LLVMContext context;
  llvm::Module module("math", context);
  compat::set_triple(module, triple);
  module.setDataLayout(machine->createDataLayout());
  build(module, form, emitted);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    throw std::runtime_error("no PTX from this target machine");
  passes.run(module);
  return std::string(text);
}

} // namespace swage::codegen::test
