"""block_triton.py -- SwiGLU in MXFP8, MXFP4 and NVFP4 as a Triton kernel; block_peers.py says what it computes.

One kernel for the three formats: some groups a program. Both ways that people round to 4 bits are configurations.
"""

import triton
import triton.language as tl


@triton.jit
def e2m1_by_comparing(x):
    size = tl.abs(x)
    code = ((size > 0.25).to(tl.int32) + (size >= 0.75).to(tl.int32) + (size > 1.25).to(tl.int32) +
            (size >= 1.75).to(tl.int32) + (size > 2.5).to(tl.int32) + (size >= 3.5).to(tl.int32) +
            (size > 5.0).to(tl.int32))
    return code | ((x.to(tl.int32, bitcast=True) >> 28) & 8)


@triton.jit
def e2m1_by_bits(x):
    size = tl.minimum(tl.abs(x), 6.0)
    bits = size.to(tl.int32, bitcast=True)
    # From 1 on one bit of the fraction stays; below, 2^22 has steps of a half.
    large = ((bits + 0x1fffff + ((bits >> 22) & 1)) >> 22) - 252
    small = (size + 4194304.0).to(tl.int32, bitcast=True) - 0x4a800000
    return tl.where(size < 1.0, small, large) | ((x.to(tl.int32, bitcast=True) >> 28) & 8)


@triton.autotune([triton.Config({"GROUPS": groups, "BY_BITS": by_bits}, num_warps=warps)
                  for groups, warps in ((16, 2), (32, 4), (64, 4), (64, 8), (128, 8)) for by_bits in (False, True)],
                 key=["rows", "columns", "FORMAT"])
@triton.jit(do_not_specialize=["rows"])
def block_kernel(gate_up, q, scale, number, rows, columns, FORMAT: tl.constexpr, SIZE: tl.constexpr,
                 GROUPS: tl.constexpr, BY_BITS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    group = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    at = group[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    inside = at < columns
    gate = tl.load(gate_up + row * 2 * columns + at, mask=inside, other=0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * columns + columns + at, mask=inside, other=0).to(tl.float32)
    h = gate * tl.sigmoid(gate) * up
    most = tl.max(tl.abs(h), 1)
    place = scale + row * (columns // SIZE) + group
    if FORMAT == "nvfp4":
        overall = tl.load(number)
        s = tl.minimum(most / 6.0 * overall, 448.0).to(tl.float8e4nv)
        tl.store(place, s, mask=group < columns // SIZE)
        wide = s.to(tl.float32)
        factor = tl.where(wide == 0.0, 0.0, overall / wide)
    else:
        if FORMAT == "mxfp8":
            bits = (most * (1 / 448.0)).to(tl.int32, bitcast=True)
            code = tl.where(bits <= 0x400000, 0, (bits + 0x7fffff) >> 23)
        else:
            code = tl.maximum((most.to(tl.int32, bitcast=True) >> 23) - 2, 0)
        tl.store(place, code.to(tl.uint8), mask=group < columns // SIZE)
        factor = ((254 - code) << 23).to(tl.float32, bitcast=True)
    x = h * factor[:, None]
    if FORMAT == "mxfp8":
        tl.store(q + row * columns + at, tl.clamp(x, -448.0, 448.0).to(tl.float8e4nv), mask=inside)
    else:
        codes = e2m1_by_bits(x) if BY_BITS else e2m1_by_comparing(x)
        even, odd = tl.split(tl.reshape(codes, (GROUPS, SIZE // 2, 2)))
        half = group[:, None] * (SIZE // 2) + tl.arange(0, SIZE // 2)[None, :]
        tl.store(q + row * (columns // 2) + half, (even | (odd << 4)).to(tl.uint8), mask=half < columns // 2)
