#!/usr/bin/env python3
"""quantised_experts.py -- quantised kernels of a mixture of experts against ml_dtypes and NumPy, to the bit.

    python3 tests/quantised_experts.py --library build/release/libswage.so [--device cuda:0]

Each row has an expert, whose limit and scale are in tables; rows of no expert keep what they had, and so do
rows beyond a count. Definitions are those of quantised_definitions.py. Ends with 77, which CTest takes for
skipped, where there is no ml_dtypes.
"""

import sys

from quantised_definitions import (hidden, inputs, int8_group, int8_row, int8_row_of_maximum, mxfp4, nvfp4, per_group,
                                   per_group_divided, per_group_e8m0, per_row, per_row_divided, saturated, unpacked)
from quantised_runner import BYTE_FLOATS, F32, NAMES, TYPES, check, codes, compare, packed, run_parts, same
import ml_dtypes
import numpy as np

# Rows a batch, columns, experts: one expert alone, many, more than rows.
SHAPES = [(1, 128, 1), (7, 256, 3), (83, 512, 8), (64, 2048, 256), (17, 7168, 32)]
KEPT = 0x5a  # what rows hold that are left out


def limits_of(experts):
    """Every third expert limits nothing."""
    limits = np.linspace(0.5, 4, experts, dtype=F32)
    limits[::3] = np.inf
    return limits


def clamped(gate, up, limit):
    """Rows by their expert's limit, NaN kept, in the inputs' type where that is exact."""
    with np.errstate(invalid="ignore"):
        return (np.minimum(gate.astype(F32), limit), np.clip(up.astype(F32), -limit, limit))


def cases(rng):
    for rows, columns, experts in SHAPES:
        for dtype in (ml_dtypes.bfloat16, np.float16):
            gate, up = inputs(rng, rows, columns, dtype)
            expert = rng.integers(-1, experts, rows).astype(np.int32)
            if rows > 2:
                expert[rows // 2] = experts + 3  # beyond the tables: NaN
            yield gate, up, expert, experts


def expected_hidden(run, gate, up, expert, limits):
    """h, in f32, and which rows count. `hidden` is asked for inputs that are clamped already."""
    known = np.append(limits, F32(np.nan))[np.where(expert < len(limits), expert, len(limits))]
    a, b = clamped(gate, up, known[:, None])
    return hidden(run, a, b, False), expert >= 0


def filled(shape, dtype):
    array = np.empty(shape, dtype)
    array.view(np.uint8)[...] = KEPT
    return array


def selected(what, got, expected, counts):
    """Rows that count to the bit, the others untouched."""
    compare(what, tuple(part[counts] for part in got), tuple(part[counts] for part in expected))
    for part in got:
        check((part[~counts].view(np.uint8) == KEPT).all(), f"{what}: rows of no expert were written")


def experts(run, type_name):
    rng = np.random.default_rng(31)
    for gate, up, expert, count in cases(rng):
        limits = limits_of(count)
        rows, columns = gate.shape
        bound = {"T": NAMES[gate.dtype], "Q": type_name}
        largest = float(ml_dtypes.finfo(BYTE_FLOATS[type_name]).max)
        bound["largest"] = largest
        what = f"{bound['T']} {type_name} {rows}x{columns}, {count} experts"
        h, counts = expected_hidden(run, gate, up, expert, limits)
        with np.errstate(all="ignore"):
            q, scale = filled(h.shape, TYPES[type_name]), filled(rows, F32)
            floor = float(F32(1) / F32(F32(largest) * F32(512)))
            run("swiglu_quantised_row_experts", [gate, up, expert, limits, q, scale],
                dict(bound, floor_of_scale=floor))
            selected(f"row {what}", (q, scale), per_row(h, type_name), counts)
            run("swiglu_quantised_row_experts", [gate, up, expert, limits, q, scale],
                dict(bound, floor_of_scale=floor, scaling=1))
            selected(f"row, divided, {what}", (q, scale), per_row_divided(h, type_name), counts)
            for size in (32, 128):
                q, scale = filled(h.shape, TYPES[type_name]), filled((rows, columns // size), F32)
                run("swiglu_quantised_group_experts", [gate, up, expert, limits, q, scale],
                    dict(bound, size=size))
                selected(f"group {size} {what}", (q, scale), per_group(h, size, type_name), counts)
                run("swiglu_quantised_group_experts", [gate, up, expert, limits, q, scale],
                    dict(bound, size=size, scaling=1))
                selected(f"group {size}, divided, {what}", (q, scale), per_group_divided(h, size, type_name), counts)
                q, power = filled(h.shape, TYPES[type_name]), filled(scale.shape, TYPES["e8m0"])
                run("swiglu_quantised_group_e8m0_experts", [gate, up, expert, limits, q, power],
                    dict(bound, size=size))
                selected(f"e8m0 group {size} {what}", (q, power), per_group_e8m0(h, size, type_name),
                         counts)
            given(run, gate, up, expert, limits, h, counts, bound, what)


def given(run, gate, up, expert, limits, h, counts, bound, what):
    """Scales by expert. As nothing is stored that owes full accuracy, a code may be the other of two about
    equally near."""
    scales = np.linspace(0.01, 0.1, len(limits), dtype=F32)
    q = filled(h.shape, TYPES[bound["Q"]])
    run("swiglu_quantised_tensor_experts", [gate, up, expert, scales, limits, q], dict(bound, S="f32"))
    by_row = np.append(scales, F32(np.nan))[np.where(expert < len(limits), expert, len(limits))]
    expected = saturated(h * (F32(1) / by_row[:, None]), bound["Q"])
    unequal = ~same(q, expected) & counts[:, None]
    check(unequal.sum() <= 1e-5 * h.size + 1, f"tensor {what}: {int(unequal.sum())} codes differ")
    check((codes(q[~counts]) == KEPT).all(), f"tensor {what}: rows of no expert were written")


def narrow(run):
    """int8, and codes of four bits, of which NVFP4 has a global scale for each expert."""
    rng = np.random.default_rng(41)
    for gate, up, expert, count in cases(rng):
        limits, bound = limits_of(count), {"T": NAMES[gate.dtype]}
        rows, columns = gate.shape
        what = f"{bound['T']} {rows}x{columns}, {count} experts"
        h, counts = expected_hidden(run, gate, up, expert, limits)
        overall = np.linspace(0.01, 3, count, dtype=F32)
        with np.errstate(all="ignore"):
            q, scale = filled(h.shape, np.int8), filled(rows, F32)
            run("swiglu_int8_row_experts", [gate, up, expert, limits, q, scale], bound)
            selected(f"int8 row {what}", (q, scale), int8_row(h), counts)
            run("swiglu_int8_row_experts", [gate, up, expert, limits, q, scale],
                dict(bound, scaling=2, floor_of_scale=0))
            selected(f"int8 row, 127 / m, {what}", (q, scale), int8_row_of_maximum(h), counts)
            q, scale = filled(h.shape, np.int8), filled((rows, columns // 128), F32)
            run("swiglu_int8_group_experts", [gate, up, expert, limits, q, scale], bound)
            selected(f"int8 group {what}", (q, scale), int8_group(h, 128), counts)
            for up_to in ("false", "true"):
                q, scale = four_bits(h.shape), filled((rows, columns // 32), TYPES["e8m0"])
                run("swiglu_mxfp4_experts", [gate, up, expert, limits, q, scale], dict(bound, round_up=up_to))
                selected_pairs(f"mxfp4 {what}", q, scale, mxfp4(h, up_to == "true"), counts)
            q, scale = four_bits(h.shape), filled((rows, columns // 16), TYPES["f8e4m3"])
            run("swiglu_nvfp4_experts", [gate, up, expert, overall, limits, q, scale], bound)
            by_row = np.append(overall, F32(np.nan))[np.where(expert < count, expert, count)]
            groups = [nvfp4(h[row:row + 1], by_row[row:row + 1]) for row in range(rows)]
            expected = tuple(np.concatenate(part) for part in zip(*groups))
            selected_pairs(f"nvfp4 {what}", q, scale, expected, counts)


def four_bits(shape):
    q = packed(*shape)
    q[...] = KEPT
    return q


def selected_pairs(what, q, scale, expected, counts):
    compare(what, (unpacked(q)[counts], scale[counts]), tuple(part[counts] for part in expected))
    check((np.asarray(q)[~counts] == KEPT).all() and (codes(scale[~counts]) == KEPT).all(),
          f"{what}: rows of no expert were written")


def integers(run):
    """int8, times a router's weight, or smoothed."""
    rng = np.random.default_rng(37)
    gate, up = inputs(rng, 83, 1536, ml_dtypes.bfloat16)
    by_row, by_column = (rng.uniform(0.1, 1, count).astype(F32) for count in gate.shape)
    for rounded in (False, True):
        flag = "true" if rounded else "false"
        bound = {"T": "bf16", "round_activation": flag, "round_product": flag}
        weighted = hidden(run, gate, up, rounded, by_row)
        smoothed = hidden(run, gate, up, rounded) * by_column
        with np.errstate(all="ignore"):
            for name, factor, h in (("weighted", by_row, weighted), ("smoothed", by_column, smoothed)):
                q, scale = np.empty(h.shape, np.int8), np.empty((83, 12), F32)
                run(f"swiglu_int8_group_{name}", [gate, up, factor, q, scale], bound)
                compare(f"int8 group {name} rounded={rounded}", (q, scale), int8_group(h, 128))
            q, scale = np.empty(h.shape, np.int8), np.empty(83, F32)
            run("swiglu_int8_row_weighted", [gate, up, by_row, q, scale], bound)
            compare(f"int8 row weighted rounded={rounded}", (q, scale), int8_row(weighted))


if __name__ == "__main__":
    sys.exit(run_parts(__doc__, lambda run: experts(run, "f8e4m3"), lambda run: experts(run, "f8e5m2"), narrow,
                       integers))
