#!/usr/bin/env python3
"""host_overhead.py -- what one call costs the host: Swage's operators beside PyTorch, eager and compiled.

    python3 bench/host_overhead.py [--device cuda] [--dtype bfloat16] [--shape 1x4096]

SwiGLU, output allocated by the call; without gradients, forward that keeps what a gradient needs, and
forward with backward. Microseconds of the host a call: the median of 75 rounds of 40 calls that take turns, the
device waited for between rounds, and the first ten calls of a turn not counted, which find the processor's
caches full of the contestant before; in brackets the least, which is what is left where other programs take
the processor. `swage.torch` is the function, `torch.ops` PyTorch's way to the same operator; `prepared` is the C ABI
with arguments built once, through ctypes.
"""
import argparse
import statistics
import time

import torch
import torch.nn.functional as F

import swage.torch
from swage._library import path
from swage_capi import DEVICE_CPU, DEVICE_CUDA, Swage, torch_dtype_name

ROUNDS, WARM, CALLS = 75, 10, 40


def take_turns(bodies, wait):
    for body in bodies.values():
        for _ in range(5):
            body()
    times = {name: [] for name in bodies}
    for _ in range(ROUNDS):
        for name, body in bodies.items():
            for _ in range(WARM):
                body()
            wait()
            start = time.perf_counter()
            for _ in range(CALLS):
                body()
            times[name].append((time.perf_counter() - start) / CALLS * 1e6)
    return {name: f"{statistics.median(each):.1f} ({min(each):.1f})" for name, each in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--shape", default="1x4096")
    options = parser.parse_args()
    shape = [int(size) for size in options.shape.split("x")]
    dtype = getattr(torch, options.dtype)
    gate, up, out = (torch.randn(shape, device=options.device).to(dtype) for _ in range(3))

    def eager(a, b):
        return F.silu(a) * b

    contestants = {"swage.torch": swage.torch.swiglu, "torch.ops": torch.ops.swage.swiglu.default, "eager": eager,
                   "compiled": torch.compile(eager)}
    capi = Swage(path(), "cpu" if options.device == "cpu" else "cuda:0")
    kernel = capi.kernel("swiglu", torch_dtype_name(gate))
    kind = DEVICE_CPU if options.device == "cpu" else DEVICE_CUDA
    arguments = capi.arguments([(t.data_ptr(), torch_dtype_name(t), tuple(t.shape),
                                 tuple(t.stride()), kind, 0) for t in (gate, up, out)])

    wait = torch.cuda.synchronize if options.device != "cpu" else lambda: None
    print(f"PyTorch {torch.__version__}, {options.shape} {options.dtype} on {options.device}; us a call")
    with torch.no_grad():
        bodies = {name: (lambda f=f: f(gate, up)) for name, f in contestants.items()}
        plain = take_turns(bodies | {"prepared": lambda: capi.launch(kernel, arguments)}, wait)
    gate.requires_grad_(), up.requires_grad_()
    forward = take_turns({name: (lambda f=f: f(gate, up)) for name, f in contestants.items()}, wait)
    d = torch.ones_like(out)
    both = take_turns({name: (lambda f=f: torch.autograd.grad(f(gate, up), (gate, up), d))
                       for name, f in contestants.items()}, wait)
    print(f"{'':14}{'no grad':>18}{'forward':>18}{'with backward':>18}")
    for name in plain:
        rest = f"{forward[name]:>18}{both[name]:>18}" if name in forward else ""
        print(f"{name:14}{plain[name]:>18}{rest}")


if __name__ == "__main__":
    main()
