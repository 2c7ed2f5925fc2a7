// math_erf.cpp -- erf.
#include "codegen/math_functions.hpp"
#include "swage/error.hpp"
namespace swage::codegen::math {
Real erf(Real) {
  throw Error(ErrorCode::unsupported, "erf is not there yet");
}
Real erf_half(Real x) {
  return erf(x);
}
Real sin(Real) {
  throw Error(ErrorCode::unsupported, "sin is not there yet");
}
Real cos(Real) {
  throw Error(ErrorCode::unsupported, "cos is not there yet");
}
Real pow(Real, Real) {
  throw Error(ErrorCode::unsupported, "pow is not there yet");
}
} // namespace swage::codegen::math
