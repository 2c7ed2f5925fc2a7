"""vLLM's activation operators (csrc/activation_kernels.cu), which write to `out`, and its registries.

x is [..., 2 * columns], out [..., columns], of one type. Rounding points are those of vLLM's own reference in
PyTorch: the activation is rounded to the type before the product, and on CUDA the bits of `silu_and_mul`,
`gelu_and_mul` and `gelu_tanh_and_mul` are eager PyTorch's. `gelu_new`, `gelu_fast` and `gelu_quick`, of x and out
of one shape, are computed in f32 and rounded once.

`register_ops()` makes the functions torch.ops._C.NAME, where vLLM's layers look for them, and
`register_providers()` makes "swage" a provider of the operators of vllm.ir. The providers were tried with the
vllm.ir of vLLM 0.33.0 on the CPU; the names and schemas of torch.ops._C are those of its source, and were tried
without its library.
"""

import torch
from torch import library

from swage._catalogue import texts
from swage.torch import Operator
from swage.torch._signature import signature


from ._patching import Patch


def _packed(kernel, halves=("gate", "up")):
    name = f"vllm_{kernel}" + ("" if halves[0] == "gate" else "_swapped")
    return Operator(signature(texts()[kernel], kernel), "swage", name,
                    packed=((*halves, "_".join(halves)),), of_catalogue=True).op.out


_SILU, _GELU, _GELU_TANH = _packed("swiglu_torch"), _packed("geglu_torch"), _packed("geglu_tanh_torch")
_FATRELU = _packed("fatrelu_glu")
_SILU_LAST = _packed("swiglu_torch", ("up", "gate"))


def _check(out, x):
    if x.shape[-1] % 2 or out.shape != (*x.shape[:-1], x.shape[-1] // 2):
        raise ValueError(f"out is {tuple(out.shape)}, expected half of the columns of x, which is "
                         f"{tuple(x.shape)}")


def silu_and_mul(out, x):
    """out = silu(x[..., :columns]) * x[..., columns:]."""
    _check(out, x)
    _SILU(x, h=out)


def mul_and_silu(out, x):
    """out = x[..., :columns] * silu(x[..., columns:])."""
    _check(out, x)
    _SILU_LAST(x, h=out)


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


def gelu_new(out, x):
    """out = gelu(x) by tanh, of the shape of x."""
    torch.ops.swage.gelu_tanh.out(x, y=out)


def gelu_fast(out, x):
    """The same: vLLM's differ by how they round."""
    torch.ops.swage.gelu_tanh.out(x, y=out)


def gelu_quick(out, x):
    """out = x * sigmoid(1.702 * x), of the shape of x."""
    torch.ops.swage.gelu_quick.out(x, y=out)


_SCHEMAS = {
    "silu_and_mul": "(Tensor! out, Tensor input) -> ()",
    "mul_and_silu": "(Tensor! out, Tensor input) -> ()",
    "gelu_and_mul": "(Tensor! out, Tensor input) -> ()",
    "gelu_tanh_and_mul": "(Tensor! out, Tensor input) -> ()",
    "fatrelu_and_mul": "(Tensor! out, Tensor input, float threshold) -> ()",
    "swigluoai_and_mul": "(Tensor! out, Tensor input, float alpha=1.702, float limit=7.0) -> ()",
    "gelu_new": "(Tensor! out, Tensor input) -> ()",
    "gelu_fast": "(Tensor! out, Tensor input) -> ()",
    "gelu_quick": "(Tensor! out, Tensor input) -> ()",
}


def register_ops(space="_C"):
    """Makes the functions of this module torch.ops.SPACE.NAME, on CPU and CUDA: those that vLLM's library has
    defined get another kernel, the others are defined. vLLM's library has to be loaded before (import
    vllm._custom_ops), as it defines them all. Returns a Patch; `undo()` gives vLLM's kernels back."""
    fragment = library.Library(space, "FRAGMENT")
    patched = Patch()
    patched.finally_(fragment._destroy)
    for name, schema in _SCHEMAS.items():
        is_ours = not hasattr(getattr(torch.ops, space), name)
        if is_ours:
            fragment.define(name + schema)
            library.register_fake(f"{space}::{name}", lambda *args, **named: None, lib=fragment)
        for key in ("CPU", "CUDA"):
            fragment.impl(name, globals()[name], key, allow_override=True)
        patched.count += 1
    return patched


def register_providers():
    """Makes "swage" a provider of the operators of vllm.ir that are known here: rms_norm and fused_add_rms_norm, with a
    weight of the type of x. vLLM takes it where its priority says so (`--ir-op-priority`, or
    `vllm.ir.ops.rms_norm.set_priority(["swage", "native"])`). Returns a Patch."""
    from vllm import ir

    from . import _vllm_providers

    patched = Patch()
    for name, (function, supports) in _vllm_providers.PROVIDERS.items():
        operator = getattr(ir.ops, name, None)
        if operator is not None and "swage" not in operator.impls:
            operator.register_impl("swage", supports_args=supports)(function)
            patched.finally_(lambda impls=operator.impls: impls.pop("swage", None))
            patched.count += 1
    return patched
