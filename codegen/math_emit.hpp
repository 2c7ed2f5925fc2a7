// math_emit.hpp -- typed values over an IRBuilder, so that the math functions read as formulas.
#pragma once

#include <initializer_list>
#include <span>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>

namespace swage::codegen::emit {

/// Floats, integers of the same width and truth values, each a scalar or a vector of lanes. A
/// number literal as an operand is that constant on every lane.
struct Real;
struct Bits;
struct Mask;

struct Value {
  llvm::IRBuilderBase* b = nullptr;
  llvm::Value* v = nullptr;
  /// The type `scalar` on as many lanes as this value has.
  llvm::Type* lanes_of(llvm::Type* scalar) const;
  unsigned width() const { return v->getType()->getScalarSizeInBits(); }
};

struct Mask : Value {};

struct Real : Value {
  Real constant(double value) const; ///< of this value's type, rounded to nearest
  Bits bits() const;                 ///< reinterpreted
  bool is_double() const { return width() == 64; }
};

struct Bits : Value {
  Bits constant(std::uint64_t value) const;
  Real real() const;            ///< reinterpreted
  Bits widened(unsigned) const; ///< zero-extended to so many bits
  Bits narrowed(unsigned) const;
};

Real operator+(Real a, Real b);
Real operator-(Real a, Real b);
Real operator*(Real a, Real b);
Real operator/(Real a, Real b);
Real operator-(Real a);
inline Real operator+(Real a, double b) {
  return a + a.constant(b);
}
inline Real operator-(Real a, double b) {
  return a - a.constant(b);
}
inline Real operator*(Real a, double b) {
  return a * a.constant(b);
}
inline Real operator/(Real a, double b) {
  return a / a.constant(b);
}
inline Real operator+(double a, Real b) {
  return b.constant(a) + b;
}
inline Real operator-(double a, Real b) {
  return b.constant(a) - b;
}
inline Real operator*(double a, Real b) {
  return b.constant(a) * b;
}
inline Real operator/(double a, Real b) {
  return b.constant(a) / b;
}

/// Ordered comparisons: false on NaN.
Mask operator<(Real a, Real b);
Mask operator>(Real a, Real b);
Mask operator<=(Real a, Real b);
Mask operator>=(Real a, Real b);
Mask operator==(Real a, Real b);
inline Mask operator<(Real a, double b) {
  return a < a.constant(b);
}
inline Mask operator>(Real a, double b) {
  return a > a.constant(b);
}
inline Mask operator<=(Real a, double b) {
  return a <= a.constant(b);
}
inline Mask operator>=(Real a, double b) {
  return a >= a.constant(b);
}
inline Mask operator==(Real a, double b) {
  return a == a.constant(b);
}
Mask is_nan(Real a);

Bits operator+(Bits a, Bits b);
Bits operator-(Bits a, Bits b);
Bits operator*(Bits a, Bits b);
Bits operator&(Bits a, Bits b);
Bits operator|(Bits a, Bits b);
Bits operator^(Bits a, Bits b);
inline Bits operator+(Bits a, std::uint64_t b) {
  return a + a.constant(b);
}
inline Bits operator-(Bits a, std::uint64_t b) {
  return a - a.constant(b);
}
inline Bits operator&(Bits a, std::uint64_t b) {
  return a & a.constant(b);
}
inline Bits operator|(Bits a, std::uint64_t b) {
  return a | a.constant(b);
}
inline Bits operator^(Bits a, std::uint64_t b) {
  return a ^ a.constant(b);
}
Bits operator<<(Bits a, Bits n);
Bits operator>>(Bits a, Bits n); ///< logical
inline Bits operator<<(Bits a, unsigned n) {
  return a << a.constant(n);
}
inline Bits operator>>(Bits a, unsigned n) {
  return a >> a.constant(n);
}
Bits signed_min(Bits a, Bits b);
Bits unsigned_min(Bits a, Bits b);
Mask is_negative(Bits a); ///< as a signed integer: its highest bit
Mask operator==(Bits a, Bits b);
inline Mask operator==(Bits a, std::uint64_t b) {
  return a == a.constant(b);
}

Mask operator&(Mask a, Mask b);
Mask operator|(Mask a, Mask b);
Mask operator!(Mask a);

Real select(Mask m, Real a, Real b);
Bits select(Mask m, Bits a, Bits b);
inline Real select(Mask m, Real a, double b) {
  return select(m, a, a.constant(b));
}
inline Real select(Mask m, double a, Real b) {
  return select(m, b.constant(a), b);
}

Real fma(Real a, Real b, Real c);
inline Real fma(Real a, double b, Real c) {
  return fma(a, a.constant(b), c);
}
inline Real fma(Real a, Real b, double c) {
  return fma(a, b, a.constant(c));
}
inline Real fma(Real a, double b, double c) {
  return fma(a, a.constant(b), a.constant(c));
}
Real abs(Real a);
Real copysign(Real magnitude, Real sign);
Real sqrt(Real a);
/// One argument, same type: llvm.floor, llvm.roundeven...
Real unary(llvm::Intrinsic::ID id, Real a);
Real binary(llvm::Intrinsic::ID id, Real a, Real b);

/// x, but `bound` where x is beyond it; NaN stays NaN.
Real at_most(Real x, double bound);
Real at_least(Real x, double bound);

/// c[0] + c[1] x + ..., by Horner's rule with fma.
Real polynomial(Real x, std::span<const double> c);
inline Real polynomial(Real x, std::initializer_list<double> c) {
  return polynomial(x, std::span<const double>(c.begin(), c.size()));
}

/// The same by Horner's rule in x^2, with pairs of coefficients for coefficients: a chain of
/// operations of little more than half the length, one operation more, and about an ulp of error.
Real polynomial_of_pairs(Real x, std::span<const double> c);

/// The high word of a : b shifted left by n modulo the width.
Bits funnel_shift_left(Bits a, Bits b, Bits n);

/// A signed integer as a float of so many bits, rounded once.
Real to_real(Bits a, unsigned width);
/// f64 to f32, rounded once.
Real narrowed(Real a);

/// A value as an unevaluated sum, |low| <= ulp(high) / 2.
struct Pair {
  Real high, low;
};
/// a + b exactly, for |a| >= |b| or a zero.
Pair fast_two_sum(Real a, Real b);
/// a + b exactly.
Pair two_sum(Real a, Real b);
/// a * b exactly, barring underflow.
Pair two_product(Real a, Real b);

} // namespace swage::codegen::emit
