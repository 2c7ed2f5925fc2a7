"""_arrays.py -- what is asked of array libraries: fresh arrays, and the stream they work on.

None of them is imported here: whoever passes an array of a library has imported it.
"""

from __future__ import annotations

import sys
from typing import Any, Sequence

from swage._error import Error
from swage._types import array_name


def _package(value: Any) -> str:
    """The library that the type of `value` belongs to, bases included: subclasses of tensors."""
    for kind in type(value).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in ("numpy", "torch", "cupy"):
            return package
    return type(value).__module__.partition(".")[0]


def empty(like: Any, name: str, shape: Sequence[int], type_name: str) -> Any:
    """A fresh contiguous array of the library and on the device of `like`, for parameter `name`."""
    package, wanted = _package(like), array_name(type_name)
    if package == "torch":
        torch = sys.modules["torch"]
        return torch.empty(tuple(shape), dtype=getattr(torch, wanted), device=like.device)
    if package in ("numpy", "cupy"):
        return sys.modules[package].empty(tuple(shape), _scalar_type(name, type_name))
    space = getattr(like, "__array_namespace__", None)
    if space is None:
        raise Error(f"parameter '{name}': {type(like).__name__} says no way to make an array; pass "
                    "the output")
    space = space()
    return space.empty(tuple(shape), dtype=getattr(space, wanted), device=like.device)


def _scalar_type(name: str, type_name: str) -> Any:
    if type_name != "bf16":
        return array_name(type_name)
    if "ml_dtypes" in sys.modules:
        return sys.modules["ml_dtypes"].bfloat16
    raise Error(f"parameter '{name}': NumPy has no type for bf16; pass arrays of PyTorch, or import "
                "ml_dtypes", "unsupported")


def stream_of(value: Any, index: int) -> int:
    """The current stream, for CUDA device `index`, of the library that `value` is of; 0, the default
    stream, of a library that does not say."""
    package = _package(value)
    if package == "torch":
        return sys.modules["torch"].cuda.current_stream(index).cuda_stream
    if package == "cupy":
        cuda = sys.modules["cupy"].cuda
        with cuda.Device(index):
            return cuda.get_current_stream().ptr
    return 0


def knows_stream(value: Any) -> bool:
    """Whether stream_of can tell the stream: then the data needs no other order."""
    return _package(value) in ("torch", "cupy")
