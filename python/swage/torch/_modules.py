"""Modules that stand in for a model's own."""

import torch

from ._catalogue import catalogue_operator


def _counts(valid_rows):
    """What is not given is not passed on: plain calls are the shortest."""
    return {} if valid_rows is None else {"valid_rows": valid_rows}


class SwiGLU(torch.nn.Module):
    """silu(gate) * up. forward(gate, up), or forward(gate_up) with both side by side in the last dimension;
    gives [..., columns] of the type of its inputs. valid_rows=: as operators have it."""

    kernel = "swiglu"

    def forward(self, gate, up=None, *, valid_rows=None):
        if up is None:
            return catalogue_operator(f"{self.kernel}_packed")(gate, **_counts(valid_rows))
        return catalogue_operator(self.kernel)(gate, up, **_counts(valid_rows))


class GeGLU(SwiGLU):
    """gelu(gate) * up; `approximate` as torch.nn.GELU has it: "none" or "tanh"."""

    def __init__(self, approximate="none"):
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate is 'none' or 'tanh', found {approximate!r}")
        self.kernel = "geglu" if approximate == "none" else "geglu_tanh"

    def extra_repr(self):
        return f"kernel={self.kernel!r}"


class RMSNorm(torch.nn.Module):
    """x / sqrt(mean(x * x) + eps) * weight along the last dimension, of `size` columns. valid_rows=: as operators
    have it."""

    def __init__(self, size, eps=1e-6, *, device=None, dtype=None):
        super().__init__()
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(size, device=device, dtype=dtype))

    def forward(self, x, *, valid_rows=None):
        return catalogue_operator("rms_norm")(x, self.weight.to(x.dtype), eps=self.eps, **_counts(valid_rows))

    def extra_repr(self):
        return f"{self.weight.numel()}, eps={self.eps}"
