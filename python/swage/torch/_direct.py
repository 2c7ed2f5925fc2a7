"""The short way to an operator: from Python to a launch, past PyTorch's dispatcher, for plain calls.

A builtin of the operators' library takes the arguments. It declines, with NotImplemented, whatever is not
plain: other classes than torch.Tensor and Parameter, tensors that PyTorch describes in ways of its own, types and
constants that the operator has not been called with before, and calls that something looks at: a mode, a transform
of torch.func, a tracer, a profiler, dual tensors. Then the dispatcher is asked, which also says what is wrong.
"""

import ctypes
import functools
import math
import os
import sys

import torch
from torch.autograd import forward_ad

from swage._types import DLPACK

from ._shapes import DTYPES
from ._signature import spelled


class _Python(ctypes.Structure):
    _fields_ = [(name, ctypes.py_object) for name in (
        "tensor", "parameter", "exchange", "not_implemented", "none", "yes", "no", "real", "integer", "is_neg",
        "is_grad_enabled", "guards", "types")]


class _Told(ctypes.Structure):
    _fields_ = [(name, ctypes.py_object) for name in ("names", "defaults", "apply")]


def _guards():
    """What has to hold around a call."""
    return ((torch._C._are_functorch_transforms_active, False),
            (torch._C._is_torch_function_mode_enabled, False),
            (torch._C._len_torch_dispatch_stack, 0),
            (torch._C._get_tracing_state, None),
            (torch.autograd._profiler_enabled, False),
            (vars(forward_ad), "_current_level", -1))


@functools.cache
def _library(file):
    """The library of the operators, called with the interpreter's lock; None where there is no short way."""
    exchange = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    if exchange is None or os.environ.get("SWAGE_TORCH_FAST") == "0":
        return None
    library = ctypes.PyDLL(file)
    library.swage_torch_direct.argtypes = [ctypes.c_int32, ctypes.POINTER(_Told)]
    library.swage_torch_direct.restype = ctypes.c_void_p
    types = tuple((dtype, *DLPACK[name]) for name, dtype in DTYPES.items())
    told = _Python(torch.Tensor, torch.nn.Parameter, exchange, NotImplemented, None, True, False, float, int,
                   torch.Tensor.is_neg, torch.is_grad_enabled, _guards(), types)
    return library if library.swage_torch_prepare_direct(ctypes.byref(told)) == 0 else None


def never(*inputs, **named):
    return NotImplemented


def of(operator, file, number, apply=None):
    """A function that takes the arguments of `operator` and gives its results, or NotImplemented.

    number: of the operator in the library `file`; apply((results, named or None), *inputs) makes results
    differentiable. Without it calls that need a gradient are declined."""
    library = _library(file)
    if library is None:
        return never
    constants = operator.signature.constants
    names = tuple(sys.intern(spelled(name)) for name in (*operator.signature.asked, *(c.name for c in constants)))
    defaults = (NotImplemented,) * len(operator.signature.asked) + tuple(map(_default, constants))
    made = library.swage_torch_direct(number, ctypes.byref(_Told(names, defaults, apply)))
    return never if made is None else _owned(made)


def _default(constant):
    if constant.default is None:
        return NotImplemented
    if constant.kind != "float":
        return constant.default
    return float(constant.default) if math.isfinite(constant.default) else None  # as the schema has it


def _owned(address):
    """The object of a new reference."""
    found = ctypes.cast(address, ctypes.py_object).value
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(found))
    return found
