#!/usr/bin/env python3
"""quantised_directions.py -- both directions weighted, smoothed and of experts against ml_dtypes, to the bit.

    python3 tests/quantised_directions.py --library build/release/libswage.so [--device cuda:0]

MXFP8, MXFP4 and NVFP4 of gated activations, by rows, by columns and both, in rows and transposed: times a weight a
row and a factor a column, and with limits and global scales by expert, where rows of no expert keep what they had.
Definitions are those of quantised_definitions.py. Ends with 77, which CTest takes for skipped, where there is no ml_dtypes.
"""

import sys

from quantised_columns import edged_inputs, mxfp8_rows
from quantised_definitions import hidden, mxfp4, nvfp4, unpacked
from quantised_experts import KEPT, expected_hidden, filled, limits_of
from quantised_runner import (F32, LARGEST, NAMES, TYPES, Packed, PackedColumns, check, codes, compare, packed,
                              run_parts)
import ml_dtypes
import numpy as np

SHAPES = [(32, 64), (96, 160), (64, 1024), (32, 4128), (256, 96)]


class Format:
    """Groups of `size`; definition(h, overall) gives codes and scales along the rows of h, `overall` being the
    global scales of its groups, which NVFP4 alone has."""

    def __init__(self, name, size, scale, definition, type_name=None, **bound):
        self.name, self.size, self.scale, self.definition = name, size, scale, definition
        self.type_name, self.bound = type_name, bound
        self.is_packed = type_name is None

    def by_rows(self, h, overall=None):
        return self.definition(h, None if overall is None else overall[:, None, None])

    def by_columns(self, h, overall=None):
        """overall: one for each group of rows."""
        found = self.definition(np.ascontiguousarray(h.T), None if overall is None else overall[None, :, None])
        return tuple(np.ascontiguousarray(part.T) for part in found)


def formats():
    for name in ("f8e4m3", "f8e5m2"):
        yield Format("mxfp8", 32, "e8m0", lambda h, _, name=name: mxfp8_rows(h, 32, name), name, Q=name,
                     largest=LARGEST[name])
    for up in (False, True):
        yield Format("mxfp4", 32, "e8m0", lambda h, _, up=up: mxfp4(h, up), round_up="true" if up else "false")
    yield Format("nvfp4", 16, "f8e4m3", nvfp4)


class Output:
    """Codes, in rows or as a view of what lies column by column, and their scales, in memory that held KEPT."""

    def __init__(self, form, shape, by_columns, transposed=False):
        rows, columns = shape
        self.is_packed, self.by_columns, self.transposed = form.is_packed, by_columns, transposed
        lies = (columns, rows) if transposed else shape
        if self.is_packed:
            self.q = packed(*lies)
            self.q[...] = KEPT
            self.q = self.q.view(PackedColumns if transposed else Packed)
        else:
            self.q = filled(lies, TYPES[form.type_name])
            self.q = self.q.T if transposed else self.q
        self.scale = filled((rows // form.size, columns) if by_columns else (rows, columns // form.size),
                            TYPES[form.scale])
        self.before = self.codes().copy()

    def codes(self):
        if not self.is_packed:
            return self.q
        got = unpacked(self.q.view(Packed))
        return got.T if self.transposed else got

    def compare(self, what, expected, counts):
        """Rows that count to the bit, and groups that have one; the others untouched."""
        q, scale = expected
        groups = counts.reshape(len(self.scale), -1).any(-1) if self.by_columns else counts
        what = f"{what} {'by columns' if self.by_columns else 'by rows'}{', transposed' if self.transposed else ''}"
        compare(what, (self.codes()[counts], self.scale[groups]), (q[counts], scale[groups]))
        kept = self.codes()[~counts].copy(), self.before[~counts].copy()
        check(np.array_equal(*map(codes, kept)) and (codes(self.scale[~groups]) == KEPT).all(),
              f"{what}: rows of no expert were written")


def stored(run, what, form, suffix, operands, bound, expected, counts):
    """Kernels of each direction; `expected`: codes and scales by rows, then by columns."""
    shape = counts.size, operands[0].shape[1]
    for transposed in (False, True):
        rows, down, alone = (Output(form, shape, *way) for way in
                             ((False,), (True, transposed), (True, transposed)))
        run(f"swiglu_{form.name}_both{suffix}", [*operands, rows.q, rows.scale, down.q, down.scale], bound)
        rows.compare(f"both{suffix} {what}", expected[0], counts)
        down.compare(f"both{suffix} {what}", expected[1], counts)
        run(f"swiglu_{form.name}_columns{suffix}", [*operands, alone.q, alone.scale], bound)
        alone.compare(f"columns{suffix} {what}", expected[1], counts)
    if suffix == "_scaled" and form.is_packed:
        alone = Output(form, shape, False)
        run(f"swiglu_{form.name}{suffix}", [*operands, alone.q, alone.scale], bound)
        alone.compare(f"{form.name}{suffix} {what}", expected[0], counts)


def scaled(run):
    """A weight a row, before the product is rounded, and a factor a column, after; either may be a view of one 1."""
    rng = np.random.default_rng(43)
    for turn, shape in enumerate(SHAPES):
        gate, up = edged_inputs(rng, shape, (ml_dtypes.bfloat16, np.float16)[turn % 2])
        weight, smooth = (rng.standard_normal(count).astype(F32) for count in shape)
        ones = [np.broadcast_to(np.ones(1, F32), count) for count in shape]
        for by_row, by_column in ((weight, smooth), (weight, ones[1]), (ones[0], smooth)):
            for rounded in ("false", "true"):
                with np.errstate(all="ignore"):
                    h = hidden(run, gate, up, rounded == "true", np.ascontiguousarray(by_row)) * by_column
                    for form in formats():
                        scaled_case(run, form, [gate, up, by_row, by_column], h, rounded)


def scaled_case(run, form, operands, h, rounded):
    bound = dict(form.bound, T=NAMES[operands[0].dtype], round_activation=rounded, round_product=rounded)
    every = np.ones(len(h), bool)
    for overall in (F32(1), F32(0.01)) if form.name == "nvfp4" else (None,):
        more = [] if overall is None else [np.array([overall])]
        known = [] if overall is None else [np.full(1, overall)]
        stored(run, f"{bound} {h.shape} {overall}", form, "_scaled", operands + more, bound,
               (form.by_rows(h, *known), form.by_columns(h, *known)), every)


def chosen_experts(rng, rows, count):
    """Experts by chance, some of none and one beyond the tables; and sorted, each with whole groups."""
    by_chance = rng.integers(-1, count, rows).astype(np.int32)
    by_chance[rows // 2] = count + 3
    yield by_chance
    by_group = np.repeat(rng.integers(-1, count, rows // 32), 32).astype(np.int32)
    by_group[-32:] = -1
    by_group[:32] = count - 1
    yield by_group


def experts(run):
    rng = np.random.default_rng(47)
    for turn, shape in enumerate(SHAPES):
        gate, up = edged_inputs(rng, shape, (ml_dtypes.bfloat16, np.float16)[turn % 2])
        count = (1, 3, 8, 256, 32)[turn]
        limits, overall = limits_of(count), np.linspace(0.01, 3, count, dtype=F32)
        for expert in chosen_experts(rng, shape[0], count):
            h, counts = expected_hidden(run, gate, up, expert, limits)
            with np.errstate(all="ignore"):
                for form in formats():
                    expert_case(run, form, [gate, up, expert], limits, overall, h, counts)


def expert_case(run, form, operands, limits, overall, h, counts):
    bound = dict(form.bound, T=NAMES[operands[0].dtype])
    left = np.where(counts[:, None], h, F32(0))  # a group is made of the rows that are left
    tables, by_row, by_group = [limits], [], []
    if form.name == "nvfp4":
        expert = operands[2]
        of_rows = np.append(overall, F32(np.nan))[np.where(expert < len(overall), expert, len(overall))]
        tables, by_row = [overall, limits], [of_rows]
        by_group = [np.where(counts, of_rows, F32(0)).reshape(-1, form.size).max(-1)]
    stored(run, f"{bound} {h.shape}, {len(limits)} experts", form, "_experts", operands + tables, bound,
           (form.by_rows(left, *by_row), form.by_columns(left, *by_group)), counts)


if __name__ == "__main__":
    sys.exit(run_parts(__doc__, scaled, experts))
