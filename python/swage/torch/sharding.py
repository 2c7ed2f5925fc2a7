"""Rules of DTensor for the operators. Importing this module registers them for every operator that there is, and from
then on for those that are made.

Element tensors may be sharded along any dimension that the kernel does not reach along: rows always, columns
where it has no sums, groups or `[col]` results; of a kernel with groups of rows not the rows of a matrix. What is one value a row or a column is sharded with it,
everything else is replicated; a `col_sum` of sharded rows is a partial sum, and a kernel with other
`[col]` or `[tensor]` results takes whole rows. With counts of rows (`valid_rows`) rows are sharded by whole batches
alone, where each has a count, which goes with it. DTensor
redistributes what comes in other ways, and says so where it cannot.
"""

from torch.distributed.tensor import Partial, Replicate, Shard
from torch.distributed.tensor.experimental import register_sharding

from . import _operators
from ._signature import COUNTS


def _placement(parameter, half, dimension, rank, is_result):
    """Where a tensor lies when the elements, of `rank` dimensions, are sharded along `dimension`; None
    where it cannot."""
    last = dimension == rank - 1
    if parameter.space in ("element", "group"):
        return None if last and (half or parameter.space == "group") else Shard(dimension)
    if parameter.space == "col group":
        return None if last and half else Shard(dimension)
    if parameter.space == COUNTS.space:
        return Replicate() if last else Shard(0)
    if parameter.space == "row":
        return None if last else Shard(dimension)
    if parameter.space == "col":
        if last:
            return Shard(0)
        return Partial("sum") if is_result else Replicate()
    if is_result:  # [tensor]: a sum over all
        return Partial("sum")
    return Replicate()


def _is_sum(operator, parameter):
    """Whether a result is a sum over rows and nothing else, so that sums of parts make it up."""
    statement = f"  {parameter.name} = col_sum("
    at = operator.signature.text.find(statement)
    if at < 0:
        return False
    depth = 1
    for i in range(at + len(statement), len(operator.signature.text)):
        depth += {"(": 1, ")": -1}.get(operator.signature.text[i], 0)
        if depth == 0:
            return operator.signature.text[i + 1] == ";"
    return False


def _reaches_along_columns(operator):
    return any(p.space in ("row", "group", "tensor", "col") and p.role != "in"
               for p in operator.signature.parameters) or "row_" in operator.signature.source or \
        "group_" in operator.signature.source or "col_index" in operator.signature.source


def _has_groups_of_rows(operator):
    return any(p.space == "col group" for p in operator.signature.parameters) or \
        "col_group_" in operator.signature.source


def placements(operator, rank, has_batch_counts=False):
    """Every way that the operator may be sharded: (results, arguments), an argument that is no tensor None.
    has_batch_counts: whether there is a count for each of the first dimension."""
    parameters = [operator.parameter(name) for name in operator.inputs]
    results = [operator.parameter(name) for name in operator.results]
    extra = [None] * len(operator.signature.constants)
    found = [([Replicate()] * len(results),
              [Replicate() if p.is_tensor else None for p in parameters] + extra)]
    dimensions = range(rank - 1 if _reaches_along_columns(operator) else rank)
    for dimension in dimensions:
        if dimension == rank - 2 and _has_groups_of_rows(operator):
            continue  # a part may end within a group
        if operator.counts_of and dimension < rank - 1 and not (dimension == 0 and rank == 3 and has_batch_counts):
            continue
        given = [_placement(p, operator.half(p.name), dimension, rank, False) if p.is_tensor else "no"
                 for p in parameters]
        made = [_placement(p, operator.half(p.name), dimension, rank, True) for p in results]
        if any(isinstance(m, Partial) and not _is_sum(operator, p) for m, p in zip(made, results)):
            continue
        if None not in given and None not in made:
            found.append((made, [None if p == "no" else p for p in given] + extra))
    return found


def register(operator):
    """Rules for one operator of swage.torch.op."""
    if not operator.results:
        return  # DTensor's registration asks for results
    element = next((i for i, name in enumerate(operator.inputs)
                    if operator.parameter(name).space == "element"
                    and operator.parameter(name).is_tensor), None)
    if element is None:
        return

    @register_sharding(operator.overload)
    def rules(*args, **kwargs):
        shape = args[element].shape
        return placements(operator, len(shape), bool(operator.counts_of) and tuple(args[-1].shape) == tuple(shape[:1]))


_operators.on_definition(register)  # those that are there, and gradients when they are made
