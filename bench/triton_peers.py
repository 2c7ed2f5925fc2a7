"""triton_peers.py -- SwiGLU as people write it for Triton, the peer of benchmarks and of bits."""


def triton_kernels():
    """Triton itself, forward and in-place backward: silu rounded to the storage type, as Unsloth does
    it. New ones at each call, compiled for nothing yet."""
    import triton
    import triton.language as tl

    @triton.jit
    def forward(gate_ptr, up_ptr, out_ptr, columns, gate_stride, count, PACKED: tl.constexpr,
                BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        mask = at < count
        source = at
        if PACKED:
            source = at // columns * gate_stride + at % columns
        gate = tl.load(gate_ptr + source, mask=mask, other=0).to(tl.float32)
        up = tl.load(up_ptr + source, mask=mask, other=0)
        silu = (gate * tl.sigmoid(gate)).to(up.dtype)
        tl.store(out_ptr + at, silu * up, mask=mask)

    @triton.jit
    def backward(dw_ptr, gate_ptr, up_ptr, count, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        mask = at < count
        dw = tl.load(dw_ptr + at, mask=mask, other=0)
        gate = tl.load(gate_ptr + at, mask=mask, other=0).to(tl.float32)
        up = tl.load(up_ptr + at, mask=mask, other=0)
        s = tl.sigmoid(gate)
        f = (s * gate).to(dw.dtype)
        dg = (dw * up).to(tl.float32)
        tl.store(dw_ptr + at, f * up, mask=mask)
        tl.store(gate_ptr + at, dw * f, mask=mask)
        tl.store(up_ptr + at, (dg * s * (1 + gate * (1 - s))).to(dw.dtype), mask=mask)

    return triton, forward, backward
