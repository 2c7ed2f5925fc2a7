"""An operator as PyTorch and its own library are told of it: a schema, and what the kernel takes from where."""

import ctypes
import functools
import itertools
import math
import os

from swage._library import path
from swage._structs import MATH, ROLES, SPACES
from swage._types import DLPACK

from ._signature import COUNTS, spelled


class _Parameter(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("role", ctypes.c_int32), ("space", ctypes.c_int32),
                ("group", ctypes.c_int32), ("group_place", ctypes.c_int32), ("code", ctypes.c_int32), ("bits", ctypes.c_int32),
                ("place", ctypes.c_int32), ("half", ctypes.c_int32)]


class _Constant(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("kind", ctypes.c_int32), ("place", ctypes.c_int32)]


class _Operator(ctypes.Structure):
    _fields_ = [("source", ctypes.c_char_p), ("kernel", ctypes.c_char_p), ("math", ctypes.c_int32),
                ("is_out", ctypes.c_int32), ("is_cleared", ctypes.c_int32), ("parameters", ctypes.POINTER(_Parameter)),
                ("parameter_count", ctypes.c_size_t), ("counts_place", ctypes.c_int32),
                ("constants", ctypes.POINTER(_Constant)),
                ("constant_count", ctypes.c_size_t), ("generics", ctypes.POINTER(ctypes.c_char_p)),
                ("generic_count", ctypes.c_size_t)]


_KINDS = {"float": 0, "int": 1, "bool": 2, "float?": 3, "ScalarType": 4}
_INTEGERS = ("i8", "u8", "i16", "i32", "i64")


@functools.cache
def operators_library():
    """Of the wheel, beside libswage.so; SWAGE_TORCH_OPERATORS names that of a build."""
    beside = os.path.join(os.path.dirname(path()), "libswage_torch_operators.so")
    file = os.environ.get("SWAGE_TORCH_OPERATORS") or beside
    if not os.path.exists(file):
        raise ImportError(f"there are no operators at {file}; install the package with pip, or set "
                          "SWAGE_TORCH_OPERATORS to the libswage_torch_operators.so of a build")
    library = ctypes.CDLL(file)
    library.swage_torch_define.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p,
                                           ctypes.POINTER(_Operator), ctypes.POINTER(ctypes.c_int32)]
    library.swage_torch_define.restype = ctypes.c_int32
    library.swage_torch_last_error.restype = ctypes.c_char_p
    return library


def _scalar_kind(parameter):
    if parameter.type == "bool":
        return "bool"
    return "int" if parameter.type in _INTEGERS else "float"


def schema(operator, is_out):
    """`is_out`: of the form that is given its results."""
    letters = (f"a{i}" for i in itertools.count())
    arguments = []
    for name in operator.inputs:
        parameter = operator.parameter(name)
        kind = (_scalar_kind(parameter) if not parameter.is_tensor else
                f"Tensor({next(letters)}!)" if parameter.role == "inout" else "Tensor")
        arguments.append(f"{kind} {spelled(name)}")
    named = [f"ScalarType {name}" for name in operator.signature.asked]
    for constant in operator.signature.constants:
        default = "" if constant.default is None else f"={_literal(constant)}"
        named.append(f"{_schema_kind(constant)} {spelled(constant.name)}{default}")
    results = ["Tensor"] * len(operator.results)
    if is_out:
        results = [f"Tensor({next(letters)}!)" for _ in operator.results]
        named += [f"{kind} {spelled(name)}" for kind, name in zip(results, operator.results)]
    if named:
        arguments += ["*"] + named
    results = [] if is_out else results  # torch.compile takes none that it was given
    result = results[0] if len(results) == 1 else f"({', '.join(results)})"
    return f"{operator.spelled(is_out)}({', '.join(arguments)}) -> {result}"


def define(operator, is_out):
    """Makes the operator, or its form that is given its results, and returns its number in its library."""
    places = {name: i for i, name in enumerate(operator.inputs)}
    named = [(name, "ScalarType") for name in operator.signature.asked]
    named += [(c.name, _schema_kind(c)) for c in operator.signature.constants]
    constant_count = len(named)
    first_out = len(operator.inputs) + constant_count
    out_places = {name: i + (first_out if is_out else 0) for i, name in enumerate(operator.results)}
    parameters = (_Parameter * len(operator.signature.parameters))()
    for into, p in zip(parameters, operator.signature.parameters):
        slot = operator.slot(p.name)
        code, bits = (-1, p.generic) if p.generic is not None else DLPACK[p.type]
        into.name, into.role = p.name.encode(), ROLES.index(p.role)
        into.space, into.group = SPACES.index(p.space), p.group
        into.group_place = -1
        if p.group_constant is not None:
            into.group_place = len(operator.inputs) + [n for n, _ in named].index(p.group_constant)
        into.code, into.bits = code, bits
        into.place = out_places[slot] if p.role == "out" else places[slot]
        into.half = operator.half(p.name)
    constants = (_Constant * max(1, constant_count))()
    for i, (constant, kind) in enumerate(named):
        constants[i].name, constants[i].kind = constant.encode(), _KINDS[kind]
        constants[i].place = len(operator.inputs) + i
    generics = (ctypes.c_char_p * max(1, len(operator.signature.generics)))(
        *(g.encode() for g in operator.signature.generics))
    described = _Operator(operator.signature.source.encode(), operator.signature.kernel.encode(),
                          MATH[operator.math], int(is_out), int(operator.signature.skips_rows), parameters,
                          len(parameters), places[COUNTS.name] if operator.counts_of else -1, constants,
                          constant_count, generics, len(operator.signature.generics))
    library, number = operators_library(), ctypes.c_int32()
    if library.swage_torch_define(operator.space.encode(), operator.spelled(is_out).encode(),
                                  schema(operator, is_out).encode(), ctypes.byref(described),
                                  ctypes.byref(number)) != 0:
        raise RuntimeError(library.swage_torch_last_error().decode())
    return number.value


def _schema_kind(constant):
    """Schemas write no infinities: such a default is that of the kernel, where none is given."""
    is_written = constant.default is None or math.isfinite(constant.default)
    return constant.kind if is_written else "float?"


def _literal(constant):
    return repr(constant.default) if math.isfinite(constant.default) else "None"
