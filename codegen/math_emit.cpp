// math_emit.cpp -- typed values over an IRBuilder.
#include "codegen/math_emit.hpp"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/Function.h>

namespace swage::codegen::emit {
namespace {

template <typename To>
To make(const Value& like, llvm::Value* v) {
  To result;
  result.b = like.b;
  result.v = v;
  return result;
}

/// Whether the smaller and the larger of two f32, NaN if one is, are an instruction: on GPUs from
/// sm_80 on, as the function says which it is for.
bool has_f32_extremes(Real x) {
  const llvm::StringRef cpu =
      x.b->GetInsertBlock()->getParent()->getFnAttribute("target-cpu").getValueAsString();
  int sm = 0;
  return !x.is_double() && cpu.starts_with("sm_") && !cpu.drop_front(3).getAsInteger(10, sm) &&
         sm >= 80;
}

} // namespace

llvm::Type* Value::lanes_of(llvm::Type* scalar) const {
  if (const auto* vector = llvm::dyn_cast<llvm::VectorType>(v->getType()))
    return llvm::VectorType::get(scalar, vector->getElementCount());
  return scalar;
}

Real Real::constant(double value) const {
  return make<Real>(*this, llvm::ConstantFP::get(v->getType(), value));
}
Bits Real::bits() const {
  return make<Bits>(*this, b->CreateBitCast(v, lanes_of(b->getIntNTy(width()))));
}

Bits Bits::constant(std::uint64_t value) const {
  const llvm::APInt bits(64, value);
  return make<Bits>(*this, llvm::ConstantInt::get(v->getType(), bits.zextOrTrunc(width())));
}
Real Bits::real() const {
  llvm::Type* scalar = width() == 64 ? b->getDoubleTy() : b->getFloatTy();
  return make<Real>(*this, b->CreateBitCast(v, lanes_of(scalar)));
}
Bits Bits::widened(unsigned n) const {
  return make<Bits>(*this, b->CreateZExt(v, lanes_of(b->getIntNTy(n))));
}
Bits Bits::narrowed(unsigned n) const {
  return make<Bits>(*this, b->CreateTrunc(v, lanes_of(b->getIntNTy(n))));
}

Real operator+(Real a, Real b) {
  return make<Real>(a, a.b->CreateFAdd(a.v, b.v));
}
Real operator-(Real a, Real b) {
  return make<Real>(a, a.b->CreateFSub(a.v, b.v));
}
Real operator*(Real a, Real b) {
  return make<Real>(a, a.b->CreateFMul(a.v, b.v));
}
Real operator/(Real a, Real b) {
  return make<Real>(a, a.b->CreateFDiv(a.v, b.v));
}
Real operator-(Real a) {
  return make<Real>(a, a.b->CreateFNeg(a.v));
}

Mask operator<(Real a, Real b) {
  return make<Mask>(a, a.b->CreateFCmpOLT(a.v, b.v));
}
Mask operator>(Real a, Real b) {
  return make<Mask>(a, a.b->CreateFCmpOGT(a.v, b.v));
}
Mask operator<=(Real a, Real b) {
  return make<Mask>(a, a.b->CreateFCmpOLE(a.v, b.v));
}
Mask operator>=(Real a, Real b) {
  return make<Mask>(a, a.b->CreateFCmpOGE(a.v, b.v));
}
Mask operator==(Real a, Real b) {
  return make<Mask>(a, a.b->CreateFCmpOEQ(a.v, b.v));
}
Mask is_nan(Real a) {
  return make<Mask>(a, a.b->CreateFCmpUNO(a.v, a.v));
}

Bits operator+(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateAdd(a.v, b.v));
}
Bits operator-(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateSub(a.v, b.v));
}
Bits operator*(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateMul(a.v, b.v));
}
Bits operator&(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateAnd(a.v, b.v));
}
Bits operator|(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateOr(a.v, b.v));
}
Bits operator^(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateXor(a.v, b.v));
}
Bits operator<<(Bits a, Bits n) {
  return make<Bits>(a, a.b->CreateShl(a.v, n.v));
}
Bits operator>>(Bits a, Bits n) {
  return make<Bits>(a, a.b->CreateLShr(a.v, n.v));
}
Bits signed_min(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateBinaryIntrinsic(llvm::Intrinsic::smin, a.v, b.v));
}
Bits unsigned_min(Bits a, Bits b) {
  return make<Bits>(a, a.b->CreateBinaryIntrinsic(llvm::Intrinsic::umin, a.v, b.v));
}
Mask is_negative(Bits a) {
  return make<Mask>(a, a.b->CreateICmpSLT(a.v, a.constant(0).v));
}
Mask operator==(Bits a, Bits b) {
  return make<Mask>(a, a.b->CreateICmpEQ(a.v, b.v));
}

Mask operator&(Mask a, Mask b) {
  return make<Mask>(a, a.b->CreateAnd(a.v, b.v));
}
Mask operator|(Mask a, Mask b) {
  return make<Mask>(a, a.b->CreateOr(a.v, b.v));
}
Mask operator!(Mask a) {
  return make<Mask>(a, a.b->CreateNot(a.v));
}

Real select(Mask m, Real a, Real b) {
  return make<Real>(a, m.b->CreateSelect(m.v, a.v, b.v));
}
Bits select(Mask m, Bits a, Bits b) {
  return make<Bits>(a, m.b->CreateSelect(m.v, a.v, b.v));
}

Real fma(Real a, Real b, Real c) {
  return make<Real>(a,
                    a.b->CreateIntrinsic(llvm::Intrinsic::fma, {a.v->getType()}, {a.v, b.v, c.v}));
}
Real unary(llvm::Intrinsic::ID id, Real a) {
  return make<Real>(a, a.b->CreateUnaryIntrinsic(id, a.v));
}
Real binary(llvm::Intrinsic::ID id, Real a, Real b) {
  return make<Real>(a, a.b->CreateBinaryIntrinsic(id, a.v, b.v));
}
Real abs(Real a) {
  return unary(llvm::Intrinsic::fabs, a);
}
Real sqrt(Real a) {
  return unary(llvm::Intrinsic::sqrt, a);
}
Real copysign(Real magnitude, Real sign) {
  return binary(llvm::Intrinsic::copysign, magnitude, sign);
}

Real at_most(Real x, double bound) {
  if (has_f32_extremes(x))
    return binary(llvm::Intrinsic::minimum, x, x.constant(bound));
  return select(x > bound, bound, x);
}
Real at_least(Real x, double bound) {
  if (has_f32_extremes(x))
    return binary(llvm::Intrinsic::maximum, x, x.constant(bound));
  return select(x < bound, bound, x);
}

Real polynomial(Real x, std::span<const double> c) {
  Real sum = x.constant(c.back());
  for (std::size_t i = c.size() - 1; i-- > 0;)
    sum = fma(sum, x, c[i]);
  return sum;
}

Real polynomial_of_pairs(Real x, std::span<const double> c) {
  const Real square = x * x;
  const std::size_t last = (c.size() - 1) / 2 * 2;
  const auto pair = [&](std::size_t i) {
    return i + 1 < c.size() ? fma(x, c[i + 1], x.constant(c[i])) : x.constant(c[i]);
  };
  Real sum = pair(last);
  for (std::size_t i = last; i > 0; i -= 2)
    sum = fma(sum, square, pair(i - 2));
  return sum;
}

Bits funnel_shift_left(Bits a, Bits b, Bits n) {
  return make<Bits>(a,
                    a.b->CreateIntrinsic(llvm::Intrinsic::fshl, {a.v->getType()}, {a.v, b.v, n.v}));
}

Real to_real(Bits a, unsigned width) {
  llvm::Type* scalar = width == 64 ? a.b->getDoubleTy() : a.b->getFloatTy();
  return make<Real>(a, a.b->CreateSIToFP(a.v, a.lanes_of(scalar)));
}
Real narrowed(Real a) {
  return make<Real>(a, a.b->CreateFPTrunc(a.v, a.lanes_of(a.b->getFloatTy())));
}

Pair fast_two_sum(Real a, Real b) {
  const Real sum = a + b;
  return {sum, b - (sum - a)};
}
Pair two_sum(Real a, Real b) {
  const Real sum = a + b;
  const Real b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}
Pair two_product(Real a, Real b) {
  const Real product = a * b;
  return {product, fma(a, b, -product)};
}

} // namespace swage::codegen::emit
