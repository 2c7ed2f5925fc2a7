#!/usr/bin/env python3
"""quantised.py -- floats of one byte and quantised kernels against ml_dtypes and NumPy.

    python3 tests/quantised.py --library build/release/libswage.so

Conversions are held to ml_dtypes for all 2^16 values of bf16 and f16 (with --all TYPE for all 2^32 of
f32), and back. Kernels of the catalogue are held to functions written from what vLLM, SGLang and DeepGEMM
document, in f32 as they compute, to the bit: sums in the order that docs/numbers.md states, and the
activation as Swage's own kernel stores it in f32, which is held to NumPy's, for no two libraries share the
last bits of an exponential. Ends with 77, which CTest takes for skipped, where there is no ml_dtypes.
"""

import argparse
import ctypes
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import swage_capi  # noqa: E402
from cuda_driver import CudaDriver  # noqa: E402

try:
    import ml_dtypes
    import numpy as np
except ImportError:
    print("skipped: no ml_dtypes")
    sys.exit(77)

BYTE_FLOATS = {"f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
               "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
               "e8m0": ml_dtypes.float8_e8m0fnu}
E2M1 = ml_dtypes.float4_e2m1fn
TYPES = dict(BYTE_FLOATS, bf16=ml_dtypes.bfloat16, f16=np.float16, f32=np.float32, i32=np.int32, i8=np.int8,
             u8=np.uint8)
NAMES = {np.dtype(dtype): name for name, dtype in TYPES.items()}
LARGEST = {"f8e4m3": 448, "f8e5m2": 57344, "f8e4m3fnuz": 240, "f8e5m2fnuz": 57344}
F32 = np.float32


class Runner:
    """Kernels on arrays of NumPy, on the CPU, or on a GPU that they are copied to and from."""

    def __init__(self, library, device):
        self.swage = swage_capi.Swage(library, device)
        self.driver = None if device == "cpu" else CudaDriver(int(device.removeprefix("cuda:")))

    def __call__(self, name, arrays, bindings, source=None):
        kernel = self.swage.kernel(name, {key: value for key, value in bindings.items()}, source)
        places = [a.ctypes.data if self.driver is None else self.driver.allocate(span(a))
                  for a in arrays]
        device = swage_capi.DEVICE_CPU if self.driver is None else swage_capi.DEVICE_CUDA
        tensors = [(place, *described(a), device, 0) for place, a in zip(places, arrays)]
        try:
            if self.driver is None:
                self.swage.launch(kernel, self.swage.arguments(tensors))
            else:
                self.on_gpu(kernel, arrays, places, self.swage.arguments(tensors))
        finally:
            self.swage.destroy(kernel)

    def on_gpu(self, kernel, arrays, places, arguments):
        for place, a in zip(places, arrays):
            self.driver.write(place, ctypes.string_at(a.ctypes.data, span(a)))
        self.swage.launch(kernel, arguments, self.driver.stream)
        self.driver.synchronize()
        for place, a in zip(places, arrays):
            ctypes.memmove(a.ctypes.data, self.driver.read(place, span(a)), span(a))
            self.driver.free(place)


class Packed(np.ndarray):
    """Bytes of which each holds two of f4e2m1."""


class PackedColumns(Packed):
    """The bytes of a transposed tensor: each holds two neighbours of a column, which follow one another."""


def described(array):
    """The name of its type, its shape and its strides, in elements."""
    if isinstance(array, PackedColumns):
        columns, pairs = array.shape
        return "f4e2m1", (2 * pairs, columns), [1, 2 * pairs]
    if isinstance(array, Packed):
        return ("f4e2m1", (*array.shape[:-1], 2 * array.shape[-1]),
                [2 * stride for stride in array.strides[:-1]] + [1])
    return NAMES[array.dtype], array.shape, [stride // array.itemsize for stride in array.strides]


def packed(*shape):
    """Space for so many elements of f4e2m1."""
    return np.empty((*shape[:-1], shape[-1] // 2), np.uint8).view(Packed)


def span(array):
    """Bytes from the first element to the end of the last."""
    return array.itemsize + sum((n - 1) * stride for n, stride in zip(array.shape, array.strides))


def codes(array):
    return array.view(np.uint8)


def same(a, b):
    """Equal, NaN for NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return (a == b) | (np.isnan(a.astype(F32)) & np.isnan(b.astype(F32)))


def check(condition, what):
    if not condition:
        print("FAILED:", what)
        check.failed += 1


check.failed = 0


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


# ---- the engines' definitions, in f32 ----

def silu(x):
    return (x / (F32(1) + np.exp(-x))).astype(F32)


HIDDEN = """kernel hidden<T>(gate: in T, up: in T, weight: in f32 [row], h: out f32,
                             const rounded: bool = false) {
  let a = f32(gate) * sigmoid(f32(gate));
  let p = (rounded ? f32(T(a)) : a) * f32(up) * weight;
  h = rounded ? f32(T(p)) : p;
}"""


def hidden(run, gate, up, rounded, weight=None):
    """silu(gate) * up * weight: in f32, or with vLLM's roundings to the type of the inputs."""
    dtype = gate.dtype
    h = np.empty(gate.shape, F32)
    weight = np.ones(len(gate), F32) if weight is None else weight
    run("hidden", [gate, up, weight, h], {"T": NAMES[dtype], "rounded": "true" if rounded else "false"}, HIDDEN)
    with np.errstate(all="ignore"):
        a = silu(gate.astype(F32))
        if rounded:
            a = a.astype(dtype).astype(F32)
        expected = a * up.astype(F32) * weight[:, None]
        step = 2.0 ** -21
        if rounded:
            expected = expected.astype(dtype).astype(F32)
            step = 2.0 ** -6 if dtype == TYPES["bf16"] else 2.0 ** -9
        # The exponential of NumPy has no subnormal results.
        near = same(h, expected) | (np.abs(h - expected) <= np.abs(expected) * F32(step) + F32(1e-30))
    check(near.all(), f"silu(gate) * up of {NAMES[dtype]}: {h[~near][:2]}, expected {expected[~near][:2]}")
    return h


def largest_of(x, axis):
    return np.max(np.abs(x), axis=axis, keepdims=True)  # NaN wins, as here


def saturated(x, name):
    bound = F32(LARGEST[name])
    return np.clip(x, -bound, bound).astype(BYTE_FLOATS[name])


def per_row(h, name):
    """vLLM, dynamic_per_token_scaled_fp8_quant."""
    bound = F32(LARGEST[name])
    scale = np.maximum(largest_of(h, -1) / bound, F32(1) / F32(bound * F32(512)))
    return saturated(h * (F32(1) / scale), name), scale[..., 0]


def groups(h, size):
    return h.reshape(h.shape[0], -1, size)


def per_group(h, size, name):
    """SGLang, per_token_group_quant_8bit."""
    bound = F32(LARGEST[name])
    m = np.maximum(largest_of(groups(h, size), -1), F32(1e-10))
    q = saturated(groups(h, size) * (bound / m), name)
    return q.reshape(h.shape), (m * (F32(1) / bound))[..., 0]


def power_above(x):
    """DeepGEMM: the exponent, and one more where there is a fraction. NaN for what is not finite."""
    bits = x.view(np.uint32)
    code = (bits >> 23) + ((bits & 0x7fffff) != 0)
    return np.where(np.isfinite(x), code, 255).astype(np.uint8)


def per_group_e8m0(h, size, name):
    bound = F32(LARGEST[name])
    m = np.maximum(largest_of(groups(h, size), -1), F32(1e-10))
    code = power_above((m * (F32(1) / bound)).astype(F32))
    scale = code.view(ml_dtypes.float8_e8m0fnu)
    q = saturated(groups(h, size) * (F32(1) / scale.astype(F32)), name)
    return q.reshape(h.shape), scale[..., 0]


def int8_row(h):
    scale = np.maximum(largest_of(h, -1) / F32(127), F32(1e-10))
    return to_int8(h * (F32(1) / scale)), scale[..., 0]


def int8_group(h, size):
    m = np.maximum(largest_of(groups(h, size), -1), F32(1e-10))
    return (to_int8(groups(h, size) * (F32(127) / m)).reshape(h.shape),
            (m * (F32(1) / F32(127)))[..., 0])


def to_int8(x):
    clipped = np.clip(np.rint(x), -127, 127)
    return np.where(np.isnan(clipped), 0, clipped).astype(np.int8)


def inputs(rng, rows, columns, dtype):
    """Ordinary rows, a row of zeros, one up to 2^19, one with infinity, one with NaN."""
    gate, up = (rng.standard_normal((rows, columns)).astype(F32) for _ in range(2))
    gate *= 3
    for row in range(rows):
        kind = row % 8
        if kind == 3:
            up[row] = 0
        elif kind == 4:
            up[row] *= F32(2 ** 17 if dtype != np.float16 else 2 ** 10)
        elif kind == 5:
            up[row, rng.integers(columns)] = np.inf
        elif kind == 6:
            up[row, rng.integers(columns)] = np.nan
        elif kind == 7:
            up[row] *= F32(1e-6)
    return gate.astype(dtype), up.astype(dtype)


def compare(what, got, expected):
    """Codes and scales, to the bit."""
    (q, scale), (expected_q, expected_scale) = got, expected
    ok = same(scale, expected_scale)
    check(ok.all(), f"{what}: scales {scale[~ok][:2]}, expected {expected_scale[~ok][:2]}")
    wrong = ~same(q, expected_q)
    check(not wrong.any(), f"{what}: {int(wrong.sum())} codes, first {q[wrong][:3]}, expected "
          f"{expected_q[wrong][:3]}")
    compare.total += q.size


compare.total = 0
SHAPES = [(1, 16), (4, 48), (7, 128), (17, 256), (83, 1562), (128, 1024), (33, 2048), (9, 5120),
          (10, 7168), (8, 14336), (512, 128), (1234, 16), (3045, 48)]


def gated(run):
    rng = np.random.default_rng(7)
    for rows, columns in SHAPES:
        for dtype in (ml_dtypes.bfloat16, np.float16):
            gate, up = inputs(rng, rows, columns, dtype)
            for rounded in (False, True):
                gated_case(run, gate, up, hidden(run, gate, up, rounded), rounded)


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


def sum_of_row(x):
    """docs/numbers.md, sums along columns: a tree over the passes of each of 1024 lanes, then over
    lanes, neighbours first. Zeros stand for what is missing."""
    rows, columns = x.shape
    passes = 1 << max((columns + 1023) // 1024 - 1, 0).bit_length()
    terms = np.zeros((rows, passes * 1024), F32)
    terms[:, :columns] = x
    terms = terms.reshape(rows, passes, 1024)
    while terms.shape[1] > 1:
        terms = terms[:, 0::2] + terms[:, 1::2]
    lanes = terms[:, 0]
    while lanes.shape[1] > 1:
        lanes = lanes[:, 0::2] + lanes[:, 1::2]
    return lanes + F32(0)


def normalised(a, weight, rounded):
    """vLLM's rms_norm_dynamic_per_token_quant, with its roundings, or all in f32."""
    mean = sum_of_row(a * a) / F32(a.shape[1])
    n = a * (F32(1) / np.sqrt(mean + F32(1e-6)))
    if not rounded:
        return n * weight.astype(F32)
    y = n.astype(weight.dtype).astype(F32) * weight.astype(F32)
    return y.astype(weight.dtype).astype(F32)


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
    for size in (16, 128):
        if columns % size != 0:
            continue
        scale = np.empty((rows, columns // size), F32)
        run(f"{name}_group", [*given, q, scale], dict(bound, size=size))
        compare(f"{what} in groups of {size}", (q, scale), per_group(y, size, "f8e4m3"))
    if residual is not None:
        check(same(total, a.astype(x.dtype)).all(), f"{what}: sum")


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
                q, scale = np.empty(gate.shape, TYPES["f8e4m3"]), np.empty(83, F32)
                run(f"swiglu_quantised_row_{name}", [gate, up, factor, q, scale], bound)
                compare(f"row {name} rounded={rounded}", (q, scale), per_row(product, "f8e4m3"))
                scale = np.empty((83, 12), F32)
                run(f"swiglu_quantised_group_{name}", [gate, up, factor, q, scale], bound)
                compare(f"group {name} rounded={rounded}", (q, scale),
                        per_group(product, 128, "f8e4m3"))
                power = np.empty((83, 12), TYPES["e8m0"])
                run(f"swiglu_quantised_group_e8m0_{name}", [gate, up, factor, q, power], bound)
                compare(f"e8m0 group {name} rounded={rounded}", (q, power),
                        per_group_e8m0(product, 128, "f8e4m3"))


def e2m1_codes(x):
    """ml_dtypes', but of NaN, which gives 6 here."""
    with np.errstate(all="ignore"):
        return np.where(np.isnan(x), 7, codes(x.astype(E2M1)) & 15).astype(np.uint8)


def unpacked(q):
    q = np.asarray(q)
    return np.stack([q & 15, q >> 4], -1).reshape(len(q), -1)


def mxfp4(h, round_up):
    """The OCP's conversion: floor(log2(m)) less the exponent of the largest power of e2m1, which is
    2; or m / 6 rounded up to a power."""
    m = largest_of(groups(h, 32), -1)
    if round_up:
        code = power_above((m / F32(6)).astype(F32))
    else:
        exponent = np.frexp(np.where(m > 0, m, 1))[1] - 1 - 2
        code = np.where(m > 0, np.clip(exponent + 127, 0, 254), 0)
        code = np.where(np.isfinite(m), code, 255).astype(np.uint8)
    scale = code.view(ml_dtypes.float8_e8m0fnu)
    return e2m1_codes((groups(h, 32) / scale.astype(F32)).reshape(h.shape)), scale[..., 0]


def nvfp4(h, overall):
    """NVIDIA's: the scale of 16 is m / 6 in f8e4m3, all of it times one number for the tensor."""
    m = largest_of(groups(h, 16), -1)
    scale = saturated(m / F32(6) * overall, "f8e4m3")
    wide = scale.astype(F32)
    factor = np.where(wide == 0, F32(0), overall / wide)
    return e2m1_codes((groups(h, 16) * factor).reshape(h.shape)), scale[..., 0]


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


def run_parts(doc, *parts):
    """The exit status of checks of which each part takes a Runner, on the device of the command line."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--library", dest="path", required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    options = parser.parse_args()
    run = Runner(options.path, options.device)
    for part in parts:
        part(run)
    print(f"{compare.total} codes and their scales equal to the bit; {check.failed} failed checks")
    return 1 if check.failed else 0


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
