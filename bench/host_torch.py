#!/usr/bin/env python3
"""host_torch.py -- PyTorch's SwiGLU on the CPU, eager and compiled: a peer of swage_host_peers.

    python3 bench/host_torch.py [ROWSxCOLUMNS ...]

Buffers exist before the first call (PyTorch pays for fresh pages otherwise); the variants take
turns, and medians of 15 rounds are printed. GB/s count every tensor once, as swage_host_peers does.
"""
import statistics
import sys
import time

import torch
import torch.nn.functional as F


def forward(gate, up, out):
    torch.mul(F.silu(gate), up, out=out)


def forward_compiled(gate, up, out):
    out.copy_(F.silu(gate) * up)


def backward(d_h, gate, up, d_gate, d_up):
    s = torch.sigmoid(gate)
    d_gate.copy_(d_h * up * s * (1 + gate * (1 - s)))
    d_up.copy_(d_h * gate * s)


def seconds(body, launches):
    start = time.perf_counter()
    for _ in range(launches):
        body()
    return (time.perf_counter() - start) / launches


def take_turns(bodies):
    launches = []
    for body in bodies:
        body()
        launches.append(max(1, min(10000, int(1e-3 / seconds(body, 1)))))
    times = [[] for _ in bodies]
    for _ in range(15):
        for i, body in enumerate(bodies):
            times[i].append(seconds(body, launches[i]))
    return [statistics.median(each) for each in times]


def compare(dtype, name, rows, columns):
    tensors = [torch.randn(rows, columns).to(dtype) for _ in range(5)]
    for kernel, eager, fused, streams in (("forward", forward, forward_compiled, 3),
                                          ("backward", backward, backward, 5)):
        compiled = torch.compile(fused)
        used = tensors[:streams]
        times = take_turns([lambda: eager(*used), lambda: compiled(*used)])
        moved = rows * columns * tensors[0].element_size() * streams * 1e-9
        print(f"{kernel:9} {name:5} {rows:>6}x{columns:<6} {moved / times[0]:9.2f} {moved / times[1]:9.2f}",
              flush=True)


def main():
    shapes = [tuple(map(int, text.split("x"))) for text in sys.argv[1:]]
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'kernel':9} {'T':5} {'rows':>6} {'columns':6} {'eager':>9} {'compiled':>9}")
    with torch.no_grad():
        for rows, columns in shapes or [(8, 4096), (64, 4096), (512, 4096), (4096, 14336)]:
            compare(torch.float32, "f32", rows, columns)
            compare(torch.bfloat16, "bf16", rows, columns)


if __name__ == "__main__":
    main()
