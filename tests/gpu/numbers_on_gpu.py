#!/usr/bin/env python3
"""numbers_on_gpu.py -- Swage's promises about numbers, over every input, on a GPU with PyTorch and Triton.

  functions   every function of one float that gives a float: all 2^32 f32 inputs and all f16 and bf16 inputs, in ulp
              against double precision, held to the bounds of docs/numbers.md
  triton      kernels in triton mode have the bits of Triton kernels written from the same formula:
              SwiGLU forward in all 2^32 bf16 pairs, other types and the backward at random
  accurate    the gated activations in all 2^32 pairs of bf16 and of f16 in accurate mode, in ulp, and how
              many results are not correctly rounded

  python3 tests/gpu/numbers_on_gpu.py --library build/release/libswage.so [functions triton accurate]

Exit status 1 if a promise does not hold.
"""

import argparse
import os
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "../../bench")]

import torch
from gpu_values import CHUNK, INTEGERS, TYPES, pairs, random_values, run, special_values
from swage_capi import Swage
from triton_peers import triton_kernels

# Bits of the significand, exponents of the smallest normal number and of the first power of two
# that is out of range.
FORMATS = {"f32": (24, -126, 128), "f16": (11, -14, 16), "bf16": (8, -126, 128)}

failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def exponent_of(exact, dtype):
    """Exponent of the unit in the last place at `exact`, in `dtype`."""
    bits, least, _ = FORMATS[dtype]
    _, exponent = torch.frexp(exact)
    exponent = torch.where(exact == 0, torch.full_like(exponent, least), exponent - 1)
    return torch.clamp(exponent, min=least) - (bits - 1)


def ulp_errors(got, exact, dtype):
    """|got - exact| in ulp of `dtype`; infinite where one is NaN and the other is not. Infinity
    stands for the first number out of range, so that rounding to it costs what it should."""
    limit = 2.0 ** FORMATS[dtype][2]
    got64 = got.double().clamp(-limit, limit)
    exact = exact.clamp(-limit, limit)
    # At the limit itself the spacing is that of the numbers below.
    inside = exact.clamp(-limit * (1 - 2.0 ** -53), limit * (1 - 2.0 ** -53))
    error = (got64 - exact).abs() * torch.exp2(-exponent_of(inside, dtype).double())
    nan_got, nan_exact = torch.isnan(got64), torch.isnan(exact)
    error = torch.where(nan_got & nan_exact, torch.zeros_like(error), error)
    return torch.where(nan_got ^ nan_exact, torch.full_like(error, float("inf")), error)


# --- functions -----------------------------------------------------------------------------------

# name: (reference in double precision, bound in ulp of f32)
FUNCTIONS = {
    "exp": (torch.exp, 1.0),
    "exp2": (torch.exp2, 1.0),
    "expm1": (torch.expm1, 1.5),
    "log": (torch.log, 1.0),
    "log2": (torch.log2, 1.25),
    "log1p": (torch.log1p, 1.75),
    "sqrt": (torch.sqrt, 0.5),
    "rsqrt": (torch.rsqrt, 1.5),
    "rcp": (torch.reciprocal, 0.5),
    "sigmoid": (torch.sigmoid, 2.5),
    "tanh": (torch.tanh, 2.5),
    "erf": (torch.erf, 1.5),
    "erfc": (torch.erfc, 3.25),
    "sin": (torch.sin, 1.75),
    "cos": (torch.cos, 1.75),
    "-": (torch.neg, 0.0),
    "abs": (torch.abs, 0.0),
    "floor": (torch.floor, 0.0),
    "ceil": (torch.ceil, 0.0),
    "round": (torch.round, 0.0),
    "trunc": (torch.trunc, 0.0),
    "relu": (torch.relu, 0.0),
}
HALF_BOUND = 0.51
# Double precision is off by a little itself, and so is a tie that it decides.
SLACK = 1e-6


def check_function(swage, name, dtype, bound):
    reference = FUNCTIONS[name][0]
    source = "kernel f<T>(x: in T, y: out T) { y = %s(x); }" % name
    kernel = swage.kernel("f", dtype, source=source)
    total = 1 << (32 if dtype == "f32" else 16)
    worst, where = -1.0, 0.0
    for first in range(-total // 2, total // 2, CHUNK):
        count = min(CHUNK, total)
        integers = torch.arange(first, first + count, dtype=torch.int64, device="cuda")
        x = integers.to(INTEGERS[dtype]).view(TYPES[dtype])
        y = torch.empty_like(x)
        run(swage, kernel, [x, y])
        exact = reference(x.double())
        error = ulp_errors(y, exact, dtype)
        if name != "relu":  # the language's relu(-0) is 0, PyTorch's is -0
            wrong_zero = (exact == 0) & (y == 0) & (torch.signbit(exact) != torch.signbit(y))
            error = torch.where(wrong_zero, torch.full_like(error, float("inf")), error)
        value, at = error.max(0)
        if value.item() > worst:
            worst, where = value.item(), x[at].item()
    expect(worst <= bound + SLACK, f"{name} of {dtype}: {worst} ulp at {where}, bound {bound}")
    return worst, where


def functions(swage):
    print(f"\n{'function':9} {'T':5} {'bound':>6} {'worst':>8}  at")
    for name, (_, bound) in FUNCTIONS.items():
        for dtype in TYPES:
            owed = bound if dtype == "f32" or bound == 0 else HALF_BOUND
            worst, where = check_function(swage, name, dtype, owed)
            print(f"{name:9} {dtype:5} {owed:>6} {worst:>8.4f}  {float(where).hex()}", flush=True)


# --- triton mode ---------------------------------------------------------------------------------


triton, triton_forward, triton_backward = triton_kernels()


def count_different(a, b, dtype):
    same = (a.view(INTEGERS[dtype]) == b.view(INTEGERS[dtype])) | (torch.isnan(a) & torch.isnan(b))
    return int((~same).sum())


def forward_differences(swage, kernel, gate, up, dtype):
    mine, theirs = torch.empty_like(gate), torch.empty_like(gate)
    run(swage, kernel, [gate, up, mine])
    count = gate.numel()
    triton_forward[(triton.cdiv(count, 1024),)](gate, up, theirs, count, count, count, PACKED=False,
                                                BLOCK=1024)
    return count_different(mine, theirs, dtype)


def backward_differences(swage, kernel, inputs, dtype):
    mine, theirs = [t.clone() for t in inputs], [t.clone() for t in inputs]
    run(swage, kernel, mine)
    count = inputs[0].numel()
    triton_backward[(triton.cdiv(count, 1024),)](*theirs, count, BLOCK=1024)
    return sum(count_different(a, b, dtype) for a, b in zip(mine, theirs))


def triton_mode(swage):
    generator = torch.Generator(device="cuda").manual_seed(1)
    rounds = -(-10 ** 9 // CHUNK)
    print()
    forward = swage.kernel("swiglu_unsloth", "bf16", math="triton")
    different = sum(forward_differences(swage, forward, gate, up, "bf16")
                    for gate, up in pairs("bf16"))
    print(f"swiglu_unsloth bf16, all 2^32 pairs: {different} differ from Triton", flush=True)
    expect(different == 0, "swiglu_unsloth of bf16 in triton mode has Triton's bits")
    for dtype in TYPES:
        forward = swage.kernel("swiglu_unsloth", dtype, math="triton")
        backward = swage.kernel("swiglu_backward_inplace", dtype, math="triton")
        different = [0, 0]
        for i in range(rounds):
            x = [random_values(dtype, generator, i % 2 == 0) for _ in range(3)]
            different[0] += forward_differences(swage, forward, x[1], x[2], dtype)
            different[1] += backward_differences(swage, backward, x, dtype)
        print(f"swiglu_unsloth and swiglu_backward_inplace {dtype}, {rounds * CHUNK} at random: "
              f"{different[0]} and {different[1]} differ from Triton", flush=True)
        expect(different == [0, 0], f"{dtype} in triton mode has Triton's bits")
        special = special_values(dtype)
        triples = [t.flatten().contiguous()
                   for t in torch.meshgrid(special, special, special, indexing="ij")]
        different = backward_differences(swage, backward, triples, dtype)
        print(f"swiglu_backward_inplace {dtype}, {triples[0].numel()} triples around special "
              f"values: {different} differ from Triton", flush=True)
        expect(different == 0, f"{dtype} in triton mode has Triton's bits at special values")


# --- accurate mode -------------------------------------------------------------------------------


def sigmoid(x):
    """In double precision with full relative accuracy, 1/2 at zero alone and 1 at infinity alone: x
    times exactly 1/2 or 1 is often a tie, which silu(x) is not."""
    e = torch.exp(-x.abs())
    s = torch.where(x < 0, e, torch.ones_like(e)) / (1 + e)
    side = torch.where(x < 0, torch.zeros_like(s), torch.ones_like(s))
    s = torch.where((s == 0.5) & (x != 0), torch.nextafter(s, side), s)
    return torch.where((s == 1) & torch.isfinite(x), torch.nextafter(s, torch.zeros_like(s)), s)


def single(value):
    """A constant of a kernel: rounded to f32."""
    return torch.tensor(value, dtype=torch.float32).double().item()


# Gated activations of the catalogue and their activation in double precision.
GATES = {
    "swiglu": lambda x: x * sigmoid(x),
    "geglu": lambda x: 0.5 * x * torch.erfc(-single(0.70710678118654752440) * x),
    "geglu_tanh": lambda x: x * sigmoid(2 * single(0.79788456080286535588)
                                        * (x + single(0.044715) * (x * x * x))),
    "geglu_quick": lambda x: x * sigmoid(single(1.702) * x),
    "glu": sigmoid,
    "reglu": torch.relu,
}
# Results of swiglu that may be misrounded, of all pairs: a little more than were measured.
MISROUNDED = {("swiglu", "bf16"): 200_000, ("swiglu", "f16"): 500_000}


def rounds_to_finite(exact, dtype):
    bits, _, limit = FORMATS[dtype]
    return exact.abs() < 2.0 ** limit * (1 - 2.0 ** -(bits + 1))


def check_gate(swage, name, dtype):
    """Results, the largest error and the misrounded ones: of normal results and of all finite ones."""
    kernel = swage.kernel(name, dtype)
    rows = {"normal": [0, 0.0, 0], "finite": [0, 0.0, 0]}
    for gate, up in pairs(dtype):
        out = torch.empty_like(gate)
        run(swage, kernel, [gate, up, out])
        exact = GATES[name](gate.double()) * up.double()
        finite = rounds_to_finite(exact, dtype) & torch.isfinite(gate) & torch.isfinite(up)
        error = ulp_errors(out, exact, dtype)
        normal = finite & (exact.abs() >= 2.0 ** FORMATS[dtype][1])
        for which, mask in (("normal", normal), ("finite", finite)):
            row, masked = rows[which], error[mask]
            row[0] += masked.numel()
            if masked.numel():
                row[1] = max(row[1], masked.max().item())
            row[2] += int((masked > 0.5 + SLACK).sum())
    return rows


def accurate_mode(swage):
    print(f"\n{'kernel':12} {'T':5} {'results':>8} {'compared':>12} {'max ulp':>8} {'misrounded':>11}")
    for name in GATES:
        for dtype in ("bf16", "f16"):
            rows = check_gate(swage, name, dtype)
            for which, (compared, worst, wrong) in rows.items():
                print(f"{name:12} {dtype:5} {which:>8} {compared:>12} {worst:>8.4f} {wrong:>11}",
                      flush=True)
            expect(rows["normal"][1] <= 0.51,
                   f"{name} of {dtype} is within 0.51 ulp where the result is a normal number")
            most = MISROUNDED.get((name, dtype))
            if most is not None:
                wrong = rows["finite"][2]
                expect(wrong <= most, f"{name} of {dtype} misrounds {wrong} pairs, at most {most}")


def main():
    parts = {"functions": functions, "triton": triton_mode, "accurate": accurate_mode}
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--library", dest="libswage",
                        default=os.path.join(here, "../../build/release/libswage.so"))
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; default all")
    options = parser.parse_args()
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; parts are {', '.join(parts)}")
    if not torch.cuda.is_available():
        sys.exit("numbers_on_gpu.py: PyTorch sees no CUDA device")
    swage = Swage(options.libswage, f"cuda:{torch.cuda.current_device()}")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Triton {triton.__version__}, "
          f"Swage {swage.version()}")
    for name in options.parts or parts:
        start = time.time()
        parts[name](swage)
        print(f"{name}: {time.time() - start:.0f} s")
    if failures:
        sys.exit("\n" + "\n".join(failures))
    print("\nevery promise holds")


if __name__ == "__main__":
    main()
