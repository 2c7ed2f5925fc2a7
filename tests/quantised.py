#!/usr/bin/env python3
"""quantised.py -- floats of one byte and of 4 bits, and quantised kernels, against ml_dtypes and NumPy.

    python3 tests/quantised.py --library build/release/libswage.so [--device cuda:0]

Conversions are held to ml_dtypes for all 2^16 values of bf16 and f16 (with --all TYPE for all 2^32 of
f32), and back. Kernels of the catalogue are held to quantised_definitions.py, to the bit. The activation is
taken as Swage's own kernel stores it in f32, which is held to NumPy's, for no two libraries share the last bits
of an exponential. Ends with 77, which CTest takes for skipped, where there is no ml_dtypes.
"""

import argparse
import sys

from quantised_definitions import (hidden, inputs, int8_group, int8_norm, int8_per_block, int8_row,
                                   int8_row_of_maximum, int8_row_without_floor, normalised, per_block, per_group,
                                   per_group_divided, per_group_e8m0, per_group_ue8m0, per_row, per_row_divided,
                                   per_row_without_floor, saturated)
from quantised_packed import four_bits
from quantised_runner import BYTE_FLOATS, F32, LARGEST, NAMES, TYPES, Runner, check, codes, compare, packed, same
import ml_dtypes
import numpy as np

SHAPES = [(1, 16), (4, 48), (7, 128), (17, 256), (83, 1562), (128, 1024), (33, 2048), (9, 5120),
          (10, 7168), (8, 14336), (512, 128), (1234, 16), (3045, 48)]


def conversion(run, name, values):
    """f8(x) and back, against ml_dtypes."""
    dtype = BYTE_FLOATS[name]
    y, back = np.empty(values.shape, dtype), np.empty(values.shape, F32)
    source = f"kernel k<T>(x: in T, y: out {name}, z: out f32) {{ y = {name}(x); z = {name}(x); }}"
    run("k", [values, y, back], {"T": NAMES[values.dtype]}, source)
    with np.errstate(all="ignore"):
        expected = values.astype(F32).astype(dtype)
    if name == "e8m0":
        # What is nearest to the smallest power, which ml_dtypes rounds to NaN where it is near 0,
        # and from just above that power on to the next.
        x = values.astype(F32)
        codes(expected)[(x >= 0) & (x < 1.5 * 2.0 ** -127)] = 0
    wrong = ~same(y, expected)
    check(not wrong.any(), f"{NAMES[values.dtype]} to {name}: {int(wrong.sum())} wrong, first "
          f"{values[wrong][:1]} gave {y[wrong][:1]}, ml_dtypes {expected[wrong][:1]}")
    check(same(back, y.astype(F32)).all(), f"{name} of {NAMES[values.dtype]} as f32")


def conversions(run):
    bits = np.arange(1 << 16, dtype=np.uint16)
    for name, dtype in BYTE_FLOATS.items():
        conversion(run, name, bits.view(ml_dtypes.bfloat16))
        conversion(run, name, bits.view(np.float16))
        all_codes = np.arange(256, dtype=np.uint8).view(dtype)
        wide = np.empty(256, F32)
        run("k", [all_codes, wide], {}, f"kernel k(x: in {name}, y: out f32) {{ y = x; }}")
        check(same(wide, all_codes.astype(F32)).all(), f"{name} to f32")


def every_float(run, name):
    for first in range(0, 1 << 32, 1 << 24):
        conversion(run, name, np.arange(first, first + (1 << 24), dtype=np.uint32).view(F32))
    print(f"f32 to {name}: 2^32 compared, {check.failed} of 256 parts with differences")


def gated(run):
    rng = np.random.default_rng(7)
    for rows, columns in SHAPES:
        for dtype in (ml_dtypes.bfloat16, np.float16):
            gate, up = inputs(rng, rows, columns, dtype)
            for rounded in (False, True):
                h = hidden(run, gate, up, rounded)
                gated_case(run, gate, up, h, rounded)
                # Forms of one arithmetic each: one type in a shape is enough.
                if rounded == (dtype == np.float16):
                    engines(run, gate, up, h, rounded)


def gated_case(run, gate, up, h, rounded):
    rows, columns = h.shape
    flag = "true" if rounded else "false"
    bound = {"T": NAMES[gate.dtype], "round_activation": flag, "round_product": flag}
    what = f"{bound['T']} {rows}x{columns} rounded={flag}"
    with np.errstate(all="ignore"):
        for name in ("f8e4m3", "f8e5m2"):
            fp8 = dict(bound, Q=name, largest=LARGEST[name])
            q, scale = np.empty(h.shape, TYPES[name]), np.empty(rows, F32)
            floor = float(F32(1) / F32(F32(LARGEST[name]) * F32(512)))
            run("swiglu_quantised_row", [gate, up, q, scale], dict(fp8, floor_of_scale=floor))
            compare(f"row {name} {what}", (q, scale), per_row(h, name))
        static(run, gate, up, h, bound, what)
        q, scale = np.empty(h.shape, np.int8), np.empty(rows, F32)
        smooth = np.linspace(0.5, 2, columns, dtype=F32)
        run("swiglu_int8_row", [gate, up, smooth, q, scale], bound)
        compare(f"int8 row {what}", (q, scale), int8_row(h * smooth))
        for size in (16, 32, 64, 128):
            if columns % size != 0:
                continue
            scale = np.empty((rows, columns // size), F32)
            q = np.empty(h.shape, TYPES["f8e4m3"])
            run("swiglu_quantised_group", [gate, up, q, scale], dict(bound, Q="f8e4m3", size=size))
            compare(f"group {size} {what}", (q, scale), per_group(h, size, "f8e4m3"))
            power = np.empty(scale.shape, TYPES["e8m0"])
            run("swiglu_quantised_group_e8m0", [gate, up, q, power],
                dict(bound, Q="f8e4m3", size=size))
            compare(f"e8m0 group {size} {what}", (q, power), per_group_e8m0(h, size, "f8e4m3"))
            q = np.empty(h.shape, np.int8)
            run("swiglu_int8_group", [gate, up, q, scale], dict(bound, size=size))
            compare(f"int8 group {size} {what}", (q, scale), int8_group(h, size))


def engines(run, gate, up, h, rounded):
    """What other constants say: engines that divide by the scale, whose floors are others or none, and int8."""
    rows, columns = h.shape
    flag = "true" if rounded else "false"
    bound = {"T": NAMES[gate.dtype], "round_activation": flag, "round_product": flag}
    fp8 = dict(bound, Q="f8e4m3")
    q, number, scale = np.empty(h.shape, TYPES["f8e4m3"]), np.empty(h.shape, np.int8), np.empty(rows, F32)
    ones = np.ones(columns, F32)
    what = f"{bound['T']} {rows}x{columns} rounded={flag}"
    with np.errstate(all="ignore"):
        run("swiglu_quantised_row", [gate, up, q, scale], dict(fp8, scaling=1))
        compare(f"row, divided, {what}", (q, scale), per_row_divided(h, "f8e4m3"))
        run("swiglu_quantised_row", [gate, up, q, scale], dict(fp8, scaling=1, ceiling_of_scale=1.5 / 448))
        compare(f"row, divided, scale_ub, {what}", (q, scale), per_row_divided(h, "f8e4m3", 1.5))
        run("swiglu_quantised_row", [gate, up, q, scale], dict(fp8, floor_of_scale=0))
        compare(f"row, no floor, {what}", (q, scale), per_row_without_floor(h, "f8e4m3"))
        run("swiglu_int8_row", [gate, up, ones, number, scale], dict(bound, scaling=2, floor_of_scale=0))
        compare(f"int8 row, 127 / m, {what}", (number, scale), int8_row_of_maximum(h))
        run("swiglu_int8_row", [gate, up, ones, number, scale], dict(bound, floor_of_scale=0))
        compare(f"int8 row, no floor, {what}", (number, scale), int8_row_without_floor(h))
        run("swiglu_quantised_row", [gate, up, number, scale],
            dict(bound, Q="i8", largest=127, floor_of_scale=1e-10))
        compare(f"row of i8, {what}", (number, scale), int8_row(h))
        if columns % 16 == 0:
            size = next(size for size in (128, 64, 32, 16) if columns % size == 0)
            engine_groups(run, gate, up, h, dict(bound, size=size), f"in groups of {size}, {what}")


def engine_groups(run, gate, up, h, bound, what):
    size, fp8 = bound["size"], dict(bound, Q="f8e4m3")
    q, number = np.empty(h.shape, TYPES["f8e4m3"]), np.empty(h.shape, np.int8)
    scale = np.empty((len(h), h.shape[1] // size), F32)
    power = np.empty(scale.shape, TYPES["e8m0"])
    run("swiglu_quantised_group", [gate, up, q, scale], dict(fp8, scaling=1))
    compare(f"divided {what}", (q, scale), per_group_divided(h, size, "f8e4m3"))
    run("swiglu_quantised_group", [gate, up, q, scale], dict(fp8, scaling=1, floor_of_maximum=1 / 512))
    compare(f"per block {what}", (q, scale), per_block(h, size, "f8e4m3"))
    run("swiglu_quantised_group_e8m0", [gate, up, q, power], dict(fp8, floor_of_maximum=4.48e-8))
    compare(f"UE8M0, floor of the scale, {what}", (q, power), per_group_ue8m0(h, size, "f8e4m3"))
    floor = float(F32(127) * np.finfo(F32).eps)
    run("swiglu_int8_group", [gate, up, number, scale], dict(bound, scaling=1, floor_of_maximum=floor))
    compare(f"int8 per block {what}", (number, scale), int8_per_block(h, size))


def static(run, gate, up, h, bound, what):
    """A given scale. Nothing is stored that would owe full accuracy, so the activation is half as
    accurate, and a code may be the other one of two about equally near."""
    given = np.array([0.037], F32)
    q = np.empty(h.shape, TYPES["f8e4m3"])
    run("swiglu_quantised_tensor", [gate, up, given, q], dict(bound, Q="f8e4m3", S="f32"))
    unequal = ~same(q, saturated(h * (F32(1) / given), "f8e4m3"))
    check(unequal.sum() <= 1e-5 * h.size + 1,
          f"tensor {what}: {int(unequal.sum())} codes, first {q[unequal][:3]}")
    static.total += q.size
    static.unequal += int(unequal.sum())


static.total = static.unequal = 0


def norms(run):
    rng = np.random.default_rng(11)
    for rows, columns in SHAPES:
        for dtype in (ml_dtypes.bfloat16, np.float16):
            x, residual = inputs(rng, rows, columns, dtype)
            weight = rng.uniform(0.5, 2, columns).astype(dtype)
            for rounded in (False, True):
                with np.errstate(all="ignore"):
                    norm_case(run, x, None, weight, rounded)
                    norm_case(run, x, residual, weight, rounded)


def norm_case(run, x, residual, weight, rounded):
    rows, columns = x.shape
    a = x.astype(F32) if residual is None else x.astype(F32) + residual.astype(F32)
    y = normalised(a, weight, rounded)
    total, q = np.empty_like(x), np.empty(x.shape, TYPES["f8e4m3"])
    given = [x, weight] if residual is None else [x, residual, weight, total]
    name = "rms_norm_quantised" if residual is None else "rms_norm_residual_quantised"
    bound = {"T": NAMES[x.dtype], "Q": "f8e4m3", "rounded": "true" if rounded else "false"}
    what = f"{name} of {bound['T']} {rows}x{columns} rounded={rounded}"
    scale = np.empty(rows, F32)
    run(f"{name}_row", [*given, q, scale], bound)
    compare(what, (q, scale), per_row(y, "f8e4m3"))
    if rounded == (residual is None):
        norm_engines(run, name, given, y, bound, what)
    for size in (16, 128):
        if columns % size != 0:
            continue
        scale = np.empty((rows, columns // size), F32)
        run(f"{name}_group", [*given, q, scale], dict(bound, size=size))
        compare(f"{what} in groups of {size}", (q, scale), per_group(y, size, "f8e4m3"))
    if residual is not None:
        check(same(total, a.astype(x.dtype)).all(), f"{what}: sum")


def norm_engines(run, name, given, y, bound, what):
    q, number, scale = np.empty(y.shape, TYPES["f8e4m3"]), np.empty(y.shape, np.int8), np.empty(len(y), F32)
    run(f"{name}_row", [*given, q, scale], dict(bound, scaling=1, ceiling_of_scale=1.5 / 448))
    compare(f"{what}, divided, scale_ub", (q, scale), per_row_divided(y, "f8e4m3", 1.5))
    floor = float(np.finfo(F32).eps)
    run(f"{name}_row", [*given, number, scale], dict(bound, Q="i8", largest=127, floor_of_scale=floor))
    compare(f"{what}, int8", (number, scale), int8_norm(y))
    if y.shape[1] % 128 == 0:
        scale = np.empty((len(y), y.shape[1] // 128), F32)
        run(f"{name}_group", [*given, q, scale], dict(bound, scaling=1, floor_of_maximum=1 / 512))
        compare(f"{what}, per block", (q, scale), per_block(y, 128, "f8e4m3"))


def dequantised(run):
    rng = np.random.default_rng(13)
    for name in LARGEST:
        q = rng.integers(0, 256, (5, 256), dtype=np.uint8).view(TYPES[name])
        y = np.empty(q.shape, ml_dtypes.bfloat16)
        row = rng.uniform(0.01, 2, 5).astype(F32)
        run("dequantise_row", [q, row, y], {"T": "bf16", "Q": name, "S": "f32"})
        check(same(y, (q.astype(F32) * row[:, None]).astype(y.dtype)).all(), f"dequantise_row {name}")
        run("dequantise_tensor", [q, row[:1], y], {"T": "bf16", "Q": name, "S": "f32"})
        check(same(y, (q.astype(F32) * row[0]).astype(y.dtype)).all(), f"dequantise_tensor {name}")
        power = rng.integers(100, 140, (5, 2), dtype=np.uint8).view(TYPES["e8m0"])
        run("dequantise_group", [q, power, y], {"T": "bf16", "Q": name, "S": "e8m0"})
        wide = np.repeat(power.astype(F32), 128, axis=1)
        check(same(y, (q.astype(F32) * wide).astype(y.dtype)).all(), f"dequantise_group {name}")


def family(run):
    """The constants that choose an activation, in f32 against the catalogue's own kernels."""
    rng = np.random.default_rng(19)
    gate, up = (4 * rng.standard_normal((3, 100)).astype(F32) for _ in range(2))
    one = np.ones(1, F32)
    for name, constants in [("swiglu", {}), ("geglu", {"activation": 1}),
                            ("geglu_tanh", {"activation": 2}),
                            ("swiglu_gpt_oss", {"alpha": 1.702, "limit": 7, "shift": 1}),
                            ("swiglu_clamp_before", {"limit": 10})]:
        h, q = np.empty_like(gate), np.empty_like(gate)
        run(name, [gate, up, h], {"T": "f32"})
        run("swiglu_quantised_tensor", [gate, up, one, q],
            dict(constants, T="f32", Q="f32", S="f32", largest=1e30))
        check(np.allclose(q, h, rtol=2.0 ** -20, atol=2.0 ** -40), f"family: {name}")
        number, scale = np.empty(gate.shape, np.int8), np.empty(len(gate), F32)
        run("swiglu_int8_row", [gate, up, np.ones(gate.shape[1], F32), number, scale], dict(constants, T="f32"))
        check((np.abs(number * scale[:, None] - h) <= 0.501 * scale[:, None]).all(), f"family in int8: {name}")
    run("swiglu_int8_row", [gate, up, np.ones(gate.shape[1], F32), number, scale], {"T": "f32", "activation": 3})
    check(np.isnan(scale).all(), "an activation that is none is NaN")


def factors(run):
    """A router's weight, one a row, multiplied before the product is rounded; a smoothing factor, one a
    column, after."""
    rng = np.random.default_rng(23)
    gate, up = inputs(rng, 83, 1536, ml_dtypes.bfloat16)
    by_row, by_column = (rng.uniform(0.1, 1, count).astype(F32) for count in gate.shape)
    for rounded in (False, True):
        h = hidden(run, gate, up, rounded)
        bound = {"T": "bf16", "Q": "f8e4m3"}
        if rounded:
            bound.update(round_activation="true", round_product="true")
        with np.errstate(all="ignore"):
            weighted = hidden(run, gate, up, rounded, by_row)
            smoothed = h * by_column
            for name, factor, product in (("weighted", by_row, weighted),
                                          ("smoothed", by_column, smoothed)):
                q = np.empty(gate.shape, TYPES["f8e4m3"])
                for scaling, row, group in ((0, per_row, per_group), (1, per_row_divided, per_group_divided)):
                    what, scaled = f"{name} rounded={rounded} scaling={scaling}", dict(bound, scaling=scaling)
                    scale = np.empty(83, F32)
                    run(f"swiglu_quantised_row_{name}", [gate, up, factor, q, scale], scaled)
                    compare(f"row {what}", (q, scale), row(product, "f8e4m3"))
                    scale = np.empty((83, 12), F32)
                    run(f"swiglu_quantised_group_{name}", [gate, up, factor, q, scale], scaled)
                    compare(f"group {what}", (q, scale), group(product, 128, "f8e4m3"))
                power = np.empty((83, 12), TYPES["e8m0"])
                run(f"swiglu_quantised_group_e8m0_{name}", [gate, up, factor, q, power], bound)
                compare(f"e8m0 group {name} rounded={rounded}", (q, power),
                        per_group_e8m0(product, 128, "f8e4m3"))


def layouts(run):
    """Scales in columns, padded to four rows: the same numbers, and the padding untouched."""
    gate, up = inputs(np.random.default_rng(17), 7, 512, ml_dtypes.bfloat16)
    plain, q = np.empty((7, 4), F32), np.empty((7, 512), TYPES["f8e4m3"])
    run("swiglu_quantised_group", [gate, up, q, plain], {"T": "bf16", "Q": "f8e4m3"})
    memory = np.full((4, 8), -1, F32)
    columns = np.lib.stride_tricks.as_strided(memory, (7, 4), (4, 32))
    run("swiglu_quantised_group", [gate, up, q, columns], {"T": "bf16", "Q": "f8e4m3"})
    check(same(columns, plain).all() and (memory[:, 7] == -1).all(), "scales in padded columns")
    # Tiles of 128 rows and 4 groups, as block-scaled matrix products take them.
    gate, up = inputs(np.random.default_rng(29), 130, 96, ml_dtypes.bfloat16)
    one, q = np.ones(1, F32), packed(130, 96)
    plain = np.empty((130, 6), TYPES["f8e4m3"])
    run("swiglu_nvfp4", [gate, up, one, q, plain], {"T": "bf16"})
    memory = np.zeros(2 * 2 * 512, np.uint8)
    tiles = np.lib.stride_tricks.as_strided(memory, (2, 4, 32, 2, 4), (1024, 4, 16, 512, 1))
    run("swiglu_nvfp4", [gate, up, one, q, tiles.view(TYPES["f8e4m3"])], {"T": "bf16"})
    expected = np.zeros_like(memory)
    for row in range(130):
        for group in range(6):
            place = row // 128 * 1024 + group // 4 * 512 + row % 32 * 16 + row % 128 // 32 * 4
            expected[place + group % 4] = codes(plain)[row, group]
    check((memory == expected).all(), "scales in tiles of 128x4")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", dest="path", required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--all", choices=list(BYTE_FLOATS), help="this type alone, from all 2^32 f32 "
                        "(minutes)")
    options = parser.parse_args()
    run = Runner(options.path, options.device)
    if options.all:
        every_float(run, options.all)
        return 1 if check.failed else 0
    conversions(run)
    gated(run)
    norms(run)
    dequantised(run)
    family(run)
    factors(run)
    layouts(run)
    four_bits(run)
    print(f"{compare.total} codes and their scales equal to the bit; of {static.total} with a given scale "
          f"{static.unequal} decided by the last bits of the exponential; {check.failed} failed checks")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())