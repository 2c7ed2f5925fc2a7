// ties.cpp -- finds products that are no ties of bf16.
#include "codegen/ties.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "codegen/silu.hpp"

namespace swage::codegen {

namespace {

using ir::NodeId;
using ir::Op;

/// What a product holds.
struct Product {
  std::optional<NodeId> sigmoid = {};
  std::optional<NodeId> derivative_of = {}; ///< the sigmoid of a factor fma(x, 1 - sigmoid(x), 1)
  bool never_exact = false;
  bool of_silu = false;    ///< the sigmoid is multiplied by its own argument
  bool is_rational = true; ///< the rest are numbers that are read, rounded or written
  int numbers = 0;         ///< of bf16, or whatever else; more than one is as good as many
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
    case Op::mul: {
      Product product = joined(known[node.args[0]], known[node.args[1]]);
      product.of_silu |= sigmoid_of_silu(kernel_, node).has_value();
      return product;
    }
    case Op::neg: return known[node.args[0]];
    case Op::load:
    case Op::scalar: return number(kernel_.params()[node.param].dtype == DType::bf16);
    case Op::cast: return number(node.storage == DType::bf16);
    case Op::constant: return is_power_of_two(node.real()) ? Product{} : number(false);
    case Op::sigmoid: return sigmoid(id);
    case Op::fma: return derivative_factor(id);
    default: return other();
    }
  }

  static Ties ties(const Product& product) {
    if (product.never_exact)
      return Ties::away_from_zero;
    if (!product.sigmoid || (product.derivative_of && product.derivative_of != product.sigmoid))
      return Ties::to_even;
    if (product.numbers <= 1)
      return Ties::away_from_zero;
    return product.of_silu && product.is_rational ? Ties::towards_zero : Ties::to_even;
  }

private:
  static Product other() { return {.is_rational = false, .numbers = 2}; }
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

  Product derivative_factor(NodeId id) const {
    const auto slope = slope_of(kernel_, id);
    return slope ? Product{.derivative_of = slope->sigmoid} : other();
  }

  static Product joined(const Product& a, const Product& b) {
    Product result{.never_exact = a.never_exact || b.never_exact,
                   .of_silu = a.of_silu || b.of_silu,
                   .is_rational = a.is_rational && b.is_rational,
                   .numbers = std::min(a.numbers + b.numbers, 2)};
    const auto join = [&](std::optional<NodeId> Product::*part) {
      result.*part = (a.*part) ? a.*part : b.*part;
      if ((a.*part) && (b.*part) && a.*part != b.*part) {
        result.numbers = 2;
        result.is_rational = false;
      }
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

std::vector<Ties> ties(const ir::Kernel& kernel, const std::vector<ir::Accuracy>& accuracies,
                       const std::vector<bool>& never_exact) {
  std::vector<Ties> result(kernel.nodes().size(), Ties::to_even);
  if (kernel.math() != ir::MathMode::accurate)
    return result;
  const Products products(kernel, accuracies, never_exact);
  std::vector<Product> known;
  for (NodeId id = 0; id < result.size(); ++id) {
    known.push_back(products.of(id, known));
    result[id] = Products::ties(known[id]);
  }
  return result;
}

} // namespace swage::codegen
