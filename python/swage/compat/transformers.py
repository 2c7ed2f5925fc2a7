"""Hugging Face Transformers: the MLPs of a model that is there; tried with Transformers 5.24.

A module with gate_proj, up_proj and down_proj (LLaMA, Mistral, Qwen, Gemma), or with gate_up_proj and down_proj
(Phi-3), whose activation is SiLU, GELU or GELU by tanh, computes activation and product in one kernel
from then on, with the rounding points that it had: the activation is rounded before the product.
"""

import types

import torch
import swage.torch  # noqa: F401

from ._patching import Patch


def _kernel_of(activation):
    """The catalogue's kernel for an activation module or function; None for one that it has not."""
    name = type(activation).__name__
    if isinstance(activation, torch.nn.SiLU) or name in ("SiLUActivation", "SiLU"):
        return "swiglu_unsloth"
    approximate = getattr(activation, "approximate", None)
    if name in ("GELUTanh", "PytorchGELUTanh", "NewGELUActivation", "FastGELUActivation") or (
            isinstance(activation, torch.nn.GELU) and approximate == "tanh"):
        return "geglu_tanh_unsloth"
    if name == "GELUActivation" or (isinstance(activation, torch.nn.GELU) and approximate == "none"):
        return "geglu_unsloth"
    return None


def _split_forward(kernel):
    def forward(self, x):
        return self.down_proj(getattr(torch.ops.swage, kernel)(self.gate_proj(x), self.up_proj(x)))
    return forward


def _packed_forward(kernel):
    def forward(self, hidden_states):
        return self.down_proj(getattr(torch.ops.swage, f"{kernel}_packed")(self.gate_up_proj(hidden_states)))
    return forward


def _is_the_same(module, made):
    """Whether the forward that a module has computes what `made` does: others share their names."""
    weight = getattr(module, "gate_up_proj", None) or module.gate_proj
    weight = getattr(weight, "weight", None)
    if weight is None or weight.is_meta:
        return False
    generator = torch.Generator("cpu").manual_seed(0)  # whatever the default device is
    x = torch.randn(2, 3, weight.shape[-1], generator=generator, device="cpu")
    x = x.to(weight.device, weight.dtype)
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-4}.get(weight.dtype, 5e-2)
    try:
        with torch.no_grad():
            before, after = module(x), made(module, x)
    except Exception:  # takes something else, or its weights are no plain matrices
        return False
    return before.shape == after.shape and torch.allclose(
        before, after, rtol=tolerance, atol=tolerance * before.abs().max().item())


def patch(model):
    """Replaces the forward of every MLP of `model` whose shape and activation are known. Returns a Patch,
    whose `count` says how many there were. Each is run once on random numbers, before and after, and left as
    it is where the results differ."""
    patched = Patch()
    for module in model.modules():
        activation = getattr(module, "act_fn", None) or getattr(module, "activation_fn", None)
        kernel = _kernel_of(activation) if activation is not None else None
        if kernel is None or not hasattr(module, "down_proj"):
            continue
        if hasattr(module, "gate_proj") and hasattr(module, "up_proj"):
            made = _split_forward(kernel)
        elif hasattr(module, "gate_up_proj") and isinstance(module.gate_up_proj, torch.nn.Linear):
            made = _packed_forward(kernel)
        else:
            continue
        if _is_the_same(module, made):
            patched.replace(module, "forward", types.MethodType(made, module))
    return patched
