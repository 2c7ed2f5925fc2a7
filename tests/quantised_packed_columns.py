#!/usr/bin/env python3
"""quantised_packed_columns.py -- codes of 4 bits and their scales along both dimensions, to the bit.

    python3 tests/quantised_packed_columns.py --library build/release/libswage.so [--device cuda:0]

MXFP4 and NVFP4 of a matrix and of gated activations, by rows, by columns and both, in rows and transposed, and
back. Definitions are those of quantised_definitions.py. Ends with 77, which CTest takes for skipped, where
there is no ml_dtypes.
"""

import sys

from quantised_columns import edged_inputs, gradient_values
from quantised_definitions import hidden, mxfp4, nvfp4, unpacked
from quantised_runner import E2M1, F32, NAMES, TYPES, Packed, PackedColumns, check, compare, packed, run_parts, same
import ml_dtypes
import numpy as np

SHAPES = [(32, 32), (64, 1024), (96, 160), (32, 4128), (128, 2048)]


class Codes:
    """What a kernel writes along one dimension: codes, in rows or column by column, and their scales."""

    def __init__(self, shape, size, scale, by_columns, transposed=False):
        rows, columns = shape
        self.by_columns, self.transposed = by_columns, transposed and by_columns
        self.q = packed(columns, rows).view(PackedColumns) if self.transposed else packed(rows, columns)
        self.scale = np.empty((rows // size, columns) if by_columns else (rows, columns // size), TYPES[scale])

    def compare(self, what, h, definition):
        """To those of the definition for h, whose groups lie along its rows."""
        got = unpacked(self.q.view(Packed))
        if not self.by_columns:
            compare(f"{what} by rows", (got, self.scale), definition(h))
            return
        codes, scales = definition(np.ascontiguousarray(h.T))
        compare(f"{what} by columns", (got.T if self.transposed else got, self.scale),
                (np.ascontiguousarray(codes.T), np.ascontiguousarray(scales.T)))


class Format:
    """Groups of `size` with a scale of type `scale`; `overall` is NVFP4's global scale, which MXFP4 has not."""

    def __init__(self, name, size, scale, definition, overall=None, **bound):
        self.name, self.size, self.scale, self.definition = name, size, scale, definition
        self.overall, self.bound = [] if overall is None else [overall], bound

    def codes(self, shape, by_columns, transposed=False):
        return Codes(shape, self.size, self.scale, by_columns, transposed)


def formats():
    for up in (False, True):
        yield Format("mxfp4", 32, "e8m0", lambda h, up=up: mxfp4(h, up), round_up="true" if up else "false")
    for overall in np.array([[1], [0.01]], F32):
        yield Format("nvfp4", 16, "f8e4m3", lambda h, overall=overall: nvfp4(h, overall), overall)


def stored(run, what, kernel, operands, bound, form, h, transposed):
    """Kernel _both and kernel _columns: codes of h."""
    rows, down = (form.codes(h.shape, way, transposed) for way in (False, True))
    run(f"{kernel}_both", [*operands, *form.overall, rows.q, rows.scale, down.q, down.scale], bound)
    rows.compare(f"{kernel}_both {what}", h, form.definition)
    down.compare(f"{kernel}_both {what}", h, form.definition)
    alone = form.codes(h.shape, True, transposed)
    run(f"{kernel}_columns", [*operands, *form.overall, alone.q, alone.scale], bound)
    alone.compare(f"{kernel}_columns {what}", h, form.definition)


def matrices_and_activations(run):
    """Whole groups of zeros, infinities and NaN among them."""
    rng = np.random.default_rng(37)
    for shape in SHAPES:
        for dtype in (ml_dtypes.bfloat16, np.float16):
            gate, up = edged_inputs(rng, shape, dtype)
            for transposed in (False, True):
                with np.errstate(all="ignore"):
                    case(run, gate, up, transposed)


def case(run, gate, up, transposed):
    activations = [hidden(run, gate, up, rounded) for rounded in (False, True)]
    for form in formats():
        base = dict(form.bound, T=NAMES[gate.dtype])
        what = f"{base} {gate.shape} {form.overall}{' transposed' if transposed else ''}"
        stored(run, what, form.name, [up], base, form, up.astype(F32), transposed)
        for rounded, h in zip(("false", "true"), activations):
            more = dict(base, round_activation=rounded, round_product=rounded)
            stored(run, what, f"swiglu_{form.name}", [gate, up], more, form, h, transposed)
        gradients(run, what, gate, up, base, form, transposed)


def gradients(run, what, gate, up, base, form, transposed):
    d_h = np.flip(gate, 1).copy()
    values = gradient_values(run, d_h, gate, up)
    # Each of the two gradients has a global scale of its own.
    second = [one * F32(3) for one in form.overall]
    definitions = [form.definition, (lambda h: nvfp4(h, second[0])) if second else form.definition]
    for suffix, ways in (("", (False,)), ("_columns", (True,)), ("_both", (False, True))):
        outputs = [[form.codes(gate.shape, way, transposed) for way in ways] for _ in values]
        arrays = [array for both in outputs for one in both for array in (one.q, one.scale)]
        for rounded in ("false", "true"):
            name = f"swiglu_{form.name}{suffix}_gradient"
            run(name, [d_h, gate, up, *form.overall, *second, *arrays], dict(base, rounded=rounded))
            for h, both, definition in zip(values, outputs, definitions):
                h = h.astype(gate.dtype).astype(F32) if rounded == "true" else h
                for one in both:
                    one.compare(f"{name} rounded={rounded} {what}", h, definition)


def back(run):
    """All codes with many scales: one rounding of the product."""
    rng = np.random.default_rng(41)
    q = rng.integers(0, 256, (64, 48), dtype=np.uint8).view(Packed)
    numbers = unpacked(q).view(E2M1).astype(F32)
    y = np.empty((64, 96), ml_dtypes.bfloat16)
    power = rng.integers(90, 160, (2, 96), dtype=np.uint8).view(TYPES["e8m0"])
    run("dequantise_mxfp4_columns", [q, power, y], {"T": "bf16", "S": "e8m0"})
    check(same(y, (numbers * np.repeat(power.astype(F32), 32, axis=0)).astype(y.dtype)).all(), "dequantise_mxfp4_columns")
    scale = rng.integers(0, 127, (4, 96), dtype=np.uint8).view(TYPES["f8e4m3"])
    inverse = np.ones(1, F32) / F32(37)
    run("dequantise_nvfp4_columns", [q, scale, inverse, y], {"T": "bf16", "S": "f8e4m3"})
    wide = np.repeat(scale.astype(F32), 16, axis=0) * inverse
    check(same(y, (numbers * wide).astype(y.dtype)).all(), "dequantise_nvfp4_columns")


if __name__ == "__main__":
    sys.exit(run_parts(__doc__, matrices_and_activations, back))
