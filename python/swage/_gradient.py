"""_gradient.py -- the kernel of a kernel's gradients."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

from swage._catalogue import file_of
from swage._declarations import declarations
from swage._error import Error
from swage._handle import Recipe
from swage._types import FLOATS


def gradient(kernel: Any, inputs: Sequence[str], into: Dict[str, str], name: Optional[str]) -> Any:
    recipe: Recipe = kernel._recipe
    names = [parameter.name for parameter in kernel.parameters]
    for asked in (*inputs, *into):
        if asked not in names:
            raise Error(f"kernel '{kernel.name}': there is no parameter '{asked}' to take a gradient "
                        f"of; its parameters are {', '.join(names)}")
    wanted = [*inputs, *(asked for asked in into if asked not in inputs)] or [
        parameter.name for parameter in kernel.parameters
        if parameter.role in ("in", "scalar") and parameter.type in FLOATS and parameter.space != "table"]
    if not wanted:
        raise Error(f"kernel '{kernel.name}' reads nothing of type {', '.join(FLOATS)}; name the "
                    "parameters to take gradients of")
    items = ", ".join(f"{asked} -> {into[asked]}" if asked in into else asked for asked in wanted)
    derived = name or f"{kernel.name}_gradient"
    if not derived.isidentifier():
        raise Error(f"name={derived!r}: expected a name that kernel text can declare")
    text = file_of(kernel.name) if recipe.source is None else recipe.source
    declared = declarations(text)
    while name is None and derived in declared:
        derived += "_"
    source = f"{text}\nkernel {derived} = grad {kernel.name}({items});\n"
    return type(kernel)(Recipe(source, derived, recipe.bindings, recipe.math, recipe.schedule,
                               recipe.file), kernel.device)
