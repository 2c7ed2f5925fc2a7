"""Unsloth's activation kernels (unsloth/kernels/swiglu.py and geglu.py), tried against its contracts of 2026.

The backward functions work in place, and what lands where is easily taken for a bug: `e` receives the
gradient of `g`'s operand `up`, and `g` that of `gate`. That is Unsloth's contract; its LoRA products read
the buffers so.

On CUDA the functions have the bits of Unsloth's Triton kernels, whose formulas stand below operation by
operation. Only exact GEGLU needs Triton 3.9 for that: 3.6 has another erf, which shows in 0.01 % of
bf16 results forward. On the CPU the same functions and gradients are computed at full accuracy.
"""

from swage._catalogue import texts
from swage.torch import Operator
from swage.torch._signature import signature

# The forward and the backward of GEGLU in Unsloth's order. k is 1 / sqrt(2), s is sqrt(2 / pi).
_IN_ORDER = {
    "geglu_exact": """
kernel geglu_exact<T>(gate: in T, up: in T, h: out T) {
  let k = 0.70710678118654752;
  h = T(0.5 * gate * (erf(k * gate) + 1)) * up;
}""",
    "geglu_exact_backward": """
kernel geglu_exact_backward<T>(dw: inout T, gate: inout T, up: inout T) {
  let k = 0.70710678118654752;
  let p = 0.5 * (erf(k * gate) + 1);
  let f = T(p * gate);
  let d_gelu = p + 0.3989422804014327 * gate * exp(-0.5 * gate * gate);
  dw = f * up;
  gate = dw * f;
  up = T(dw * up) * d_gelu;
}""",
    "geglu_tanh": """
kernel geglu_tanh<T>(gate: in T, up: in T, h: out T) {
  let s = 0.7978845608028654;
  h = T(0.5 * gate * (tanh(s * gate * (1 + 0.044715 * gate * gate)) + 1)) * up;
}""",
    "geglu_tanh_backward": """
kernel geglu_tanh_backward<T>(dw: inout T, gate: inout T, up: inout T) {
  let a = 0.7978845608028654 * gate;
  let b = a * 0.044715 * gate * gate;
  let t = 1 + tanh(a + b);
  let half = 0.5 * t;
  let d_gelu = half + -half * (t - 2) * (a + 3 * b);
  let f = T(half * gate);
  dw = f * up;
  gate = dw * f;
  up = T(dw * up) * d_gelu;
}""",
}


def _operator(kernel, math=None):
    suffix = f"_{math}" if math else ""
    return Operator(signature(texts()[kernel], kernel), "swage", f"unsloth_{kernel}{suffix}", math=math,
                    of_catalogue=True).op.default


def _in_order(kernel):
    return Operator(signature(_IN_ORDER[kernel], kernel), "swage", f"unsloth_{kernel}_triton",
                    math="triton").op.default


# By whether the tensors are on CUDA.
_SWIGLU = {True: _operator("swiglu_unsloth", "triton"), False: _operator("swiglu_unsloth")}
_SWIGLU_BACK = {True: _operator("swiglu_backward_inplace", "triton"),
                False: _operator("swiglu_backward_inplace")}
_GEGLU = {True: _in_order("geglu_exact"), False: _operator("geglu_unsloth")}
_GEGLU_BACK = {True: _in_order("geglu_exact_backward"),
               False: _operator("geglu_unsloth_backward_inplace")}
_GEGLU_TANH = {True: _in_order("geglu_tanh"), False: _operator("geglu_tanh_unsloth")}
_GEGLU_TANH_BACK = {True: _in_order("geglu_tanh_backward"),
                    False: _operator("geglu_tanh_unsloth_backward_inplace")}


def swiglu_fg_kernel(e, g):
    """h = (e * sigmoid(e), rounded to the type) * g. e, g: [..., columns] of one type; a new tensor."""
    return _SWIGLU[e.is_cuda](e, g)


def swiglu_DWf_DW_dfg_kernel(DW, e, g):
    """In place: DW, the gradient of h, becomes h; e the gradient of up; g that of gate. Returns DW, e, g."""
    _SWIGLU_BACK[e.is_cuda](DW, e, g)
    return DW, e, g


def geglu_exact_forward_kernel(gate, up):
    """h = (gelu(gate) by erf, rounded to the type) * up, a new tensor."""
    return _GEGLU[gate.is_cuda](gate, up)


def geglu_exact_backward_kernel(DW, e, g):
    """In place, as swiglu_DWf_DW_dfg_kernel, for geglu_exact_forward_kernel. Returns DW, e, g."""
    _GEGLU_BACK[e.is_cuda](DW, e, g)
    return DW, e, g


def geglu_approx_forward_kernel(gate, up):
    """h = (gelu(gate) by tanh, rounded to the type) * up, a new tensor."""
    return _GEGLU_TANH[gate.is_cuda](gate, up)


def geglu_approx_backward_kernel(DW, e, g):
    """In place, as swiglu_DWf_DW_dfg_kernel, for geglu_approx_forward_kernel. Returns DW, e, g."""
    _GEGLU_TANH_BACK[e.is_cuda](DW, e, g)
    return DW, e, g
