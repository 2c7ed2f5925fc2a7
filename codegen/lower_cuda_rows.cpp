// lower_cuda_rows.cpp -- rows of the CUDA kernel: columns of a thread, and stages.
#include <algorithm>
#include <bit>

#include "codegen/cuda_rows.hpp"
#include "codegen/index_arithmetic.hpp"
#include "codegen/kept_values.hpp"
#include "codegen/needed_nodes.hpp"

namespace swage::codegen {

using ir::Broadcast;
using llvm::BasicBlock;
using llvm::Value;

CudaRows::CudaRows(llvm::Module& module, const Job& job, const CudaSchedule& schedule,
                   const std::string& entry)
    : CudaFunction(module, job, schedule, entry), plan_(make_row_plan(job.kernel)),
      geometry_(make_row_geometry(job.kernel, job.specialization, schedule)),
      held_(b_, *memory_, job.kernel), tensors_(b_, job, held_, arguments_, true),
      row_values_(job.kernel.nodes().size()), after_(needs_column_sums(job.kernel)),
      strands_(b_, job, plan_, arguments_) {}

void CudaRows::emit_body() {
  scalars_ = tensors_.scalars();
  select_by(tensors_, scalars_);
  prepare();
  if (plan_.after_rows)
    return emit_strand();
  Value* block = special(llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x);
  if (geometry_.blocks > 1) {
    const auto blocks = static_cast<std::uint64_t>(geometry_.blocks);
    part_ = b_.CreateURem(block, constant(blocks));
    block = b_.CreateUDiv(block, constant(blocks));
  }
  Value* row = wide(block);
  Value* inside = nullptr;
  if (geometry_.rows > 1)
    row = b_.CreateAdd(b_.CreateMul(row, wide(geometry_.rows)), row_in_block_);
  if (geometry_.rows > 1 || selection_.may_end_early())
    inside = b_.CreateICmpULT(row, wide(arguments_.rows));
  inside = both(inside, selection_.selects(row, inside));
  emit_selected(inside, [&] {
    const bool meet = in_clusters(job_.kernel, schedule_);
    if (meet && !schedule_.fetch)
      enter_cluster();
    begin_row(row, geometry_.rows > 1 ? inside : nullptr);
    fetch_and_wait([&] { fetch_row(row); }, true);
    if (meet && schedule_.fetch)
      enter_cluster();
    load_early(meet);
    emit_row();
    if (meet)
      await_cluster();
  });
}

/// Whether a row or all of them have one value of the node.
bool CudaRows::has_row_value(NodeId id) const {
  const Broadcast broadcast = node(id).space.broadcast;
  return broadcast == Broadcast::per_row || broadcast == Broadcast::per_tensor;
}

Value* CudaRows::load_row_value(NodeId id) {
  const Place place{row_bases_, std::vector<Value*>(row_bases_.size()), nullptr};
  memory_->set_guard({row_inside_, {}});
  Value* value = tensors_.load_row_value(place, node(id).param);
  memory_->set_guard({});
  return value;
}

/// Emits `body`, which computes the rows of the threads where `inside`, so that it is left out
/// where none of those that meet have a row. Threads of one row agree on `inside`.
void CudaRows::emit_selected(Value* inside, const std::function<void()>& body) {
  if (selection_.takes_all())
    return body();
  emit_if(any_meets(inside), body);
}

/// Whether `inside` holds for any of the threads that meet while rows are computed.
Value* CudaRows::any_meets(Value* inside) {
  if (geometry_.rows == 1)
    return inside;
  const bool by_warp = geometry_.threads <= 32 && !plan_.after_rows;
  return by_warp ? any_of_warp(inside) : any_of_block(inside);
}

void CudaRows::emit_row() {
  for (int stage = 0; stage <= static_cast<int>(plan_.reductions.size()); ++stage) {
    held_.next_stage();
    pass_ = stage - 1;
    if (stage > 0)
      emit_stage(plan_.reductions[static_cast<std::size_t>(stage) - 1]);
    emit_row_values(stage);
  }
  held_.next_stage();
  ++pass_;
  emit_outputs();
}

void CudaRows::prepare() {
  const auto threads = static_cast<std::uint64_t>(geometry_.threads);
  const auto vector = static_cast<std::uint32_t>(geometry_.vector);
  small_groups_ = plan_.group > 0 && is_within_warp(geometry_, plan_.group);
  const std::uint32_t least = ir::has_packed_tensors(job_.kernel) ? 2 : 1; // divides the columns
  multiple_ = job_.specialization.exact || vector == least ||
              (plan_.group > 0 && plan_.group % vector == 0);
  columns_ = job_.specialization.columns_known
                 ? constant(static_cast<std::uint64_t>(job_.specialization.columns_at_most))
                 : arguments_.columns;
  Value* thread = special(llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x);
  warp_lane_ = b_.CreateAnd(b_.CreateTrunc(thread, b_.getInt32Ty()), b_.getInt32(31));
  if (geometry_.rows > 1) {
    row_in_block_ = wide(
        b_.CreateLShr(thread, constant(static_cast<std::uint64_t>(std::countr_zero(threads)))));
    thread = b_.CreateAnd(thread, constant(threads - 1));
  } else {
    row_in_block_ = wide(std::int64_t{0});
  }
  thread_ = thread;
  held_.anew = geometry_.held && holds_bits(job_.kernel, geometry_);
  held_.columns_anew = held_.anew || geometry_.blocks > 1;
  // Else LLVM keeps what it sees used again; and groups that no warp holds are read anew.
  if (held_.anew && (plan_.group == 0 || small_groups_))
    kept_ = kept_in_registers(job_.kernel, plan_);
  make_shared();
  find_early_stores();
}

void CudaRows::make_shared() {
  if (const std::int64_t bytes = shared_bytes(plan_, job_.kernel, geometry_); bytes > 0) {
    auto* type = llvm::ArrayType::get(b_.getInt8Ty(), static_cast<std::uint64_t>(bytes));
    shared_ = new llvm::GlobalVariable(module_, type, false, llvm::GlobalValue::InternalLinkage,
                                       llvm::PoisonValue::get(type), "swage_shared", nullptr,
                                       llvm::GlobalValue::NotThreadLocal, 3);
    shared_->setAlignment(llvm::Align(16));
    for (const auto& stage : plan_.reductions)
      for (const NodeId id : stage)
        exchange_bytes_ =
            std::max(exchange_bytes_, exchange_bytes(geometry_, size_of(node(id).type)));
    value_bytes_ = (bytes - terms_bytes(plan_, geometry_) - exchange_bytes_ -
                    cluster_regions(plan_) * region_bytes(plan_, geometry_)) /
                   2;
  }
}

void CudaRows::begin_row(Value* row, Value* inside) {
  row_inside_ = inside;
  row_bases_ = arguments_.base;
  for (std::uint32_t p = 0; p < row_bases_.size(); ++p)
    row_bases_[p] = arguments_.row_base(b_, job_.kernel, p, row);
  std::ranges::fill(row_values_, nullptr);
  chunks_.clear();
  if (!geometry_.held)
    return;
  Value* first = first_column(constant(static_cast<std::uint64_t>(geometry_.chunks)));
  const std::vector<Value*> bases = bases_from(first);
  for (int k = 0; k < geometry_.chunks; ++k)
    chunks_.push_back(
        make_chunk(bases, first, wide(geometry_.offset(k)), k, geometry_.is_always_whole(k)));
}

Value* CudaRows::first_column(Value* passes_a_run) {
  const auto vector = static_cast<std::uint64_t>(geometry_.vector);
  if (!geometry_.ordered && part_)
    return b_.CreateMul(
        b_.CreateAdd(b_.CreateMul(part_, constant(static_cast<std::uint64_t>(geometry_.threads))),
                     thread_),
        constant(vector));
  const auto lanes = static_cast<std::uint64_t>(geometry_.lanes());
  const auto from_part = [&](Value* lane) {
    return part_ ? b_.CreateAdd(b_.CreateMul(part_, constant(lanes)), lane) : lane;
  };
  if (!geometry_.ordered || geometry_.runs == 1)
    return from_part(b_.CreateMul(thread_, constant(vector)));
  const std::uint64_t of_run = lanes / vector;
  Value* run =
      b_.CreateLShr(thread_, constant(static_cast<std::uint64_t>(std::countr_zero(of_run))));
  Value* lane =
      from_part(b_.CreateMul(b_.CreateAnd(thread_, constant(of_run - 1)), constant(vector)));
  Value* pass = b_.CreateMul(run, passes_a_run);
  return b_.CreateAdd(b_.CreateMul(pass, constant(ir::kSumLanes)), lane);
}

std::vector<Value*> CudaRows::bases_from(Value* column) {
  std::vector<Value*> bases = row_bases_;
  Place place{row_bases_, std::vector<Value*>(bases.size()), wide(column)};
  for (std::uint32_t p = 0; p < bases.size(); ++p) {
    const ir::Param& param = job_.kernel.params()[p];
    if (param.is_tensor() &&
        (param.broadcast == Broadcast::none || param.broadcast == Broadcast::per_column))
      bases[p] = tensors_.address(place, p);
  }
  return bases;
}

CudaRows::Chunk CudaRows::make_chunk(const std::vector<Value*>& bases, Value* first, Value* offset,
                                     int held, bool always) {
  Chunk chunk;
  chunk.held = held;
  chunk.bases = bases;
  chunk.offset = offset;
  chunk.column = b_.CreateAdd(first, b_.CreateTrunc(offset, index_));
  chunk.guard.whole = row_inside_;
  if (always)
    return chunk;
  if (multiple_) {
    chunk.inside = b_.CreateICmpULT(chunk.column, columns_);
    chunk.guard.whole = both(row_inside_, chunk.inside);
    return chunk;
  }
  const auto lanes = static_cast<unsigned>(geometry_.vector);
  Value* each = consecutive(b_, chunk.column, geometry_.vector);
  chunk.inside = b_.CreateICmpULT(each, b_.CreateVectorSplat(lanes, columns_));
  for (unsigned i = 0; i < lanes; ++i)
    chunk.guard.lanes.push_back(
        both(row_inside_, b_.CreateExtractElement(chunk.inside, std::uint64_t{i})));
  chunk.guard.whole = chunk.guard.lanes.back();
  return chunk;
}

std::vector<bool> CudaRows::needed_by(std::span<const NodeId> roots) const {
  return needed_nodes(job_.kernel, roots,
                      [&](NodeId id) { return !row_values_[id] && !is_kept(id); });
}

bool CudaRows::is_kept(NodeId id) const {
  return std::ranges::any_of(
      kept_, [&](const KeptValue& value) { return value.node == id && value.pass < pass_; });
}

/// In 16 bits where it is rounded to so many.
void CudaRows::keep(Chunk& chunk, NodeId id, Value* value) {
  const bool narrow = kept_bytes(node(id)) < 4;
  chunk.kept[id] = narrow ? Converter(b_, job_.target).narrow(node(id).storage, value) : value;
}

std::vector<Value*> CudaRows::load_fixed(const std::vector<bool>& needed) {
  std::vector<Value*> fixed = scalars_;
  std::vector<bool> read(fixed.size(), false);
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    const bool by_column =
        made.space.broadcast == Broadcast::none || made.space.broadcast == Broadcast::per_column;
    if (!needed[id] || made.op != Op::load || !by_column)
      continue;
    read[made.param] = true;
    if (is_interleaved(tensors_.spec(made.param).layout))
      read[tensors_.spec(made.param).partner] = true;
  }
  for (std::size_t p = 0; p < fixed.size(); ++p)
    if (!read[p] && !fixed[p])
      fixed[p] = llvm::PoisonValue::get(
          value_type(context_, compute_type(job_.kernel.params()[p].dtype), 1));
  return fixed;
}

void CudaRows::load(Chunk& chunk, const std::vector<bool>& needed) {
  memory_->set_guard(chunk.guard);
  held_.begin(chunk.held);
  const Place place{chunk.bases, std::vector<Value*>(chunk.bases.size()), chunk.offset};
  chunk.loaded = tensors_.load(place, geometry_.vector, load_fixed(needed));
  for (Value*& loaded : chunk.loaded) // what is not needed is nothing that anything is made of
    if (loaded && llvm::isa<llvm::PoisonValue>(loaded))
      loaded = nullptr;
  memory_->set_guard({});
  for (const auto& [id, kept] : chunk.kept)
    chunk.kept_values[id] =
        kept_bytes(node(id)) < 4
            ? Converter(b_, job_.target).widen(node(id).storage, held_.opaque(kept))
            : kept;
}

KnownValue CudaRows::known(const Chunk& chunk, int lanes) {
  return [this, &chunk, lanes](NodeId id) -> Value* {
    if (Value* value = row_values_[id])
      return lanes == 1 ? value : b_.CreateVectorSplat(static_cast<unsigned>(lanes), value);
    if (const auto kept = chunk.kept_values.find(id); kept != chunk.kept_values.end())
      return kept->second;
    if (const auto group = chunk.groups.find(id); group != chunk.groups.end())
      return lanes == group_lanes() ? group->second : spread(group->second, lanes);
    if (node(id).op == Op::col_index && chunk.column)
      return b_.CreateZExt(consecutive(b_, chunk.column, lanes),
                           value_type(context_, DType::i64, lanes));
    return node(id).op == Op::load && !chunk.loaded.empty() ? chunk.loaded[node(id).param]
                                                            : nullptr;
  };
}

std::vector<Value*> CudaRows::values(Chunk& chunk, std::span<const NodeId> roots) {
  return lower_nodes(b_, job_, geometry_.vector, roots, known(chunk, geometry_.vector));
}

void CudaRows::emit_row_values(int stage) {
  const Chunk nothing;
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (plan_.stage[id] != stage || !has_row_value(id) || row_values_[id] ||
        made.op == Op::constant || after_[id])
      continue;
    if (made.op == Op::scalar) {
      row_values_[id] = scalars_[made.param];
    } else if (made.op == Op::load) {
      row_values_[id] = load_row_value(id);
    } else if (made.op == Op::lookup) {
      Value* index = lower_nodes(b_, job_, 1, std::array{made.args[0]}, known(nothing, 1))[0];
      const TableEntry entry = tensors_.entry(index, made.param);
      memory_->set_guard({both(row_inside_, entry.inside), {}});
      row_values_[id] = tensors_.load_entry(entry, made.param);
      memory_->set_guard({});
    } else {
      row_values_[id] = lower_nodes(b_, job_, 1, std::array{id}, known(nothing, 1))[0];
    }
  }
}

void CudaRows::sync() {
  statement(geometry_.threads > 32 ? "bar.sync 0;" : "bar.warp.sync 0xffffffff;");
}

} // namespace swage::codegen
