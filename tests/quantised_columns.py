#!/usr/bin/env python3
"""quantised_columns.py -- codes and scales along both dimensions against ml_dtypes and NumPy, to the bit.

    python3 tests/quantised_columns.py --library build/release/libswage.so [--device cuda:0]

MXFP8, with scales for rows of a column beside those for columns of a row, outputs in rows and transposed.
Definitions are those of quantised_definitions.py. Ends with 77, which CTest takes for skipped, where there is
no ml_dtypes.
"""

import sys

from quantised_definitions import groups, hidden, inputs, largest_of, power_above, saturated
from quantised_runner import F32, LARGEST, NAMES, TYPES, check, compare, run_parts, same
import ml_dtypes
import numpy as np


def along_columns(h, size, name):
    """MXFP8, scales rounded up: codes of h and one scale for `size` rows of a column."""
    q, scale = mxfp8_rows(np.ascontiguousarray(h.T), size, name)
    return np.ascontiguousarray(q.T), np.ascontiguousarray(scale.T)


def mxfp8_rows(h, size, name):
    m = largest_of(groups(h, size), -1)
    code = power_above((m * (F32(1) / F32(LARGEST[name]))).astype(F32))
    scale = code.view(ml_dtypes.float8_e8m0fnu)
    q = saturated(groups(h, size) * (F32(1) / scale.astype(F32)), name)
    return q.reshape(h.shape), scale[..., 0]


def column_outputs(shape, size, name, transposed):
    """Codes, in rows or as a view of what lies column by column, and their scales."""
    rows, columns = shape
    q = np.empty((columns, rows), TYPES[name]).T if transposed else np.empty(shape, TYPES[name])
    return q, np.empty((rows // size, columns), TYPES["e8m0"])


def row_outputs(shape, size, name):
    return np.empty(shape, TYPES[name]), np.empty((shape[0], shape[1] // size), TYPES["e8m0"])


def edged_inputs(rng, shape, dtype):
    """inputs() with whole groups of zeros, infinities and NaN."""
    gate, up = inputs(rng, *shape, dtype)
    up[:32, :shape[1] // 2 // 32 * 32] = 0
    up[-1, -1], up[-2, 0], up[0, -1] = np.inf, np.nan, -np.inf
    return gate, up


def columns(run):
    """Codes along both dimensions: blocks of zeros, infinities and NaN, outputs in rows and transposed."""
    rng = np.random.default_rng(31)
    for turn, shape in enumerate([(32, 32), (64, 1024), (96, 160), (256, 96), (32, 4128), (128, 7168)]):
        for dtype in (ml_dtypes.bfloat16, np.float16):
            gate, up = edged_inputs(rng, shape, dtype)
            for name in ("f8e4m3", "f8e5m2"):
                column_case(run, gate, up, name, turn % 2 == 0)


def column_case(run, gate, up, name, transposed):
    dtype, shape = NAMES[gate.dtype], gate.shape
    what = f"{name} of {dtype} {shape}{', transposed' if transposed else ''}"
    base = {"T": dtype, "Q": name, "largest": LARGEST[name]}
    with np.errstate(all="ignore"):
        by_rows, by_columns = row_outputs(shape, 32, name), column_outputs(shape, 32, name, transposed)
        run("mxfp8_both", [up, *by_rows, *by_columns], base)
        wide = up.astype(F32)
        compare(f"mxfp8_both by rows, {what}", by_rows, mxfp8_rows(wide, 32, name))
        compare(f"mxfp8_both by columns, {what}", by_columns, along_columns(wide, 32, name))
        alone = column_outputs(shape, 32, name, transposed)
        run("mxfp8_columns", [up, *alone], base)
        compare(f"mxfp8_columns, {what}", alone, by_columns)
        for rounded in (False, True):
            h = hidden(run, gate, up, rounded)
            word = "true" if rounded else "false"
            more = dict(base, round_activation=word, round_product=word)
            by_rows = row_outputs(shape, 32, name)
            by_columns = column_outputs(shape, 32, name, transposed)
            run("swiglu_mxfp8_both", [gate, up, *by_rows, *by_columns], more)
            compare(f"swiglu_mxfp8_both by rows, {what}", by_rows, mxfp8_rows(h, 32, name))
            compare(f"swiglu_mxfp8_both by columns, {what}", by_columns, along_columns(h, 32, name))
            alone = column_outputs(shape, 32, name, transposed)
            run("swiglu_mxfp8_columns", [gate, up, *alone], more)
            compare(f"swiglu_mxfp8_columns, {what}", alone, by_columns)
        gradient_case(run, gate, up, base, transposed, what)
        q, scale = by_columns
        y = np.empty(shape, gate.dtype)
        run("dequantise_columns", [q, scale, y], {"T": dtype, "Q": name, "S": "e8m0"})
        expected = (q.astype(F32) * np.repeat(scale.astype(F32), 32, axis=0)).astype(gate.dtype)
        check(same(y, expected).all(), f"dequantise_columns, {what}")


# As they are before they are quantised.
GRADIENT = """kernel gradient<T>(d_h: in T, gate: in T, up: in T, d_gate: out f32, d_up: out f32) {
  let x = f32(gate);
  let s = sigmoid(x);
  d_gate = f32(d_h) * (s * (1 + x * (1 - s))) * f32(up);
  d_up = f32(d_h) * (x * s);
}"""


def gradient_values(run, d_h, gate, up):
    """d_gate and d_up of SwiGLU in f32: Swage's own, as the activation is; all else is NumPy's."""
    values = [np.empty(gate.shape, F32), np.empty(gate.shape, F32)]
    run("gradient", [d_h, gate, up, *values], {"T": NAMES[gate.dtype]}, GRADIENT)
    return values


def gradient_case(run, gate, up, base, transposed, what):
    name, shape = base["Q"], gate.shape
    d_h = np.flip(gate, 1).copy()
    values = gradient_values(run, d_h, gate, up)
    outputs = [(row_outputs(shape, 32, name), column_outputs(shape, 32, name, transposed))
               for _ in values]
    run("swiglu_mxfp8_both_gradient",
        [d_h, gate, up, *(array for pair in outputs for one in pair for array in one)], base)
    for h, (by_rows, by_columns) in zip(values, outputs):
        compare(f"gradient by rows, {what}", by_rows, mxfp8_rows(h, 32, name))
        compare(f"gradient by columns, {what}", by_columns, along_columns(h, 32, name))


if __name__ == "__main__":
    sys.exit(run_parts(__doc__, columns))
