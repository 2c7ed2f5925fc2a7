"""_dlpack.py -- a DLTensor of anything that speaks DLPack, without a copy.

A capsule is borrowed, not consumed: it keeps its name, so it is the capsule's own destructor that
calls the producer's deleter, once, when the last reference to it goes, whatever has happened before.
"""

from __future__ import annotations

import ctypes
from typing import Any, Dict, NamedTuple, Optional, Tuple

from swage import _arrays
from swage._error import Error
from swage._structs import CPU, DataType, DLTensor, ManagedVersioned
from swage._types import DLPACK, dlpack_of

_api = ctypes.pythonapi
_is_valid = _api.PyCapsule_IsValid
_is_valid.argtypes, _is_valid.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int
_pointer_of = _api.PyCapsule_GetPointer
_pointer_of.argtypes, _pointer_of.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p

_READ_ONLY = 1  # DLPACK_FLAG_BITMASK_READ_ONLY
_TENSOR_OFFSET = ManagedVersioned.tensor.offset

# kind character of __array_interface__ to the code of DLPack.
_INTERFACE_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


class View(NamedTuple):
    """A DLTensor, and what keeps it alive."""

    address: int  # of the DLTensor
    keep: Any
    read_only: bool

    @property
    def tensor(self) -> DLTensor:
        return DLTensor.from_address(self.address)


# Types whose __dlpack__ knows max_version.
_versioned: Dict[type, bool] = {}


def device_of(value: Any, name: str) -> Tuple[int, int]:
    """(DLDeviceType, index) of the array `value`, which is passed for the parameter `name`."""
    ask = getattr(value, "__dlpack_device__", None)
    if ask is not None:
        kind, index = ask()
        return int(kind), index
    if not hasattr(type(value), "__dlpack__") and not hasattr(type(value), "__array_interface__"):
        raise Error(f"parameter '{name}': found {found(value)}, expected an array with __dlpack__, "
                    "such as those of NumPy, PyTorch, CuPy and JAX")
    return CPU, 0


def found(value: Any) -> str:
    """What messages call a value that does not fit."""
    kind = type(value).__name__
    return f"{kind} {value!r}" if isinstance(value, (int, float, str)) else kind


def view(value: Any, name: str, stream: Optional[int] = None) -> View:
    """The DLTensor of the array `value`, which is passed for the parameter `name`.

    `stream`: for arrays of a GPU, what the producer shall order the data for, as __dlpack__ takes
    it; -1 where the caller launches on the array library's own stream. None for the CPU.
    Raises Error that names the parameter if the array is one that its library does not hand out.
    """
    try:
        return _of_capsule(_export(_arrays.exported(value, name), stream), name)
    except Error:
        raise
    except Exception as error:
        if hasattr(type(value), "__array_interface__"):  # NumPy before 2.1: read-only arrays
            return _of_interface(value, name)
        raise Error(f"parameter '{name}': its array is not handed out: {error}") from error


def of_codes(given: View, kind: str) -> View:
    """Of bytes, uint8, that are codes of `kind`, two each if it has four bits: the DLTensor that says so. The
    one that was given is its library's own."""
    tensor = given.tensor
    if (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes) != (1, 8, 1):
        return given
    code, bits = DLPACK[kind]
    made = DLTensor(tensor.data, tensor.device_type, tensor.device_id, tensor.ndim,
                    DataType(code, bits, 8 // bits), tensor.shape, tensor.strides, tensor.byte_offset)
    return View(ctypes.addressof(made), (made, given.keep), given.read_only)


def _export(value: Any, stream: Optional[int]) -> Any:
    kind = type(value)
    given = {} if stream is None else {"stream": stream}
    if _versioned.get(kind, True):
        try:
            capsule = value.__dlpack__(max_version=(1, 0), **given)
        except TypeError:
            if kind in _versioned:
                raise
        else:
            _versioned[kind] = True
            return capsule
    capsule = value.__dlpack__(**given)
    _versioned[kind] = False
    return capsule


def _of_capsule(capsule: Any, name: str) -> View:
    if _is_valid(capsule, b"dltensor_versioned"):
        address = _pointer_of(capsule, b"dltensor_versioned")
        managed = ManagedVersioned.from_address(address)
        if managed.major != 1:
            raise Error(f"parameter '{name}': its array comes by DLPack {managed.major}."
                        f"{managed.minor}, expected 1 or before", "unsupported")
        return View(address + _TENSOR_OFFSET, capsule, managed.flags & _READ_ONLY != 0)
    if _is_valid(capsule, b"dltensor"):
        return View(_pointer_of(capsule, b"dltensor"), capsule, False)
    raise Error(f"parameter '{name}': __dlpack__ gave no capsule of a tensor, or one that was used "
                "before")


def _of_interface(value: Any, name: str) -> View:
    """By __array_interface__: of arrays on the CPU that DLPack has no words for."""
    interface = value.__array_interface__
    order, kind, bits = interface["typestr"][0], interface["typestr"][1], 8 * int(
        interface["typestr"][2:])
    code = _INTERFACE_CODES.get(kind)
    array_type = getattr(value.dtype, "name", "")
    if (known := dlpack_of(array_type)) is not None:
        code = known[0]
    if array_type == "float4_e2m1fn":
        raise Error(f"parameter '{name}': its array has a byte for each element of 4 bits; pass uint8 "
                    "with two in each, the even column in the lower half")
    if code is None or order == ">":
        raise Error(f"parameter '{name}': its array is of type {value.dtype}, which is none that "
                    "kernels take")
    shape = interface["shape"]
    rank = len(shape)
    sizes = (ctypes.c_int64 * max(1, rank))(*shape)
    steps = None
    if interface.get("strides") is not None:
        width = bits // 8
        if any(step % width for step in interface["strides"]):
            raise Error(f"parameter '{name}': its strides are no multiples of its elements")
        steps = (ctypes.c_int64 * max(1, rank))(*(step // width for step in interface["strides"]))
    address, read_only = interface["data"]
    tensor = DLTensor(address, 1, 0, rank, DataType(code, bits, 1), sizes, steps, 0)
    return View(ctypes.addressof(tensor), (tensor, sizes, steps, value), bool(read_only))
