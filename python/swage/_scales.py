"""_scales.py -- the usual layouts of scales, as views for `[group n]` parameters."""

from __future__ import annotations

import operator
from typing import NamedTuple, Tuple

from swage._error import Error


class ScaleView(NamedTuple):
    """What a view of scales has: `memory.as_strided(view.shape, view.strides)` in PyTorch."""

    count: int  # elements that the memory has to hold, padding included
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]  # in elements


def scale_view(layout: str, rows: int, groups: int) -> ScaleView:
    """The view of a layout of scales for a call of `rows` rows of `groups` groups.

    Layouts are `row_major`, `column_major`, `column_major_padded` (columns of rows rounded up to a
    multiple of four, as TMA wants f32), `packed_words` (four e8m0 in an int32, those column-major)
    and `swizzled_128x4` (tiles of 128 rows and 4 groups, as block-scaled matrix products take them).
    Padding is not written: take memory of zeros where a consumer reads it.
    """
    rows, groups = operator.index(rows), operator.index(groups)
    if rows < 0 or groups < 0:
        raise Error(f"found {rows} rows of {groups} groups, expected none or more of both")
    rows4, tiles, row_tiles = -(-rows // 4) * 4, -(-groups // 4), -(-rows // 128)
    layouts = {
        "row_major": (rows * groups, (rows, groups), (groups, 1)),
        "column_major": (rows * groups, (rows, groups), (1, rows)),
        "column_major_padded": (rows4 * groups, (rows, groups), (1, rows4)),
        "packed_words": (4 * rows4 * tiles, (rows, tiles, 4), (4, 4 * rows4, 1)),
        "swizzled_128x4": (512 * row_tiles * tiles, (row_tiles, 4, 32, tiles, 4),
                           (512 * tiles, 4, 16, 512, 1)),
    }
    if layout not in layouts:
        raise Error(f"found layout {layout!r}, expected one of {', '.join(layouts)}")
    return ScaleView(*layouts[layout])
