"""Unsloth's activation kernels (unsloth/kernels/swiglu.py and geglu.py), tried against its contracts of 2026.

The backward functions work in place, and what lands where is easily taken for a bug: `e` receives the
gradient of `g`'s operand `up`, and `g` that of `gate`. That is Unsloth's contract; its LoRA products read
the buffers so.

On CUDA the SwiGLU pair has the bits of Unsloth's Triton kernels; GEGLU, whose erf and tanh Triton takes from
CUDA's library, is exact in another way. The CPU computes the same formulas at full accuracy.
"""

from swage._catalogue import texts
from swage.torch import Operator
from swage.torch._signature import signature


def _operator(kernel, math=None):
    suffix = f"_{math}" if math else ""
    return Operator(signature(texts()[kernel], kernel), "swage", f"unsloth_{kernel}{suffix}", math=math,
                    of_catalogue=True).op.default


_SWIGLU = {True: _operator("swiglu_unsloth", "triton"), False: _operator("swiglu_unsloth")}
_SWIGLU_BACK = {True: _operator("swiglu_backward_inplace", "triton"),
                False: _operator("swiglu_backward_inplace")}
_GEGLU, _GEGLU_BACK = _operator("geglu_unsloth"), _operator("geglu_unsloth_backward_inplace")
_GEGLU_TANH = _operator("geglu_tanh_unsloth")
_GEGLU_TANH_BACK = _operator("geglu_tanh_unsloth_backward_inplace")


def swiglu_fg_kernel(e, g):
    """h = (e * sigmoid(e), rounded to the type) * g. e, g: [..., columns] of one type; a new tensor."""
    return _SWIGLU[e.is_cuda](e, g)


def swiglu_DWf_DW_dfg_kernel(DW, e, g):
    """In place: DW, the gradient of h, becomes h; e the gradient of up; g that of gate. Returns DW, e, g."""
    _SWIGLU_BACK[e.is_cuda](DW, e, g)
    return DW, e, g


def geglu_exact_forward_kernel(gate, up):
    """h = (gelu(gate) by erf, rounded to the type) * up, a new tensor."""
    return _GEGLU(gate, up)


def geglu_exact_backward_kernel(DW, e, g):
    """In place, as swiglu_DWf_DW_dfg_kernel, for geglu_exact_forward_kernel. Returns DW, e, g."""
    _GEGLU_BACK(DW, e, g)
    return DW, e, g


def geglu_approx_forward_kernel(gate, up):
    """h = (gelu(gate) by tanh, rounded to the type) * up, a new tensor."""
    return _GEGLU_TANH(gate, up)


def geglu_approx_backward_kernel(DW, e, g):
    """In place, as swiglu_DWf_DW_dfg_kernel, for geglu_approx_forward_kernel. Returns DW, e, g."""
    _GEGLU_TANH_BACK(DW, e, g)
    return DW, e, g
