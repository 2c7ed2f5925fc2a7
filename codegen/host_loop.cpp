// host_loop.cpp -- which loops overlap, by what was measured.
#include "codegen/host_loop.hpp"

#include <algorithm>

namespace swage::codegen {

namespace {

constexpr int kLanesOfThree = 32;

/// Vectors that a turn loads and stores.
int moved(const ir::Kernel& kernel) noexcept {
  int count = 0;
  for (const ir::Param& param : kernel.params())
    if (param.is_tensor() && param.broadcast == ir::Broadcast::none)
      count += (param.is_read() ? 1 : 0) + (param.is_written() ? 1 : 0);
  return count;
}

bool compares(const ir::Kernel& kernel) noexcept {
  return std::ranges::any_of(kernel.nodes(),
                             [](const ir::Node& node) { return node.type == DType::boolean; });
}

/// With AVX2 eight registers a value, what loops of 64 lanes take, are spilled again and again
/// where a turn moves many tensors. Three parts keep a CPU as busy with half the lanes: gradients
/// of gated units take a Zen 5 up to 15 % less time; one unit with few tensors takes 4 % less and
/// the next one 10 % more, as kernels that compare do, whose truth values take registers too.
bool gains_from_three(const ir::Kernel& kernel) noexcept {
  constexpr int kMany = 5;
  return moved(kernel) >= kMany && !compares(kernel);
}

bool is_avx2(const Target& target) noexcept {
  return target.cpu == "x86-64-v3";
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
// for SwiGLU, f32 with AVX-512 4 % less on average. With the registers of AVX-512 bf16 loses as
// much to widening twice.
Overlap overlap_of(const ir::Kernel& kernel, const Specialization& specialization,
                   const Target& target, int lanes) noexcept {
  const bool is_bf16 = can_split_bf16(kernel, specialization, target);
  if (target.cpu == "znver5" && target.vector_bits == 512)
    return {.parts = 2, .repeats_loads = !is_bf16};
  if (!is_avx2(target) || !is_bf16)
    return {};
  return {.parts = gains_from_three(kernel) && lanes <= kLanesOfThree ? 3 : 2,
          .repeats_loads = true};
}

int lanes_of_overlap(const ir::Kernel& kernel, const Specialization& specialization,
                     const Target& target) noexcept {
  const bool overlaps_in_three =
      is_avx2(target) && can_split_bf16(kernel, specialization, target) && gains_from_three(kernel);
  return overlaps_in_three ? kLanesOfThree : 0;
}

} // namespace swage::codegen
