"""_error.py -- the one exception that calls of Swage raise."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional, Sequence

#: The names of swage_status, by number.
CODES = ("ok", "invalid_kernel", "invalid_argument", "unsupported", "no_device", "driver",
         "out_of_memory", "io", "not_prepared", "internal")

_PLACE = re.compile(r"^(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): error: ", re.MULTILINE)


_ARGUMENT = re.compile(r"^argument (\d+): ")


class Place(NamedTuple):
    """Where in a kernel text an error is; line and column count from 1."""

    file: str
    line: int
    column: int


class Error(RuntimeError):
    """Raised by every call of Swage that fails.

    ``str(error)`` is what the command `swage` prints: what was found, what was expected and what to
    do; of kernel text every diagnostic, with its line and a caret.
    """

    #: What kind of thing went wrong: "invalid_kernel", "invalid_argument", "unsupported",
    #: "no_device", "driver", "out_of_memory", "io", "not_prepared" or "internal".
    code: str
    #: What the CUDA driver returned (a CUresult); 0 where it had no part in the failure.
    driver_result: int
    #: The CUDA driver's log of code that it refused to load; "" otherwise.
    build_log: str

    def __init__(self, message: str, code: str = "invalid_argument", driver_result: int = 0,
                 build_log: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.driver_result = driver_result
        self.build_log = build_log

    @property
    def message(self) -> str:
        return str(self.args[0])

    @property
    def place(self) -> Optional[Place]:
        """The place of the first diagnostic; None where the error is not one of kernel text."""
        found = _PLACE.search(self.message)
        if not found:
            return None
        return Place(found["file"], int(found["line"]), int(found["column"]))

    def __reduce__(self):
        return Error, (self.message, self.code, self.driver_result, self.build_log)


Error.__module__ = "swage"  # where callers know it from


def with_names(message: str, names: Sequence[str]) -> str:
    """`message` of the C ABI, which counts arguments, with the names of parameters."""
    found = _ARGUMENT.match(message)
    if not found or int(found[1]) >= len(names):
        return message
    return f"parameter '{names[int(found[1])]}': {message[found.end():]}"
