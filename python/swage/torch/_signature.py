"""What a kernel takes and gives, found out by binding it."""

import ctypes
import dataclasses
import functools
import keyword

from swage._declarations import declarations, skips_rows
from swage._library import check, library
from swage._structs import ROLES, SPACES, Constant as _Constant, Parameter as _Parameter
from swage._types import FLOATS, name_of


@dataclasses.dataclass(frozen=True)
class Parameter:
    """`type` is that of the text, None where it is `generic`, an index into the kernel's generics.
    `group_constant`: the constant that says how many columns a group has, which is `group` by default."""
    name: str
    role: str
    space: str
    group: int
    type: str | None
    generic: int | None
    group_constant: str | None = None

    @property
    def is_tensor(self):
        return self.role != "scalar"

    @property
    def may_be_float(self):
        return self.generic is not None or self.type in FLOATS


# What no kernel declares and every call may have: counts of rows.
COUNTS = Parameter("valid_rows", "in", "counts", 0, "i32", None)


@dataclasses.dataclass(frozen=True)
class Constant:
    """A `const` parameter; `default` is None where every call has to give it."""
    name: str
    kind: str  # float, int or bool
    default: object


@dataclasses.dataclass(frozen=True)
class Signature:
    source: str
    kernel: str
    generics: tuple
    parameters: tuple
    constants: tuple
    text: str  # bound, with f32 for all generics

    @property
    def skips_rows(self):
        return skips_rows(self.text)

    @property
    def asked(self):
        """Generics that no input has: a call says what they are."""
        of_inputs = {p.generic for p in self.parameters if p.role != "out"}
        return [g for i, g in enumerate(self.generics) if i not in of_inputs]

    def names(self, *roles):
        return [p.name for p in self.parameters if p.role in roles]


def spelled(name):
    """What an argument of an operator is called: no keyword of Python's."""
    return name + "_" if keyword.iskeyword(name) else name


@functools.cache
def _cpu():
    device = ctypes.c_void_p()
    check(library().swage_device_open(b"cpu", ctypes.byref(device)))
    return device


class _Bound:
    """A handle of the kernel with these bindings, as long as it is asked."""

    def __init__(self, source, kernel, bindings):
        self.handle = ctypes.c_void_p()
        texts = (ctypes.c_char_p * max(1, len(bindings)))(*(b.encode() for b in bindings))
        check(library().swage_kernel_create(_cpu(), source.encode(), kernel.encode(), texts,
                                               len(bindings), None, ctypes.byref(self.handle)))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        library().swage_kernel_destroy(self.handle)

    def _each(self, count_of, describe, struct):
        count = ctypes.c_size_t()
        check(count_of(self.handle, ctypes.byref(count)))
        for i in range(count.value):
            item = struct()
            check(describe(self.handle, i, ctypes.byref(item)))
            yield item

    def parameters(self):
        return [(p.name.decode(), ROLES[p.role], SPACES[p.space], p.group,
                 name_of(p.type))
                for p in self._each(library().swage_kernel_parameter_count,
                                    library().swage_kernel_parameter, _Parameter)]

    def constants(self):
        for c in self._each(library().swage_kernel_constant_count,
                            library().swage_kernel_constant, _Constant):
            type_name = name_of(c.type)
            kind = "float" if type_name in FLOATS else "bool" if type_name == "bool" else "int"
            default = None
            if c.has_default:
                default = (c.default_value if kind == "float" else
                           bool(c.default_integer) if kind == "bool" else c.default_integer)
            yield Constant(c.name.decode(), kind, default)


@functools.cache
def signature(source, kernel):
    """Of `kernel` in `source`. Raises swage.Error where the text is wrong."""
    generics, bare = declarations(source).get(kernel, ((), ()))
    fixed = [f"{name}=1" for name in bare]

    def bound(types, *more):
        return _Bound(source, kernel,
                      [f for f in fixed if not any(m.startswith(f[:-1]) for m in more)] + list(more) +
                      [f"{g}={t}" for g, t in zip(generics, types)])

    with bound(["f32"] * len(generics)) as handle:
        base = handle.parameters()
        constants = tuple(handle.constants())
        text = library().swage_kernel_text(handle.handle).decode()
    generic_of = {}
    for g in range(len(generics)):
        with bound(["bf16" if i == g else "f32" for i in range(len(generics))]) as handle:
            for parameter, other in zip(base, handle.parameters()):
                if parameter[4] != other[4]:
                    generic_of[parameter[0]] = g
    constant_of = {}
    if any(group for _, _, _, group, _ in base):
        for constant in constants:
            if constant.kind == "int":
                other = f"{constant.name}={(constant.default or 1) + 1}"
                with bound(["f32"] * len(generics), other) as handle:
                    for parameter, changed in zip(base, handle.parameters()):
                        if parameter[3] != changed[3]:
                            constant_of[parameter[0]] = constant.name
    parameters = tuple(
        Parameter(name, role, space, group, None if name in generic_of else type_name,
                  generic_of.get(name), constant_of.get(name))
        for name, role, space, group, type_name in base)
    return Signature(source, kernel, generics, parameters, constants, text)
