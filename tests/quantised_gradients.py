#!/usr/bin/env python3
"""quantised_gradients.py -- quantised gradients of the whole gated family against those that `grad` derives.

    python3 tests/quantised_gradients.py --library build/release/libswage.so [--device cuda:0]

The kernels' own arithmetic is made visible by results of 32 bits with scales of 1, which a clamp of the
largest number of f32 leaves as they are, and held to the derivative of the catalogue's forward kernel. MXFP8 by
rows and by columns is held to quantised_columns.py's definition. Of all nine kernels, what fits f32 does not
overflow on the way. Ends with 77, which CTest takes for skipped, where there is no ml_dtypes.
"""

import sys

from quantised_columns import along_columns, column_outputs, edged_inputs, gradient_values, mxfp8_rows, row_outputs
from quantised_runner import F32, LARGEST, NAMES, TYPES, check, codes, compare, packed, run_parts
import ml_dtypes
import numpy as np

FAMILY = {"swiglu": {}, "geglu": {"activation": 1}, "geglu_tanh": {"activation": 2},
          "swiglu_gpt_oss": {"alpha": 1.702, "limit": 7, "shift": 1}, "swiglu_clamp_before": {"limit": 10}}


def family(run):
    """Every activation, with gates and ups at, beyond and far beyond the limits."""
    rng = np.random.default_rng(43)
    gate, up, d_h = ((rng.standard_normal((32, 512)) * 5).astype(F32) for _ in range(3))
    edges = np.array([0, -0.0, 7, -7, 7.01, 10, -10, 10.01, 60, -60, 1e4, -1e4, 1e30, -1e30], F32)
    gate[0, :14], up[0, :14], gate[1, :14], up[1, 14:28] = edges, 1.5, 0.5, edges
    for name, constants in FAMILY.items():
        expected = [np.empty_like(gate), np.empty_like(gate)]
        run(f"{name}_backward", [d_h, gate, up, *expected], {"T": "f32"})
        for suffix in ("", "_columns"):
            # Codes of f32 are the gradient times 1 / scale; the scale of a group is a power of two, so both
            # are exact, but where the product leaves f32.
            got = [np.empty_like(gate), np.empty_like(gate)]
            shape = (1, 512) if suffix else (32, 16)
            scales = [np.empty(shape, TYPES["e8m0"]), np.empty(shape, TYPES["e8m0"])]
            run(f"swiglu_mxfp8{suffix}_gradient", [d_h, gate, up, got[0], scales[0], got[1], scales[1]],
                dict(constants, T="f32", Q="f32"))
            for which, want, code, scale in zip(("gate", "up"), expected, got, scales):
                with np.errstate(all="ignore"):
                    h = code * np.repeat(scale.astype(F32), 32, axis=0 if suffix else 1)
                    # What is small beside its group's maximum, or cancels, has an absolute error.
                    near = np.isclose(h, want, rtol=2.0 ** -16, atol=2.0 ** -18) | (np.abs(h) > 2.0 ** 120)
                check(near.all(), f"{name}{suffix}, d_{which}: {h[~near][:3]}, derived {want[~near][:3]} "
                      f"at gate {gate[~near][:3]}, up {up[~near][:3]}")


def one_direction(run):
    """MXFP8 by rows and by columns alone."""
    rng = np.random.default_rng(47)
    for shape in [(32, 32), (64, 1024), (96, 160), (32, 4128)]:
        for dtype in (ml_dtypes.bfloat16, np.float16):
            gate, up = edged_inputs(rng, shape, dtype)
            d_h = np.flip(gate, 1).copy()
            values = gradient_values(run, d_h, gate, up)
            for name in ("f8e4m3", "f8e5m2"):
                bound = {"T": NAMES[gate.dtype], "Q": name, "largest": LARGEST[name]}
                with np.errstate(all="ignore"):
                    by_rows = [row_outputs(shape, 32, name) for _ in values]
                    run("swiglu_mxfp8_gradient", [d_h, gate, up, *by_rows[0], *by_rows[1]], bound)
                    down = [column_outputs(shape, 32, name, True) for _ in values]
                    run("swiglu_mxfp8_columns_gradient", [d_h, gate, up, *down[0], *down[1]], bound)
                    for h, across, along in zip(values, by_rows, down):
                        compare(f"gradient by rows {bound} {shape}", across, mxfp8_rows(h, 32, name))
                        compare(f"gradient by columns {bound} {shape}", along, along_columns(h, 32, name))


# Formats, their group, the type of its scale, and how many factors of 2 this is greater where d_h has 126 more.
FORMATS = {"mxfp8": (32, "e8m0", 126), "mxfp4": (32, "e8m0", 126), "nvfp4": (16, "f8e4m3", 0)}


def slope_first(run):
    """docs/numbers.md, overflow on the way: d_h * up is beyond f32, d_h * slope * up is not. All that is done to d_h
    is exact in powers of two, so codes are those of a d_h of 1, and so are scales, but for the power."""
    rng = np.random.default_rng(53)
    gate = rng.uniform(-9, -8, (32, 32)).astype(ml_dtypes.bfloat16)
    up = np.full_like(gate, 6)
    for form, (_, _, power) in FORMATS.items():
        for suffix in ("", "_columns", "_both"):
            for name in FAMILY if form == "mxfp8" else ("swiglu", "swiglu_gpt_oss"):
                one, great = (written(run, form, suffix, FAMILY[name], exponent, gate, up) for exponent in (0, 126))
                for index, (q, scale) in enumerate(zip(great[::2], great[1::2])):
                    check((codes(q) == codes(one[2 * index])).all() and
                          (codes(scale) == codes(one[2 * index + 1]) + power).all(),
                          f"{form}{suffix} of {name}: output {index} overflows on the way")


def written(run, form, suffix, constants, exponent, gate, up):
    """Codes and scales, in turn, of d_h = 2^exponent; NVFP4's global scales make up for it."""
    size, scale, _ = FORMATS[form]
    bound = dict(constants, T="bf16")
    if form == "mxfp8":
        bound["Q"] = "f8e4m3"
    outputs = []
    for _ in ("gate", "up"):
        for by_columns in {"": [False], "_columns": [True], "_both": [False, True]}[suffix]:
            outputs.append(np.zeros((32, 32), TYPES["f8e4m3"]) if form == "mxfp8" else packed(32, 32))
            outputs.append(np.zeros((32 // size, 32) if by_columns else (32, 32 // size), TYPES[scale]))
    overall = [np.array([2.0 ** (15 - exponent)], F32)] * 2 if form == "nvfp4" else []
    d_h = np.full_like(gate, 2.0 ** exponent)
    run(f"swiglu_{form}{suffix}_gradient", [d_h, gate, up, *overall, *outputs], bound)
    return outputs


if __name__ == "__main__":
    sys.exit(run_parts(__doc__, family, one_direction, slope_first))
