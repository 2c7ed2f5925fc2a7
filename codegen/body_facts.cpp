// body_facts.cpp -- what is known of the nodes of a kernel before any is emitted.
#include "codegen/body_facts.hpp"

#include <algorithm>
#include <span>

#include "codegen/cut.hpp"

namespace swage::codegen {

using ir::Op;

namespace {

std::vector<bool> sigmoids_of_silu(const ir::Kernel& kernel,
                                   const std::vector<Accuracy>& accuracies) {
  if (kernel.math() != ir::MathMode::accurate)
    return {};
  std::vector<bool> result(kernel.nodes().size());
  for (std::size_t id = 0; id < result.size(); ++id)
    result[id] = kernel.nodes()[id].op == Op::sigmoid && accuracies[id] == Accuracy::half;
  for (const ir::Node& node : kernel.nodes())
    for (int i = 0; i < ir::info(node.op).arity; ++i) {
      const ir::NodeId used = node.args[static_cast<std::size_t>(i)];
      if (node.op != Op::mul ||
          node.args[static_cast<std::size_t>(1 - i)] != kernel.node(used).args[0])
        result[used] = false;
    }
  for (const ir::Store& store : kernel.stores())
    result[store.node] = false;
  return result;
}

/// Whether a CPU computes the sigmoids of `kernel` at half accuracy in forms for what they are used
/// for.
bool has_forms_on_host(const ir::Kernel& kernel, const Target& target) {
  return target.kind == Target::Kind::host && kernel.math() == ir::MathMode::accurate &&
         kernel.nodes().size() <= kWholeBodyNodes;
}

std::vector<bool> sigmoids_of_numbers(const ir::Kernel& kernel, const Target& target,
                                      const std::vector<Accuracy>& accuracies) {
  std::vector<bool> result(kernel.nodes().size());
  if (has_forms_on_host(kernel, target))
    for (ir::NodeId id = 0; id < result.size(); ++id)
      result[id] = kernel.node(id).op == Op::sigmoid && accuracies[id] == Accuracy::half &&
                   nan_comes_from_argument(kernel, id);
  return result;
}

bool has_bf16_stores_alone(const ir::Kernel& kernel) {
  return std::ranges::all_of(kernel.stores(), [&](const ir::Store& store) {
    return kernel.params()[store.param].dtype == DType::bf16;
  });
}

/// Of bf16 alone: next to the zero of the slope it is off by a little more, which f16 would show.
std::vector<std::optional<SlopeProduct>> slope_products(const ir::Kernel& kernel,
                                                        const Target& target,
                                                        const std::vector<Accuracy>& accuracies,
                                                        bool stores_bf16_alone) {
  if (!has_forms_on_host(kernel, target) || !stores_bf16_alone)
    return {};
  auto result = find_slope_products(kernel);
  for (auto& product : result)
    if (product && accuracies[product->sigmoid] != Accuracy::half)
      product.reset();
  return result;
}

/// Half accuracy is that of the results, which may be normal where an intermediate one is not.
/// Empty where nothing of it applies, and for kernels that are cut into pieces. On a CPU, which is
/// bound by arithmetic, sigmoid stays one factor.
WideProducts wide_products(const ir::Kernel& kernel, const Target& target,
                           const std::vector<Accuracy>& accuracies) {
  if (kernel.math() != ir::MathMode::accurate || kernel.nodes().size() > kWholeBodyNodes)
    return {};
  WideProducts result{find_wide_products(kernel), std::vector<bool>(kernel.nodes().size())};
  for (ir::NodeId id = 0; id < kernel.nodes().size(); ++id)
    if (auto& product = result.products[id]) {
      const bool is_kept =
          target.kind == Target::Kind::cuda || kernel.node(product->function).op != Op::sigmoid;
      if (!is_kept || accuracies[product->function] != Accuracy::half) {
        product.reset();
        continue;
      }
      result.folded[product->function] = true;
      for (const ir::NodeId part : kernel.node(id).args)
        if (product->left && kernel.node(part).op == Op::mul && part != *product->left &&
            part != product->right)
          result.folded[part] = true;
    }
  return result;
}

std::vector<bool> upper_half_nans(const ir::Kernel& kernel, const Target& target) {
  std::vector<bool> result(kernel.nodes().size());
  if (target.kind != Target::Kind::host)
    return result;
  for (std::size_t id = 0; id < result.size(); ++id) {
    const ir::Node& node = kernel.nodes()[id];
    if (node.type != DType::f32)
      continue;
    if (node.op == Op::load || node.op == Op::scalar)
      result[id] = kernel.params()[node.param].dtype == DType::bf16;
    else if (node.op == Op::constant)
      result[id] = node.real() == node.real();
    else if (node.op == Op::cast)
      result[id] = node.storage == DType::bf16;
    else if (ir::info(node.op).keeps_nan_bits)
      result[id] = std::ranges::all_of(
          std::span(node.args).first(static_cast<std::size_t>(ir::info(node.op).arity)),
          [&](ir::NodeId arg) { return kernel.node(arg).type != DType::f32 || result[arg]; });
  }
  return result;
}

/// GPUs have an instruction that rounds ties to even.
std::vector<Ties> ties_on_host(const Job& job, const std::vector<Accuracy>& accuracies,
                               const std::vector<bool>& of_silu, bool stores_bf16_alone) {
  if (job.target.kind != Target::Kind::host)
    return std::vector<Ties>(job.kernel.nodes().size(), Ties::to_even);
  return codegen::ties(job.kernel, accuracies, stores_bf16_alone ? of_silu : std::vector<bool>());
}

/// LLVM distributes constants over chains of integer operations, looks down such chains once for
/// each of their nodes, and through all uses of a constant at each, so the NVPTX back end, which
/// gets a body whole, takes minutes for chains of thousands. It is given them link by link; short
/// chains and short bodies are left to it.
std::vector<bool> opaque_integers(const ir::Kernel& kernel, const Target& target) {
  constexpr int kChain = 64;
  if (target.kind != Target::Kind::cuda || kernel.nodes().size() <= kChain)
    return {};
  const int most = kernel.nodes().size() > kWholeBodyNodes ? 2 : kChain;
  std::vector<bool> result(kernel.nodes().size());
  std::vector<int> length(result.size(), 0);
  for (std::size_t id = 0; id < result.size(); ++id) {
    const ir::Node& node = kernel.nodes()[id];
    if (is_float(node.type) || node.type == DType::boolean || is_leaf(node))
      continue;
    for (int i = 0; i < ir::info(node.op).arity; ++i)
      length[id] = std::max(length[id], 1 + length[node.args[static_cast<std::size_t>(i)]]);
    if (length[id] == most) {
      result[id] = true;
      length[id] = 0;
    }
  }
  return result;
}

} // namespace

BodyFacts::BodyFacts(const Job& job)
    : stores_bf16_alone(has_bf16_stores_alone(job.kernel)), accuracies(ir::accuracies(job.kernel)),
      of_silu(sigmoids_of_silu(job.kernel, accuracies)),
      is_number(sigmoids_of_numbers(job.kernel, job.target, accuracies)),
      slopes(slope_products(job.kernel, job.target, accuracies, stores_bf16_alone)),
      wide(wide_products(job.kernel, job.target, accuracies)),
      upper_half_nans(codegen::upper_half_nans(job.kernel, job.target)),
      ties(ties_on_host(job, accuracies, of_silu, stores_bf16_alone)),
      opaque(opaque_integers(job.kernel, job.target)) {
  std::size_t size = 0;
  for (const ir::Node& node : job.kernel.nodes())
    size += instructions(node);
  calls_functions = job.target.kind == Target::Kind::host && size > kInlineInstructions;
}

} // namespace swage::codegen
