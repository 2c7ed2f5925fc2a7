#!/usr/bin/env python3
"""host_torch.py -- Swage beside PyTorch on the CPU, eager and compiled, in one process.

    python3 bench/host_torch.py --library build/release/libswage.so [ROWSxCOLUMNS ...]

SwiGLU forward and backward in bf16 and f32, RMSNorm and softmax in f32. Buffers exist before the first
call (PyTorch pays for fresh pages otherwise); the contestants take turns, and medians of 15 rounds are
printed, with those of a triad (a = b + s * c, PyTorch's). GB/s count every tensor once.
"""
import argparse
import statistics
import time

import torch
import torch.nn.functional as F

from swage_capi import DEVICE_CPU, Swage, torch_dtype_name

ROUNDS = 15


def swiglu(gate, up, out):
    torch.mul(F.silu(gate), up, out=out)


def swiglu_fused(gate, up, out):
    out.copy_(F.silu(gate) * up)


def swiglu_backward(d_h, gate, up, d_gate, d_up):
    s = torch.sigmoid(gate)
    d_gate.copy_(d_h * up * s * (1 + gate * (1 - s)))
    d_up.copy_(d_h * gate * s)


def rms_norm(x, weight, out):
    out.copy_(F.rms_norm(x, x.shape[-1:], weight, 1e-6))


def softmax(x, out):
    torch.softmax(x, -1, out=out)


def softmax_fused(x, out):
    out.copy_(torch.softmax(x, -1))


# Swage's kernel: eager, what is compiled, tensors of all rows, tensors of one row (the second place).
CASES = {
    "swiglu": (swiglu, swiglu_fused, 3, 0),
    "swiglu_backward": (swiglu_backward, swiglu_backward, 5, 0),
    "rms_norm": (rms_norm, rms_norm, 2, 1),
    "softmax": (softmax, softmax_fused, 2, 0),
}


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
    for _ in range(ROUNDS):
        for i, body in enumerate(bodies):
            times[i].append(seconds(body, launches[i]))
    return [statistics.median(each) for each in times]


def compare(swage, name, dtype, rows, columns):
    eager, fused, whole, of_row = CASES[name]
    tensors = [torch.randn(rows, columns).to(dtype) for _ in range(whole)]
    tensors[1:1] = [torch.randn(columns).to(dtype) for _ in range(of_row)]
    kernel = swage.kernel(name, torch_dtype_name(tensors[0]))
    arguments = swage.arguments([(t.data_ptr(), torch_dtype_name(t), tuple(t.shape), tuple(t.stride()),
                                  DEVICE_CPU, 0) for t in tensors])
    compiled = torch.compile(fused)
    a, b, c = (torch.randn(rows, columns).to(dtype) for _ in range(3))
    times = take_turns([lambda: swage.launch(kernel, arguments), lambda: eager(*tensors),
                        lambda: compiled(*tensors), lambda: torch.add(b, c, alpha=0.5, out=a)])
    swage.destroy(kernel)
    tensor = rows * columns * a.element_size() * 1e-9
    rates = [whole * tensor / time for time in times[:3]] + [3 * tensor / times[3]]
    print(f"{name:16} {torch_dtype_name(a):5} {rows:>6}x{columns:<6}" +
          "".join(f"{rate:10.2f}" for rate in rates) + f"{rates[0] / rates[3]:12.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", dest="path", default="build/release/libswage.so")
    parser.add_argument("shapes", nargs="*", default=["64x4096", "4096x4096", "4096x14336"])
    options = parser.parse_args()
    swage = Swage(options.path, "cpu")
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads; GB/s\n"
          f"{'':36}{'swage':>10}{'eager':>10}{'compiled':>10}{'triad':>10}{'swage/triad':>12}")
    for shape in options.shapes:
        rows, columns = (int(size) for size in shape.split("x"))
        for name in CASES:
            for dtype in (torch.float32, torch.bfloat16):
                if dtype == torch.float32 or name.startswith("swiglu"):
                    compare(swage, name, dtype, rows, columns)


if __name__ == "__main__":
    main()
