"""RMSNorm as Transformers and vLLM round it: to the type before the product with the weight."""

import functools

import swage.torch as _torch

_TEXT = """
kernel rms_norm_rounded<T>(x: in T, weight: in T [col], y: out T, const eps: f32) {
  y = T(x * rsqrt(row_mean(x * x) + eps)) * weight;
}
kernel rms_norm_residual_rounded_weight<T>(x: in T, residual: in T, weight: in T [col], y: out T, sum: out T,
                                           const eps: f32) {
  let s = x + residual;
  sum = s;
  y = T(s * rsqrt(row_mean(s * s) + eps)) * weight;
}
"""


@functools.cache
def rms_norm():
    return _torch.op(_TEXT, "rms_norm_rounded")


@functools.cache
def rms_norm_residual():
    return _torch.op(_TEXT, "rms_norm_residual_rounded_weight")
