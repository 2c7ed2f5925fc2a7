"""_handle.py -- kernels of the C ABI, made and given back."""

from __future__ import annotations

import ctypes
from typing import Callable, Dict, List, Optional, Tuple

from swage._error import Error
from swage._library import check, library
from swage._structs import MATH, Constant, DeviceInfo, Options, Parameter


class Recipe:
    """What a kernel is made of, wherever it is made."""

    def __init__(self, source: Optional[str], name: Optional[str], bindings: Dict[str, str],
                 math: Optional[str], schedule: Optional[str], file: Optional[str]) -> None:
        if math not in MATH:
            known = ", ".join(mode for mode in MATH if mode)
            raise Error(f"math={math!r}: expected one of {known}, or None")
        self.source, self.name, self.bindings = source, name, bindings
        self.math, self.schedule, self.file = math, schedule, file

    def make(self, device: Optional[str]) -> "Handle":
        """The kernel on `device`; None is the device that the library chooses."""
        loaded = library()
        opened, kernel = ctypes.c_void_p(), Handle()
        check(loaded.swage_device_open(_bytes(device), ctypes.byref(opened)))
        try:
            texts = [f"{key}={value}".encode() for key, value in self.bindings.items()]
            options = Options(MATH[self.math], _bytes(self.schedule), _bytes(self.file))
            rest = ((ctypes.c_char_p * max(1, len(texts)))(*texts), len(texts),
                    ctypes.byref(options), ctypes.byref(kernel))
            if self.source is None:
                check(loaded.swage_kernel_from_catalogue(opened, _bytes(self.name), *rest))
            else:
                check(loaded.swage_kernel_create(opened, _bytes(self.source), _bytes(self.name),
                                                 *rest))
            info = DeviceInfo()
            check(loaded.swage_device_describe(opened, ctypes.byref(info)))
            kernel.device = info.id.decode()
            kernel._destroy = loaded.swage_kernel_destroy
        finally:
            loaded.swage_device_close(opened)
        return kernel


class Handle(ctypes.c_void_p):
    """A swage_kernel*, destroyed with its last reference."""

    device: str  # "cuda:0"

    # The handle's own, for as the interpreter ends modules may be empty before kernels go.
    _destroy: Optional[Callable[["Handle"], None]] = None

    def __del__(self) -> None:
        if self and self._destroy is not None:
            self._destroy(self)
            self.value = None

    def text(self) -> str:
        return library().swage_kernel_text(self).decode()

    def name(self) -> str:
        return library().swage_kernel_name(self).decode()

    def parameters(self) -> List[Parameter]:
        return self._all(Parameter, "swage_kernel_parameter")

    def constants(self) -> List[Constant]:
        return self._all(Constant, "swage_kernel_constant")

    def _all(self, kind: type, function: str) -> list:
        loaded, count = library(), ctypes.c_size_t()
        check(getattr(loaded, function + "_count")(self, ctypes.byref(count)))
        found = [kind() for _ in range(count.value)]
        for index, item in enumerate(found):
            check(getattr(loaded, function)(self, index, ctypes.byref(item)))
        return found


def split(source_or_name: str, name: Optional[str]) -> Tuple[Optional[str], Optional[str]]:
    """(source, name): a text is what no name can be, and a name alone is one of the catalogue."""
    if source_or_name.isidentifier():
        if name is not None:
            raise Error(f"kernel '{source_or_name}' of the catalogue: a second name, '{name}', was "
                        "given; expected kernel text before it, or no second name")
        return None, source_or_name
    return source_or_name, name


def _bytes(text: Optional[str]) -> Optional[bytes]:
    if text is None:
        return None
    if not isinstance(text, str):
        raise Error(f"found {type(text).__name__} {text!r}, expected a string")
    if "\0" in text:
        raise Error("found a zero byte in a text, expected none")
    return text.encode()
