// ties.cpp -- finds products that a rounding to bf16 need not break ties of.
#include "codegen/ties.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

namespace swage::codegen {

namespace {

using ir::NodeId;
using ir::Op;

/// What a product holds.
struct Product {
  std::optional<NodeId> sigmoid = {};
  std::optional<NodeId> derivative_of = {}; ///< the sigmoid of a factor fma(x, 1 - sigmoid(x), 1)
  bool never_exact = false;
  int numbers = 0; ///< of bf16, or whatever else; more than one is as good as many
};

class Products {
public:
  Products(const ir::Kernel& kernel, const std::vector<ir::Accuracy>& accuracies,
           const std::vector<bool>& never_exact)
      : kernel_(kernel), accuracies_(accuracies), never_exact_(never_exact) {}

  Product of(NodeId id, const std::vector<Product>& known) const {
    const ir::Node& node = kernel_.node(id);
    if (node.type != DType::f32)
      return other();
    switch (node.op) {
    case Op::mul: return joined(known[node.args[0]], known[node.args[1]]);
    case Op::neg: return known[node.args[0]];
    case Op::load:
    case Op::scalar: return number(kernel_.params()[node.param].dtype == DType::bf16);
    case Op::cast: return number(node.storage == DType::bf16);
    case Op::constant: return is_power_of_two(node.real()) ? Product{} : other();
    case Op::sigmoid: return sigmoid(id);
    case Op::fma: return derivative_factor(node);
    default: return other();
    }
  }

  static bool is_tie_by_accident(const Product& product) {
    return product.never_exact ||
           (product.sigmoid && product.numbers <= 1 &&
            (!product.derivative_of || product.derivative_of == product.sigmoid));
  }

private:
  static Product other() { return {.numbers = 2}; }
  static Product number(bool is_bf16) { return {.numbers = is_bf16 ? 1 : 2}; }

  static bool is_power_of_two(double value) {
    int exponent = 0;
    return std::fabs(std::frexp(value, &exponent)) == 0.5;
  }

  Product sigmoid(NodeId id) const {
    if (accuracies_[id] != ir::Accuracy::half)
      return other();
    return {.sigmoid = id, .never_exact = !never_exact_.empty() && never_exact_[id]};
  }

  bool is_one(NodeId id) const {
    const ir::Node& node = kernel_.node(id);
    return node.op == Op::constant && node.type == DType::f32 && node.real() == 1;
  }

  /// fma(x, 1 - s, 1), s = sigmoid(x), and its first two operands may be exchanged.
  Product derivative_factor(const ir::Node& node) const {
    for (const std::size_t i : {0, 1}) {
      const ir::Node& rest = kernel_.node(node.args[i]);
      if (!is_one(node.args[2]) || rest.op != Op::sub || !is_one(rest.args[0]))
        continue;
      const ir::Node& function = kernel_.node(rest.args[1]);
      if (function.op == Op::sigmoid && function.args[0] == node.args[1 - i])
        return {.derivative_of = rest.args[1]};
    }
    return other();
  }

  static Product joined(const Product& a, const Product& b) {
    Product result{.never_exact = a.never_exact || b.never_exact,
                   .numbers = std::min(a.numbers + b.numbers, 2)};
    const auto join = [&](std::optional<NodeId> Product::*part) {
      result.*part = (a.*part) ? a.*part : b.*part;
      if ((a.*part) && (b.*part) && a.*part != b.*part)
        result.numbers = 2;
    };
    join(&Product::sigmoid);
    join(&Product::derivative_of);
    return result;
  }

  const ir::Kernel& kernel_;
  const std::vector<ir::Accuracy>& accuracies_;
  const std::vector<bool>& never_exact_;
};

} // namespace

std::vector<bool> accidental_ties(const ir::Kernel& kernel,
                                  const std::vector<ir::Accuracy>& accuracies,
                                  const std::vector<bool>& never_exact) {
  std::vector<bool> result(kernel.nodes().size());
  if (kernel.math() != ir::MathMode::accurate)
    return result;
  const Products products(kernel, accuracies, never_exact);
  std::vector<Product> known;
  for (NodeId id = 0; id < result.size(); ++id) {
    known.push_back(products.of(id, known));
    result[id] = Products::is_tie_by_accident(known[id]);
  }
  return result;
}

} // namespace swage::codegen
