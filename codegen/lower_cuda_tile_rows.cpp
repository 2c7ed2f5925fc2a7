// lower_cuda_tile_rows.cpp -- one row of a thread's tile: what is read, computed, kept and stored.
#include <algorithm>

#include "codegen/cuda_tiles.hpp"
#include "codegen/kept_values.hpp"

namespace swage::codegen {

using ir::Broadcast;
using llvm::Value;

namespace {

bool is_of_columns(Broadcast broadcast) {
  return broadcast == Broadcast::per_column || broadcast == Broadcast::per_column_group;
}

} // namespace

/// Where what the thread has of each tensor that is `used` begins in `row`, 64 bits; null: of what
/// has no rows.
std::vector<Value*> CudaTiles::bases_at(Value* row, const std::vector<bool>& used) {
  std::vector<Value*> bases = arguments_.base;
  const std::vector<Value*> none(bases.size());
  for (std::uint32_t p = 0; p < bases.size(); ++p) {
    const ir::Param& param = job_.kernel.params()[p];
    if (!used[p] || !param.is_tensor() || param.is_table() ||
        (!row && !is_of_columns(param.broadcast)))
      continue;
    if (param.broadcast == Broadcast::per_column_group)
      bases[p] = arguments_.row_base(b_, job_.kernel, p, group_);
    else if (row)
      bases[p] = arguments_.row_base(b_, job_.kernel, p, row);
    if (param.broadcast == Broadcast::per_group)
      bases[p] = tensors_.address({bases, none, b_.CreateUDiv(column_, wide(plan_.group))}, p);
    else if (!is_spread_over_columns(p))
      bases[p] = tensors_.address({bases, none, column_}, p);
  }
  return bases;
}

/// One row further, which is `row`.
std::vector<Value*> CudaTiles::next_bases(const std::vector<Value*>& bases, Value* row,
                                          const std::vector<bool>& used) {
  std::vector<Value*> next = bases;
  std::vector<Value*> anew; // of tensors whose rows are spread over several dimensions
  for (std::uint32_t p = 0; p < bases.size(); ++p) {
    const ir::Param& param = job_.kernel.params()[p];
    if (!used[p] || !param.is_tensor() || is_of_columns(param.broadcast) ||
        !arguments_.row_stride[p])
      continue;
    const bool packed = is_packed(param.dtype);
    if (tensors_.spec(p).row_dims > 1 || (packed && is_transposed(p))) {
      if (anew.empty())
        anew = bases_at(row, used);
      next[p] = anew[p];
      continue;
    }
    Value* stride = arguments_.row_stride[p];
    next[p] = b_.CreateGEP(bits_type(context_, param.dtype, 1), bases[p],
                           packed ? b_.CreateAShr(stride, 1) : stride);
  }
  return next;
}

std::vector<Value*> CudaTiles::load(const std::vector<Value*>& bases,
                                    const std::vector<bool>& wanted, bool of_columns) {
  std::vector<Value*> values(bases.size());
  guard_reads();
  for (const bool is_spread : {false, true}) {
    std::vector<Value*> fixed = scalars_;
    std::vector<bool> is_one(fixed.size(), false);
    for (std::uint32_t p = 0; p < fixed.size(); ++p) {
      const ir::Param& param = job_.kernel.params()[p];
      if (!param.is_tensor())
        continue;
      is_one[p] =
          wanted[p] && param.is_read() && is_spread_over_columns(p) == is_spread &&
          (of_columns ? is_of_columns(param.broadcast) : param.broadcast == Broadcast::none);
      if (!is_one[p])
        fixed[p] = llvm::PoisonValue::get(value_type(context_, compute_type(param.dtype), 1));
    }
    if (std::ranges::find(is_one, true) == is_one.end())
      continue;
    const std::vector<Value*> some = tensors_.load(
        {bases, std::vector<Value*>(bases.size()), is_spread ? column_ : nullptr}, lanes_, fixed);
    for (std::size_t p = 0; p < values.size(); ++p)
      if (is_one[p])
        values[p] = some[p];
  }
  memory_->set_guard({});
  return values;
}

std::unique_ptr<CudaTiles::Row> CudaTiles::begin_row(int pass, std::vector<Value*> bases,
                                                     int number) {
  auto row = std::make_unique<Row>();
  row->bases = std::move(bases);
  const std::vector<bool>& needed = needed_[static_cast<std::size_t>(pass)];
  std::vector<bool> wanted(job_.kernel.params().size(), false);
  const Place place{row->bases, std::vector<Value*>(row->bases.size()), nullptr};
  memory_of_rows_.begin(geometry_.held ? number : -1);
  guard_reads();
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (!needed[id] || made.op != Op::load)
      continue;
    if (space(id) != Broadcast::none) {
      row->single[id] = tensors_.load_row_value(place, made.param);
      continue;
    }
    wanted[made.param] = true;
    if (is_interleaved(tensors_.spec(made.param).layout))
      wanted[tensors_.spec(made.param).partner] = true;
  }
  row->loaded = load(row->bases, wanted, false);
  for (const NodeId id : held_) {
    const auto found = kept_.find(id);
    if (pass == 0 || found == kept_.end())
      continue;
    Value* kept = found->second[static_cast<std::size_t>(number)];
    const bool is_narrow = kept_bytes(node(id)) < 4;
    row->held[id] =
        is_narrow ? Converter(b_, job_.target).widen(node(id).storage, memory_of_rows_.opaque(kept))
                  : kept;
  }
  Row* const here = row.get();
  row->narrow = std::make_unique<Body>(b_, job_, facts_, calls_, 1,
                                       [this, here](NodeId id) { return narrow_value(*here, id); });
  row->elements = std::make_unique<Body>(b_, job_, facts_, calls_, lanes_, [this, here](NodeId id) {
    return element_value(*here, id);
  });
  return row;
}

/// What no body computes, of a row and its group of columns.
Value* CudaTiles::narrow_value(Row& row, NodeId id) {
  if (space(id) == Broadcast::per_tensor)
    return shared_->value(id);
  if (const auto held = row.held.find(id); held != row.held.end())
    return held->second;
  const auto single = row.single.find(id);
  return single == row.single.end() ? nullptr : single->second;
}

/// Of elements: what no body of them computes, or what has one value for several.
Value* CudaTiles::element_value(Row& row, NodeId id) {
  switch (space(id)) {
  case Broadcast::per_tensor: return splat(shared_->value(id));
  case Broadcast::per_row:
  case Broadcast::per_group: return splat(row.narrow->value(id));
  case Broadcast::per_column:
  case Broadcast::per_column_group: return columns_->value(id);
  default: break;
  }
  if (const auto held = row.held.find(id); held != row.held.end())
    return held->second;
  return node(id).op == Op::load ? row.loaded[node(id).param] : nullptr;
}

Value* CudaTiles::lookup(Row& row, NodeId id) {
  const TableEntry entry = tensors_.entry(row.narrow->value(node(id).args[0]), node(id).param);
  memory_->set_guard({entry.inside, {}});
  memory_of_rows_.begin(-1);
  Value* value = tensors_.load_entry(entry, node(id).param);
  memory_->set_guard({});
  return value;
}

void CudaTiles::emit_row(int pass, Row& row) {
  const std::vector<bool>& needed = needed_[static_cast<std::size_t>(pass)];
  for (NodeId id = 0; id < nodes(); ++id) {
    const ir::Node& made = node(id);
    if (!needed[id] || made.op == Op::constant)
      continue;
    if (made.op == Op::lookup)
      row.single[id] = lookup(row, id);
    else if (ir::is_reduction(made.op))
      row.single[id] = reduce_group(id, row.elements->value(made.args[0]));
    else if (space(id) == Broadcast::none)
      row.elements->emit(id);
    else
      row.narrow->emit(id);
  }
}

/// Neighbours first: within the thread, then by shuffles.
Value* CudaTiles::reduce_group(NodeId id, Value* terms) {
  const ir::Node& made = node(id);
  const auto combine = [&](Value* a, Value* b) {
    return combine_terms(b_, job_, made.op, made.type, a, b);
  };
  std::vector<Value*> values;
  for (int i = 0; i < lanes_; ++i)
    values.push_back(lanes_ == 1 ? terms
                                 : b_.CreateExtractElement(terms, static_cast<std::uint64_t>(i)));
  for (; values.size() > 1; values.resize(values.size() / 2))
    for (std::size_t i = 0; 2 * i < values.size(); ++i)
      values[i] = combine(values[2 * i], values[2 * i + 1]);
  Value* one = values[0];
  for (int distance = 1; distance * lanes_ < static_cast<int>(plan_.group); distance *= 2)
    one = combine(one, shuffle(one, distance));
  if (ir::is_extreme(made.op) || !is_float(made.type))
    return one;
  return b_.CreateFAdd(one, llvm::Constant::getNullValue(one->getType()));
}

/// What later passes take from this one, in as few registers as it fits.
void CudaTiles::keep(Row& row, int number) {
  for (const NodeId id : held_) {
    if (node(id).op == Op::load)
      continue; // its bits are held where they were loaded
    Value* value = space(id) == Broadcast::none ? row.elements->value(id) : row.narrow->value(id);
    if (kept_bytes(node(id)) < 4)
      value = Converter(b_, job_.target).narrow(node(id).storage, value);
    std::vector<Value*>& kept = kept_[id];
    kept.resize(std::max(kept.size(), static_cast<std::size_t>(number) + 1));
    kept[static_cast<std::size_t>(number)] = value;
  }
}

template <class IsOne, class Bits>
std::vector<Value*> CudaTiles::bits_of(int pass, const IsOne& is_one, const Bits& bits) {
  const auto stores = job_.kernel.stores();
  std::vector<Value*> all;
  for (const ir::Store& store : stores) {
    const ir::Param& param = job_.kernel.params()[store.param];
    const bool here = is_one(store, param.broadcast) && pass_of(plan_, store, late_) == pass;
    if (here)
      all.resize(stores.size());
    if (here)
      all[static_cast<std::size_t>(&store - stores.data())] = bits(store);
  }
  return all;
}

void CudaTiles::store_row(int pass, Row& row) {
  const Place place{row.bases, std::vector<Value*>(row.bases.size()), nullptr};
  memory_of_rows_.begin(-1);
  const std::vector<Value*> elements = bits_of(
      pass,
      [&](const ir::Store& store, Broadcast broadcast) {
        return broadcast == Broadcast::none && !is_transposed(store.param);
      },
      [&](const ir::Store& store) { return row.elements->stored_bits(store); });
  if (!elements.empty()) {
    memory_->set_guard({inside_, {}});
    tensors_.store(place, lanes_, elements);
  }
  const std::vector<Value*> rows = bits_of(
      pass, [](const ir::Store&, Broadcast broadcast) { return broadcast == Broadcast::per_row; },
      [&](const ir::Store& store) { return row.narrow->stored_bits(store); });
  if (!rows.empty()) { // by the thread that has the first column
    Value* first = b_.CreateICmpEQ(column_, wide(std::int64_t{0}));
    memory_->set_guard({inside_ ? b_.CreateAnd(inside_, first) : first, {}});
    tensors_.store(place, 1, rows);
  }
  const std::vector<Value*> groups = bits_of(
      pass, [](const ir::Store&, Broadcast broadcast) { return broadcast == Broadcast::per_group; },
      [&](const ir::Store& store) { return row.narrow->stored_bits(store); });
  if (!groups.empty()) {
    if (late_) // all threads of a group read what one writes
      statement("bar.warp.sync 0xffffffff;");
    Value* first = b_.CreateICmpEQ(
        b_.CreateAnd(lane_, constant(plan_.group / static_cast<unsigned>(lanes_) - 1)),
        constant(0));
    memory_->set_guard({b_.CreateAnd(inside_, first), {}});
    tensors_.store(place, 1, groups);
  }
  memory_->set_guard({});
}

} // namespace swage::codegen
