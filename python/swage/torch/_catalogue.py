"""The catalogue's kernels, each made an operator once."""

import functools

from swage._catalogue import texts

from . import _operators
from ._operators import Operator
from ._signature import signature


@functools.cache
def _gated():
    """Kernels of gate and up with one output, which also come with both in one tensor."""
    found = {}
    for name, text in texts().items():
        if name.endswith(("_backward", "_inplace", "_grad", "_gradient")) or "gate" not in text:
            continue
        described = signature(text, name)
        if described.names("in") == ["gate", "up"] and described.names("out", "inout") == ["h"]:
            found[f"{name}_packed"] = described
    return found


@functools.cache
def names():
    """Of the catalogue's kernels, and of the gated ones with `_packed` behind."""
    return (*texts(), *_gated())


_made = {}


def catalogue_operator(name):
    found = _made.get(name)
    if found is None:
        with _operators._lock:
            found = _made.get(name) or _make(name)
            found._made_by = catalogue_operator, (name,)
            _made[name] = found
    return found


def _make(name):
    if name in _gated():
        return Operator(_gated()[name], "swage", name, packed=(("gate", "up", "gate_up"),),
                        of_catalogue=True)
    return Operator(signature(texts()[name], name), of_catalogue=True)
