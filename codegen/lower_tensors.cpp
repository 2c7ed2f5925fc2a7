// lower_tensors.cpp -- loads and stores of tensors in every layout.
#include "codegen/lower.hpp"

#include <bit>

#include "codegen/packed.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

using llvm::Value;

namespace {

/// Lanes of `value` from `first` on, every second one.
Value* every_second(llvm::IRBuilderBase& b, Value* value, int first, int lanes) {
  if (lanes == 1)
    return b.CreateExtractElement(value, static_cast<std::uint64_t>(first));
  llvm::SmallVector<int, 64> mask;
  for (int i = 0; i < lanes; ++i)
    mask.push_back(first + 2 * i);
  return b.CreateShuffleVector(value, mask);
}

} // namespace

Arguments::Arguments(std::size_t params)
    : base(params), row_stride(params), column_stride(params), length(params), scalar(params),
      row_dims(params), group_dims(params) {}

void Arguments::bind(const Slot& slot, Value* value) {
  switch (slot.kind) {
  case SlotKind::pointer: base[slot.param] = value; break;
  case SlotKind::row_stride:
    if (slot.dim > 0)
      row_dims[slot.param].strides.push_back(value);
    else
      row_stride[slot.param] = value;
    break;
  case SlotKind::column_stride:
    if (slot.dim > 0)
      group_dims[slot.param].strides.push_back(value);
    else
      column_stride[slot.param] = value;
    break;
  case SlotKind::row_extent: row_dims[slot.param].extents.push_back(value); break;
  case SlotKind::column_extent: group_dims[slot.param].extents.push_back(value); break;
  case SlotKind::length: length[slot.param] = value; break;
  case SlotKind::scalar: scalar[slot.param] = value; break;
  case SlotKind::rows: rows = value; break;
  case SlotKind::columns: columns = value; break;
  case SlotKind::items_per_row: items_per_row = value; break;
  case SlotKind::divider_factor: divider_factor = value; break;
  case SlotKind::divider_shift: divider_shift = value; break;
  case SlotKind::workspace: workspace = value; break;
  case SlotKind::valid_rows: valid_rows = value; break;
  case SlotKind::batch_rows: batch_rows = value; break;
  case SlotKind::batch_factor: batch_factor = value; break;
  case SlotKind::batch_shift: batch_shift = value; break;
  }
}

namespace {

/// Elements before the value of `index`, in its type: `stride` is that of the innermost dimension.
Value* spread(llvm::IRBuilderBase& b, Value* index, Value* stride, const OuterDims& outer) {
  llvm::Type* type = index->getType();
  const auto times = [&](Value* steps, Value* by) {
    return b.CreateMul(b.CreateZExtOrTrunc(steps, type), b.CreateZExtOrTrunc(by, type));
  };
  if (outer.extents.empty())
    return times(index, stride);
  // Divided in the type of sizes: 64 bits take a GPU long.
  Value* rest = b.CreateZExtOrTrunc(index, outer.extents[0]->getType());
  Value* offset = nullptr;
  for (std::size_t i = 0; i < outer.extents.size(); ++i) {
    Value* whole = b.CreateUDiv(rest, outer.extents[i]);
    Value* within = b.CreateSub(rest, b.CreateMul(whole, outer.extents[i]));
    Value* part = times(within, i == 0 ? stride : outer.strides[i - 1]);
    offset = offset ? b.CreateAdd(offset, part) : part;
    rest = whole;
  }
  return b.CreateAdd(offset, times(rest, outer.strides.back()));
}

} // namespace

Value* Arguments::row_offset(llvm::IRBuilderBase& b, std::uint32_t param, Value* row) const {
  return row_stride[param] ? spread(b, row, row_stride[param], row_dims[param]) : nullptr;
}

Value* Arguments::row_base(llvm::IRBuilderBase& b, const ir::Kernel& kernel, std::uint32_t param,
                           Value* row) const {
  Value* offset = row_offset(b, param, row);
  if (offset && is_packed(kernel.params()[param].dtype))
    return b.CreateGEP(b.getInt8Ty(), base[param], b.CreateAShr(offset, 1));
  return offset ? b.CreateGEP(bits_type(b.getContext(), kernel.params()[param].dtype, 1),
                              base[param], offset)
                : base[param];
}

Tensors::Tensors(llvm::IRBuilderBase& builder, const Job& job, Memory& memory,
                 const Arguments& arguments, bool wide_index)
    : b_(builder), job_(job), memory_(memory), arguments_(arguments),
      convert_(builder, job.target, job.split_bf16), wide_index_(wide_index),
      specs_(job.kernel.params().size()) {
  std::size_t tensor = 0;
  for (std::size_t p = 0; p < specs_.size(); ++p)
    if (job.kernel.params()[p].is_tensor())
      specs_[p] = job.specialization.tensors[tensor++];
}

Value* Tensors::splat(Value* value, int lanes) {
  return lanes == 1 ? value : b_.CreateVectorSplat(static_cast<unsigned>(lanes), value);
}

/// Elements between neighbouring lanes where that is not one; null where it is.
Value* Tensors::lane_stride(std::uint32_t param) const {
  if (is_interleaved(specs_[param].layout))
    return b_.getInt64(2);
  return arguments_.column_stride[param];
}

Value* Tensors::address(const Place& place, std::uint32_t param) {
  const Layout layout = specs_[param].layout;
  const bool has_column = layout != Layout::per_row && layout != Layout::per_tensor;
  Value* index = has_column ? place.column : nullptr;
  if (Value* stride = lane_stride(param); stride && index)
    index = spread(b_, index, stride, arguments_.group_dims[param]);
  Value* offset = place.offset[param];
  const bool is_signed = offset || arguments_.column_stride[param];
  index = !index ? offset : offset ? b_.CreateAdd(index, offset) : index;
  if (!index)
    return place.base[param];
  if (!wide_index_)
    index =
        is_signed ? b_.CreateSExt(index, b_.getInt64Ty()) : b_.CreateZExt(index, b_.getInt64Ty());
  const DType dtype = job_.kernel.params()[param].dtype;
  if (is_packed(dtype))
    index = b_.CreateAShr(index, 1);
  return b_.CreateGEP(bits_type(b_.getContext(), dtype, 1), place.base[param], index);
}

/// The address of lane `lane` of a tensor whose lanes lie apart, `first` being that of the first.
Value* Tensors::lane_address(const Place& place, Value* first, int lane, std::uint32_t param) {
  if (lane == 0)
    return first;
  if (arguments_.group_dims[param].extents.empty()) {
    const DType dtype = job_.kernel.params()[param].dtype;
    Value* step = b_.CreateMul(lane_stride(param), b_.getInt64(lane));
    if (is_packed(dtype)) // whose columns are an even number of elements apart
      step = b_.CreateAShr(step, 1);
    return b_.CreateGEP(bits_type(b_.getContext(), dtype, 1), first, step);
  }
  Place at = place;
  at.column = b_.CreateAdd(
      place.column, llvm::ConstantInt::get(place.column->getType(), static_cast<unsigned>(lane)));
  return address(at, param);
}

/// Whether an interleaved tensor moves together with its partner.
bool Tensors::paired(std::uint32_t param, bool for_store) const {
  const TensorSpec& spec = specs_[param];
  if (!is_interleaved(spec.layout))
    return false;
  const auto moves = [&](std::uint32_t p) {
    const ir::Param& row = job_.kernel.params()[p];
    return for_store ? row.is_written() : row.is_read();
  };
  return moves(param) && moves(spec.partner);
}

void Tensors::load_pair(const Place& place, int lanes, std::uint32_t even,
                        std::vector<Value*>& values) {
  const DType dtype = job_.kernel.params()[even].dtype;
  const std::uint32_t odd = specs_[even].partner;
  Value* from = address(place, even);
  if (dtype == DType::bf16) {
    // An even and an odd element are one word: shifting and masking widens and separates at once.
    Value* words = memory_.load(from, 4, lanes, even);
    values[even] = convert_.widen_low_bf16(words);
    values[odd] = convert_.widen_high_bf16(words);
    return;
  }
  Value* both = memory_.load(from, size_of(dtype), 2 * lanes, even);
  values[even] = convert_.widen(dtype, every_second(b_, both, 0, lanes));
  values[odd] = convert_.widen(dtype, every_second(b_, both, 1, lanes));
}

Value* Tensors::load_row_value(const Place& place, std::uint32_t param) {
  const DType dtype = job_.kernel.params()[param].dtype;
  return convert_.widen(dtype, memory_.load(address(place, param), size_of(dtype), 1, param));
}

TableEntry Tensors::entry(Value* index, std::uint32_t param) {
  Value* wide = b_.CreateSExt(index, b_.getInt64Ty());
  llvm::Type* element = bits_type(b_.getContext(), job_.kernel.params()[param].dtype, 1);
  return {b_.CreateICmpULT(wide, arguments_.length[param]), // a negative one is large then
          b_.CreateGEP(element, arguments_.base[param],
                       b_.CreateMul(wide, arguments_.column_stride[param]))};
}

Value* Tensors::load_entry(const TableEntry& entry, std::uint32_t param) {
  const DType dtype = job_.kernel.params()[param].dtype;
  Value* value = convert_.widen(dtype, memory_.load(entry.address, size_of(dtype), 1, param));
  llvm::Type* type = value->getType();
  llvm::Constant* none = type->isFloatingPointTy() ? llvm::ConstantFP::getNaN(type)
                                                   : llvm::Constant::getNullValue(type);
  return b_.CreateSelect(entry.inside, value, none);
}

Value* Tensors::load_packed(const Place& place, int lanes, std::uint32_t param) {
  const DType dtype = job_.kernel.params()[param].dtype;
  if (specs_[param].layout == Layout::column_major)
    return convert_.widen(dtype, unpack_code(b_, load_lanes(place, lanes, param), row_));
  Value* bytes = memory_.load(address(place, param), 1, std::max(lanes / 2, 1), param);
  return convert_.widen(dtype, lanes == 1
                                   ? unpack_code(b_, bytes, place.column) // rows begin with bytes
                                   : unpack_codes(b_, bytes, lanes, is_cuda()));
}

/// Bits of lanes that lie apart.
Value* Tensors::load_lanes(const Place& place, int lanes, std::uint32_t param) {
  const DType dtype = job_.kernel.params()[param].dtype;
  Value* from = address(place, param);
  if (lanes == 1)
    return memory_.load(from, size_of(dtype), 1, param);
  Value* bits = llvm::PoisonValue::get(bits_type(b_.getContext(), dtype, lanes));
  for (int lane = 0; lane < lanes; ++lane) {
    Value* at = lane_address(place, from, lane, param);
    bits = b_.CreateInsertElement(bits, memory_.load(at, size_of(dtype), 1, param),
                                  static_cast<std::uint64_t>(lane));
  }
  return bits;
}

Value* Tensors::load_one(const Place& place, int lanes, std::uint32_t param) {
  const DType dtype = job_.kernel.params()[param].dtype;
  if (is_packed(dtype))
    return load_packed(place, lanes, param);
  if (specs_[param].layout == Layout::per_row)
    return splat(load_row_value(place, param), lanes);
  if (lane_stride(param))
    return convert_.widen(dtype, load_lanes(place, lanes, param));
  Value* from = address(place, param);
  if (job_.split_bf16 && lanes > 1) {
    Value* words = memory_.load(from, 4, lanes / 2, param);
    return join_halves(b_, convert_.widen_low_bf16(words), convert_.widen_high_bf16(words));
  }
  return convert_.widen(dtype, memory_.load(from, size_of(dtype), lanes, param));
}

std::vector<Value*> Tensors::load(const Place& place, int lanes, const std::vector<Value*>& fixed) {
  const auto params = job_.kernel.params();
  std::vector<Value*> values(params.size());
  for (std::uint32_t p = 0; p < params.size(); ++p) {
    if (fixed[p])
      values[p] = splat(fixed[p], lanes);
    else if (!params[p].is_tensor() || !params[p].is_read() || values[p])
      continue;
    else if (paired(p, false))
      load_pair(place, lanes, specs_[p].layout == Layout::interleaved_even ? p : specs_[p].partner,
                values);
    else
      values[p] = load_one(place, lanes, p);
  }
  return values;
}

void Tensors::store_one(const Place& place, int lanes, std::uint32_t param, Value* bits) {
  const DType dtype = job_.kernel.params()[param].dtype;
  Value* to = address(place, param);
  if (is_packed(dtype) && specs_[param].layout == Layout::column_major)
    return store_halves(place, lanes, param, bits);
  if (is_packed(dtype) && lanes == 1)
    throw Error(ErrorCode::internal, "half a byte is stored; please report this");
  if (is_packed(dtype))
    return memory_.store(to, 1, pack_codes(b_, bits, is_cuda()), param);
  if (job_.split_bf16 && lanes > 1)
    return memory_.store(to, 4, bits, param); // words, of an even and an odd element each
  Value* stride = lane_stride(param);
  if (!stride || lanes == 1)
    return memory_.store(to, size_of(dtype), bits, param);
  for (int lane = 0; lane < lanes; ++lane) {
    Value* at = lane_address(place, to, lane, param);
    memory_.store(at, size_of(dtype),
                  b_.CreateExtractElement(bits, static_cast<std::uint64_t>(lane)), param);
  }
}

void Tensors::store_halves(const Place& place, int lanes, std::uint32_t param, Value* codes) {
  Value* first = address(place, param);
  for (int lane = 0; lane < lanes; ++lane) {
    Value* to = lane_address(place, first, lane, param);
    Value* code =
        lanes == 1 ? codes : b_.CreateExtractElement(codes, static_cast<std::uint64_t>(lane));
    memory_.store(to, 1, put_code(b_, memory_.load(to, 1, 1, param), code, row_), param);
  }
}

void Tensors::store(const Place& place, int lanes, const std::vector<Value*>& bits) {
  store(place, lanes, job_.kernel.stores(), bits);
}

void Tensors::store(const Place& place, int lanes, std::span<const ir::Store> stores,
                    const std::vector<Value*>& bits) {
  std::vector<Value*> by_param(job_.kernel.params().size());
  for (std::size_t i = 0; i < stores.size(); ++i)
    by_param[stores[i].param] = bits[i];
  for (std::uint32_t p = 0; p < by_param.size(); ++p) {
    if (!by_param[p])
      continue;
    if (!paired(p, true)) {
      store_one(place, lanes, p, by_param[p]);
    } else if (specs_[p].layout == Layout::interleaved_even) {
      Value* both = interleave(b_, by_param[p], by_param[specs_[p].partner]);
      memory_.store(address(place, p), size_of(job_.kernel.params()[p].dtype), both, p);
    }
  }
}

std::vector<Value*> Tensors::scalars() {
  const auto params = job_.kernel.params();
  std::vector<Value*> values(params.size());
  for (std::uint32_t p = 0; p < params.size(); ++p)
    if (!params[p].is_tensor())
      values[p] = convert_.widen(params[p].dtype, arguments_.scalar[p]);
  return values;
}

} // namespace swage::codegen
