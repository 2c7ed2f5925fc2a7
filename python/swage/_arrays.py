"""_arrays.py -- what is asked of array libraries: fresh arrays, and the stream they work on.

None of them is imported here: whoever passes an array of a library has imported it.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, Optional, Sequence

from swage._error import Error
from swage._types import EXTENSIONS, PACKED, array_name


_packages: Dict[type, str] = {}


def _package(value: Any) -> str:
    """The library that the type of `value` belongs to: "torch" of its subclasses elsewhere too."""
    found = _packages.get(type(value))
    if found is None:
        modules = [kind.__module__.partition(".")[0] for kind in type(value).__mro__]
        known = [module for module in modules if module in ("numpy", "torch", "cupy")]
        found = _packages[type(value)] = (known or modules)[0]
    return found


def exported(value: Any, name: str) -> Any:
    """`value` as its library hands it out: PyTorch's tensors that require a gradient do not go where
    none would come back from, but under no_grad nobody waits for one."""
    if _package(value) != "torch" or not value.requires_grad:
        return value
    if sys.modules["torch"].is_grad_enabled():
        raise Error(f"parameter '{name}': its tensor requires a gradient, and a kernel that is called "
                    "directly gives none; pass x.detach(), or use an operator of swage.torch")
    return value.detach()


def empty(like: Any, name: str, shape: Sequence[int], type_name: str) -> Any:
    """A fresh array of the library and on the device of `like`, for parameter `name`."""
    package, wanted = _package(like), array_name(type_name)
    same_shape = tuple(shape) == tuple(like.shape)
    if package == "torch":
        torch = sys.modules["torch"]
        if same_shape:
            return torch.empty_like(like, dtype=getattr(torch, wanted), requires_grad=False)
        return torch.empty(tuple(shape), dtype=getattr(torch, wanted), device=like.device)
    if package in ("numpy", "cupy"):
        kind, library = _scalar_type(name, type_name), sys.modules[package]
        if package == "numpy":
            if same_shape:  # and in the same order, so that transposed arrays stay one flat run
                return library.empty_like(like, kind, subok=False)
            return library.empty(tuple(shape), kind)
        with like.device:
            return library.empty(tuple(shape), kind)
    space = getattr(like, "__array_namespace__", None)
    if space is None:
        raise Error(f"parameter '{name}': {type(like).__name__} says no way to make an array; pass "
                    "the output")
    space = space()
    return space.empty(tuple(shape), dtype=getattr(space, wanted), device=like.device)


def clear(value: Any) -> None:
    """Makes every element of an array 0."""
    if _package(value) == "torch":
        bytes_alone = value.element_size() == 1  # some types of a byte know no arithmetic
        (value.view(sys.modules["torch"].uint8) if bytes_alone else value).zero_()
    else:
        value[...] = 0


def _scalar_type(name: str, type_name: str) -> Any:
    if type_name == PACKED:  # bytes of two
        return "uint8"
    wanted = array_name(type_name)
    if type_name not in EXTENSIONS:
        return wanted
    found = getattr(sys.modules.get("ml_dtypes"), wanted, None)
    if found is not None:
        return found
    raise Error(f"parameter '{name}': NumPy has no type for {type_name}; pass arrays of PyTorch, or import "
                "ml_dtypes", "unsupported")


def strides_of_bytes(value: Any) -> Optional[Sequence[int]]:
    """The strides of an array whose elements are bytes; None of a library that has none."""
    strides = getattr(value, "strides", None) or getattr(value, "stride", None)
    return strides() if callable(strides) else strides


def is_immutable(value: Any) -> bool:
    """Whether `value` is an array that its library takes for one that never changes."""
    return _package(value) in ("jax", "jaxlib")


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
