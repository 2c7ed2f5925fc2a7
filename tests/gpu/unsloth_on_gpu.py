#!/usr/bin/env python3
"""unsloth_on_gpu.py -- swage.compat.unsloth beside Unsloth's own kernels, bit by bit, on a GPU with Triton.

Forward in all 2^32 pairs of bf16; in place backward in 5 * 10^8 random triples, half of them of any bits,
and in a million around special values.

  PYTHONPATH=python python3 tests/gpu/unsloth_on_gpu.py --unsloth unsloth/kernels

takes swiglu.py and geglu.py from a checkout of Unsloth. Exit status 1 if anything differs, but in exact GEGLU with a Triton before 3.9, whose erf is another; NaN
equals NaN.
"""

import argparse
import importlib.util
import os
import sys
import types

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)

import torch
import triton
from gpu_values import CHUNK, INTEGERS, pairs, random_values, special_values
from swage.compat import unsloth as swage_unsloth
from triton.language.extra import libdevice

TRIPLES = 5 * 10 ** 8
FUNCTIONS = (("swiglu_fg_kernel", "swiglu_DWf_DW_dfg_kernel"),
             ("geglu_exact_forward_kernel", "geglu_exact_backward_kernel"),
             ("geglu_approx_forward_kernel", "geglu_approx_backward_kernel"))


def load(folder):
    """Unsloth's two files, without the rest of it: of its utilities they use these three."""
    package = types.ModuleType("unsloth_kernels")
    package.__path__ = [folder]
    utilities = types.ModuleType("unsloth_kernels.utils")
    utilities.calculate_settings = None
    utilities.triton_tanh, utilities.torch_gpu_device = libdevice.tanh, torch.cuda.device
    sys.modules |= {"unsloth_kernels": package, "unsloth_kernels.utils": utilities}
    found = {}
    for name in ("swiglu", "geglu"):
        spec = importlib.util.spec_from_file_location(f"unsloth_kernels.{name}",
                                                      os.path.join(folder, f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= vars(module)
    return found


def differences(a, b):
    bits = INTEGERS["bf16"]
    return int(((a.view(bits) != b.view(bits)) & ~(a.isnan() & b.isnan())).sum())


def triples():
    generator = torch.Generator(device="cuda").manual_seed(1)
    for i in range(-(-TRIPLES // CHUNK)):
        yield [random_values("bf16", generator, i % 2 == 0) for _ in range(3)]
    special = special_values("bf16")
    yield [grid.flatten().contiguous() for grid in torch.meshgrid(*[special] * 3, indexing="ij")]


def forward(mine, theirs):
    total = wrong = 0
    for gate, up in pairs("bf16"):
        gate, up = (x.view(1, -1, 1024) for x in (gate, up))
        wrong += differences(mine(gate, up), theirs(gate, up))
        total += gate.numel()
    return [("h", total, wrong)]


def backward(mine, theirs):
    total, wrong = 0, [0, 0, 0]
    for tensors in triples():
        rows = [x.view(-1, x.numel()) for x in tensors]
        copies = [x.clone() for x in rows]
        mine(*rows), theirs(*copies)
        for i, (a, b) in enumerate(zip(rows, copies)):
            wrong[i] += differences(a, b)
        total += rows[0].numel()
    return [(name, total, count) for name, count in zip(("DW", "e", "g"), wrong)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unsloth", required=True, help="the folder of Unsloth's swiglu.py and geglu.py")
    theirs = load(parser.parse_args().unsloth)
    has_other_erf = tuple(int(n) for n in triton.__version__.split(".")[:2]) < (3, 9)
    failed = False
    for functions in FUNCTIONS:
        for hold, function in zip((forward, backward), functions):
            for buffer, total, wrong in hold(getattr(swage_unsloth, function), theirs[function]):
                print(f"{function:32} {buffer:3} {total:>11} compared {wrong:>10} differ", flush=True)
                failed |= wrong > 0 and not (has_other_erf and "exact" in function)
    sys.exit(failed)


if __name__ == "__main__":
    main()
