"""Swage's kernels as operators of PyTorch.

Every kernel of the catalogue is torch.ops.swage.NAME and a function of this module: `swiglu(gate, up)`,
`rms_norm(x, weight, eps=1e-6)`. `op` makes an operator of any kernel string. They differentiate, compile
(torch.compile, fullgraph) and run on the CPU and on CUDA, on tensors of any strides.
"""

from ._catalogue import catalogue_operator, names
from ._modules import GeGLU, RMSNorm, SwiGLU
from ._operators import Operator, op

__all__ = ["GeGLU", "Operator", "RMSNorm", "SwiGLU", "op"]


def __dir__():
    return sorted(__all__ + list(names()))


globals().update((name, catalogue_operator(name)) for name in names())  # and torch.ops.swage.NAME
