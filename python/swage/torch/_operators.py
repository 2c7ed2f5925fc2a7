"""Kernels as operators of PyTorch."""

import ctypes
import functools
import hashlib
import itertools
import math
import os
import threading

import torch

from swage._library import path
from swage._structs import MATH, ROLES, SPACES
from swage._types import DLPACK

from . import _autograd, _direct, _function, _mutation, _shapes, _vmap
from ._signature import declarations, signature, spelled


class _Parameter(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("role", ctypes.c_int32), ("space", ctypes.c_int32),
                ("group", ctypes.c_int32), ("group_place", ctypes.c_int32), ("code", ctypes.c_int32), ("bits", ctypes.c_int32),
                ("place", ctypes.c_int32), ("half", ctypes.c_int32)]


class _Constant(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("kind", ctypes.c_int32), ("place", ctypes.c_int32)]


class _Operator(ctypes.Structure):
    _fields_ = [("source", ctypes.c_char_p), ("kernel", ctypes.c_char_p), ("math", ctypes.c_int32),
                ("is_out", ctypes.c_int32), ("is_cleared", ctypes.c_int32), ("parameters", ctypes.POINTER(_Parameter)),
                ("parameter_count", ctypes.c_size_t), ("constants", ctypes.POINTER(_Constant)),
                ("constant_count", ctypes.c_size_t), ("generics", ctypes.POINTER(ctypes.c_char_p)),
                ("generic_count", ctypes.c_size_t)]


_is_compiling = torch.compiler.is_compiling

_KINDS = {"float": 0, "int": 1, "bool": 2, "float?": 3, "ScalarType": 4}
_INTEGERS = ("i8", "u8", "i16", "i32", "i64")


@functools.cache
def _operators_library():
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


_made, _listeners = [], []
_lock = threading.RLock()  # of definitions: first calls may come from many threads


def on_definition(listener):
    """Calls `listener` with every operator that there is, and with each that is made from then on."""
    _listeners.append(listener)
    for operator in list(_made):
        listener(operator)


class Operator:
    """A kernel as an operator of PyTorch: call it like a function, or take `op` (what torch.ops has).

    Arguments are the inputs and run-time scalars of the kernel in its order, then by name the types that no
    input has, as torch.dtype, and its `const` parameters. Results are its outputs: new tensors, contiguous, on the inputs' device; `out` writes to
    tensors that are there. Parameters `inout` are changed in place. Tensors may have any strides.

    `packed`: names of two parameters that are the halves of one tensor along its last dimension, and the
    tensor's, as in ("gate", "up", "gate_up").
    """

    def __init__(self, described, space="swage", name=None, *, math=None, packed=(), backward=None,
                 of_catalogue=False):
        if math not in MATH:
            raise ValueError(f"math is {math!r}, expected one of {', '.join(filter(None, MATH))}")
        self.of_catalogue = of_catalogue
        self.signature = described
        self.space = space
        self.name = name or described.kernel
        self.math = math
        self.packed = tuple(packed)
        self.backward_kernel = backward
        self._half_of = {}
        for first, second, whole in self.packed:
            self._half_of[first] = (whole, 1)
            self._half_of[second] = (whole, 2)
        self._gradients = {}
        self.inputs = self._slots("in", "inout", "scalar")
        self.results = self._slots("out")
        number = self._define(is_out=False)
        self.op = getattr(getattr(torch.ops, space), self.name)
        self.call = self.op.default  # or a shorter way to it, with the same arguments
        apply = None
        self._out = None
        if self.results:
            self._define(is_out=True)
            self._out = self.op.out
        if described.names("inout"):
            _mutation.register(space, self.name, self.op.default)
        if self._out is not None:
            _mutation.register(space, f"{self.name}.out", self._out)
        outputs = [p for p in described.parameters if p.role == "out"]
        self.is_differentiable = (bool(outputs) and not described.names("inout") and
                                  all(p.may_be_float for p in outputs))
        _shapes.register(self)
        _vmap.register(self)
        if self.is_differentiable:
            self.call, apply = _function.register(self)
        self._direct = _direct.never
        if self.results and not described.names("inout") and not described.skips_rows:
            self._direct = _direct.of(self, _operators_library()._name, number, apply)
        self.__name__ = self.name
        self.__doc__ = f"torch.ops.{space}.{self._schema(is_out=False)}"
        _made.append(self)
        for listener in _listeners:
            listener(self)

    def __call__(self, *args, **kwargs):
        if not _is_compiling():
            found = self._direct(*args, **kwargs)
            if found is not NotImplemented:
                return found
        return self._call_with(*args, **kwargs)

    def _call_with(self, *args, out=None, **kwargs):
        if out is None:
            return self.call(*args, **kwargs)
        if not isinstance(out, (tuple, list)):
            out = (out,)
        if len(out) != len(self.results):
            raise TypeError(f"{self.name} has {len(self.results)} results, found {len(out)} in out")
        self._out(*args, **kwargs, **dict(zip((spelled(n) for n in self.results), out)))
        return out[0] if len(out) == 1 else tuple(out)

    def __repr__(self):
        return f"<swage operator torch.ops.{self.space}.{self._schema(is_out=False)}>"

    def parameter(self, name):
        """The first kernel parameter that is, or is a part of, the argument or result `name`."""
        for parameter in self.signature.parameters:
            if self.slot(parameter.name) == name:
                return parameter
        raise KeyError(name)

    def slot(self, name):
        """The argument or result that the kernel's parameter `name` is passed in."""
        return self._half_of.get(name, (name, 0))[0]

    def half(self, name):
        return self._half_of.get(name, (name, 0))[1]

    def gradient(self, wanted):
        """The operator of the gradient for the inputs `wanted` (kernel parameters). Made when it is first
        needed, from the text, or the kernel that was named as its backward."""
        with _lock:
            if wanted not in self._gradients:
                self._gradients[wanted] = _autograd.derive(self, wanted)
            return self._gradients[wanted]

    def _slots(self, *roles):
        return list(dict.fromkeys(self.slot(name) for name in self.signature.names(*roles)))

    def _schema(self, is_out):
        letters = (f"a{i}" for i in itertools.count())
        arguments = []
        for name in self.inputs:
            parameter = self.parameter(name)
            kind = (_scalar_kind(parameter) if not parameter.is_tensor else
                    f"Tensor({next(letters)}!)" if parameter.role == "inout" else "Tensor")
            arguments.append(f"{kind} {spelled(name)}")
        named = [f"ScalarType {name}" for name in self.signature.asked]
        for constant in self.signature.constants:
            default = "" if constant.default is None else f"={_literal(constant)}"
            named.append(f"{_schema_kind(constant)} {spelled(constant.name)}{default}")
        results = ["Tensor"] * len(self.results)
        if is_out:
            results = [f"Tensor({next(letters)}!)" for _ in self.results]
            named += [f"{kind} {spelled(name)}" for kind, name in zip(results, self.results)]
        if named:
            arguments += ["*"] + named
        results = [] if is_out else results  # torch.compile takes none that it was given
        result = results[0] if len(results) == 1 else f"({', '.join(results)})"
        name = self.name + (".out" if is_out else "")
        return f"{name}({', '.join(arguments)}) -> {result}"

    def _define(self, is_out):
        places = {name: i for i, name in enumerate(self.inputs)}
        named = [(name, "ScalarType") for name in self.signature.asked]
        named += [(c.name, _schema_kind(c)) for c in self.signature.constants]
        constant_count = len(named)
        first_out = len(self.inputs) + constant_count
        out_places = {name: i + (first_out if is_out else 0) for i, name in enumerate(self.results)}
        parameters = (_Parameter * len(self.signature.parameters))()
        for into, p in zip(parameters, self.signature.parameters):
            slot = self.slot(p.name)
            code, bits = (-1, p.generic) if p.generic is not None else DLPACK[p.type]
            into.name, into.role = p.name.encode(), ROLES.index(p.role)
            into.space, into.group = SPACES.index(p.space), p.group
            into.group_place = -1
            if p.group_constant is not None:
                into.group_place = len(self.inputs) + [n for n, _ in named].index(p.group_constant)
            into.code, into.bits = code, bits
            into.place = out_places[slot] if p.role == "out" else places[slot]
            into.half = self.half(p.name)
        constants = (_Constant * max(1, constant_count))()
        for i, (constant, kind) in enumerate(named):
            constants[i].name, constants[i].kind = constant.encode(), _KINDS[kind]
            constants[i].place = len(self.inputs) + i
        generics = (ctypes.c_char_p * max(1, len(self.signature.generics)))(
            *(g.encode() for g in self.signature.generics))
        described = _Operator(self.signature.source.encode(), self.signature.kernel.encode(),
                              MATH[self.math], int(is_out),
                              int(self.signature.skips_rows), parameters, len(parameters), constants,
                              constant_count, generics, len(self.signature.generics))
        name = self.name + (".out" if is_out else "")
        library, number = _operators_library(), ctypes.c_int32()
        if library.swage_torch_define(self.space.encode(), name.encode(), self._schema(is_out).encode(),
                                      ctypes.byref(described), ctypes.byref(number)) != 0:
            raise RuntimeError(library.swage_torch_last_error().decode())
        return number.value


def _schema_kind(constant):
    """Schemas write no infinities: such a default is that of the kernel, where none is given."""
    is_written = constant.default is None or math.isfinite(constant.default)
    return constant.kind if is_written else "float?"


def _literal(constant):
    return repr(constant.default) if math.isfinite(constant.default) else "None"


def op(source, name=None, *, math=None, backward=None):
    """An operator of a kernel string: `op("kernel scaled<T>(x: in T, s: in f32 [tensor], y: out T) { ... }")`.

    source: text in Swage's language; name: the kernel that is meant, where there are several.
    math: "accurate" (default), "triton", "torch" or "fast".
    backward: another kernel of the text that computes the gradient: its inputs are `d_OUTPUT`, and inputs
    and outputs of the forward by name, which are saved; its outputs are `d_INPUT`. Without it the
    gradient is derived and computes what it needs again from the inputs.

    The same text gives the same operator. Raises swage.Error where the text is wrong.
    """
    with _lock:
        return _op(source, name, math, backward)


@functools.cache
def _op(source, name, math, backward):
    names = list(declarations(source))
    if name is None and len(names) != 1:
        raise ValueError(f"the text has the kernels {', '.join(names) or '(none)'}: name the one that "
                         "is meant")
    described = signature(source, name or names[0])
    digest = hashlib.sha256(repr((source, name, math, backward)).encode()).hexdigest()[:12]
    made = Operator(described, "swage", f"{described.kernel}_{digest}", math=math, backward=backward)
    if backward:
        made.gradient(None)  # what is wrong with it is said here
    return made
