"""quantised_definitions.py -- what quantised kernels compute, written from what vLLM, SGLang, DeepGEMM, the OCP and
NVIDIA document, in f32 as they compute; and inputs with edges. Sums are in the order that docs/numbers.md states.
"""

from quantised_runner import BYTE_FLOATS, E2M1, F32, LARGEST, NAMES, TYPES, check, codes, same
import ml_dtypes
import numpy as np


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
    """vLLM, dynamic_per_token_scaled_fp8_quant as it first was, with the reciprocal of the scale."""
    scale = scale_of_row(h, name)
    return saturated(h * (F32(1) / scale), name), scale[..., 0]


def per_row_divided(h, name, scale_ub=np.inf):
    """vLLM, dynamic_per_token_scaled_fp8_quant as it is: scale_ub bounds the maximum, and h is divided."""
    scale = scale_of_row(h, name, scale_ub)
    return saturated(h / scale, name), scale[..., 0]


def scale_of_row(h, name, scale_ub=np.inf):
    bound = F32(LARGEST[name])
    return np.maximum(np.minimum(largest_of(h, -1), F32(scale_ub)) / bound, F32(1) / F32(bound * F32(512)))


def per_row_without_floor(h, name):
    """SGLang, sgl_per_token_quant_fp8: a row of zeros has the scale 0."""
    scale = largest_of(h, -1) / F32(LARGEST[name])
    factor = np.where(scale == 0, F32(0), F32(1) / scale)
    return saturated(h * factor, name), scale[..., 0]


def groups(h, size):
    return h.reshape(h.shape[0], -1, size)


def per_group_divided(h, size, name):
    """vLLM, per_token_group_quant_8bit."""
    scale = np.maximum(largest_of(groups(h, size), -1), F32(1e-10)) / F32(LARGEST[name])
    return saturated(groups(h, size) / scale, name).reshape(h.shape), scale[..., 0]


def per_block(h, size, name):
    """vLLM, silu_and_mul_per_block_quant and rms_norm_per_block_quant: the floor is of the scale."""
    bound = F32(LARGEST[name])
    scale = np.maximum(largest_of(groups(h, size), -1) / bound, F32(1) / F32(bound * F32(512)))
    return saturated(groups(h, size) / scale, name).reshape(h.shape), scale[..., 0]


def int8_per_block(h, size):
    """The same with a result of int8."""
    scale = np.maximum(largest_of(groups(h, size), -1) / F32(127), np.finfo(F32).eps)
    return to_int8(groups(h, size) / scale).reshape(h.shape), scale[..., 0]


def per_group_ue8m0(h, size, name):
    """vLLM, per_token_group_quant_8bit with UE8M0: 1e-10 is a floor of the scale before it is rounded up."""
    scale = np.maximum(largest_of(groups(h, size), -1), F32(1e-10)) / F32(LARGEST[name])
    power = power_above(np.maximum(scale, F32(1e-10))).view(ml_dtypes.float8_e8m0fnu)
    return saturated(groups(h, size) / power.astype(F32), name).reshape(h.shape), power[..., 0]


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


def int8_row_of_maximum(h):
    """vLLM, dynamic_scaled_int8_quant: 127 / m, and no floor."""
    m = largest_of(h, -1)
    factor = np.where(m == 0, F32(0), F32(127) / m)
    return to_int8(h * factor), (m / F32(127))[..., 0]


def int8_row_without_floor(h):
    """SGLang, sgl_per_token_quant_int8, but for a row of zeros, which is 0 * (1 / 0) there."""
    scale = largest_of(h, -1) / F32(127)
    return to_int8(h * (F32(1) / scale)), scale[..., 0]


def int8_norm(y):
    """vLLM, rms_norm_dynamic_per_token_quant with a result of int8."""
    scale = np.maximum(largest_of(y, -1) / F32(127), np.finfo(F32).eps)
    return to_int8(y * (F32(1) / scale)), scale[..., 0]


def int8_group(h, size):
    m = np.maximum(largest_of(groups(h, size), -1), F32(1e-10))
    return (to_int8(groups(h, size) * (F32(127) / m)).reshape(h.shape),
            (m * (F32(1) / F32(127)))[..., 0])


def to_int8(x):
    clipped = np.clip(np.rint(x), -127, 127)
    return np.where(np.isnan(clipped), 0, clipped).astype(np.int8)


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
