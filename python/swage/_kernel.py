"""_kernel.py -- kernels: made from text or by name, called on arrays."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

from swage import _gradient, _tune
from swage._call import Call, Signature
from swage._error import Error, with_names
from swage._handle import Handle, Recipe, split
from swage._library import last_error, library
from swage._declarations import skips_rows
from swage._structs import ROLES, SPACES, LaunchOptions
from swage._types import binding_text, name_of

_OPTIONS = ("out", "stream", "valid_rows", "workspace")


class Parameter(NamedTuple):
    """What a call passes for one parameter."""

    name: str
    role: str  #: "in", "out", "inout" or "scalar"
    type: str  #: "bf16"
    space: str  #: how many values: "element", "row", "col", "group", "col group", "tensor" or "table"
    group: int  #: of space "group": columns of a group, of "col group": rows; 0 otherwise


class Constant(NamedTuple):
    """A `const` parameter, bound when the kernel was made."""

    name: str
    type: str
    value: Union[float, int]
    default: Union[float, int, None]  #: None where every kernel has to bind it


def kernel(source_or_name: Union[str, "os.PathLike[str]"], name: Optional[str] = None, *,
           device: Any = None, math: Optional[str] = None,
           schedule: Optional[str] = None, **bindings: Any) -> "Kernel":
    """A kernel of a text, or of the catalogue by its name.

    source_or_name: kernel text, a path of a file of it, or the name of a kernel of the catalogue.
    name: which kernel of the text; not needed where it declares one.
    device: "cpu" or "cuda:N", or what shows itself so, as torch.device does; without it every call
        runs where its arrays are.
    math: "accurate", "fast", "triton" or "torch"; without it what the text says, else accurate.
    schedule: how it is laid onto the machine, "threads=128 bytes=16"; without it what tuning found,
        else the default.
    bindings: generic types and `const` parameters: ``T="bf16"``, ``T=torch.bfloat16``, ``eps=1e-5``.

    Nothing is compiled before the first call. Raises Error: "invalid_kernel" with every diagnostic
    of a wrong text, name or binding, "no_device" where the device is not there.
    """
    file: Optional[str] = None
    source: Optional[str]
    kernel_name: Optional[str]
    if isinstance(source_or_name, os.PathLike):
        file = os.fspath(source_or_name)
        try:
            with open(file, encoding="utf-8") as stream:
                source, kernel_name = stream.read(), name
        except OSError as error:
            raise Error(f"{file}: {error.strerror}", "io") from error
    elif isinstance(source_or_name, str):
        source, kernel_name = split(source_or_name, name)
    else:
        raise Error(f"source_or_name: found {type(source_or_name).__name__}, expected kernel text, "
                    "a path or a name of the catalogue")
    texts = {key: binding_text(key, value) for key, value in bindings.items()}
    return Kernel(Recipe(source, kernel_name, texts, math, schedule, file),
                  None if device is None else str(device))


class Kernel:
    """A kernel that is called on arrays; made by `swage.kernel`. Any thread may call it."""

    def __init__(self, recipe: Recipe, device: Optional[str]) -> None:
        self._recipe = recipe
        self._lock = threading.Lock()
        # Without a device the CPU's kernel, which is there on every machine, answers what is asked
        # of the text.
        self._handle: Handle = recipe.make(device or "cpu")
        self._device = self._handle.device if device else None
        self._handles: Dict[str, Handle] = {self._handle.device: self._handle}
        self._signature = Signature(self._handle.name(), self._handle.parameters(),
                                    skips=skips_rows(self._handle.text()))

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Runs the kernel and gives its outputs: an array, or a tuple of several.

        Arguments go by position, in the order of `parameters`, or by name. Arrays are anything with
        ``__dlpack__`` (NumPy, PyTorch, CuPy, JAX), of the parameters' types; nothing is copied, and
        any strides will do. Scalars are numbers. By position either the inputs are given or the
        inputs and the outputs.

        Shapes: arrays of `element` parameters have one shape [..., columns], and rows are the
        product of its leading dimensions; `row` ones have a value a row ([...], [..., 1] or [rows]),
        `col` ones [columns], `group` ones [..., columns / group], `col group` ones [..., rows /
        group, columns], `tensor` ones one value, `table` ones a vector of any length.

        out=: the output, or a sequence of all of them; outputs that are not given are made by the
            library of the inputs.
        stream=: CUDA: the stream to launch on, a number or an object of PyTorch or CuPy; without it
            the current one of the library of the first array.
        valid_rows=: an array of int32 or int64 on the device: rows at or beyond the count are
            neither read nor written. One count, or one for each batch of [batches, rows, columns].
        workspace=: CUDA: an array of at least `workspace_bytes` bytes for sums over rows and steps.
        (A parameter of the kernel that has one of these names takes its place.)

        On the CPU the work is done on return; on CUDA it is launched. Raises Error that names the
        parameter: wrong type, shape or device, too many or too few arguments, a read-only output.
        """
        call, handle, options = self._prepared(args, named)
        loaded = library()
        if options is None:
            status = loaded.swage_kernel_launch(handle, call.stream, call.args, call.count)
        else:
            status = loaded.swage_kernel_launch_with(handle, call.stream, call.args, call.count,
                                                     ctypes.byref(options))
        self._check(status)
        return call.results()

    def prepare(self, *args: Any, **named: Any) -> None:
        """Compiles and loads what the call with these arguments needs, and runs nothing."""
        call, handle, options = self._prepared(args, named)
        self._check(library().swage_kernel_prepare_with(
            handle, call.args, call.count, ctypes.byref(options) if options else None))

    def workspace_bytes(self, *args: Any, **named: Any) -> int:
        """Bytes of device memory that the call needs beside its arrays; 0 on the CPU."""
        call, handle, _ = self._prepared(args, named)
        size = ctypes.c_size_t()
        self._check(library().swage_kernel_workspace_bytes(handle, call.args, call.count,
                                                           ctypes.byref(size)))
        return size.value

    def tune(self, *args: Any, budget: float = 0.0, force: bool = False, private: bool = False,
             progress: Union[Callable[..., Any], bool, None] = None,
             **named: Any) -> "_tune.Tuned":
        """Finds the fastest schedule for calls like this one by measurement.

        The arrays are not touched. Later calls use the schedule, and so do other processes through
        the tuning records.

        budget: seconds to spend on measuring; 0 is 0.4 or less on CUDA, 2 on the CPU.
        force: measure however noisy the device is.
        private: leave no record for other processes.
        progress: a class with tqdm's interface, or whether to show a bar; None shows tqdm's, if it
            is installed, on a terminal.
        Raises Error: "unsupported" where other work keeps the device too noisy.
        """
        call, handle, _ = self._prepared(args, named)
        return _tune.tune(handle, call, budget, force, private, progress, self.name, self._check)

    def gradient(self, *inputs: str, name: Optional[str] = None, **into: str) -> "Kernel":
        """The kernel of the gradients with respect to `inputs`, the backward pass.

        inputs: names of parameters; none are all that have a gradient.
        into: in place: ``gate="up"`` writes the gradient of `gate` to the memory of `up`, and
            ``h="d_h"`` has the backward pass leave h itself where it read d_h.
        name: of the new kernel; without it NAME_gradient.
        Its parameters are the gradients of the outputs, what of the inputs it needs, and the
        gradients asked for: see its `parameters` and `text`.
        """
        return _gradient.gradient(self, inputs, into, name)

    @property
    def name(self) -> str:
        return self._signature.kernel

    @property
    def text(self) -> str:
        """The bound kernel as language text."""
        return self._handle.text()

    @property
    def device(self) -> Optional[str]:
        """The device that it was made for; None where every call runs where its arrays are."""
        return self._device

    @property
    def parameters(self) -> List[Parameter]:
        """What a call passes, in order; `const` parameters are not among them."""
        return [Parameter(p.name.decode(), ROLES[p.role], name_of(p.type), SPACES[p.space], p.group)
                for p in self._handle.parameters()]

    @property
    def constants(self) -> List[Constant]:
        """The `const` parameters with what they were bound to."""
        found = []
        for c in self._handle.constants():
            kind = name_of(c.type)
            real = kind[0] in "fb" and kind != "bool"
            value, default = (c.value, c.default_value) if real else (c.integer, c.default_integer)
            found.append(Constant(c.name.decode(), kind, value, default if c.has_default else None))
        return found

    def __repr__(self) -> str:
        shown = ", ".join(f"{p.name}: {p.role} {p.type}" for p in self.parameters)
        return f"<swage.Kernel {self.name}({shown}) on {self._device or 'the device of its arrays'}>"

    def __reduce__(self):
        return Kernel, (self._recipe, self._device)

    def _handle_for(self, device: Optional[str]) -> Handle:
        """The kernel on `device`, made at the first call for it."""
        device = device or self._handle.device
        found = self._handles.get(device)
        if found is None:
            with self._lock:
                found = self._handles.get(device) or self._recipe.make(device)
                self._handles[device] = found
        return found

    def _prepared(self, args: Any, named: Dict[str, Any]) -> Any:
        index = self._signature.index
        out, stream, valid_rows, workspace = (
            named.pop(key, None) if key in named and key not in index else None
            for key in _OPTIONS)
        call = Call(self._signature, self._signature.bind(args, named, out), self._device,
                    _stream_number(stream), clear=valid_rows is not None)
        options = None
        if valid_rows is not None or workspace is not None:
            options = LaunchOptions()
            if valid_rows is not None:
                options.valid_rows = call.view(valid_rows, "valid_rows").address
            if workspace is not None:
                memory = call.view(workspace, "workspace").tensor
                options.workspace = (memory.data or 0) + memory.byte_offset
                options.workspace_bytes = _bytes_of(memory)
        return call, self._handle_for(call.device), options

    def _check(self, status: int) -> None:
        if status == 0:
            return
        error = last_error(status)
        raise Error(with_names(error.message, self._signature.names), error.code,
                    error.driver_result, error.build_log)


def _stream_number(stream: Any) -> Optional[int]:
    if stream is None or isinstance(stream, int):
        return stream
    for attribute in ("cuda_stream", "ptr"):  # PyTorch, CuPy
        number = getattr(stream, attribute, None)
        if isinstance(number, int):
            return number
    raise Error(f"stream=: found {type(stream).__name__}, expected a number or a stream of PyTorch "
                "or CuPy")


def _bytes_of(memory: Any) -> int:
    count, expected = 1, 1
    for i in reversed(range(memory.ndim)):
        if memory.strides and memory.shape[i] > 1 and memory.strides[i] != expected:
            raise Error("workspace: its array is not contiguous")
        expected *= memory.shape[i]
        count *= memory.shape[i]
    return count * (memory.dtype.bits // 8)
