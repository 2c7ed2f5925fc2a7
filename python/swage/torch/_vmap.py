"""torch.vmap: a batch is more rows, where a kernel treats each row by itself, and a loop elsewhere."""

import torch
from torch import library

_OF_ROWS = ("element", "row", "group")


def register(operator):
    op = operator.overload
    parameters = [operator.parameter(name) for name in operator.inputs]
    of_rows = [p.is_tensor and p.space in _OF_ROWS for p in parameters]
    loops = bool(operator.counts_of) or any(operator.parameter(name).space not in _OF_ROWS for name in operator.results) or any(
        p.is_tensor and p.space == "col group" for p in parameters)

    def is_loop(in_dims, args):
        """A sum over rows is one for each of the batch, and so are counts of rows, what is one for all rows may
        differ within it, and a batch of numbers has no columns."""
        return loops or any(
            dim is not None and (not rows or value.dim() == 1 and parameter.space != "row")
            for rows, parameter, dim, value in zip(of_rows, parameters, in_dims, args))

    def loop(size, in_dims, args, kwargs):
        each = [op(*[value if dim is None else value.select(dim, i) for dim, value in zip(in_dims, args)],
                   **kwargs) for i in range(size)]
        if isinstance(each[0], tuple):
            return tuple(torch.stack(results) for results in zip(*each))
        return torch.stack(each)

    def rows_of(size, in_dims, args, kwargs):
        moved = [value if not rows else value.movedim(dim, 0) if dim is not None else
                 value.unsqueeze(0).expand(size, *value.shape)
                 for rows, dim, value in zip(of_rows, in_dims, args)]
        return op(*moved, **kwargs)

    def rule(info, in_dims, *args, **kwargs):
        found = (loop if is_loop(in_dims, args) else rows_of)(info.batch_size, in_dims, args, kwargs)
        return found, (0,) * len(found) if isinstance(found, tuple) else 0

    if operator.results and any(of_rows):
        library.register_vmap(f"{operator.space}::{operator.spelled()}", rule)
