"""_library.py -- finds libswage.so, loads it once and declares its functions."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Optional

from swage._error import CODES, Error
from swage._structs import Arg, Constant, DeviceInfo, LaunchOptions, Options, Parameter, TuneOptions, TuneResult

_pointer, _text, _size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_texts, _out = ctypes.POINTER(_text), ctypes.POINTER(_pointer)
_args = ctypes.POINTER(Arg)
_made = [_texts, _size, ctypes.POINTER(Options), _out]

#: The form of a function that takes lines of the log.
LOG = ctypes.CFUNCTYPE(None, _pointer, _text)

# Functions that return a status.
_STATUS = {
    "swage_configure": [_texts, _size, LOG, _pointer],
    "swage_catalogue_count": [ctypes.POINTER(_size)],
    "swage_catalogue_file": [_size, ctypes.POINTER(_text), ctypes.POINTER(_text)],
    "swage_device_count": [ctypes.POINTER(ctypes.c_int32)],
    "swage_device_at": [ctypes.c_int32, _out],
    "swage_device_open": [_text, _out],
    "swage_device_describe": [_pointer, ctypes.POINTER(DeviceInfo)],
    "swage_device_synchronize": [_pointer],
    "swage_kernel_create": [_pointer, _text, _text, *_made],
    "swage_kernel_from_catalogue": [_pointer, _text, *_made],
    "swage_kernel_parameter_count": [_pointer, ctypes.POINTER(_size)],
    "swage_kernel_parameter": [_pointer, _size, ctypes.POINTER(Parameter)],
    "swage_kernel_constant_count": [_pointer, ctypes.POINTER(_size)],
    "swage_kernel_constant": [_pointer, _size, ctypes.POINTER(Constant)],
    "swage_kernel_launch": [_pointer, _pointer, _args, _size],
    "swage_kernel_launch_with": [_pointer, _pointer, _args, _size, ctypes.POINTER(LaunchOptions)],
    "swage_kernel_workspace_bytes": [_pointer, _args, _size, ctypes.POINTER(_size)],
    "swage_kernel_prepare": [_pointer, _args, _size],
    "swage_kernel_prepare_with": [_pointer, _args, _size, ctypes.POINTER(LaunchOptions)],
    "swage_kernel_tune": [_pointer, _args, _size, ctypes.POINTER(TuneOptions),
                          ctypes.POINTER(TuneResult)],
}
_OTHERS = {
    "swage_version": ([], _text),
    "swage_last_error": ([], _text),
    "swage_last_build_log": ([], _text),
    "swage_last_driver_result": ([], ctypes.c_int32),
    "swage_device_close": ([_pointer], None),
    "swage_kernel_destroy": ([_pointer], None),
    "swage_kernel_name": ([_pointer], _text),
    "swage_kernel_text": ([_pointer], _text),
}

_lock = threading.Lock()
_library: Optional[ctypes.CDLL] = None


def path() -> str:
    """The file of the library: $SWAGE_LIBRARY for a checkout, else the one beside this package."""
    named = os.environ.get("SWAGE_LIBRARY")
    if named:
        return named
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "libswage.so")


def library() -> ctypes.CDLL:
    """libswage.so, loaded at the first call. Any thread may call it."""
    return _library or _load()


def check(status: int) -> None:
    """Raises what went wrong in the last call of this thread, if `status` says that it failed."""
    if status != 0:
        raise last_error(status)


def last_error(status: int) -> Error:
    """The failure that `status` of this thread's last call stands for."""
    loaded = library()
    code = CODES[status] if 0 <= status < len(CODES) else "internal"
    return Error(loaded.swage_last_error().decode(errors="replace"), code,
                 loaded.swage_last_driver_result(),
                 loaded.swage_last_build_log().decode(errors="replace"))


def _load() -> ctypes.CDLL:
    global _library
    with _lock:
        if _library is None:
            _library = _declare(_open(path()))
        return _library


def _open(file: str) -> ctypes.CDLL:
    if not os.path.exists(file):
        raise Error(f"there is no library at {file}; install the package with pip, or set "
                    "SWAGE_LIBRARY to the libswage.so of a build", "io")
    try:
        return ctypes.CDLL(file)
    except OSError as error:
        raise Error(f"{file} was not loaded: {error}", "io") from None


def _declare(loaded: ctypes.CDLL) -> ctypes.CDLL:
    try:
        for name, arguments in _STATUS.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = arguments, ctypes.c_int
        for name, (arguments, result) in _OTHERS.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = arguments, result
    except AttributeError as error:
        raise Error(f"the library does not fit this package: {error}; install both from one "
                    "version", "io") from None
    return loaded
