"""_call.py -- what a call passes becomes the arguments of one launch."""

from __future__ import annotations

import ctypes
import operator
from typing import Any, Dict, List, Optional, Sequence, Tuple

from swage import _arrays, _dlpack
from swage._error import Error
from swage._structs import (ARG_INTEGER, ARG_REAL, ARG_TENSOR, COLUMN, COLUMN_GROUP, CPU, CUDA, ELEMENT, GROUP,
                            IN, INOUT, OUT, ROW, SCALAR, Arg)
from swage._types import CODES, PACKED, elements_of_pairs, name_of


class Signature:
    """The parameters of a kernel, as calls need them."""

    def __init__(self, kernel: str, parameters: Sequence[Any], skips: bool = False) -> None:
        self.kernel = kernel
        self.skips = skips  #: rows, whose outputs a launch leaves as they are
        self.names = [parameter.name.decode() for parameter in parameters]
        self.roles = [parameter.role for parameter in parameters]
        self.spaces = [parameter.space for parameter in parameters]
        self.groups = [parameter.group for parameter in parameters]
        self.types = [name_of(parameter.type) for parameter in parameters]
        self.index = {name: i for i, name in enumerate(self.names)}
        self.fresh = [i for i, role in enumerate(self.roles) if role == OUT]
        self.results = [i for i, role in enumerate(self.roles) if role in (OUT, INOUT)]

    def refuse(self, what: str) -> Error:
        return Error(f"kernel '{self.kernel}': {what}; its parameters are {', '.join(self.names)}")

    def bind(self, positional: Sequence[Any], named: Dict[str, Any], out: Any) -> List[Any]:
        """The value of every parameter in their order; None for outputs that nothing was given for."""
        if not named and out is None and len(positional) == len(self.names):
            if not any(value is None for value in positional):
                return list(positional)  # the usual call
        values: List[Any] = [None] * len(self.names)
        given = [False] * len(self.names)

        def give(i: int, value: Any) -> None:
            if given[i]:
                raise self.refuse(f"parameter '{self.names[i]}' was given twice")
            if value is None and self.roles[i] != OUT:
                raise Error(f"parameter '{self.names[i]}': found None, expected "
                            f"{self.expected(i)}")
            values[i], given[i] = value, True

        for name, value in named.items():
            if name not in self.index:
                raise self.refuse(f"there is no parameter '{name}'")
            give(self.index[name], value)
        if out is not None:
            for i, value in zip(self.fresh, self._outputs(out)):
                give(i, value)
        rest = [i for i in range(len(values)) if not given[i]]
        inputs = [i for i in rest if self.roles[i] != OUT]
        if len(positional) == len(rest):
            inputs = rest
        elif len(positional) > len(inputs):
            raise self.refuse(f"found {_count(len(positional), 'argument')}, expected "
                              f"{_expected_counts(len(inputs), len(rest))} by position")
        for i, value in zip(inputs, positional):
            give(i, value)
        for i, role in enumerate(self.roles):
            if not given[i] and role != OUT:
                raise self.refuse(f"parameter '{self.names[i]}' was not given")
        return values

    def _outputs(self, out: Any) -> Sequence[Any]:
        outputs = out if isinstance(out, (tuple, list)) else (out,)
        if len(outputs) != len(self.fresh):
            raise self.refuse(f"out= holds {_count(len(outputs), 'array')}, expected "
                              f"{len(self.fresh)} ({', '.join(self.names[i] for i in self.fresh)})")
        return outputs

    def expected(self, i: int) -> str:
        return f"a number ({self.types[i]})" if self.roles[i] == SCALAR else (
            f"an array of {self.types[i]}")


class Call:
    """Arguments of a launch, alive as long as this is, and where the launch belongs."""

    def __init__(self, signature: Signature, values: List[Any], device: Optional[str],
                 stream: Optional[int], clear: bool = False) -> None:
        self.signature = signature
        self._clear = clear or signature.skips  # what is made anew and may not be written
        self.values = values
        self.count = len(values)
        self.args = (Arg * max(1, self.count))()
        self._keep: List[Any] = []
        self._made: set = set()
        self._place = Placement(signature.kernel, device)
        devices = [None if value is None or role == SCALAR else self._place.see(value, name)
                   for value, role, name in zip(values, signature.roles, signature.names)]
        self._make_outputs(devices)
        self.device = self._place.device
        self._own_stream = stream is None
        self.stream = self._place.stream(stream)
        for i, value in enumerate(values):
            place = devices[i]
            if place is None:
                self._number(i, value)
            else:
                self._array(i, value, place)

    def results(self) -> Any:
        """The outputs: the array, a tuple of several, None of none."""
        found = tuple(self.values[i] for i in self.signature.results)
        return found[0] if len(found) == 1 else found or None

    def view(self, value: Any, name: str) -> _dlpack.View:
        """The DLTensor of something beside the arguments, kept as they are."""
        device = self._place.see(value, name)
        view = _dlpack.view(value, name, self._order(value, device))
        self._keep.append(view)
        return view

    def _array(self, i: int, value: Any, device: Tuple[int, int]) -> None:
        name = self.signature.names[i]
        view = _dlpack.view(value, name, self._order(value, device))
        if self.signature.types[i] in CODES:
            view = _dlpack.of_codes(view, self.signature.types[i])
        if self.signature.roles[i] != IN and i not in self._made:
            if view.read_only or _arrays.is_immutable(value):
                raise Error(f"parameter '{name}': its array is read-only, expected one that can be "
                            "written" + (", or no output" if self.signature.roles[i] == OUT else ""))
        self._keep.append(view)
        arg = self.args[i]
        arg.kind, arg.tensor = ARG_TENSOR, view.address

    def _order(self, value: Any, device: Tuple[int, int]) -> Optional[int]:
        """The stream that __dlpack__ of an array takes: -1 where its library works on the very
        stream of the launch, 1 for the default one."""
        if device[0] != CUDA:
            return None
        if self._own_stream and _arrays.knows_stream(value):
            return -1
        return self.stream or 1

    def _number(self, i: int, value: Any) -> None:
        name, kind, arg = self.signature.names[i], self.signature.types[i], self.args[i]
        try:
            if kind[0] in "iu" or kind == "bool":
                arg.kind = ARG_INTEGER
                number = operator.index(value) if kind != "bool" else _truth(value)
                if not -2**63 <= number < 2**63:
                    raise Error(f"parameter '{name}': {number} is beyond 64 bits")
                arg.integer = number
            elif isinstance(value, (str, bytes)):
                raise TypeError
            else:
                arg.kind, arg.real = ARG_REAL, float(value)
        except (TypeError, ValueError, OverflowError):
            raise Error(f"parameter '{name}': found {_dlpack.found(value)}, expected "
                        f"{self.signature.expected(i)}") from None

    def _make_outputs(self, devices: List[Any]) -> None:
        signature, like, shape = self.signature, None, None
        missing = [i for i in signature.fresh if self.values[i] is None]
        if not missing:
            return
        for i, value in enumerate(self.values):
            if value is None or signature.roles[i] == SCALAR:
                continue
            if signature.spaces[i] == ELEMENT:
                like, shape = value, tuple(value.shape)
                if signature.types[i] == PACKED:
                    shape = elements_of_pairs(shape, _arrays.strides_of_bytes(value))
                break
        if shape is None:
            raise Error(f"parameter '{signature.names[missing[0]]}': no input holds a value for each "
                        "element to take the shape of a fresh output from; pass the output")
        for i in missing:
            sizes = output_shape(shape, signature.spaces[i], signature.groups[i])
            if signature.types[i] == PACKED:
                sizes = packed_shape(sizes, signature.names[i])
            self.values[i] = _arrays.empty(like, signature.names[i], sizes, signature.types[i])
            if self._clear:
                _arrays.clear(self.values[i])
            self._made.add(i)
            devices[i] = self._place.see(self.values[i], signature.names[i])


class Placement:
    """The one device that the arrays of a call are on, and the stream to launch on."""

    def __init__(self, kernel: str, device: Optional[str]) -> None:
        self._kernel, self._wanted = kernel, device
        self._first: Optional[Tuple[str, Any]] = None  # parameter, array
        self.device = device

    def see(self, value: Any, name: str) -> Tuple[int, int]:
        """(DLDeviceType, index) of an array, which has to be on the device of those before it."""
        device = kind, index = _dlpack.device_of(value, name)
        if kind not in (CPU, CUDA):
            return device  # host memory that CUDA maps, managed memory: the library knows
        here = f"cuda:{index}" if kind == CUDA else "cpu"
        if self.device != here:
            self._move(here, name)
        if self._first is None:
            self._first = (name, value)
        return device

    def _move(self, here: str, name: str) -> None:
        if self._wanted is not None:
            raise Error(f"parameter '{name}': its array is on {here}, but kernel '{self._kernel}' is "
                        f"for {self._wanted}; move the array, or make the kernel without device=")
        if self._first is not None:
            raise Error(f"parameter '{name}': its array is on {here}, but that of "
                        f"'{self._first[0]}' on {self.device}; move one of them")
        self.device = here

    def stream(self, given: Optional[int]) -> int:
        if given is not None or self._first is None or self.device in (None, "cpu"):
            return given or 0
        return _arrays.stream_of(self._first[1], int(str(self.device).partition(":")[2]))


def output_shape(shape: Tuple[int, ...], space: int, group: int) -> Tuple[int, ...]:
    """The shape of a fresh output of `space` where elements have `shape`."""
    if space == ELEMENT:
        return shape
    if space == ROW:
        return shape[:-1]
    if space == COLUMN:
        return shape[-1:]
    if space == GROUP:
        return shape[:-1] + (-(-shape[-1] // group),) if shape else (1,)
    if space == COLUMN_GROUP:
        return shape[:-2] + (-(-shape[-2] // group), shape[-1]) if len(shape) > 1 else shape
    return ()


def packed_shape(shape: Tuple[int, ...], name: str) -> Tuple[int, ...]:
    """The shape of an array of bytes for elements of which two share one."""
    if not shape or shape[-1] % 2:
        raise Error(f"parameter '{name}': two of {PACKED} share a byte, expected an even number of "
                    f"columns, found shape {list(shape)}")
    return shape[:-1] + (shape[-1] // 2,)


def _truth(value: Any) -> int:
    if type(value).__name__ in ("bool", "bool_"):  # NumPy's is no index
        return int(bool(value))
    return operator.index(value)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _expected_counts(inputs: int, every: int) -> str:
    return str(inputs) if inputs == every else f"{inputs}, or {every} with the outputs"
