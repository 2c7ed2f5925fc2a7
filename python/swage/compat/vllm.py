"""vLLM's activation operators (csrc/activation_kernels.cu), which write to `out`.

x is [..., 2 * columns], out [..., columns], of one type. Rounding points are those of vLLM's own reference in
PyTorch: the activation is rounded to the type before the product, and on CUDA the bits of `silu_and_mul`,
`gelu_and_mul` and `gelu_tanh_and_mul` are eager PyTorch's.
"""

import torch

from swage._catalogue import texts
from swage.torch import Operator
from swage.torch._signature import signature


def _packed(kernel):
    return Operator(signature(texts()[kernel], kernel), "swage", f"vllm_{kernel}",
                    packed=(("gate", "up", "gate_up"),), of_catalogue=True).op.out


_SILU, _GELU, _GELU_TANH = _packed("swiglu_torch"), _packed("geglu_torch"), _packed("geglu_tanh_torch")
_FATRELU = _packed("fatrelu_glu")


def _check(out, x):
    if x.shape[-1] % 2 or out.shape != (*x.shape[:-1], x.shape[-1] // 2):
        raise ValueError(f"out is {tuple(out.shape)}, expected half of the columns of x, which is "
                         f"{tuple(x.shape)}")


def silu_and_mul(out, x):
    """out = silu(x[..., :columns]) * x[..., columns:]."""
    _check(out, x)
    _SILU(x, h=out)


def gelu_and_mul(out, x):
    """out = gelu(x[..., :columns]) * x[..., columns:], by erf."""
    _check(out, x)
    _GELU(x, h=out)


def gelu_tanh_and_mul(out, x):
    """The same by tanh."""
    _check(out, x)
    _GELU_TANH(x, h=out)


def fatrelu_and_mul(out, x, threshold=0.0):
    """out = (x[..., :columns] where that is above threshold, else 0) * x[..., columns:]."""
    _check(out, x)
    _FATRELU(x, threshold=threshold, h=out)


def swigluoai_and_mul(out, x, alpha=1.702, limit=7.0):
    """gpt-oss: gate and up alternate in x; out = g * sigmoid(alpha * g) * (u + 1), both clamped."""
    _check(out, x)
    torch.ops.swage.swiglu_gpt_oss.out(x[..., ::2], x[..., 1::2], alpha=alpha, limit=limit, h=out)
