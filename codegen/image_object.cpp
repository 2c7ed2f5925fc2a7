// image_object.cpp -- an object file that carries an image of kernels into the program it is linked
// into.
#include "codegen/image_object.hpp"

#include <llvm/ADT/SmallString.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Utils/ModuleUtils.h>

#include "codegen/llvm_compat.hpp"
#include "codegen/llvm_start.hpp"
#include "codegen/machine.hpp"
#include "codegen/own_stack.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// The priority of what has none.
constexpr int kOrdinary = 65535;

llvm::GlobalVariable* constant_bytes(llvm::Module& module, std::string_view bytes) {
  llvm::Constant* value = llvm::ConstantDataArray::getString(
      module.getContext(), llvm::StringRef(bytes.data(), bytes.size()), false);
  auto* global = new llvm::GlobalVariable(module, value->getType(), true,
                                          llvm::GlobalValue::PrivateLinkage, value, "image");
  global->setAlignment(llvm::Align(16));
  return global;
}

/// A function of its own that passes `node` to the library's `name`.
llvm::Function* pass_to(llvm::Module& module, llvm::Constant* node, const char* name,
                        const Target& target) {
  llvm::LLVMContext& context = module.getContext();
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), false);
  auto* function = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage,
                                          std::string(name) + "_here", module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  set_host_attributes(*function, target);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", function));
  builder.CreateCall(module.getOrInsertFunction(name, llvm::Type::getVoidTy(context),
                                                llvm::PointerType::getUnqual(context)),
                     {node});
  builder.CreateRetVoid();
  return function;
}

void fill(llvm::Module& module, std::string_view image, const std::string& anchor,
          const Target& target) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* const pointer = llvm::PointerType::getUnqual(context);
  llvm::Type* const word = llvm::Type::getInt64Ty(context);
  auto* type = llvm::StructType::get(context, {pointer, word, pointer}); // swage_kernel_image
  llvm::Constant* const value = llvm::ConstantStruct::get(
      type, {constant_bytes(module, image), llvm::ConstantInt::get(word, image.size()),
             llvm::Constant::getNullValue(pointer)});
  auto* node = new llvm::GlobalVariable(module, type, false, llvm::GlobalValue::PrivateLinkage,
                                        value, "node");
  llvm::Type* const byte = llvm::Type::getInt8Ty(context);
  new llvm::GlobalVariable(module, byte, true, llvm::GlobalValue::ExternalLinkage,
                           llvm::ConstantInt::get(byte, 1), anchor);
  llvm::appendToGlobalCtors(module, pass_to(module, node, "swage_register_kernels", target),
                            kOrdinary);
  llvm::appendToGlobalDtors(module, pass_to(module, node, "swage_unregister_kernels", target),
                            kOrdinary);
}

} // namespace

std::string image_object(std::string_view image, const std::string& anchor,
                         const HostLevel& level) {
  std::string object;
  with_stack(kCompileStackBytes, [&] {
    const LlvmScope scope;
    const Target target = target_of(level);
    start_llvm(target);
    const auto machine = take_machine(target);
    llvm::LLVMContext context;
    llvm::Module module("swage", context);
    compat::set_triple(module, machine->getTargetTriple());
    module.setDataLayout(machine->createDataLayout());
    module.setPICLevel(llvm::PICLevel::BigPIC);
    fill(module, image, anchor, target);
    llvm::SmallString<0> buffer;
    llvm::raw_svector_ostream stream(buffer);
    llvm::legacy::PassManager passes;
    if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
      throw Error(ErrorCode::internal, "LLVM cannot emit object files for this machine");
    passes.run(module);
    object = buffer.str();
  });
  return object;
}

} // namespace swage::codegen
