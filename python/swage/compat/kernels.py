"""Layers for Hugging Face's `kernels`; tried with kernels 0.17.2 on the CPU, and on a LLaMA of Transformers 5.24 whose
layers were marked by hand, as it marks them itself for kernels 0.18 alone.

A model whose layers are marked for kernels takes them from here in place of the hub:

    import kernels
    from swage.compat.kernels import mapping, register

    with kernels.use_kernel_mapping(mapping()):      # or register(), for all that follows
        kernels.kernelize(model, mode=kernels.Mode.TRAINING, device="cuda")

Names are those of the layers of the hub (SiluAndMul, MulAndSilu, GeluAndMul, GeluTanhAndMul) and of Transformers (SiLU,
GeLU, GeluTanh, RMSNorm). All differentiate and compile. Activations are rounded to the type before a product,
and RMSNorm before that with its weight, as the layers round that they stand for. What `kernelize` has replaced in
a model stays replaced: kernelize it again without the mapping.
"""

import dataclasses

import torch
import swage.torch  # noqa: F401

from ._norms import rms_norm as _rms_norm
from ._patching import Patch


class _Layer(torch.nn.Module):
    """Without state: `kernels` takes the forward, for a module that is there."""
    can_torch_compile = True
    has_backward = True


def _of(name, kernel, parameter):
    operator = getattr(swage.torch, kernel)
    forward = {"x": lambda self, x: operator(x), "input": lambda self, input: operator(input)}[parameter]
    return type(name, (_Layer,), {"forward": forward, "__doc__": f"swage.torch.{kernel}"})


SiluAndMul = _of("SiluAndMul", "swiglu_unsloth_packed", "x")
GeluAndMul = _of("GeluAndMul", "geglu_unsloth_packed", "x")
GeluTanhAndMul = _of("GeluTanhAndMul", "geglu_tanh_unsloth_packed", "x")
SiLU = _of("SiLU", "silu", "input")
GeLU = _of("GeLU", "gelu", "input")
GeluTanh = _of("GeluTanh", "gelu_tanh", "input")


class MulAndSilu(_Layer):
    """x[..., :columns] * silu(x[..., columns:])."""

    def forward(self, x):
        first, last = x.chunk(2, -1)
        return swage.torch.swiglu_unsloth(last, first)


class RMSNorm(_Layer):
    """Of a module with `weight` and `variance_epsilon`, as LlamaRMSNorm is."""

    def forward(self, hidden_states):
        return _rms_norm()(hidden_states, self.weight.to(hidden_states.dtype), eps=self.variance_epsilon)


_LAYERS = (SiluAndMul, MulAndSilu, GeluAndMul, GeluTanhAndMul, SiLU, GeLU, GeluTanh, RMSNorm)


@dataclasses.dataclass(frozen=True)
class _Repository:
    """Where `kernels` loads a layer from."""
    layer: type

    @property
    def layer_name(self):
        return self.layer.__name__

    def load(self):
        return self.layer


def mapping(*names):
    """For kernels.use_kernel_mapping and kernels.register_kernel_mapping: all layers, or those named."""
    known = {layer.__name__: layer for layer in _LAYERS}
    return {name: {device: _Repository(known[name]) for device in ("cpu", "cuda")}
            for name in names or known}


def register(*names):
    """Maps all layers, or those named, in this thread from now on. Returns a Patch."""
    import kernels

    patched = Patch()
    used = kernels.use_kernel_mapping(mapping(*names))
    used.__enter__()
    patched.finally_(lambda: used.__exit__(None, None, None))
    patched.count = len(names or _LAYERS)
    return patched
