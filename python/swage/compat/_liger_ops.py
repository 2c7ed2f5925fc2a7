"""What Liger Kernel's registry of implementations takes from here: the names in __all__."""

import torch
import swage.torch as _torch

__all__ = ["LigerFusedGateUpSiLUMulFunction", "LigerGELUMulFunction", "LigerSiLUMulFunction"]


class LigerSiLUMulFunction(torch.autograd.Function):
    """silu(gate_multiplier * a) * b * down_multiplier; a, b: [..., columns] of one type."""

    @staticmethod
    def forward(ctx, a, b, gate_multiplier=1.0, down_multiplier=1.0):
        ctx.save_for_backward(a, b)
        ctx.gate, ctx.down = float(gate_multiplier), float(down_multiplier)
        if ctx.gate != 1.0:
            h = _torch.swiglu_multiplier(a, b, multiplier=ctx.gate)
        else:
            h = _torch.swiglu_unsloth(a, b)
        return h if ctx.down == 1.0 else h * ctx.down

    @staticmethod
    def backward(ctx, dc):
        a, b = ctx.saved_tensors
        if ctx.down != 1.0:
            dc = dc * ctx.down
        if ctx.gate != 1.0:
            return *_torch.swiglu_multiplier_backward(dc, a, b, multiplier=ctx.gate), None, None
        return *_torch.swiglu_unsloth_backward(dc, a, b), None, None


class LigerFusedGateUpSiLUMulFunction(torch.autograd.Function):
    """The form of Megatron: y is [..., 2 * columns], gate and up side by side. With in_place the gradient is
    written over y, once."""

    @staticmethod
    def forward(ctx, y, in_place=False):
        ctx.save_for_backward(y)
        ctx.in_place, ctx.is_overwritten = in_place, False
        return _torch.swiglu_unsloth_packed(y)

    @staticmethod
    def backward(ctx, dc):
        if ctx.is_overwritten:
            raise RuntimeError("LigerFusedGateUpSiLUMulFunction with in_place=True ran its backward before, which "
                               "wrote the gradient over its input: a second one needs in_place=False")
        y, = ctx.saved_tensors
        gradient = _torch.swiglu_unsloth_packed.gradient(("gate", "up")).operator
        if not ctx.in_place:
            return gradient(dc, y), None
        with torch.no_grad():
            d_y = gradient(dc, y, out=y)
        ctx.is_overwritten = True
        return d_y, None


class LigerGELUMulFunction(torch.autograd.Function):
    """gelu(a) * b by tanh; a, b: [..., columns] of one type."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return _torch.geglu_tanh_unsloth(a, b)

    @staticmethod
    def backward(ctx, dc):
        return _torch.geglu_tanh_unsloth_backward(dc, *ctx.saved_tensors)
