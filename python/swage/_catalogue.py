"""_catalogue.py -- the kernels that come with Swage."""

from __future__ import annotations

import ctypes
import functools
import re
from typing import Dict, Iterator, NamedTuple, Tuple

from swage._declarations import declarations
from swage._error import Error
from swage._library import check, library

#: A kernel's declaration up to what ends it, with the comment above.
DECLARATION = re.compile(
    r"(?P<comment>(?:^//[^\n]*\n)*)"
    r"^(?P<text>(?:@\w+ )*kernel (?P<name>\w+)(?:[^={;]*=[^;]*;|[^{;]*\{.*?^\}))",
    re.MULTILINE | re.DOTALL)


class Entry(NamedTuple):
    """A kernel of the catalogue."""

    name: str
    summary: str  #: the comment above it; "" without one
    text: str  #: its declaration
    file: str  #: "swiglu.swg"


def catalogue() -> Dict[str, Entry]:
    """Every kernel that `swage.kernel` knows by name, in the order of the files that hold them."""
    found = {}
    for file, text in _files():
        for each in DECLARATION.finditer(text):
            comment = " ".join(line[2:].strip() for line in each["comment"].splitlines())
            found[each["name"]] = Entry(each["name"], comment, each["text"], file)
    return found


@functools.lru_cache(maxsize=None)
def texts() -> Dict[str, str]:
    """The text of every kernel's file, by the kernel's name."""
    return {name: text for _, text in _files() for name in declarations(text)}


def file_of(kernel: str) -> str:
    """The text of the file that declares `kernel` of the catalogue."""
    if kernel not in texts():
        raise Error(f"there is no kernel '{kernel}' in the catalogue; swage.catalogue() has its names",
                    "invalid_kernel")
    return texts()[kernel]


def _files() -> Iterator[Tuple[str, str]]:
    loaded, count = library(), ctypes.c_size_t()
    check(loaded.swage_catalogue_count(ctypes.byref(count)))
    for index in range(count.value):
        name, text = ctypes.c_char_p(), ctypes.c_char_p()
        check(loaded.swage_catalogue_file(index, ctypes.byref(name), ctypes.byref(text)))
        yield (name.value or b"").decode(), (text.value or b"").decode()
