"""_types.py -- names of element types: of kernels, of DLPack, of array libraries."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from swage._error import Error

# name in kernels: (code and bits of DLPack, name in array libraries)
_TYPES = {
    "f64": ((2, 64), "float64"),
    "f32": ((2, 32), "float32"),
    "f16": ((2, 16), "float16"),
    "bf16": ((4, 16), "bfloat16"),
    "i8": ((0, 8), "int8"),
    "i16": ((0, 16), "int16"),
    "i32": ((0, 32), "int32"),
    "i64": ((0, 64), "int64"),
    "u8": ((1, 8), "uint8"),
    "bool": ((6, 8), "bool"),
    "f8e4m3": ((10, 8), "float8_e4m3fn"),
    "f8e4m3fnuz": ((11, 8), "float8_e4m3fnuz"),
    "f8e5m2": ((12, 8), "float8_e5m2"),
    "f8e5m2fnuz": ((13, 8), "float8_e5m2fnuz"),
    "e8m0": ((14, 8), "float8_e8m0fnu"),
    "f4e2m1": ((17, 4), "float4_e2m1fn_x2"),
}
PACKED = "f4e2m1"  # two to a byte: what libraries count are bytes
_BYTE_FLOATS = ("f8e4m3", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "e8m0")
CODES = (*_BYTE_FLOATS, PACKED)  # of which uint8 may hold the bytes
EXTENSIONS = ("bf16", *_BYTE_FLOATS)  # that NumPy has by ml_dtypes alone
FLOATS = ("f64", "f32", "f16", "bf16")  # that have gradients
DLPACK = {name: dlpack for name, (dlpack, _) in _TYPES.items()}  # code and bits
_BY_DLPACK = {dlpack: name for name, (dlpack, _) in _TYPES.items()}
_BY_ARRAY_NAME = {array_name: name for name, (_, array_name) in _TYPES.items()}
_BY_ARRAY_NAME["float4_e2m1fn"] = PACKED


def name_of(dtype: Any) -> str:
    """The name that kernels have for a DataType."""
    return _BY_DLPACK.get((dtype.code, dtype.bits), f"DLPack type {dtype.code} of {dtype.bits} bits")


def array_name(name: str) -> str:
    """The name that array libraries have for a kernel's type: "float32" of "f32"."""
    return _TYPES[name][1] if name in _TYPES else name


def dlpack_of(array_type: str) -> Optional[Tuple[int, int]]:
    """The code and bits that DLPack has for a type that array libraries name so; None for others."""
    return DLPACK.get(_BY_ARRAY_NAME.get(array_type, ""))


def binding_text(name: str, value: Any) -> str:
    """`value` as the text of a binding: a type, a type of an array library, or a number."""
    if isinstance(value, str):
        return _BY_ARRAY_NAME.get(value, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    # torch.float32, numpy.float32, numpy.dtype("float32"), jax.numpy.float32
    text = getattr(value, "name", None) or getattr(value, "__name__", None) or str(value)
    text = text.rsplit(".", 1)[-1]
    if text in _BY_ARRAY_NAME:
        return _BY_ARRAY_NAME[text]
    index = getattr(value, "item", None)  # a scalar of an array library
    if index is not None:
        return binding_text(name, index())
    raise Error(f"binding {name}={value!r}: found {type(value).__name__}, expected the name of a "
                "type, a type of an array library, or a number")


def elements_of_pairs(shape: Sequence[Any], strides: Optional[Sequence[Any]]) -> Tuple[Any, ...]:
    """The shape in elements of an array whose elements are two each: the last dimension counts pairs, or, of a
    transposed matrix, the one before it. `strides` are None where the library has none."""
    sizes, last = list(shape), len(shape) - 1
    if last < 0:
        return ()
    transposed = (strides is not None and last > 0 and sizes[last] != 1 and strides[last] != 1 and
                  strides[last - 1] == 1 and 0 not in sizes)
    sizes[last - transposed] *= 2
    return tuple(sizes)
