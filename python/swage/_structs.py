"""_structs.py -- the structs of include/swage/swage.h and of DLPack, for ctypes."""

from __future__ import annotations

import ctypes

_int32, _int64, _size, _text = ctypes.c_int32, ctypes.c_int64, ctypes.c_size_t, ctypes.c_char_p

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13  # DLDeviceType

IN, OUT, INOUT, SCALAR = range(4)  # swage_role
ROLES = ("in", "out", "inout", "scalar")
ELEMENT, ROW, COLUMN, GROUP, TENSOR, TABLE, COLUMN_GROUP = range(7)  # swage_space
SPACES = ("element", "row", "col", "group", "tensor", "table", "col group")
MATH = {None: -1, "accurate": 0, "triton": 1, "fast": 2, "torch": 3}

ARG_TENSOR, ARG_REAL, ARG_INTEGER = range(3)


class DataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", _int32),
        ("device_id", _int32),
        ("ndim", _int32),
        ("dtype", DataType),
        ("shape", ctypes.POINTER(_int64)),
        ("strides", ctypes.POINTER(_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class ManagedVersioned(ctypes.Structure):
    """DLManagedTensorVersioned. Of a legacy DLManagedTensor the DLTensor is at the address."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    ]


class ArgValue(ctypes.Union):
    _fields_ = [("tensor", ctypes.c_void_p), ("real", ctypes.c_double), ("integer", _int64)]


class Arg(ctypes.Structure):
    _anonymous_ = ("value",)
    _fields_ = [("kind", _int32), ("value", ArgValue)]


class Sized(ctypes.Structure):
    """A struct that opens with its size, which is set here."""

    def __init__(self, *fields):
        super().__init__(ctypes.sizeof(type(self)), *fields)


class Options(Sized):
    _fields_ = [("size", _size), ("math", _int32), ("schedule", _text), ("file", _text)]


class LaunchOptions(Sized):
    _fields_ = [("size", _size), ("workspace", ctypes.c_void_p), ("workspace_bytes", _size),
                ("valid_rows", ctypes.c_void_p)]


class Parameter(Sized):
    _fields_ = [("size", _size), ("name", _text), ("role", _int32), ("space", _int32),
                ("type", DataType), ("group", _int32)]


class Constant(Sized):
    _fields_ = [("size", _size), ("name", _text), ("type", DataType), ("has_default", _int32),
                ("value", ctypes.c_double), ("default_value", ctypes.c_double),
                ("integer", _int64), ("default_integer", _int64)]


class TuneOptions(Sized):
    _fields_ = [("size", _size), ("budget_seconds", ctypes.c_double), ("force", _int32),
                ("keep_private", _int32)]


class TuneResult(Sized):
    _fields_ = [
        ("size", _size),
        ("schedule", ctypes.c_char * 256),
        ("default_schedule", ctypes.c_char * 256),
        ("seconds", ctypes.c_double),
        ("default_seconds", ctypes.c_double),
        ("spread", ctypes.c_double),
        ("bytes", _int64),
        ("bytes_per_second", ctypes.c_double),
        ("candidates", _int32),
        ("improved", _int32),
    ]


class DeviceInfo(Sized):
    _fields_ = [
        ("size", _size),
        ("kind", _int32),
        ("index", _int32),
        ("id", _text),
        ("name", _text),
        ("target", _text),
        ("compute_units", _int32),
        ("driver_version", _int32),
        ("memory_bytes", _int64),
        ("cache_bytes", _int64),
        ("peak_bytes_per_second", ctypes.c_double),
    ]
