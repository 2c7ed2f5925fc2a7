"""Hugging Face Transformers: the MLPs of a model that is there; tried with Transformers 5.24.

A module with gate_proj, up_proj and down_proj (LLaMA, Mistral, Qwen, Gemma), or with gate_up_proj and down_proj
(Phi-3), whose activation is SiLU, GELU or GELU by tanh, computes activation and product in one kernel
from then on, with the rounding points that it had: the activation is rounded before the product.
"""

import types

import torch
import swage.torch as _torch

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
        return self.down_proj(getattr(_torch, kernel)(self.gate_proj(x), self.up_proj(x)))
    return forward


def _packed_forward(kernel):
    def forward(self, hidden_states):
        return self.down_proj(getattr(_torch, f"{kernel}_packed")(self.gate_up_proj(hidden_states)))
    return forward


def patch(model):
    """Replaces the forward of every MLP of `model` whose shape and activation are known. Returns a Patch,
    whose `count` says how many there were."""
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
        patched.replace(module, "forward", types.MethodType(made, module))
    return patched
