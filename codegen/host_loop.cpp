// host_loop.cpp -- which loops overlap, by what was measured.
#include "codegen/host_loop.hpp"

#include <algorithm>

#include "codegen/schedule_parts.hpp"

namespace swage::codegen {

namespace {

/// Lanes of loops that overlap in three parts, at most: four registers a value.
int lanes_of_three(const Target& target) noexcept {
  return target.vector_bits / 8;
}

bool compares(const ir::Kernel& kernel) noexcept {
  return std::ranges::any_of(kernel.nodes(),
                             [](const ir::Node& node) { return node.type == DType::boolean; });
}

/// Three parts keep a CPU as busy with half the lanes, where the eight registers a value that AVX2
/// takes else are spilled again and again: gradients of gated units in bf16 take a Zen 5 3 to 17 %
/// less time with AVX2 and 5 to 14 % less with AVX-512, one 5 % more. Of units with few tensors one
/// takes 4 % less and the next one 10 % more; so do kernels that compare.
bool gains_from_three(const ir::Kernel& kernel) noexcept {
  constexpr int kMany = 5;
  return streams(kernel) >= kMany && !compares(kernel);
}

bool is_avx2(const Target& target) noexcept {
  return target.cpu == "x86-64-v3";
}

bool is_zen5(const Target& target) noexcept {
  return target.cpu == "znver5" && target.vector_bits == 512;
}

} // namespace

bool can_split_bf16(const ir::Kernel& kernel, const Specialization& specialization,
                    const Target& target) noexcept {
  // Lanes are columns where a sum goes over them.
  if (target.kind != Target::Kind::host || !ir::is_elementwise(kernel))
    return false;
  std::size_t tensor = 0;
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor())
      continue;
    const Layout layout = specialization.tensors[tensor++].layout;
    const bool moves_whole = layout == Layout::unit || layout == Layout::per_column;
    if (layout != Layout::per_row && !(moves_whole && param.dtype == DType::bf16))
      return false;
  }
  return true;
}

// Zen 5 takes 2 to 25 % less time for sigmoids and tanh, f32 and bf16, and up to 5 % more for erf
// of f32. Models of Zen 4, Intel's CPUs and Neoverse gain nothing, or lose to the copies.
// With the sixteen registers of AVX2 what lives on is spilled: f32 gains nothing by it. bf16, of
// which a register holds twice as many, does: a Zen 5 takes 4 to 18 % less time for nearly all
// gated units and their gradients, and 2 to 4 % more for `gelu_tanh` and `glu` alone; models of
// Zen 2 and 3, Skylake and Alder Lake take from a fifth less to an eighth more for SwiGLU.
// A load that is repeated is the operand of an instruction, or spares a spill: AVX2 2 to 10 % less
// for SwiGLU, f32 with AVX-512 4 % less on average, and bf16 in three parts. In two parts AVX-512
// has the registers, and bf16 is not widened twice.
Overlap overlap_of(const ir::Kernel& kernel, const Specialization& specialization,
                   const Target& target, int lanes) noexcept {
  const bool is_bf16 = can_split_bf16(kernel, specialization, target);
  const bool in_three = is_bf16 && gains_from_three(kernel) && lanes <= lanes_of_three(target);
  if (is_zen5(target))
    return {.parts = in_three ? 3 : 2, .repeats_loads = in_three || !is_bf16};
  if (is_avx2(target) && is_bf16)
    return {.parts = in_three ? 3 : 2, .repeats_loads = true};
  return {};
}

int lanes_of_overlap(const ir::Kernel& kernel, const Specialization& specialization,
                     const Target& target) noexcept {
  const int lanes = lanes_of_three(target);
  return overlap_of(kernel, specialization, target, lanes).parts > 2 ? lanes : 0;
}

} // namespace swage::codegen
