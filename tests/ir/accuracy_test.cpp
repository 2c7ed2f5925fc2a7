// accuracy_test.cpp -- full accuracy is owed where something can jump, and nowhere else.
#include "tests/support/catch.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

#include "ir/accuracy.hpp"
#include "ir/source.hpp"

using namespace swage;
using ir::Accuracy;

namespace {

/// What the first node of `op` owes in a kernel of a, b: in bf16 (and d: in bf16) with `body`.
Accuracy owed(const std::string& body, ir::Op op, const char* outputs = "y: out bf16") {
  const ir::Kernel kernel = ir::load_kernel(
      {std::string("kernel k(a: in bf16, b: in bf16, ") + outputs + ") { " + body + " }"}, "", {});
  const std::vector<Accuracy> owed = ir::accuracies(kernel);
  for (ir::NodeId id = 0; id < owed.size(); ++id)
    if (kernel.node(id).op == op)
      return owed[id];
  FAIL("no " << ir::info(op).id << " in " << body);
  return Accuracy::half;
}

} // namespace

TEST_CASE("what only reaches a 16-bit store owes half accuracy") {
  CHECK(owed("y = a / b;", ir::Op::div) == Accuracy::half);
  CHECK(owed("y = max(exp(a), b) * b + abs(a);", ir::Op::exp) == Accuracy::half);
  CHECK(owed("y = a > 0 ? exp(a) : b;", ir::Op::exp) == Accuracy::half);
  CHECK(owed("y = floor(a) * exp(b);", ir::Op::exp) == Accuracy::half);
  CHECK(owed("y = copysign(exp(a), b);", ir::Op::exp) == Accuracy::half);
  CHECK(owed("y = pow(a / b, b);", ir::Op::div) == Accuracy::half);
  CHECK(owed("y = log1p(exp(a));", ir::Op::exp) == Accuracy::half);
}

TEST_CASE("what reaches a jump owes full accuracy, over any way") {
  for (const char* body :
       {"y = floor(a / b);", "y = ceil(a / b);", "y = trunc(a / b);", "y = round(a / b);",
        "y = f32(i32(a / b));", "y = a / b == 1 ? 1 : 0;", "y = a < a / b ? 1 : b;",
        "y = isnan(a / b) ? 1 : 0;", "y = copysign(b, a / b);", "y = pow(a, a / b);",
        "y = bool(a / b) ? a : b;", "y = floor(bf16(a / b * 2) + b);",
        "y = floor(a > 0 ? a / b : b);", "y = sqrt(1 - a / b);", "y = log(a / b);"}) {
    INFO(body);
    CHECK(owed(body, ir::Op::div) == Accuracy::full);
  }
}

TEST_CASE("accuracy is owed by value, not by kernel") {
  const char* both = "y: out bf16, z: out f32";
  CHECK(owed("y = exp(a); z = sin(b);", ir::Op::exp, both) == Accuracy::half);
  CHECK(owed("y = exp(a); z = sin(b);", ir::Op::sin, both) == Accuracy::full);
  CHECK(owed("y = exp(a); z = exp(a) * 2;", ir::Op::exp, both) == Accuracy::full);
  CHECK(owed("y = exp(a); z = a > b;", ir::Op::exp, "y: out bf16, z: out bool") == Accuracy::half);
  CHECK(owed("y = f32(f64(exp(a)) * f64(b));", ir::Op::exp) == Accuracy::full);
}

/// Of a table's cell, in every locale; 0 for none.
static double number(std::string_view cell) {
  cell.remove_prefix(std::min(cell.find_first_not_of(' '), cell.size()));
  double value = 0;
  std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return value;
}

TEST_CASE("every error bound of full accuracy is the one that the documentation states") {
  std::ifstream file(SWAGE_SOURCE_DIR "/docs/numbers.md");
  std::map<std::string, std::pair<double, double>> stated;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::string cell[8];
    int count = 0;
    while (count < 8 && std::getline(cells, cell[count], '|'))
      ++count;
    if (count != 7 || cell[1].find('`') == std::string::npos) // of six columns this is the one
      continue;
    // One row may name several functions.
    std::istringstream names(cell[1]);
    for (std::string name; std::getline(names, name, '`');)
      if (name.find_first_not_of(' ') != name.npos)
        stated[name] = {number(cell[2]), number(cell[5])};
  }
  int functions = 0;
  for (int i = 0; i < ir::kOpCount; ++i) {
    const auto op = static_cast<ir::Op>(i);
    if (!ir::is_approximate(op) || op == ir::Op::isnan)
      continue;
    const std::string name(ir::info(op).spelling);
    INFO(name);
    REQUIRE(stated.count(name) == 1);
    CHECK(ir::full_error_ulps(op, DType::f32) == stated[name].first);
    CHECK(ir::full_error_ulps(op, DType::f64) == stated[name].second);
    ++functions;
  }
  CHECK(functions >= 16);
}
