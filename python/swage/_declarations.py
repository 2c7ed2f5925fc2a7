"""_declarations.py -- what a kernel text declares, as far as can be told without binding it."""

from __future__ import annotations

import functools
import re
from typing import Dict, Tuple

_KERNEL = re.compile(
    r"kernel\s+(?P<name>\w+)\s*(?:<(?P<generics>[^>]*)>)?\s*(?:\(|=\s*grad\s+(?P<of>\w+))")
_CONSTANT = re.compile(r"const\s+(\w+)\s*:\s*\w+\s*(=)?")


@functools.lru_cache(maxsize=None)
def declarations(source: str) -> Dict[str, Tuple[Tuple[str, ...], Tuple[str, ...]]]:
    """The names of the kernels of a text, in its order, with their generics and the constants that have
    no default."""
    text = re.sub(r"//[^\n\r]*", "", source)
    found: Dict[str, Tuple[Tuple[str, ...], Tuple[str, ...]]] = {}
    for match in _KERNEL.finditer(text):
        if match["of"]:
            found[match["name"]] = found.get(match["of"], ((), ()))
            continue
        generics = tuple(g.strip() for g in (match["generics"] or "").split(",") if g.strip())
        head = text[match.end():text.find("{", match.end())]
        bare = tuple(name for name, has in _CONSTANT.findall(head) if not has)
        found[match["name"]] = (generics, bare)
    return found


def skips_rows(text: str) -> bool:
    """Whether the kernel of a bound text, as the library prints it, leaves rows out."""
    return "\n  skip where " in text
