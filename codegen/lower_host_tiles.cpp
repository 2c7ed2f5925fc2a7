// lower_host_tiles.cpp -- groups of rows on the host: tiles of n rows and some hundred columns,
// which stay in the cache of a core, are passed over row by row.
//
// What is reduced down a column is kept in scratch memory by column, and so is what is made of it;
// a row combines its terms with what is there, in vectors. All elements are stored in the last
// pass, so an input may be overwritten.
#include <algorithm>

#include "codegen/host_rows.hpp"

namespace swage::codegen {

std::size_t RowLowering::tile_index(NodeId id) const {
  return static_cast<std::size_t>(std::ranges::find(tiles_.values, id) - tiles_.values.begin());
}

Value* RowLowering::tile_value(std::size_t index, Value* column) {
  const std::int64_t before =
      static_cast<std::int64_t>(index) * host_tile_columns(tiles_.group) * 8;
  Type* type = bits_type(context_, node(tiles_.values[index]).type, 1);
  return b_.CreateGEP(type, b_.CreateGEP(b_.getInt8Ty(), tile_memory_, constant(before)),
                      b_.CreateSub(column, tile_first_));
}

// A bool is a byte in memory.
Value* RowLowering::load_tile_value(std::size_t index, Value* column, int lanes) {
  const DType type = node(tiles_.values[index]).type;
  const llvm::Align align(static_cast<std::uint64_t>(size_of(type)));
  if (type != DType::boolean)
    return b_.CreateAlignedLoad(value_type(context_, type, lanes), tile_value(index, column),
                                align);
  Value* bytes =
      b_.CreateAlignedLoad(bits_type(context_, type, lanes), tile_value(index, column), align);
  return b_.CreateICmpNE(bytes, llvm::Constant::getNullValue(bytes->getType()));
}

void RowLowering::store_tile_value(std::size_t index, Value* column, Value* value) {
  const DType type = node(tiles_.values[index]).type;
  if (type == DType::boolean)
    value = b_.CreateZExt(value, bits_type(context_, type, lanes_of(value)));
  b_.CreateAlignedStore(value, tile_value(index, column),
                        llvm::Align(static_cast<std::uint64_t>(size_of(type))));
}

void RowLowering::emit_tiles() {
  tile_memory_ = scratch_;
  scratch_ = b_.CreateGEP(
      b_.getInt8Ty(), scratch_,
      constant(host_tile_bytes(static_cast<std::int64_t>(tiles_.values.size()), tiles_.group)));
  Value* each = constant(host_tile_columns(tiles_.group));
  Value* tiles =
      b_.CreateSDiv(b_.CreateAdd(arguments_.columns, b_.CreateSub(each, constant(1))), each);
  emit_loop(begin(), end(), 1, [&](Value* tile) {
    tile_group_ = b_.CreateSDiv(tile, tiles);
    tile_first_ = b_.CreateMul(b_.CreateSub(tile, b_.CreateMul(tile_group_, tiles)), each);
    tile_last_ = smaller(arguments_.columns, b_.CreateAdd(tile_first_, each));
    Value* first_row = b_.CreateMul(tile_group_, constant(std::int64_t{tiles_.rows}));
    emit_selected_tile(first_row, [&] {
      for (int pass = 0; pass < tiles_.passes(); ++pass) {
        tile_stage_ = pass - 1; // what needs this pass is not there yet
        emit_tile_values(pass);
        tile_stage_ = pass;
        emit_tile_pass(pass, first_row);
      }
      store_tile_values();
    });
  });
}

void RowLowering::emit_selected_tile(Value* first, const std::function<void()>& tile) {
  tile_rows_ = selection_.counted_from(first, tiles_.rows);
  if (selection_.takes_all())
    return tile();
  Value* some = tile_rows_;
  if (selection_.skips()) {
    llvm::IRBuilder<> entry(&function_->getEntryBlock(), function_->getEntryBlock().begin());
    Value* taken = entry.CreateAlloca(b_.getInt64Ty());
    b_.CreateStore(constant(0), taken);
    emit_loop(constant(0), tile_rows_, 1, [&](Value* row) {
      Value* one =
          b_.CreateZExt(selection_.takes(b_.CreateAdd(first, row), nullptr), some->getType());
      b_.CreateStore(b_.CreateAdd(b_.CreateLoad(b_.getInt64Ty(), taken), one), taken);
    });
    some = b_.CreateLoad(b_.getInt64Ty(), taken);
  }
  emit_if(b_.CreateICmpNE(some, constant(0)), tile);
}

void RowLowering::set_group_bases() {
  for (std::uint32_t p = 0; p < bases_.size(); ++p)
    if (job_.kernel.params()[p].broadcast == Broadcast::per_column_group)
      bases_[p] = arguments_.row_base(b_, job_.kernel, p, tile_group_);
}

void RowLowering::begin_tile_columns() {
  bases_ = arguments_.base;
  tensors_.set_row(constant(0)); // of elements nothing is used here
  set_group_bases();
  std::ranges::fill(row_values_, nullptr);
  std::ranges::fill(group_values_, nullptr);
  for (NodeId id = 0; id < nodes(); ++id) // what is one for all
    if (node(id).op == Op::scalar)
      row_values_[id] = scalars_[node(id).param];
    else if (node(id).op == Op::load && node(id).space.broadcast == Broadcast::per_tensor)
      row_values_[id] = tensors_.load_row_value(place(bases_, nullptr), node(id).param);
}

void RowLowering::emit_tile_values(int stage) {
  std::vector<NodeId> made;
  for (const NodeId id : tiles_.values)
    if (tiles_.stage[id] == stage && !ir::is_reduction(node(id).op))
      made.push_back(id);
  if (made.empty())
    return;
  begin_tile_columns();
  emit_tile_columns([&](Value* column, int lanes) {
    const std::vector<Value*> loaded = load(place(bases_, column), lanes);
    const KnownValue known = known_values(lanes, loaded, column);
    const auto here = [&](NodeId id) -> Value* {
      const bool reduced = ir::is_reduction(node(id).op) && tiles_.stage[id] == stage;
      return reduced ? load_tile_value(tile_index(id), column, lanes) : known(id);
    };
    const std::vector<Value*> values = lower_nodes(b_, job_, lanes, made, here);
    for (std::size_t i = 0; i < made.size(); ++i)
      store_tile_value(tile_index(made[i]), column, values[i]);
  });
}

void RowLowering::emit_tile_pass(int pass, Value* first_row) {
  for (const NodeId id : tiles_.reductions[static_cast<std::size_t>(pass)])
    emit_tile_columns([&](Value* column, int lanes) {
      store_tile_value(tile_index(id), column,
                       reduction_identity(node(id).op, node(id).type,
                                          value_type(context_, node(id).type, lanes)));
    });
  emit_loop(constant(0), tile_rows_, 1, [&](Value* step) {
    Value* row = b_.CreateAdd(first_row, step);
    if (!selection_.skips())
      return emit_tile_row(pass, row);
    emit_if(selection_.takes(row, nullptr), [&] { emit_tile_row(pass, row); });
  });
}

void RowLowering::emit_tile_row(int pass, Value* row) {
  tensors_.set_row(row);
  bases_ = row_bases(row);
  set_group_bases();
  std::ranges::fill(row_values_, nullptr);
  std::ranges::fill(group_values_, nullptr);
  emit_row_values(0);
  const std::vector<NodeId>& reductions = tiles_.reductions[static_cast<std::size_t>(pass)];
  std::vector<ir::Store> elements, groups;
  std::vector<NodeId> roots, operands;
  for (const NodeId id : reductions)
    operands.push_back(node(id).args[0]);
  for (const ir::Store& store : job_.kernel.stores()) {
    const Broadcast broadcast = job_.kernel.params()[store.param].broadcast;
    if (pass == tiles_.last() && broadcast == Broadcast::none)
      elements.push_back(store);
    else if (pass == tiles_.last() && broadcast == Broadcast::per_group)
      groups.push_back(store);
  }
  roots = operands;
  for (const auto* stores : {&elements, &groups})
    for (const ir::Store& store : *stores)
      roots.push_back(store.node);
  const auto columns = [&](Value* column, int lanes) {
    const std::vector<Value*> terms =
        operands.empty() ? std::vector<Value*>() : emit_elements_of(operands, column, lanes);
    for (std::size_t i = 0; i < reductions.size(); ++i) {
      const std::size_t at = tile_index(reductions[i]);
      const ir::Node& made = node(reductions[i]);
      store_tile_value(at, column,
                       combine_terms(b_, job_, made.op, made.type,
                                     load_tile_value(at, column, lanes), terms[i]));
    }
    store(elements, place(bases_, column), lanes);
  };
  const bool by_element = !elements.empty() || !operands.empty();
  if (!groups.empty() || needs_groups(roots))
    emit_groups(tile_first_, tile_last_, roots, [&](Value* group, Value* from, Value* to) {
      store(groups, place(bases_, group), 1);
      if (by_element)
        emit_columns(from, to, columns);
    });
  else if (by_element)
    emit_tile_columns(columns);
  if (pass == tiles_.last())
    store_tile_row();
}

void RowLowering::store_tile_row() {
  const std::vector<ir::Store> stores = stores_of(job_.kernel, Broadcast::per_row);
  if (!stores.empty()) // several tiles have the row
    emit_if(b_.CreateICmpEQ(tile_first_, constant(0)),
            [&] { store(stores, place(bases_, nullptr), 1); });
}

void RowLowering::store_tile_values() {
  const std::vector<ir::Store> stores = stores_of(job_.kernel, Broadcast::per_column_group);
  if (stores.empty())
    return;
  begin_tile_columns();
  emit_tile_columns([&](Value* column, int lanes) { store(stores, place(bases_, column), lanes); });
}

} // namespace swage::codegen
