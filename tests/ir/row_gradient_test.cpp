// row_gradient_test.cpp -- gradients through reductions, and with respect to what is spread over
// many elements, against central differences in long double.
#include "ir/differentiate.hpp"

#include <cmath>
#include <fstream>
#include <sstream>

#include "ir/evaluate_rows.hpp"
#include "ir/passes.hpp"
#include "tests/ir/parse_support.hpp"
#include "tests/support/catalogue.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir::testing {

namespace {

using Values = std::vector<Scalar>;

/// A call of `forward` in f64 with inputs of size about one, no two of them close.
class Call {
public:
  Call(const std::string& text, CallSize size, std::uint64_t seed)
      : text_(text), size_(size), random_(seed), forward_(bound("f")), derived_(bound("g")) {
    for (const Param& param : forward_.params()) {
      Values values;
      // As an integer, a column of rows that are long enough.
      for (std::int64_t i = 0; i < values_of(param.space(), size); ++i)
        values.push_back({.real = number(), .integer = 3 * i});
      inputs_.push_back(std::move(values));
    }
    // The weight of each output value in the one number that is differentiated.
    for (const Store& store : forward_.stores()) {
      Values values;
      for (std::int64_t i = 0; i < values_of(forward_.params()[store.param].space(), size); ++i)
        values.push_back({.real = number()});
      weights_.push_back(std::move(values));
    }
  }

  const Kernel& derived() const { return derived_; }

  /// Every gradient of every value against a difference. Returns how many were compared.
  int compare() {
    std::vector<Values> arguments;
    for (const Param& param : derived_.params())
      arguments.push_back(argument(param));
    const auto gradients = evaluate_rows(derived_, size_, arguments, Arithmetic::exact);
    int compared = 0;
    for (std::size_t s = 0; s < derived_.stores().size(); ++s) {
      const Param& target = derived_.params()[derived_.stores()[s].param];
      if (!target.name.starts_with("d_"))
        continue;
      const std::size_t p = index_of(forward_, target.name.substr(2));
      for (std::size_t i = 0; i < gradients[s].size(); ++i, ++compared) {
        const long double slope = difference(p, i);
        INFO(target.name << "[" << i << "] of " << text_);
        CHECK(static_cast<double>(gradients[s][i].real) ==
              Approx(static_cast<double>(slope)).epsilon(1e-6).margin(1e-6));
      }
    }
    return compared;
  }

private:
  Kernel bound(const std::string& name) const {
    Kernel kernel = parse_text(text_, {}, name);
    verify(kernel);
    Kernel loaded = load_kernel({text_}, name, {});
    verify(loaded);
    CHECK(parse_text(canonical(loaded)) == loaded);
    return loaded;
  }

  double number() { return static_cast<double>(random_.bits() % 4000001) / 1e6 - 2; }

  Values argument(const Param& param) const {
    for (std::size_t s = 0; s < weights_.size(); ++s)
      if ("d_" + forward_.params()[forward_.stores()[s].param].name == param.name)
        return weights_[s];
    for (std::size_t p = 0; p < inputs_.size(); ++p)
      if (forward_.params()[p].name == param.name)
        return inputs_[p];
    return {};
  }

  long double total() const {
    const auto results = evaluate_rows(forward_, size_, inputs_, Arithmetic::exact);
    long double sum = 0;
    for (std::size_t s = 0; s < results.size(); ++s)
      for (std::size_t i = 0; i < results[s].size(); ++i)
        sum += results[s][i].real * weights_[s][i].real;
    return sum;
  }

  long double difference(std::size_t param, std::size_t i) {
    constexpr long double step = 1e-6L;
    const long double at = inputs_[param][i].real;
    inputs_[param][i].real = at + step;
    const long double above = total();
    inputs_[param][i].real = at - step;
    const long double below = total();
    inputs_[param][i].real = at;
    return (above - below) / (2 * step);
  }

  std::string text_;
  CallSize size_;
  test::Random random_;
  Kernel forward_, derived_;
  std::vector<Values> inputs_;
  std::vector<Values> weights_;
};

const std::string kInputs =
    "kernel f(x: in f64, r: in f64 [row], c: in f64 [col], g: in f64 [group "
    "2], h: in f64 [group 4], t: in f64 [tensor], s: f64, ";

std::string forward_of(const std::string& outputs, const std::string& body) {
  return kInputs + outputs + ") { " + body + " } kernel g = grad f(x, r, c, g, h, t, s);";
}

/// The derived kernel of one statement `y = value`.
std::string gradient_line(const std::string& params, const std::string& value,
                          const std::string& items) {
  const std::string text = "kernel f(" + params + ", y: out f32) { y = " + value +
                           "; } kernel g = grad f(" + items + ");";
  return canonical(load_kernel({text}, "g", {}));
}

} // namespace

TEST_CASE("gradients of every space agree with differences") {
  for (const std::string value : {
           "x * r * c * g * h * t * s",
           "row_sum(x * c) * r + t",
           "x * rsqrt(row_mean(x * x) + 1.5) * c * s",
           "exp(x - row_max(x)) / row_sum(exp(x - row_max(x)))",
           "(x - row_mean(x)) * rsqrt(row_mean((x - row_mean(x)) * (x - row_mean(x))) + 1e-3) * c "
           "+ t",
           "x / group_max(abs(x), 4) * h",
           "group_sum(x * g, 2) * h + group_min(x, 4)",
           "row_min(g * r) + row_max(h)",
           "row_sum(r * s) + row_sum(t) * c",
           "row_mean(g) * x + row_sum(h * r)",
           "x * col_sum(x * r) + col_sum(r) * t",
           "col_sum(row_sum(x * s)) * c",
           "row_sum(c * t) * x",
           "x > 0.25 ? r * x : c * s",
           "row_sum(x > r ? x * t : g)",
           "relu(x - row_mean(x)) * sigmoid(row_max(x) * s)",
           "log(row_sum(exp(x * s))) + r",
           "f64(f32(0.5)) * row_max(x * x) + x * 0",
       })
    for (const CallSize size : {CallSize{1, 4}, CallSize{3, 8}, CallSize{5, 12}}) {
      INFO(value);
      Call call(forward_of("y: out f64", "y = " + value + ";"), size, 11);
      CHECK(call.compare() > 10);
    }
}

TEST_CASE("gradients arrive at outputs of every space") {
  Call call(
      forward_of("y: out f64, yr: out f64 [row], yc: out f64 [col], yg: out f64 [group 2], yt: "
                 "out f64 [tensor], yw: out f64",
                 "let m = row_mean(x * t); y = x * m; yr = m * s; yc = col_sum(x * r) + c; yg "
                 "= group_max(x * c, 2) * g; yt = col_sum(row_sum(x * h)) + t; yw = r * t;"),
      {3, 8}, 5);
  CHECK(call.compare() > 10);
}

TEST_CASE("what is the same for all may be stored for each, and its gradient is their sum") {
  Call call(forward_of("yr: out f64 [row], yc: out f64 [col], yg: out f64 [group 4], yt: out f64 "
                       "[tensor]",
                       "yr = t * s; yc = t; yg = s * s; yt = t + s;"),
            {3, 8}, 6);
  CHECK(call.compare() > 10);
}

TEST_CASE("every catalogue kernel that reaches along its rows agrees with differences") {
  int compared = 0;
  for (const char* file : {"norms.swg", "softmax.swg", "cross_entropy.swg", "swiglu.swg"}) {
    std::stringstream text;
    text << std::ifstream(std::string(SWAGE_SOURCE_DIR) + "/kernels/" + file).rdbuf();
    for (const KernelDeclaration& declared : list_kernels({text.str()})) {
      if (!declared.gradient_of.empty() || declared.name.find("backward") != std::string::npos)
        continue;
      const Kernel forward =
          parse_kernel({text.str()}, declared.name, test::bind_all(declared, f64));
      std::string inputs;
      for (const Param& param : forward.params())
        if (!param.is_written() && is_float(param.dtype))
          inputs += (inputs.empty() ? "" : ", ") + param.name;
      // As it is printed, so with its generics bound.
      std::string source = print(forward);
      source.replace(source.find("kernel " + declared.name), 7 + declared.name.size(), "kernel f");
      INFO(declared.name);
      Call call(source + "kernel g = grad f(" + inputs + ");", {3, 8}, 9);
      CHECK(call.compare() > 10);
      ++compared;
    }
  }
  CHECK(compared >= 7);
}

TEST_CASE("second derivatives go through reductions") {
  const std::string text = "kernel f0(x: in f64, c: in f64 [col], y: out f64) { y = x * "
                           "rsqrt(row_mean(x * x) + 1) * c; }"
                           " kernel f = grad f0(x, c); kernel g = grad f(x, c, d_y);";
  Call call(text, {2, 5}, 3);
  CHECK(call.compare() > 10);
}

TEST_CASE("a maximum gives its gradient in equal parts to the elements that hold it") {
  const Kernel gradient = load_kernel(
      {"kernel f(x: in f64, y: out f64 [row], z: out f64 [group 2]) { y = row_max(x); z = "
       "group_min(x, 2); } kernel g = grad f(x);"},
      "g", {});
  std::vector<Values> arguments(gradient.params().size());
  arguments[0] = {{.real = 6}};                                        // d_y
  arguments[1] = {{.real = 0}, {.real = 10}};                          // d_z
  arguments[2] = {{.real = 3}, {.real = 1}, {.real = 3}, {.real = 3}}; // x
  const auto got = evaluate_rows(gradient, {1, 4}, arguments, Arithmetic::exact);
  const double expected[] = {2, 0, 2 + 5, 2 + 5};
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(static_cast<double>(got[0][i].real) == expected[i]);
}

TEST_CASE("derived kernels of norms read as a person would write them") {
  CHECK(
      gradient_line("x: in f32, w: in f32 [col]", "x * rsqrt(row_mean(x * x) + 1e-6) * w",
                    "x, w") ==
      "kernel g(d_y: in f32, x: in f32, w: in f32[col], d_x: out f32, d_w: out f32[col]) { let t0 "
      "= rsqrt(row_mean(x * x) + 1e-06); let t1 = row_sum(d_y * w * x) * t0 * t0 * t0 * -0.5 / "
      "row_sum(f32(1)) * x; d_x = fma(d_y * t0, w, t1) + t1; d_w = col_sum(d_y * (x * t0)); }");
  CHECK(
      gradient_line("x: in f32", "x * row_max(x)", "x") ==
      "kernel g(d_y: in f32, x: in f32, d_x: out f32) { let t0 = row_max(x); let t1 = x == t0; d_x "
      "= fma(d_y, t0, t1 ? row_sum(d_y * x) / row_sum(t1 ? f32(1) : f32(0)) : 0); }");
  CHECK(
      gradient_line("x: in f32, s: f32", "x * s", "x, s") ==
      "kernel g(d_y: in f32, x: in f32, s: f32, d_x: out f32, d_s: out f32[tensor]) { d_x = d_y * "
      "s; d_s = col_sum(row_sum(d_y * x)); }");
  CHECK(gradient_line("x: in f32, r: in f32 [row]", "x * r", "x, r") ==
        "kernel g(d_y: in f32, x: in f32, r: in f32[row], d_x: out f32, d_r: out f32[row]) { d_x = "
        "d_y * r; d_r = row_sum(d_y * x); }");
}

TEST_CASE("random kernels with reductions have gradients that verify and print") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO(seed);
    test::RandomKernelOptions options = test::RandomKernelOptions::narrow_floats();
    options.reductions = true;
    options.nodes = 12;
    const Kernel kernel = test::random_kernel(seed, options);
    GradRequest request{.name = "g", .items = {}};
    for (const Param& param : kernel.params())
      if (!param.is_written())
        request.items.push_back({param.name, {}});
    const Kernel gradient = differentiate(simplify(kernel), request);
    verify(gradient);
    const Kernel done = contract(simplify(gradient));
    verify(done);
    CHECK(parse_text(canonical(done)) == done);
    for (std::size_t i = 0; i < request.items.size(); ++i) {
      const std::size_t from = index_of(kernel, request.items[i].what);
      const std::size_t to = index_of(done, "d_" + request.items[i].what);
      CHECK(done.params()[to].space() == kernel.params()[from].space());
    }
  }
}

} // namespace swage::ir::testing
