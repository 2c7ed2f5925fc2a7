"""quantised_peers.py -- SwiGLU with a quantised result, by Triton and by PyTorch, as peers of benchmarks.

Each takes gate and up as the halves of one tensor, bf16, and gives f8e4m3 codes and their scales.
"""

LARGEST = 448.0
ROW_FLOOR = 1.0 / (448.0 * 512.0)
GROUP_FLOOR = 1e-10


def torch_functions(torch, group):
    """Per kind a function of (gate_up, scale), to be compiled whole."""
    f8 = torch.float8_e4m3fn

    def activation(gate_up):
        gate, up = gate_up.float().chunk(2, -1)
        return gate * torch.sigmoid(gate) * up

    def codes(h, factor):
        return (h * factor).clamp(-LARGEST, LARGEST).to(f8)

    def tensor(gate_up, scale):
        return codes(activation(gate_up), 1 / scale)

    def row(gate_up, _):
        h = activation(gate_up)
        scale = (h.abs().amax(-1, keepdim=True) / LARGEST).clamp(min=ROW_FLOOR)
        return codes(h, 1 / scale), scale

    def grouped(gate_up, _):
        h = activation(gate_up)
        h = h.view(h.shape[0], -1, group)
        most = h.abs().amax(-1, keepdim=True).clamp(min=GROUP_FLOOR)
        return codes(h, LARGEST / most), most * (1 / LARGEST)

    def powers(gate_up, _):
        h = activation(gate_up)
        h = h.view(h.shape[0], -1, group)
        most = h.abs().amax(-1, keepdim=True).clamp(min=GROUP_FLOOR)
        exponent = torch.ceil(torch.log2(most * (1 / LARGEST)))
        return codes(h, torch.exp2(-exponent)), (exponent + 127).to(torch.uint8)

    return {"tensor": tensor, "row": row, "group": grouped, "group_e8m0": powers}


def triton_functions(torch, group):
    """Triton kernels as people write them: a program a row, or some groups a program."""
    import triton
    import triton.language as tl

    @triton.autotune([triton.Config({}, num_warps=warps) for warps in (4, 8, 16, 32)],
                     key=["rows", "columns"])
    @triton.jit(do_not_specialize=["rows"])
    def row_kernel(gate_up, q, scale, rows, columns, BLOCK: tl.constexpr):
        row = tl.program_id(0).to(tl.int64)
        at = tl.arange(0, BLOCK)
        inside = at < columns
        gate = tl.load(gate_up + row * 2 * columns + at, mask=inside, other=0).to(tl.float32)
        up = tl.load(gate_up + row * 2 * columns + columns + at, mask=inside, other=0).to(tl.float32)
        h = gate * tl.sigmoid(gate) * up
        s = tl.maximum(tl.max(tl.abs(h)) / 448.0, 1.0 / (448.0 * 512.0))
        tl.store(scale + row, s)
        codes = tl.clamp(h * (1 / s), -448.0, 448.0).to(tl.float8e4nv)
        tl.store(q + row * columns + at, codes, mask=inside)

    @triton.autotune([triton.Config({"GROUPS": groups}, num_warps=warps)
                      for groups in (4, 8, 16, 32) for warps in (2, 4, 8)], key=["rows", "columns"])
    @triton.jit(do_not_specialize=["rows"])
    def group_kernel(gate_up, q, scale, rows, columns, SIZE: tl.constexpr, POWERS: tl.constexpr,
                     GROUPS: tl.constexpr):
        row = tl.program_id(0).to(tl.int64)
        group = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
        at = group[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
        inside = at < columns
        gate = tl.load(gate_up + row * 2 * columns + at, mask=inside, other=0).to(tl.float32)
        up = tl.load(gate_up + row * 2 * columns + columns + at, mask=inside, other=0).to(tl.float32)
        h = gate * tl.sigmoid(gate) * up
        most = tl.maximum(tl.max(tl.abs(h), 1), 1e-10)
        place = scale + row * (columns // SIZE) + group
        if POWERS:
            exponent = tl.ceil(tl.log2(most * (1 / 448.0)))
            factor = tl.exp2(-exponent)
            tl.store(place, (exponent + 127).to(tl.uint8), mask=group < columns // SIZE)
        else:
            factor = 448.0 / most
            tl.store(place, most * (1 / 448.0), mask=group < columns // SIZE)
        codes = tl.clamp(h * factor[:, None], -448.0, 448.0).to(tl.float8e4nv)
        tl.store(q + row * columns + at, codes, mask=inside)

    def outputs(gate_up, shape, dtype):
        rows, columns = gate_up.shape[0], gate_up.shape[1] // 2
        return (rows, columns, torch.empty(rows, columns, dtype=torch.float8_e4m3fn, device="cuda"),
                torch.empty(rows, shape(columns), dtype=dtype, device="cuda"))

    def row(gate_up, _):
        rows, columns, q, scale = outputs(gate_up, lambda _: 1, torch.float32)
        row_kernel[(rows,)](gate_up, q, scale, rows, columns, BLOCK=triton.next_power_of_2(columns))
        return q, scale

    def grouped(powers):
        def launch(gate_up, _):
            rows, columns, q, scale = outputs(gate_up, lambda columns: columns // group,
                                              torch.uint8 if powers else torch.float32)
            group_kernel[lambda meta: (rows, triton.cdiv(columns // group, meta["GROUPS"]))](
                gate_up, q, scale, rows, columns, SIZE=group, POWERS=powers)
            return q, scale
        return launch

    return {"row": row, "group": grouped(False), "group_e8m0": grouped(True)}
