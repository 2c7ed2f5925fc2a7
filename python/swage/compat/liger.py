"""Liger Kernel's functions of the gated activations; tried with Liger Kernel of November 2026.

LigerSiLUMulFunction.apply(a, b) and LigerGELUMulFunction.apply(a, b) have Liger's rounding points: the
activation is rounded to the type before the product. Inputs need not be contiguous and are kept as they are,
where Liger's backward writes the gradients into them.
"""

import sys

import torch
import swage.torch as _torch

from ._patching import Patch


class LigerSiLUMulFunction(torch.autograd.Function):
    """silu(gate_multiplier * a) * b; a, b: [..., columns] of one type."""

    @staticmethod
    def forward(ctx, a, b, gate_multiplier=1.0):
        ctx.save_for_backward(a, b)
        ctx.gate_multiplier = float(gate_multiplier)
        if ctx.gate_multiplier != 1.0:
            return _torch.swiglu_multiplier(a, b, multiplier=ctx.gate_multiplier)
        return _torch.swiglu_unsloth(a, b)

    @staticmethod
    def backward(ctx, dc):
        a, b = ctx.saved_tensors
        if ctx.gate_multiplier != 1.0:
            return *_torch.swiglu_multiplier_backward(dc, a, b, multiplier=ctx.gate_multiplier), None
        return *_torch.swiglu_unsloth_backward(dc, a, b), None


class LigerGELUMulFunction(torch.autograd.Function):
    """gelu(a) * b by tanh; a, b: [..., columns] of one type."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return _torch.geglu_tanh_unsloth(a, b)

    @staticmethod
    def backward(ctx, dc):
        return _torch.geglu_tanh_unsloth_backward(dc, *ctx.saved_tensors)


def patch():
    """Puts the functions of this module in the place of Liger's, in every module of liger_kernel that is
    loaded and holds them. Returns a Patch."""
    import liger_kernel.ops.geglu as geglu
    import liger_kernel.ops.swiglu as swiglu

    replacements = {id(swiglu.LigerSiLUMulFunction): LigerSiLUMulFunction,
                    id(geglu.LigerGELUMulFunction): LigerGELUMulFunction}
    patched = Patch()
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "liger_kernel" and module is not None:
            for attribute, value in list(vars(module).items()):
                if id(value) in replacements:
                    patched.replace(module, attribute, replacements[id(value)])
    return patched
