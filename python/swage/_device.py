"""_device.py -- the devices of this machine, and the settings of the library."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, List, NamedTuple, Optional

from swage._error import Error
from swage._library import LOG, check, library
from swage._structs import DeviceInfo


class Device(NamedTuple):
    """A GPU or the CPU."""

    id: str  #: "cuda:0" or "cpu": what `swage.kernel` takes
    name: str  #: "NVIDIA H200"
    target: str  #: "sm_90", "x86_64 znver5"
    compute_units: int  #: multiprocessors, or hardware threads this process may use
    memory_bytes: int
    cache_bytes: int  #: of the last level
    peak_bytes_per_second: float  #: 0 if not known
    driver_version: int  #: 13000 is CUDA 13.0; 0 of the CPU


def devices() -> List[Device]:
    """Every GPU that the CUDA driver lists, then the CPU. Makes no context on any."""
    loaded, count = library(), ctypes.c_int32()
    check(loaded.swage_device_count(ctypes.byref(count)))
    found = []
    for index in range(count.value):
        device, info = ctypes.c_void_p(), DeviceInfo()
        check(loaded.swage_device_at(index, ctypes.byref(device)))
        try:
            check(loaded.swage_device_describe(device, ctypes.byref(info)))
        finally:
            loaded.swage_device_close(device)
        found.append(Device(info.id.decode(), info.name.decode(), info.target.decode(),
                            info.compute_units, info.memory_bytes, info.cache_bytes,
                            info.peak_bytes_per_second, info.driver_version))
    return found


_log: Any = None  # the function that the library calls, for as long as it may


def configure(*, log: Optional[Callable[[str], None]] = None, **settings: Any) -> None:
    """Sets what else the environment would: ``configure(cache_dir="/data/swage", log_level="info")``.

    settings: the names of docs/settings.md in small letters and without SWAGE_; SWAGE_LOG, whose
        name is that of the function, is `log_level`. True and False are 1 and 0.
    log: takes each line of the log, without its end, from any thread; None is standard error.
    Once, before anything else of Swage is used. Raises Error: "invalid_argument" of a setting that
    is not known, and where the library is in use already.
    """
    global _log
    texts = [f"{_setting(key)}={_setting_text(value)}".encode() for key, value in settings.items()]
    function = LOG() if log is None else LOG(lambda _, line: _pass_on(log, line))
    check(library().swage_configure((ctypes.c_char_p * max(1, len(texts)))(*texts), len(texts),
                                    function, None))
    _log = function


def _pass_on(log: Callable[[str], None], line: bytes) -> None:
    log(line.decode(errors="replace"))


def _setting(key: str) -> str:
    return "SWAGE_LOG" if key == "log_level" else "SWAGE_" + key.upper()


def _setting_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    text = str(value)
    if "\0" in text:
        raise Error("found a zero byte in a setting, expected none")
    return text
