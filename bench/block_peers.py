"""block_peers.py -- SwiGLU in MXFP8, MXFP4 and NVFP4, by Triton and by PyTorch, as peers of benchmarks.

Each takes gate and up as the halves of one tensor, bf16, and a number for the whole tensor, which NVFP4 alone reads.
Codes of 4 bits are two to a byte, the even column in the lower half; scales of e8m0 are uint8. Inputs are finite: what
becomes of NaN differs between libraries.
"""

GROUPS = {"mxfp8": 32, "mxfp4": 32, "nvfp4": 16}


def quantisers(torch):
    """Per kind a function of (h, number), f32 of [rows, columns], that gives codes and scales."""
    def groups(h, kind):
        h = h.view(h.shape[0], -1, GROUPS[kind])
        return h, h.abs().amax(-1, keepdim=True)

    def inverse(code):
        """1 / 2^(code - 127), of its bits."""
        return ((254 - code) << 23).view(torch.float32)

    def mxfp8(h, _):
        h, most = groups(h, "mxfp8")
        bits = (most * (1 / 448)).view(torch.int32)
        code = torch.where(bits <= 0x400000, 0, (bits + 0x7fffff) >> 23)  # the next power of two
        return (h * inverse(code)).clamp(-448, 448).to(torch.float8_e4m3fn), code.to(torch.uint8)

    def mxfp4(h, _):
        h, most = groups(h, "mxfp4")
        code = ((most.view(torch.int32) >> 23) - 2).clamp(min=0)
        return pairs(h * inverse(code)), code.to(torch.uint8)

    def nvfp4(h, number):
        h, most = groups(h, "nvfp4")
        scale = (most / 6 * number).clamp(max=448).to(torch.float8_e4m3fn)
        wide = scale.float()
        return pairs(h * torch.where(wide == 0, 0, number / wide)), scale

    def pairs(x):
        """The nearest of 0 0.5 1 1.5 2 3 4 6, ties to even, by comparing, two to a byte."""
        size = x.abs()
        code = ((size > 0.25).int() + (size >= 0.75).int() + (size > 1.25).int() + (size >= 1.75).int() +
                (size > 2.5).int() + (size >= 3.5).int() + (size > 5).int() + torch.signbit(x).int() * 8)
        return (code[..., 0::2] | code[..., 1::2] << 4).to(torch.uint8)

    return {"mxfp8": mxfp8, "mxfp4": mxfp4, "nvfp4": nvfp4}


def torch_functions(torch):
    """Per kind a function of (gate_up, number), to be compiled whole."""
    def whole(quantise):
        def function(gate_up, number):
            gate, up = gate_up.float().chunk(2, -1)
            return quantise(gate * torch.sigmoid(gate) * up, number)
        return function

    return {kind: whole(quantise) for kind, quantise in quantisers(torch).items()}


def triton_functions(torch, kernel=None, **meta):
    """Per kind a function of (gate_up, number). `kernel`, `meta`: without the tuner, a configuration of its kernel."""
    import triton

    from block_triton import block_kernel  # where there is no Triton, nothing else misses it

    kernel = kernel or block_kernel

    def launcher(kind, size):
        def launch(gate_up, number):
            rows, columns = gate_up.shape[0], gate_up.shape[1] // 2
            f8, u8 = torch.float8_e4m3fn, torch.uint8
            q = torch.empty(rows, columns if kind == "mxfp8" else columns // 2, dtype=f8 if kind == "mxfp8" else u8,
                            device=gate_up.device)
            scale = torch.empty(rows, columns // size, dtype=f8 if kind == "nvfp4" else u8, device=gate_up.device)
            kernel[lambda at: (rows, triton.cdiv(columns // size, at["GROUPS"]))](
                gate_up, q, scale, number, rows, columns, FORMAT=kind, SIZE=size, **meta)
            return q, scale
        return launch

    return {kind: launcher(kind, size) for kind, size in GROUPS.items()}
