// rewordings.cpp -- how to write here what other languages spell otherwise.
#include "ir/rewordings.hpp"

#include <span>

namespace swage::ir {

namespace {

struct Rewording {
  std::string_view name;
  std::string_view help;
};

constexpr Rewording kFunctions[] = {
    {"fabs", "write abs(x)"},
    {"fabsf", "write abs(x)"},
    {"fmin", "write min(a, b)"},
    {"fminf", "write min(a, b)"},
    {"minimum", "write min(a, b)"},
    {"fmax", "write max(a, b)"},
    {"fmaxf", "write max(a, b)"},
    {"maximum", "write max(a, b)"},
    {"expf", "write exp(x)"},
    {"tanhf", "write tanh(x)"},
    {"ln", "write log(x)"},
    {"reciprocal", "write rcp(x)"},
    {"logistic", "write sigmoid(x)"},
    {"where", "write c ? a : b"},
    {"select", "write c ? a : b"},
    {"lerp", "write a + t * (b - a)"},
    {"sum", "write row_sum(x)"},
    {"mean", "write row_mean(x)"},
    {"amax", "write row_max(x)"},
    {"amin", "write row_min(x)"},
    {"group_mean", "write group_sum(x, n) / n"},
    {"col_group_mean", "write col_group_sum(x, n) / n"},
    {"col_max", "write col_group_max(x, n), of n neighbouring rows"},
    {"col_min", "write col_group_min(x, n), of n neighbouring rows"},
    {"fmod", "write a - b * trunc(a / b)"},
};

constexpr Rewording kTypes[] = {
    {"float", "write f32"},
    {"float32", "write f32"},
    {"fp32", "write f32"},
    {"double", "write f64"},
    {"float64", "write f64"},
    {"fp64", "write f64"},
    {"half", "write f16"},
    {"float16", "write f16"},
    {"fp16", "write f16"},
    {"bfloat16", "write bf16"},
    {"bfloat", "write bf16"},
    {"int", "write i32"},
    {"float8_e4m3fn", "write f8e4m3"},
    {"fp8", "write f8e4m3"},
    {"float8_e4m3fnuz", "write f8e4m3fnuz"},
    {"float8_e5m2", "write f8e5m2"},
    {"float8_e5m2fnuz", "write f8e5m2fnuz"},
    {"float8_e8m0fnu", "write e8m0"},
    {"ue8m0", "write e8m0"},
    {"float4_e2m1fn", "write f4e2m1"},
    {"float4_e2m1fn_x2", "write f4e2m1"},
    {"e2m1", "write f4e2m1"},
    {"fp4", "write f4e2m1"},
    {"int32", "write i32"},
    {"int64", "write i64"},
    {"long", "write i64"},
    {"int8", "write i8"},
    {"uint8", "write u8"},
    {"boolean", "write bool"},
};

std::string_view find(std::span<const Rewording> table, std::string_view name) {
  for (const Rewording& row : table)
    if (row.name == name)
      return row.help;
  return {};
}

} // namespace

std::string_view rewording_of_function(std::string_view name) {
  return find(kFunctions, name);
}

std::string_view rewording_of_type(std::string_view name) {
  return find(kTypes, name);
}

} // namespace swage::ir
