"""Unsloth's activation kernels (unsloth/kernels/swiglu.py and geglu.py), tried against its contracts of 2026.

The backward functions work in place, and what lands where is easily taken for a bug: `e` receives the
gradient of `g`'s operand `up`, and `g` that of `gate`. That is Unsloth's contract; its LoRA products read
the buffers so.

On CUDA the SwiGLU pair has the bits of Unsloth's Triton kernels; GEGLU, whose erf and tanh Triton takes from
CUDA's library, is exact in another way. The CPU computes the same formulas at full accuracy.
"""

import functools

from swage.torch import Operator
from swage.torch._catalogue import texts
from swage.torch._signature import signature


@functools.cache
def _operator(kernel, math):
    suffix = f"_{math}" if math else ""
    return Operator(signature(texts()[kernel], kernel), "swage", f"unsloth_{kernel}{suffix}", math=math)


def _swiglu(kernel, tensor):
    return _operator(kernel, "triton" if tensor.is_cuda else None)


def swiglu_fg_kernel(e, g):
    """h = (e * sigmoid(e), rounded to the type) * g. e, g: [..., columns] of one type; a new tensor."""
    return _swiglu("swiglu_unsloth", e)(e, g)


def swiglu_DWf_DW_dfg_kernel(DW, e, g):
    """In place: DW, the gradient of h, becomes h; e the gradient of up; g that of gate. Returns DW, e, g."""
    _swiglu("swiglu_backward_inplace", e)(DW, e, g)
    return DW, e, g


def geglu_exact_forward_kernel(gate, up):
    """h = (gelu(gate) by erf, rounded to the type) * up, a new tensor."""
    return _operator("geglu_unsloth", None)(gate, up)


def geglu_exact_backward_kernel(DW, e, g):
    """In place, as swiglu_DWf_DW_dfg_kernel, for geglu_exact_forward_kernel. Returns DW, e, g."""
    _operator("geglu_unsloth_backward_inplace", None)(DW, e, g)
    return DW, e, g


def geglu_approx_forward_kernel(gate, up):
    """h = (gelu(gate) by tanh, rounded to the type) * up, a new tensor."""
    return _operator("geglu_tanh_unsloth", None)(gate, up)


def geglu_approx_backward_kernel(DW, e, g):
    """In place, as swiglu_DWf_DW_dfg_kernel, for geglu_approx_forward_kernel. Returns DW, e, g."""
    _operator("geglu_tanh_unsloth_backward_inplace", None)(DW, e, g)
    return DW, e, g
