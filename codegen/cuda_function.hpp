// cuda_function.hpp -- what CUDA kernel functions are made of: their entry, arguments, loops.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/lower.hpp"
#include "codegen/lower_cuda_memory.hpp"
#include "codegen/row_selection.hpp"

namespace swage::codegen {

class CudaFunction {
public:
  CudaFunction(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
               const std::string& entry);
  virtual ~CudaFunction() = default;

  void run();

protected:
  /// What the function does once it may touch memory.
  virtual void emit_body() = 0;

  /// Tells the selection of rows how to read them.
  void select_by(Tensors& tensors, const std::vector<llvm::Value*>& scalars);
  void statement(const char* text);
  /// The assembler moves loads towards their use, to save registers, as far as a branch. One that
  /// is never taken, for no call has so many columns, keeps those before it where they are, so that
  /// what comes after hides their time.
  void keep_loads_before();
  /// Where a schedule has it (CudaSchedule::fetch): what `loads` loads comes into the L2 cache, and
  /// into no register; then this waits for the launch before, which else was waited for at once.
  /// `shared`: values of several elements too, which `loads` guards so that few threads ask for
  /// one.
  void fetch_and_wait(const std::function<void()>& loads, bool shared);
  /// A special register as an index.
  llvm::Value* special(llvm::Intrinsic::ID id);
  /// What the thread of the warp whose number differs in bit `distance` has: `value`, lane by lane.
  llvm::Value* shuffle(llvm::Value* value, int distance);
  /// What thread `lane` of the warp has.
  llvm::Value* value_in(int lane, llvm::Value* value);
  /// Whether `condition` holds in any thread of the warp, or of the block, all of which ask.
  llvm::Value* any_of_warp(llvm::Value* condition);
  llvm::Value* any_of_block(llvm::Value* condition);
  llvm::Constant* constant(std::uint64_t value) const {
    return llvm::ConstantInt::get(index_, value);
  }
  /// for (item = first; item < end; item += step) body(item), leaving the builder after it.
  void emit_loop(llvm::Value* first, llvm::Value* end, llvm::Value* step,
                 const std::function<void(llvm::Value*)>& body);
  using Carried = std::vector<llvm::Value*>;
  /// item from `first` while below `end`, `step` apart; `carried` are values that the body changes.
  Carried carry(llvm::Value* first, llvm::Value* end, llvm::Value* step, Carried carried,
                const std::function<Carried(llvm::Value*, const Carried&)>& body);
  /// The same; what comes after an item says `following`, where its body is done.
  Carried carry(llvm::Value* first, llvm::Value* end,
                const std::function<llvm::Value*(llvm::Value*)>& following, Carried carried,
                const std::function<Carried(llvm::Value*, const Carried&)>& body);
  /// if (condition) yes() else no(), leaving the builder after both.
  void emit_if(llvm::Value* condition, const std::function<void()>& yes,
               const std::function<void()>& no = {});

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  const Job& job_;
  const CudaSchedule& schedule_;
  llvm::IRBuilder<> b_;
  std::unique_ptr<GlobalMemory> memory_;
  Arguments arguments_;
  RowSelection selection_;
  bool wide_;
  llvm::Type* index_;
  llvm::Function* function_ = nullptr;

private:
  void await_launch_before();
  llvm::Value* columns_are_impossible();
  llvm::Value* any(const char* text, llvm::Value* condition);
  llvm::Value* exchange(llvm::Intrinsic::ID how, llvm::Value* value, int with);
  void make_function(const std::string& entry);
  llvm::Align alignment(std::size_t param) const;
};

} // namespace swage::codegen
