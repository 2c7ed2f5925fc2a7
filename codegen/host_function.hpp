// host_function.hpp -- what host functions are made of: their entry, arguments, loops, places.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <llvm/IR/IRBuilder.h>
#include <llvm/TargetParser/Triple.h>

#include "codegen/host_loop.hpp"
#include "codegen/lower.hpp"
#include "codegen/row_selection.hpp"

namespace swage::codegen {

/// Above this many operations another copy of the body costs more to compile than it saves.
inline constexpr std::size_t kRemainderNodes = 64;

class HostMemory final : public Memory {
public:
  explicit HostMemory(llvm::IRBuilderBase& builder) : b_(builder) {}

  /// Whether whole-vector stores of output `param` bypass the cache; they must be aligned then.
  std::vector<bool> streaming;

  llvm::Value* load(llvm::Value* address, int unit, int count, std::uint32_t) override {
    llvm::Type* scalar = b_.getIntNTy(8u * static_cast<unsigned>(unit));
    llvm::Type* type =
        count == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(count));
    // Aligned to an element, whatever the call knows: rows and tasks start anywhere, and unaligned
    // instructions cost nothing on aligned addresses.
    return b_.CreateAlignedLoad(type, address, llvm::Align(1));
  }

  void store(llvm::Value* address, int unit, llvm::Value* bits, std::uint32_t param) override {
    const int count = lanes_of(bits);
    const bool bypass = param < streaming.size() && streaming[param] && count > 1;
    const int bytes = bypass ? unit * count : 1;
    llvm::StoreInst* store =
        b_.CreateAlignedStore(bits, address, llvm::Align(static_cast<std::uint64_t>(bytes)));
    if (bypass)
      store->setMetadata(
          llvm::LLVMContext::MD_nontemporal,
          llvm::MDNode::get(b_.getContext(), {llvm::ConstantAsMetadata::get(b_.getInt32(1))}));
  }

private:
  llvm::IRBuilderBase& b_;
};

/// Builds two functions: `entry`, which sets the control register, and the loops. They are apart,
/// and never inlined, because LLVM takes floating-point operations to be free of state and could
/// move one across the change.
class HostFunction {
public:
  HostFunction(llvm::Module& module, const Job& job, const HostSchedule& schedule);
  virtual ~HostFunction() = default;

  /// With `arguments` pointers and sizes; the first three are words, begin and end.
  void run(const std::string& entry, int arguments);

protected:
  /// What the function of the loops does once its arguments are bound.
  virtual void emit_body() = 0;

  llvm::Value* words() const { return function_->getArg(0); }
  llvm::Value* begin() const { return function_->getArg(1); }
  llvm::Value* end() const { return function_->getArg(2); }

  /// for (i = first; i < end; i += step) body(i), entered if first < end. Returns i after the loop.
  /// Turns may overlap as `overlap` says.
  llvm::Value* emit_loop(llvm::Value* first, llvm::Value* end, std::int64_t step,
                         const std::function<void(llvm::Value*)>& body, Overlap overlap = {});
  llvm::Value* smaller(llvm::Value* a, llvm::Value* b);
  /// body() if `row` is computed, leaving the builder after it.
  void emit_selected(llvm::Value* row, const std::function<void()>& body);
  void emit_if(llvm::Value* condition, const std::function<void()>& body);
  /// The pointers of all tensors, at row `row` where they have rows.
  std::vector<llvm::Value*> row_bases(llvm::Value* row);
  Place place(const std::vector<llvm::Value*>& bases, llvm::Value* column) const;

  /// Columns [first, last) of the row at hand in some way; returns the first one left over.
  using Run = std::function<llvm::Value*(llvm::Value* first, llvm::Value* last)>;
  /// Lanes of the narrowest vector that is stored: two where elements share bytes.
  int narrowest() const { return ir::has_packed_tensors(job_.kernel) ? 2 : 1; }
  /// The output whose alignment streaming starts by, if any can stream.
  std::optional<std::uint32_t> leading_output() const;
  /// `scalars` until the first output is aligned to a vector, or the narrowest vectors next to
  /// that, then `vectors` with non-temporal stores if that aligned them all; else none. Returns the
  /// column that was reached.
  llvm::Value* emit_streaming(const std::vector<llvm::Value*>& bases, llvm::Value* first,
                              llvm::Value* last, const Run& scalars, const Run& vectors);

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  const Job& job_;
  const HostSchedule& schedule_;
  llvm::Triple triple_;
  llvm::IRBuilder<> b_;
  HostMemory memory_;
  Arguments arguments_;
  Tensors tensors_;
  RowSelection selection_;
  llvm::Function* outer_ = nullptr;
  llvm::Function* function_ = nullptr;
  std::vector<llvm::Value*> scalars_;

private:
  llvm::Function* make_function(llvm::FunctionType* type, const std::string& name,
                                llvm::GlobalValue::LinkageTypes linkage);
  void emit_outer();
  void bind_arguments();
  bool can_stream(std::uint32_t param) const;
  llvm::Value* misalignment(const std::vector<llvm::Value*>& bases, std::uint32_t param,
                            llvm::Value* column);
};

} // namespace swage::codegen
