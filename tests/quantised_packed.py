"""quantised_packed.py -- numbers of 4 bits: conversions, MXFP4 and NVFP4 of gated activations by rows, and back.
quantised.py runs them.
"""

from quantised_definitions import e2m1_codes, hidden, inputs, mxfp4, nvfp4, unpacked
from quantised_runner import E2M1, F32, NAMES, TYPES, Packed, check, compare, packed, same
import ml_dtypes
import numpy as np


def four_bits(run):
    """All of bf16 and f16 to numbers of 4 bits, all of those back, then SwiGLU, and back."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    for dtype in (ml_dtypes.bfloat16, np.float16):
        x = bits.view(dtype).reshape(64, 1024)
        q, back = packed(64, 1024), np.empty(x.shape, F32)
        run("k", [x, q, back], {"T": NAMES[x.dtype]},
            "kernel k<T>(x: in T, q: out f4e2m1, back: out f32) { q = x; back = f4e2m1(x); }")
        expected = e2m1_codes(x.astype(F32))
        check((unpacked(q) == expected).all(), f"{NAMES[np.dtype(dtype)]} to f4e2m1")
        check(same(back, expected.view(E2M1).astype(F32)).all(), "f4e2m1 as f32")
    q = np.arange(256, dtype=np.uint8).reshape(1, 256).view(Packed)
    numbers, wide = unpacked(q).view(E2M1).astype(F32), np.empty((1, 512), F32)
    run("k", [q, wide], {}, "kernel k(q: in f4e2m1, y: out f32) { y = q; }")
    check(same(wide, numbers).all() and (np.signbit(wide) == np.signbit(numbers)).all(),
          "f4e2m1 to f32")
    rng = np.random.default_rng(23)
    for rows, columns in [(1, 32), (4, 64), (7, 128), (17, 256), (83, 5120), (9, 1024), (33, 2048), (130, 96),
                          (8, 14336), (10, 7168), (512, 128), (1234, 32), (3045, 96)]:
        for dtype in (ml_dtypes.bfloat16, np.float16):
            gate, up = inputs(rng, rows, columns, dtype)
            for rounded in (False, True):
                flag = "true" if rounded else "false"
                bound = {"T": NAMES[gate.dtype], "round_activation": flag, "round_product": flag}
                what = f"{bound['T']} {rows}x{columns} rounded={flag}"
                with np.errstate(all="ignore"):
                    four_bits_case(run, [gate, up], hidden(run, gate, up, rounded), bound, what)
    y = np.empty((1, 512), ml_dtypes.bfloat16)
    power = np.arange(120, 136, dtype=np.uint8).reshape(1, 16).view(TYPES["e8m0"])
    run("dequantise_mxfp4", [q, power, y], {"T": "bf16", "S": "e8m0"})
    wide = np.repeat(power.astype(F32), 32, axis=1)
    check(same(y, (numbers * wide).astype(y.dtype)).all(), "dequantise_mxfp4")
    scale = rng.integers(0, 127, (1, 32), dtype=np.uint8).view(TYPES["f8e4m3"])
    inverse = np.ones(1, F32) / F32(37)
    run("dequantise_nvfp4", [q, scale, inverse, y], {"T": "bf16", "S": "f8e4m3"})
    wide = np.repeat(scale.astype(F32), 16, axis=1) * inverse
    check(same(y, (numbers * wide).astype(y.dtype)).all(), "dequantise_nvfp4")


def four_bits_case(run, operands, h, bound, what):
    rows, columns = h.shape
    q = packed(rows, columns)
    for round_up in (False, True):
        scale = np.empty((rows, columns // 32), TYPES["e8m0"])
        run("swiglu_mxfp4", [*operands, q, scale],
            dict(bound, round_up="true" if round_up else "false"))
        compare(f"mxfp4 up={round_up} {what}", (unpacked(q), scale), mxfp4(h, round_up))
    for overall in np.array([[1], [0.01], [2688]], F32):
        scale = np.empty((rows, columns // 16), TYPES["f8e4m3"])
        run("swiglu_nvfp4", [*operands, overall, q, scale], bound)
        compare(f"nvfp4 {overall} {what}", (unpacked(q), scale), nvfp4(h, overall))
