// math_reference.cpp -- reference values from the C library and from MPFR.
#include "tests/codegen/math_reference.hpp"

#include <algorithm>
#include <mpfr.h>
#include <stdexcept>

namespace swage::codegen::test {
namespace {

using ir::Op;

template <typename T>
T sigmoid(T x) {
  const T e = std::exp(-std::fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}
template <typename T>
T rsqrt(T x) {
  return 1 / std::sqrt(x);
}
template <typename T>
T rcp(T x) {
  return 1 / x;
}

// The bounds of docs/numbers.md: the worst errors measured, rounded up.
constexpr FunctionCase kFunctions[] = {
    {Op::exp, 1, 1, std::exp, std::exp},
    {Op::exp2, 1, 1, std::exp2, std::exp2},
    {Op::expm1, 1.5, 2, std::expm1, std::expm1},
    {Op::log, 1, 1, std::log, std::log},
    {Op::log2, 1.25, 1.25, std::log2, std::log2},
    {Op::log1p, 1.75, 1.75, std::log1p, std::log1p},
    {Op::sqrt, 0.5, 0.5, std::sqrt, std::sqrt},
    {Op::rsqrt, 1.5, 1.5, rsqrt<double>, rsqrt<long double>},
    {Op::rcp, 0.5, 0.5, rcp<double>, rcp<long double>},
    {Op::sigmoid, 2.5, 2.75, sigmoid<double>, sigmoid<long double>},
    {Op::tanh, 2.5, 2.75, std::tanh, std::tanh},
    {Op::erf, 1.5, 1.5, std::erf, std::erf},
    {Op::erfc, 3.25, 3.25, std::erfc, std::erfc},
    {Op::sin, 1.75, 1, std::sin, std::sin},
    {Op::cos, 1.75, 1, std::cos, std::cos},
};

/// An MPFR number of 200 bits.
class Number {
public:
  Number() { mpfr_init2(value_, 200); }
  explicit Number(double x) : Number() { mpfr_set_d(value_, x, MPFR_RNDN); }
  ~Number() { mpfr_clear(value_); }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  operator mpfr_ptr() { return value_; }

private:
  mpfr_t value_;
};

void evaluate(Op op, mpfr_ptr r, mpfr_ptr x, mpfr_ptr y) {
  switch (op) {
  case Op::exp: mpfr_exp(r, x, MPFR_RNDN); return;
  case Op::exp2: mpfr_exp2(r, x, MPFR_RNDN); return;
  case Op::expm1: mpfr_expm1(r, x, MPFR_RNDN); return;
  case Op::log: mpfr_log(r, x, MPFR_RNDN); return;
  case Op::log2: mpfr_log2(r, x, MPFR_RNDN); return;
  case Op::log1p: mpfr_log1p(r, x, MPFR_RNDN); return;
  case Op::sqrt: mpfr_sqrt(r, x, MPFR_RNDN); return;
  case Op::rsqrt:
    mpfr_sqrt(r, x, MPFR_RNDN);
    mpfr_ui_div(r, 1, r, MPFR_RNDN);
    return;
  case Op::rcp: mpfr_ui_div(r, 1, x, MPFR_RNDN); return;
  case Op::sigmoid: {
    // 1 / (1 + e^-x): MPFR's exponents do not overflow here.
    mpfr_neg(r, x, MPFR_RNDN);
    mpfr_exp(r, r, MPFR_RNDN);
    mpfr_add_ui(r, r, 1, MPFR_RNDN);
    mpfr_ui_div(r, 1, r, MPFR_RNDN);
    return;
  }
  case Op::tanh: mpfr_tanh(r, x, MPFR_RNDN); return;
  case Op::erf: mpfr_erf(r, x, MPFR_RNDN); return;
  case Op::erfc: mpfr_erfc(r, x, MPFR_RNDN); return;
  case Op::sin: mpfr_sin(r, x, MPFR_RNDN); return;
  case Op::cos: mpfr_cos(r, x, MPFR_RNDN); return;
  case Op::pow: mpfr_pow(r, x, y, MPFR_RNDN); return;
  default: throw std::runtime_error("no MPFR reference for this operation");
  }
}

} // namespace

std::span<const FunctionCase> one_argument_functions() {
  return kFunctions;
}

const FunctionCase& function_case(Op op) {
  return *std::find_if(std::begin(kFunctions), std::end(kFunctions),
                       [&](const FunctionCase& each) { return each.op == op; });
}

double exact_ulp_error(Op op, double x, double y, double got) {
  Number a(x), b(y), exact, difference(got);
  evaluate(op, exact, a, b);
  const double rounded = mpfr_get_d(exact, MPFR_RNDN);
  if (!std::isfinite(rounded) || !std::isfinite(got) || mpfr_zero_p(exact)) {
    // Overflow, poles, NaN and zeros: the rounded value says what is right to within one ulp.
    if (std::isinf(rounded) && std::isfinite(got) && mpfr_number_p(exact))
      return ulp_error(got, static_cast<long double>(std::copysign(0x1p1023L * 2, rounded)));
    if (std::isfinite(rounded) && std::isinf(got))
      return ulp_error(got, static_cast<long double>(rounded));
    return ulp_error(got, rounded);
  }
  mpfr_sub(difference, difference, exact, MPFR_RNDN);
  const long exponent = std::max<long>(mpfr_get_exp(exact) - 1, -1022);
  mpfr_mul_2si(difference, difference, 52 - exponent, MPFR_RNDN);
  return std::fabs(mpfr_get_d(difference, MPFR_RNDN));
}

} // namespace swage::codegen::test
