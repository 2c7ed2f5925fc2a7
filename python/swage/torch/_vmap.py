"""torch.vmap: a batch is more rows."""

from torch import library

_OF_ROWS = ("element", "row", "group")


def register(operator):
    of_rows = [operator.parameter(name).is_tensor and operator.parameter(name).space in _OF_ROWS
               for name in operator.inputs]
    shared = [name for name, rows in zip(operator.inputs, of_rows)
              if not rows and operator.parameter(name).is_tensor]
    sums = [name for name in operator.results if operator.parameter(name).space not in _OF_ROWS]

    def rule(info, in_dims, *args, **kwargs):
        if sums:
            raise NotImplementedError(f"{operator.name} sums '{sums[0]}' over rows, and a batch of vmap is "
                                      "more rows: call it for each")
        moved = []
        for name, rows, dim, value in zip(operator.inputs, of_rows, in_dims, args):
            if rows:
                value = (value.movedim(dim, 0) if dim is not None else
                         value.unsqueeze(0).expand(info.batch_size, *value.shape))
                if value.dim() == 1 and operator.parameter(name).space != "row":
                    raise NotImplementedError(f"'{name}' has no dimension beside that of vmap")
            elif dim is not None and name in shared:
                raise NotImplementedError(f"'{name}' is one for all rows and cannot differ within a batch "
                                          "of vmap")
            moved.append(value)
        found = operator.op.default(*moved, **kwargs)
        return found, (0,) * len(found) if isinstance(found, tuple) else 0

    if operator.results and any(of_rows):
        library.register_vmap(f"{operator.space}::{operator.name}", rule)
