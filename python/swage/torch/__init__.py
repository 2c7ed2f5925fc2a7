"""Swage's kernels as operators of PyTorch.

Every kernel of the catalogue is torch.ops.swage.NAME and a function of this module: `swiglu(gate, up)`,
`rms_norm(x, weight, eps=1e-6)`. `op` makes an operator of any kernel string. They differentiate, compile
(torch.compile, fullgraph) and run on the CPU and on CUDA, on tensors of any strides.
"""

import functools

from ._catalogue import catalogue_operator, names
from ._modules import GeGLU, RMSNorm, SwiGLU
from ._operators import Operator, op

__all__ = ["GeGLU", "Operator", "RMSNorm", "SwiGLU", "op"]


def __getattr__(name):
    if name in names():
        return catalogue_operator(name)
    raise AttributeError(f"module 'swage.torch' has no attribute '{name}'")


def __dir__():
    return sorted(__all__ + list(names()))


for _name in names():  # torch.ops.swage.NAME is there from now on
    catalogue_operator(_name)
