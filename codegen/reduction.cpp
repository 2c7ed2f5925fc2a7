// reduction.cpp -- the terms of sums and maxima in LLVM IR.
#include "codegen/reduction.hpp"

namespace swage::codegen {

using ir::Op;
using llvm::ConstantInt;

namespace {

bool is_maximum(Op op) {
  return op == Op::row_max || op == Op::group_max || op == Op::col_group_max;
}

} // namespace

llvm::Constant* reduction_identity(Op op, DType dtype, llvm::Type* type) {
  if (!ir::is_extreme(op))
    return llvm::Constant::getNullValue(type);
  const bool maximum = is_maximum(op);
  if (is_float(dtype))
    return llvm::ConstantFP::getInfinity(type, maximum);
  const unsigned bits = type->getScalarSizeInBits();
  return ConstantInt::get(type, maximum ? llvm::APInt::getSignedMinValue(bits)
                                        : llvm::APInt::getSignedMaxValue(bits));
}

llvm::Value* combine_terms(llvm::IRBuilderBase& builder, const Job& job, Op op, DType dtype,
                           llvm::Value* a, llvm::Value* b) {
  if (!ir::is_extreme(op))
    return is_float(dtype) ? builder.CreateFAdd(a, b) : builder.CreateAdd(a, b);
  const bool maximum = is_maximum(op);
  if (!is_float(dtype))
    return builder.CreateBinaryIntrinsic(maximum ? llvm::Intrinsic::smax : llvm::Intrinsic::smin, a,
                                         b);
  MathBuilder math(builder, job.target, job.kernel.math(), Accuracy::full);
  return math.emit(maximum ? Op::max : Op::min, {a, b});
}

} // namespace swage::codegen
