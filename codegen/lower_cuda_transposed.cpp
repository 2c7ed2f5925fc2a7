// lower_cuda_transposed.cpp -- outputs of tiles that lie column by column: a thread has the rows of
// a group one after the other in memory, and writes as many at once as fill an access.
#include <algorithm>
#include <bit>

#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/cuda_tiles.hpp"
#include "codegen/llvm_compat.hpp"
#include "codegen/packed.hpp"

namespace swage::codegen {

using llvm::Value;

Value* CudaTiles::permute(Value* a, Value* b, std::uint32_t selector) {
  return b_.CreateCall(compat::declare(module_, llvm::Intrinsic::nvvm_prmt),
                       {a, b, b_.getInt32(selector)});
}

/// Lane `lane` of each of `rows`, in a vector.
Value* CudaTiles::down(const std::vector<Value*>& rows, int lane) {
  const auto at = [&](Value* row) {
    return lanes_ == 1 ? row : b_.CreateExtractElement(row, static_cast<std::uint64_t>(lane));
  };
  if (rows.size() == 1)
    return at(rows[0]);
  Value* all = llvm::PoisonValue::get(llvm::FixedVectorType::get(
      rows[0]->getType()->getScalarType(), static_cast<unsigned>(rows.size())));
  for (std::size_t i = 0; i < rows.size(); ++i)
    all = b_.CreateInsertElement(all, at(rows[i]), std::uint64_t{i});
  return all;
}

/// The same of bytes, for every lane: those of two columns and four rows change places in four
/// instructions. A multiple of four rows, an even number of lanes.
std::vector<Value*> CudaTiles::bytes_down(const std::vector<Value*>& rows) {
  const auto words = static_cast<unsigned>(rows.size() / 4),
             pairs = static_cast<unsigned>(lanes_ / 2);
  auto* type = llvm::FixedVectorType::get(b_.getInt32Ty(), words);
  std::vector<Value*> columns(static_cast<std::size_t>(lanes_), llvm::PoisonValue::get(type));
  llvm::Type* two = b_.getInt16Ty();
  const auto pair = [&](std::size_t row, unsigned k) {
    Value* all =
        b_.CreateBitCast(rows[row], pairs == 1 ? two : llvm::FixedVectorType::get(two, pairs));
    Value* one = pairs == 1 ? all : b_.CreateExtractElement(all, std::uint64_t{k});
    return b_.CreateZExt(one, b_.getInt32Ty());
  };
  for (unsigned w = 0; w < words; ++w)
    for (unsigned k = 0; k < pairs; ++k) {
      const std::size_t row = 4 * w;
      Value* upper = permute(pair(row, k), pair(row + 1, k), 0x5140);
      Value* lower = permute(pair(row + 2, k), pair(row + 3, k), 0x5140);
      Value*& even = columns[2 * k];
      Value*& odd = columns[2 * k + 1];
      even = b_.CreateInsertElement(even, permute(upper, lower, 0x5410), std::uint64_t{w});
      odd = b_.CreateInsertElement(odd, permute(upper, lower, 0x7632), std::uint64_t{w});
    }
  llvm::Type* bytes = llvm::FixedVectorType::get(b_.getInt8Ty(), 4 * words);
  for (Value*& column : columns)
    column = b_.CreateBitCast(column, bytes);
  return columns;
}

int CudaTiles::rows_at_once(std::uint32_t param) const {
  constexpr int kBytes = 16;
  return static_cast<int>(
      std::min(elements_in(job_.kernel.params()[param].dtype, kBytes),
               std::int64_t{1} << std::countr_zero(static_cast<unsigned>(geometry_.own_rows))));
}

void CudaTiles::gather(std::uint32_t param, const Row& row, int number, Value* bits) {
  constexpr int kCodesOfWord = 8;
  Gathered& rows = gathered_[param];
  if (rows.count == 0) {
    rows.first = number;
    rows.base = row.bases[param];
  }
  const int behind = rows.count++ % kCodesOfWord;
  if (is_packed(job_.kernel.params()[param].dtype) && behind > 0)
    rows.bits.back() = b_.CreateAdd(
        rows.bits.back(),
        b_.CreateShl(
            bits, llvm::ConstantInt::get(bits->getType(), 4 * static_cast<std::uint64_t>(behind))));
  else
    rows.bits.push_back(bits);
  if (rows.count == rows_at_once(param)) {
    store_transposed(param, rows);
    gathered_.erase(param);
  }
}

void CudaTiles::store_gathered() {
  for (const auto& [param, rows] : gathered_)
    store_transposed(param, rows);
  gathered_.clear();
}

void CudaTiles::store_transposed(std::uint32_t param, const Gathered& gathered) {
  const DType dtype = job_.kernel.params()[param].dtype;
  const int unit = size_of(dtype), count = gathered.count;
  llvm::Type* element = bits_type(context_, dtype, 1);
  memory_->set_guard({inside_, {}});
  if (is_packed(dtype)) {
    store_codes_down(param, gathered);
    return memory_->set_guard({});
  }
  for (int row = 0, rows; row < count; row += rows) {
    // An access begins at a multiple of its rows, and so does the group.
    rows = rows_at_once(param);
    while ((gathered.first + row) % rows != 0 || row + rows > count)
      rows /= 2;
    const std::vector<Value*> part(gathered.bits.begin() + row, gathered.bits.begin() + row + rows);
    std::vector<Value*> columns;
    if (unit == 1 && rows % 4 == 0 && lanes_ % 2 == 0)
      columns = bytes_down(part);
    for (int lane = 0; lane < lanes_; ++lane) {
      Value* at = b_.CreateGEP(
          element, gathered.base,
          b_.CreateAdd(b_.CreateMul(arguments_.column_stride[param], wide(lane)), wide(row)));
      memory_->store(at, unit,
                     columns.empty() ? down(part, lane) : columns[static_cast<std::size_t>(lane)],
                     param);
    }
  }
  memory_->set_guard({});
}

/// A power of two of neighbouring rows, two to a byte; of one row, in a loop over those that are
/// computed, its half of a byte that the thread alone writes.
void CudaTiles::store_codes_down(std::uint32_t param, const Gathered& rows) {
  for (int lane = 0; lane < lanes_; ++lane) {
    Value* offset = b_.CreateMul(arguments_.column_stride[param], wide(lane)); // of elements
    Value* at = b_.CreateGEP(b_.getInt8Ty(), rows.base, b_.CreateAShr(offset, 1));
    Value* codes = down(rows.bits, lane);
    if (rows.count == 1) {
      Value* byte = memory_->load_own(at, 1, 1, inside_);
      memory_->store(at, 1, put_code(b_, byte, codes, cut_row_), param);
      continue;
    }
    const auto bytes = static_cast<unsigned>(rows.count / 2);
    if (bytes < 4)
      codes = b_.CreateTrunc(codes, b_.getIntNTy(8 * bytes));
    if (bytes > 1)
      codes = b_.CreateBitCast(codes, llvm::FixedVectorType::get(b_.getInt8Ty(), bytes));
    memory_->store(at, 1, codes, param);
  }
}

} // namespace swage::codegen
