"""Implementations for vllm.ir: vLLM compares their signatures, names and defaults with its own."""

import torch

from ._norms import rms_norm as _rms_norm, rms_norm_residual as _rms_norm_residual

_TYPES = (torch.float16, torch.bfloat16, torch.float32)


def _supports(x, weight, variance_size):
    return variance_size is None and weight is not None and weight.dtype == x.dtype and x.dtype in _TYPES


def _norm(x: torch.Tensor, weight: torch.Tensor | None, epsilon: float,
          variance_size: int | None = None) -> torch.Tensor:
    return _rms_norm()(x, weight, eps=epsilon)


def _supports_norm(x, weight, epsilon, variance_size=None):
    return _supports(x, weight, variance_size)


def _add_norm(x: torch.Tensor, x_residual: torch.Tensor, weight: torch.Tensor | None, epsilon: float,
              variance_size: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    return _rms_norm_residual()(x, x_residual, weight, eps=epsilon)


def _supports_add_norm(x, x_residual, weight, epsilon, variance_size=None):
    return _supports(x, weight, variance_size) and x_residual.dtype == x.dtype


PROVIDERS = {"rms_norm": (_norm, _supports_norm), "fused_add_rms_norm": (_add_norm, _supports_add_norm)}
