// lower_body.cpp -- the body of a kernel for both back ends: whole, or in pieces.
#include <algorithm>
#include <iterator>

#include <llvm/IR/Module.h>

#include "codegen/body.hpp"
#include "codegen/cut.hpp"
#include "codegen/lower.hpp"
#include "codegen/needed_nodes.hpp"

namespace swage::codegen {

using llvm::Constant;
using llvm::Value;

namespace {

/// Emits a body as calls of its pieces. Loops of one module over the same lanes share the pieces.
class Pieces {
public:
  Pieces(llvm::IRBuilderBase& builder, const Job& job, const BodyFacts& facts, Calls& calls,
         int lanes, const Cut& cut)
      : b_(builder), job_(job), facts_(facts), calls_(calls), lanes_(lanes), cut_(cut),
        caller_(*builder.GetInsertBlock()->getParent()) {}

  std::vector<Value*> run(const std::vector<Value*>& loaded) {
    Value* scratch = make_scratch();
    const auto nodes = job_.kernel.nodes();
    for (ir::NodeId id = 0; id < nodes.size(); ++id)
      if (is_leaf(nodes[id]) && cut_.place(id))
        store(b_, scratch, id, loaded[nodes[id].param]);
    for (std::size_t piece = 0; piece < cut_.pieces(); ++piece)
      b_.CreateCall(function(piece), {scratch});
    Body body(b_, job_, facts_, calls_, lanes_,
              [&](ir::NodeId id) { return load(b_, scratch, id); });
    std::vector<Value*> stored;
    for (const ir::Store& each : job_.kernel.stores())
      stored.push_back(body.stored_bits(each));
    return stored;
  }

private:
  /// One memory for all loops over the same lanes: each is done with it before the next begins.
  Value* make_scratch() {
    llvm::BasicBlock& entry = caller_.getEntryBlock();
    const std::string name = "scratch_" + std::to_string(lanes_);
    for (llvm::Instruction& instruction : entry)
      if (instruction.getName() == name)
        return &instruction;
    llvm::IRBuilder<> at(&entry, entry.begin());
    const std::int64_t bytes = cut_.scratch_bytes_a_lane() * lanes_;
    auto* type = llvm::ArrayType::get(at.getInt8Ty(), static_cast<std::uint64_t>(bytes));
    llvm::AllocaInst* scratch = at.CreateAlloca(type, nullptr, name);
    scratch->setAlignment(llvm::Align(64));
    return scratch;
  }

  llvm::Function* function(std::size_t piece) {
    const std::string name =
        (caller_.getName() + "_" + llvm::Twine(lanes_) + "_" + llvm::Twine(piece)).str();
    llvm::Module& module = *caller_.getParent();
    if (llvm::Function* known = module.getFunction(name))
      return known;
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy()}, false);
    auto* made = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, name, module);
    made->setAttributes(caller_.getAttributes()); // of the function alone: its parameters have none
    made->addFnAttr(llvm::Attribute::NoInline);
    fill(*made, cut_.piece(piece));
    return made;
  }

  void fill(llvm::Function& made, std::span<const ir::NodeId> nodes) {
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(b_.getContext(), "entry", &made));
    Value* scratch = made.getArg(0);
    Body body(b, job_, facts_, calls_, lanes_, [&](ir::NodeId id) { return load(b, scratch, id); });
    for (const ir::NodeId id : nodes)
      body.emit(id);
    for (const ir::NodeId id : nodes)
      if (cut_.place(id) && !is_leaf(job_.kernel.node(id)))
        store(b, scratch, id, body.value(id));
    b.CreateRetVoid();
  }

  void store(llvm::IRBuilderBase& b, Value* scratch, ir::NodeId id, Value* value) const {
    if (job_.kernel.node(id).type == DType::boolean)
      value = b.CreateZExt(value, bits_type(b.getContext(), DType::boolean, lanes_));
    b.CreateAlignedStore(value, address(b, scratch, id), alignment(id));
  }
  Value* load(llvm::IRBuilderBase& b, Value* scratch, ir::NodeId id) const {
    const DType type = job_.kernel.node(id).type;
    const bool is_bool = type == DType::boolean;
    llvm::Type* held = is_bool ? bits_type(b.getContext(), type, lanes_)
                               : value_type(b.getContext(), type, lanes_);
    Value* value = b.CreateAlignedLoad(held, address(b, scratch, id), alignment(id));
    return is_bool ? b.CreateICmpNE(value, Constant::getNullValue(held)) : value;
  }
  llvm::Align alignment(ir::NodeId id) const {
    const int bytes = scratch_size(job_.kernel.node(id).type) * lanes_;
    return llvm::Align(static_cast<std::uint64_t>(std::min(bytes, 64)));
  }
  Value* address(llvm::IRBuilderBase& b, Value* scratch, ir::NodeId id) const {
    return b.CreateConstGEP1_64(b.getInt8Ty(), scratch,
                                static_cast<std::uint64_t>(*cut_.place(id) * lanes_));
  }

  llvm::IRBuilderBase& b_;
  const Job& job_;
  const BodyFacts& facts_;
  Calls& calls_;
  int lanes_;
  const Cut& cut_;
  llvm::Function& caller_;
};

std::vector<Value*> in_pieces(llvm::IRBuilderBase& b, const Job& job, const BodyFacts& facts,
                              Calls& calls, const Cut& cut, int lanes,
                              const std::vector<Value*>& loaded) {
  if (lanes == 1 || cut.scratch_bytes_a_lane() * lanes <= kScratchBytes)
    return Pieces(b, job, facts, calls, lanes, cut).run(loaded);
  const int half = lanes / 2;
  const auto halve = [&](Value* value, int first) -> Value* {
    if (!value)
      return nullptr;
    if (half == 1)
      return b.CreateExtractElement(value, b.getInt32(static_cast<std::uint32_t>(first)));
    llvm::SmallVector<int, 32> mask;
    for (int i = 0; i < half; ++i)
      mask.push_back(first + i);
    return b.CreateShuffleVector(value, mask);
  };
  std::vector<Value*> low, high;
  for (Value* value : loaded) {
    low.push_back(halve(value, 0));
    high.push_back(halve(value, half));
  }
  low = in_pieces(b, job, facts, calls, cut, half, low);
  high = in_pieces(b, job, facts, calls, cut, half, high);
  for (std::size_t i = 0; i < low.size(); ++i) {
    if (half == 1) {
      Value* both = llvm::PoisonValue::get(llvm::FixedVectorType::get(low[i]->getType(), 2));
      both = b.CreateInsertElement(both, low[i], b.getInt32(0));
      low[i] = b.CreateInsertElement(both, high[i], b.getInt32(1));
      continue;
    }
    llvm::SmallVector<int, 64> mask;
    for (int lane = 0; lane < lanes; ++lane)
      mask.push_back(lane);
    low[i] = b.CreateShuffleVector(low[i], high[i], mask);
  }
  return low;
}

/// Emits into `body` what `roots` need and is not known.
void emit_needed(Body& body, const Job& job, std::span<const ir::NodeId> roots,
                 const KnownValue& known) {
  const std::vector<bool> needed =
      needed_nodes(job.kernel, roots, [&](ir::NodeId id) { return !known(id); });
  for (ir::NodeId id = 0; id < needed.size(); ++id)
    if (needed[id])
      body.emit(id);
}

} // namespace

std::vector<Value*> lower_nodes(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                                std::span<const ir::NodeId> roots, const KnownValue& known) {
  const BodyFacts facts(job);
  Calls calls;
  Body body(builder, job, facts, calls, lanes, known);
  emit_needed(body, job, roots, known);
  std::vector<Value*> values;
  for (const ir::NodeId root : roots)
    values.push_back(body.value(root));
  return values;
}

std::vector<Value*> lower_stores(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                                 std::span<const ir::Store> stores, const KnownValue& known) {
  const BodyFacts facts(job);
  Calls calls;
  Body body(builder, job, facts, calls, lanes, known);
  std::vector<ir::NodeId> roots;
  for (const ir::Store& store : stores)
    roots.push_back(store.node);
  emit_needed(body, job, roots, known);
  std::vector<Value*> bits;
  for (const ir::Store& store : stores)
    bits.push_back(body.stored_bits(store));
  return bits;
}

std::vector<ir::Store> stores_of(const ir::Kernel& kernel, ir::Broadcast broadcast) {
  std::vector<ir::Store> found;
  std::ranges::copy_if(kernel.stores(), std::back_inserter(found), [&](const ir::Store& store) {
    return kernel.params()[store.param].broadcast == broadcast;
  });
  return found;
}

std::vector<Value*> lower_body(llvm::IRBuilderBase& builder, const Job& job, int lanes,
                               const std::vector<Value*>& loaded) {
  const BodyFacts facts(job);
  Calls calls;
  const bool is_large = job.kernel.nodes().size() > kWholeBodyNodes;
  if (is_large && job.target.kind == Target::Kind::host)
    return in_pieces(builder, job, facts, calls, Cut(job.kernel), lanes, loaded);
  Body body(builder, job, facts, calls, lanes,
            [&](ir::NodeId id) { return loaded[job.kernel.node(id).param]; });
  if (is_large)
    for (const ir::NodeId id : emission_order(job.kernel))
      body.emit(id);
  else
    for (ir::NodeId id = 0; id < job.kernel.nodes().size(); ++id)
      body.emit(id);
  std::vector<Value*> stored;
  for (const ir::Store& store : job.kernel.stores())
    stored.push_back(body.stored_bits(store));
  return stored;
}

} // namespace swage::codegen
