"""Kernels as operators of PyTorch."""

import functools
import hashlib
import pickle
import threading

import torch

from swage._structs import MATH

from . import _autograd, _direct, _function, _mutation, _shapes, _vmap
from ._definition import define, operators_library, schema
from ._signature import COUNTS, declarations, signature, spelled

_is_compiling = torch.compiler.is_compiling

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
    input has, as torch.dtype, and its `const` parameters. Results are its outputs: new tensors, contiguous, on the
    inputs' device; `out` writes to tensors that are there. Parameters `inout` are changed in place. Tensors may have any strides.

    valid_rows=: a tensor of int32 or int64 on the inputs' device, one count of rows, or one for each batch of
    [batches, rows, columns]: rows at or beyond it are neither read nor written, and are 0 in new results. (A
    parameter of the kernel that is called so takes its place.)

    `packed`: names of two parameters that are the halves of one tensor along its last dimension, and the
    tensor's, as in ("gate", "up", "gate_up"). `counts_of`: the operator that this is with counts, an overload
    of it whose last input they are.
    """

    def __init__(self, described, space="swage", name=None, *, math=None, packed=(), backward=None,
                 of_catalogue=False, counts_of=None):
        if math not in MATH:
            raise ValueError(f"math is {math!r}, expected one of {', '.join(filter(None, MATH))}")
        self.of_catalogue = of_catalogue
        self.signature = described
        self.space = space
        self.name = name or described.kernel
        self.math = math
        self.packed = tuple(packed)
        self.backward_kernel = backward
        self.counts_of, self._counted = counts_of, None
        self._made_by = None  # a function and its arguments, which give it in another process, too
        self._has_counts_of_its_own = any(p.name == COUNTS.name for p in described.parameters + described.constants)
        self._half_of = {}
        for first, second, whole in self.packed:
            self._half_of[first] = (whole, 1)
            self._half_of[second] = (whole, 2)
        self._gradients = {}
        self.inputs = self._slots("in", "inout", "scalar") + [COUNTS.name] * bool(counts_of)
        self.results = self._slots("out")
        number = define(self, is_out=False)
        self.op = getattr(getattr(torch.ops, space), self.name)
        self.overload = getattr(self.op, "rows" if counts_of else "default")
        self.call = self.overload  # or a shorter way to it, with the same arguments
        apply = None
        self._out = None
        if self.results:
            define(self, is_out=True)
            self._out = getattr(self.op, "rows_out" if counts_of else "out")
        if described.names("inout"):
            _mutation.register(space, self.spelled(), self.overload)
        if self._out is not None:
            _mutation.register(space, self.spelled(is_out=True), self._out)
        outputs = [p for p in described.parameters if p.role == "out"]
        self.is_differentiable = (bool(outputs) and not described.names("inout") and
                                  all(p.may_be_float for p in outputs))
        _shapes.register(self)
        _vmap.register(self)
        if self.is_differentiable:
            self.call, apply = _function.register(self)
        elif not described.names("inout"):
            _function.register_without_gradient(self)
        self._direct = _direct.never
        if self.results and not described.names("inout") and not described.skips_rows and not counts_of:
            self._direct = _direct.of(self, operators_library()._name, number, apply)
        self.__name__ = self.name
        self.__doc__ = f"torch.ops.{space}.{schema(self, is_out=False)}"
        _made.append(self)
        for listener in _listeners:
            listener(self)

    def __call__(self, *args, **kwargs):
        if not _is_compiling():
            found = self._direct(*args, **kwargs) if kwargs else self._direct(*args)
            if found is not NotImplemented:
                return found
        return self._call_with(*args, **kwargs)

    def _call_with(self, *args, out=None, valid_rows=None, **kwargs):
        if valid_rows is not None:
            if self._has_counts_of_its_own or self.counts_of:
                kwargs[COUNTS.name] = valid_rows
            elif not (isinstance(valid_rows, torch.Tensor) or hasattr(valid_rows, "__torch_function__")):
                raise TypeError(f"valid_rows of {self.name} is {type(valid_rows).__name__}, expected a tensor of int32 "
                                "or int64 on the device of the others")
            else:
                self._make_counted()
                if len(args) < len(self.inputs):  # the others are given by name
                    return self._counted._call_with(*args, out=out, valid_rows=valid_rows, **kwargs)
                return self._counted._call_with(*args, valid_rows, out=out, **kwargs)
        if self.counts_of and not _is_compiling() and torch._C._get_tracing_state() is not None:
            # TorchScript knows no overloads by name: it would run NAME.out, and write to the counts.
            raise RuntimeError(f"torch.jit.trace does not keep the valid_rows of {self.name}: use torch.export")
        if out is None:
            return self.call(*args, **kwargs)
        if not isinstance(out, (tuple, list)):
            out = (out,)
        if len(out) != len(self.results):
            raise TypeError(f"{self.name} has {len(self.results)} results, found {len(out)} in out")
        self._out(*args, **kwargs, **dict(zip((spelled(n) for n in self.results), out)))
        return out[0] if len(out) == 1 else tuple(out)

    def __reduce__(self):
        """Pickled, and copied with a model, as what it is made by: there is one operator of a name."""
        if self._made_by is None:
            raise pickle.PicklingError(f"{self.name} was made by swage.torch.Operator, which says not how: make it with "
                                       "swage.torch.op")
        return self._made_by

    def __repr__(self):
        return f"<swage operator torch.ops.{self.space}.{schema(self, is_out=False)}>"

    @property
    def counted(self):
        """The operator with counts of rows, torch.ops.NAMESPACE.NAME.rows: `valid_rows` is its last input. It is
        made when it is first needed."""
        self._make_counted()
        return self._counted

    def _make_counted(self):
        if self.counts_of or self._has_counts_of_its_own:
            raise TypeError(f"{self.name} has an input 'valid_rows' already")
        with _lock:
            if self._counted is None:
                self._counted = Operator(self.signature, self.space, self.name, math=self.math, packed=self.packed,
                                         backward=self.backward_kernel, of_catalogue=self.of_catalogue, counts_of=self)
                self._counted._made_by = _counted, (self,)
        return True

    # torch.compile calls it while it traces, and does not look inside: what torch.compiler.assume_constant_result
    # does, without an import that takes a second.
    _make_counted._dynamo_marked_constant = True

    def spelled(self, is_out=False):
        """The operator's name with that of its overload, as schemas have it."""
        overload = "_".join(["rows"] * bool(self.counts_of) + ["out"] * is_out)
        return f"{self.name}.{overload}" if overload else self.name

    def parameter(self, name):
        """The first kernel parameter that is, or is a part of, the argument or result `name`."""
        if self.counts_of and name == COUNTS.name:
            return COUNTS
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
        if self.counts_of:
            return self.counts_of.gradient(wanted).counted()
        with _lock:
            if wanted not in self._gradients:
                self._gradients[wanted] = _autograd.derive(self, wanted)
                self._gradients[wanted].operator._made_by = _gradient, (self, wanted)
            return self._gradients[wanted]

    def _slots(self, *roles):
        return list(dict.fromkeys(self.slot(name) for name in self.signature.names(*roles)))


def _counted(operator):
    return operator.counted


def _gradient(operator, wanted):
    return operator.gradient(wanted).operator


def op(source, name=None, *, math=None, backward=None):
    """An operator of a kernel string: `op("kernel scaled<T>(x: in T, s: in f32 [tensor], y: out T) { ... }")`.

    source: text in Swage's language; name: the kernel that is meant, where there are several.
    math: "accurate" (default), "triton", "torch" or "fast".
    backward: another kernel of the text that computes the gradient: its inputs are `d_OUTPUT`, and inputs
    and outputs of the forward by name, which are saved; its outputs are `d_INPUT`. Without it the
    gradient is derived and computes what it needs again from the inputs.

    The same text gives the same operator. Raises swage.Error where the text is wrong.
    """
    return _op(source, name, math, backward)


def _op(*made_of):
    with _lock:
        return _made_op(*made_of)


@functools.cache
def _made_op(source, name, math, backward):
    names = list(declarations(source))
    if name is None and len(names) != 1:
        raise ValueError(f"the text has the kernels {', '.join(names) or '(none)'}: name the one that "
                         f"is meant, as in op(text, '{(names or ['NAME'])[-1]}')")
    described = signature(source, name or names[0])
    digest = hashlib.sha256(repr((source, name, math, backward)).encode()).hexdigest()[:12]
    made = Operator(described, "swage", f"{described.kernel}_{digest}", math=math, backward=backward)
    made._made_by = _op, (source, name, math, backward)
    if backward:
        made.gradient(None)  # what is wrong with it is said here
    return made
