"""What an operator gives back, before it is run: for torch.compile, meta tensors and fake tensors."""

import torch
from torch import library

from swage._types import DLPACK, PACKED, array_name, elements_of_pairs

from ._signature import COUNTS

# Those that this PyTorch has.
DTYPES = {name: getattr(torch, array_name(name)) for name in DLPACK
          if hasattr(torch, array_name(name))}
_PAIRS = DTYPES.get(PACKED)  # whose elements are two each


def result_shape(parameter, half, shape, named, dtype=None):
    """The shape of a result of `dtype` for elements of `shape`; `named`: the constants of the call."""
    shape = list(shape)
    columns = shape[-1] if shape else 1
    if half and shape:
        shape[-1] = columns * 2
    if dtype is not None and dtype == _PAIRS and shape:
        shape[-1] = shape[-1] // 2
    if parameter.space == "row":
        return shape[:-1]
    if parameter.space == "col":
        return [columns]
    if parameter.space == "tensor":
        return []
    if parameter.space == "group" and shape:
        shape[-1] = columns // named.get(parameter.group_constant, parameter.group)
    if parameter.space == "col group" and len(shape) > 1:
        shape[-2] //= named.get(parameter.group_constant, parameter.group)
    return shape


def _generic_types(operator, given, named):
    generics = operator.signature.generics
    types = {generics.index(name): named[name] for name in operator.signature.asked}
    for parameter in operator.signature.parameters:
        tensor = given.get(operator.slot(parameter.name))
        if parameter.generic is not None and tensor is not None:
            types.setdefault(parameter.generic, tensor.dtype)
    return types


def results(operator, given, named):
    """Empty results for arguments by name; tensors of any kind."""
    like = next((p for p in operator.signature.parameters
                 if p.space == "element" and p.role in ("in", "inout")), None)
    if like is None:
        raise RuntimeError(f"no input of {operator.name} has one value an element, so nothing says how "
                           "large its results are: use out")
    source = given[operator.slot(like.name)]
    shape = list(source.shape)
    if operator.half(like.name):
        if not shape or shape[-1] % 2:
            raise RuntimeError(f"'{like.name}' is half of a tensor whose last dimension has to be even")
        shape[-1] = shape[-1] // 2
    if source.dtype == _PAIRS:
        shape = list(elements_of_pairs(shape, source.stride()))
    types = _generic_types(operator, given, named)
    made = []
    for name in operator.results:
        parameter = operator.parameter(name)
        dtype = (DTYPES[parameter.type] if parameter.generic is None else
                 types[parameter.generic])
        made.append(source.new_empty(result_shape(parameter, operator.half(parameter.name), shape,
                                                  named, dtype), dtype=dtype))
    return made


def register(operator):
    tensors = [name for name in operator.inputs if operator.parameter(name).is_tensor]

    def fake(*args, **kwargs):
        given = {name: value for name, value in zip(operator.inputs, args) if name in tensors}
        if operator.counts_of:
            _check_counts(operator, given)
        made = results(operator, given, kwargs) if operator.results else []
        return made[0] if len(made) == 1 else tuple(made) if made else None

    library.register_fake(f"{operator.space}::{operator.spelled()}", fake)
    if operator.results:
        library.register_fake(f"{operator.space}::{operator.spelled(is_out=True)}", lambda *a, **k: None)


def _check_counts(operator, given):
    """What is known before the launch; it checks their shape."""
    counts = given[COUNTS.name]
    if counts.dtype not in (torch.int32, torch.int64):
        raise RuntimeError(f"valid_rows of {operator.name} holds {counts.dtype}, expected torch.int32 or torch.int64")
    for name, tensor in given.items():
        if tensor.device != counts.device:
            raise RuntimeError(f"valid_rows of {operator.name} is on {counts.device} and '{name}' on {tensor.device}: "
                               "move one of them")
