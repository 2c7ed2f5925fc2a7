#!/usr/bin/env python3
"""torch_on_gpu.py -- kernels in torch mode have the bits of eager PyTorch, on a GPU with PyTorch.

  functions    every function of torch mode: all 2^32 f32 inputs, all f16 and bf16 inputs; those of
               two operands: all 2^32 pairs of f16 and of bf16, 10^9 random pairs of f32
  derivatives  the formulas of docs/numbers.md against autograd, over the same inputs of (d, x)
  activations  the kernels of kernels/torch.swg: forward as the functions above; backward in 10^9
               random (d, gate, up) and more than a million triples around special values, a type

  python3 tests/gpu/torch_on_gpu.py --library build/release/libswage.so [PART...]
  --sample     a part of the inputs, in about a minute
  --out DIR    also writes DIR/torch_on_gpu.json: counts of every comparison, and examples of every
               kind of difference

Exit status 1 if anything differs; NaN equals NaN.
"""

import argparse
import itertools
import json
import os
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "../../bench")]

import torch
import torch.nn.functional as F
from gpu_values import CHUNK, INTEGERS, TYPES, pairs, random_values, run, special_values
from swage_capi import Swage

EXAMPLES = 4  # of each kind of difference that are kept
HALVES = ("bf16", "f16")


class Comparison:
    """Counts where two results differ in bits, by kind, and keeps the first examples of each."""

    def __init__(self, name, dtype):
        self.name, self.dtype = name, dtype
        self.compared = self.different = 0
        self.kinds, self.examples = {}, {}

    def ordered(self, x):
        """Integers whose differences count the numbers between two floats of one sign or both."""
        bits = x.view(INTEGERS[self.dtype]).long()
        lowest = -(1 << 31) if self.dtype == "f32" else -(1 << 15)
        return torch.where(bits < 0, lowest - bits, bits)

    def add(self, mine, theirs, inputs):
        self.compared += mine.numel()
        a, b = mine.view(INTEGERS[self.dtype]), theirs.view(INTEGERS[self.dtype])
        if torch.equal(a, b):
            return
        where = ((a != b) & ~(torch.isnan(mine) & torch.isnan(theirs))).nonzero().flatten()
        if where.numel() == 0:
            return
        self.different += where.numel()
        mine, theirs = mine[where], theirs[where]
        nan, other_nan = torch.isnan(mine), torch.isnan(theirs)
        away = (self.ordered(mine) - self.ordered(theirs)).abs()
        number = ~nan & ~other_nan
        kinds = {"NaN, PyTorch a number": nan, "a number, PyTorch NaN": other_nan,
                 "sign of zero": number & (away == 0), "one number off": number & (away == 1),
                 "two to four off": number & (away > 1) & (away <= 4),
                 "further off": number & (away > 4)}
        for kind, mask in kinds.items():
            count = int(mask.sum())
            if not count:
                continue
            self.kinds[kind] = self.kinds.get(kind, 0) + count
            kept = self.examples.setdefault(kind, [])
            picked = mask.nonzero().flatten()
            # Spread over the chunk: neighbours differ for one reason.
            picked = picked[torch.linspace(0, count - 1, min(EXAMPLES, count)).long()]
            for i in picked.tolist()[:EXAMPLES * 4 - len(kept)]:
                kept.append({"inputs": [self.text(x[where[i]]) for x in inputs],
                             "swage": self.text(mine[i]), "torch": self.text(theirs[i])})

    @staticmethod
    def text(value):
        value = value.item()
        return float(value).hex() if isinstance(value, float) else value

    def report(self):
        print(f"{self.name:34} {self.dtype:5} {self.compared:>11} compared {self.different:>10} differ",
              flush=True)
        for kind, count in self.kinds.items():
            print(f"    {kind}: {count}")
            for example in self.examples[kind][:EXAMPLES]:
                print(f"      ({', '.join(map(str, example['inputs']))}): swage {example['swage']}, "
                      f"torch {example['torch']}")
        return {"name": self.name, "type": self.dtype, "compared": self.compared,
                "different": self.different, "kinds": self.kinds, "examples": self.examples}


class Suite:
    def __init__(self, swage, sample):
        self.swage, self.sample, self.rows, self.failures = swage, sample, [], []

    def kernel(self, expression, inputs, dtype):
        """A kernel of one output in torch mode; `inputs` are the names that `expression` uses."""
        params = "".join(f"{name}: in T, " for name in inputs)
        return self.swage.kernel("f", dtype, math="torch",
                                 source=f"kernel f<T>({params}result: out T) {{ result = {expression}; }}")

    def finish(self, comparison, required=True):
        self.rows.append({**comparison.report(), "required": required})
        if comparison.different and required:
            self.failures.append(f"{comparison.name} of {comparison.dtype}")

    def chunks(self, values):
        """All of `values`, or in a sample a part of them."""
        return itertools.islice(values, 0, None, 24) if self.sample else values

    def every(self, dtype):
        """All values of a type, CHUNK at a time."""
        total = 1 << (32 if dtype == "f32" else 16)
        firsts = range(-total // 2, total // 2, CHUNK)
        for first in self.chunks(firsts) if dtype == "f32" else firsts:
            integers = torch.arange(first, first + min(CHUNK, total), dtype=torch.int64, device="cuda")
            yield integers.to(INTEGERS[dtype]).view(TYPES[dtype])

    def tuples(self, dtype, count):
        """`count` inputs at once: random ones, and all combinations of special values."""
        generator = torch.Generator(device="cuda").manual_seed(1)
        rounds = 2 if self.sample else -(-10 ** 9 // CHUNK)
        for i in range(rounds):
            yield [random_values(dtype, generator, i % 2 == 0) for _ in range(count)]
        special = special_values(dtype)
        grids = torch.meshgrid(*[special] * count, indexing="ij")
        yield [grid.flatten().contiguous() for grid in grids]

    def couples(self, dtype):
        """All pairs of a 16-bit type, random and special ones of f32."""
        return self.tuples(dtype, 2) if dtype == "f32" else self.chunks(pairs(dtype))


# --- functions -----------------------------------------------------------------------------------

# What the language calls it, or an expression of x, and PyTorch's operator.
UNARY = {
    "exp(x)": torch.exp,
    "exp2(x)": torch.exp2,
    "expm1(x)": torch.expm1,
    "log(x)": torch.log,
    "log2(x)": torch.log2,
    "log1p(x)": torch.log1p,
    "sqrt(x)": torch.sqrt,
    "rsqrt(x)": torch.rsqrt,
    "rcp(x)": torch.reciprocal,
    "sigmoid(x)": torch.sigmoid,
    "tanh(x)": torch.tanh,
    "erf(x)": torch.erf,
    "-x": torch.neg,
    "abs(x)": torch.abs,
    "floor(x)": torch.floor,
    "ceil(x)": torch.ceil,
    "round(x)": torch.round,
    "trunc(x)": torch.trunc,
    "relu(x)": torch.relu,
    "clamp(x, -1.5, 2)": lambda x: torch.clamp(x, -1.5, 2),
}
BINARY = {
    "x + y": torch.add,
    "x - y": torch.sub,
    "x * y": torch.mul,
    "x / y": torch.div,
    "min(x, y)": torch.minimum,
    "max(x, y)": torch.maximum,
    "copysign(x, y)": torch.copysign,
}


def functions(suite):
    for expression, operator in UNARY.items():
        for dtype in TYPES:
            comparison = Comparison(expression, dtype)
            kernel = suite.kernel(expression, ["x"], dtype)
            for x in suite.every(dtype):
                mine = torch.empty_like(x)
                run(suite.swage, kernel, [x, mine])
                comparison.add(mine, operator(x), [x])
            suite.finish(comparison)
    for expression, operator in BINARY.items():
        for dtype in TYPES:
            comparison = Comparison(expression, dtype)
            kernel = suite.kernel(expression, ["x", "y"], dtype)
            for x, y in suite.couples(dtype):
                mine = torch.empty_like(x)
                run(suite.swage, kernel, [x, y, mine])
                comparison.add(mine, operator(x, y), [x, y])
            suite.finish(comparison)


# --- derivatives ---------------------------------------------------------------------------------

# Operator, then what autograd computes from the arriving gradient d and x: the formula of
# docs/numbers.md, then others that are reported where it differs. A pair is for f32 and for 16 bits.
LN2 = "0.6931471805599453"
DERIVATIVES = {
    "exp": (torch.exp, ["d * T(exp(x))"]),
    "exp2": (torch.exp2, [f"T(d * T(exp2(x))) * {LN2}"]),
    "expm1": (torch.expm1, ["d * T(T(expm1(x)) + 1)"]),
    "log": (torch.log, ["d / x"]),
    "log2": (torch.log2, [f"d / T(x * {LN2})"]),
    "log1p": (torch.log1p, ["d / T(x + 1)"]),
    "sqrt": (torch.sqrt, ["d / T(2 * T(sqrt(x)))"]),
    "rsqrt": (torch.rsqrt, ["T(-0.5 * d) * T(T(T(rsqrt(x)) * T(rsqrt(x))) * T(rsqrt(x)))",
                            "T(-0.5 * d) * T(T(rsqrt(x)) * T(rsqrt(x)) * T(rsqrt(x)))"]),
    "rcp": (torch.reciprocal, ["T(-d) * T(T(rcp(x)) * T(rcp(x)))"]),
    "sigmoid": (torch.sigmoid, ["T(d * T(1 - T(sigmoid(x)))) * T(sigmoid(x))",
                                "d * (1 - T(sigmoid(x))) * T(sigmoid(x))"]),
    "tanh": (torch.tanh, [("d * fma(-tanh(x), tanh(x), 1)", "d * T(1 - T(T(tanh(x)) * T(tanh(x))))"),
                          "d * fma(-T(tanh(x)), T(tanh(x)), 1)", "d * (1 - T(tanh(x)) * T(tanh(x)))"]),
    "erf": (torch.erf, ["T(1.1283791670955126 * T(exp(-T(x * x)))) * d"]),
}
QUOTIENT = {
    "x / y by x": (0, ["d / y"]),
    "x / y by y": (1, ["T(-d) * T(T(x / y) / y)"]),
}


def gradients(operator, inputs, arriving):
    leaves = [x.detach().requires_grad_() for x in inputs]
    return torch.autograd.grad(operator(*leaves), leaves, arriving)


def compare_derivative(suite, name, dtype, formulas, names, sets, expected):
    """The first formula must have PyTorch's bits. Others are looked at where it has not."""
    for number, formula in enumerate(formulas):
        text = formula if isinstance(formula, str) else formula[dtype != "f32"]
        comparison = Comparison(f"{name}: {text}" if number else name, dtype)
        kernel = suite.kernel(text, names, dtype)
        for inputs in sets():
            mine = torch.empty_like(inputs[0])
            run(suite.swage, kernel, [*inputs, mine])
            comparison.add(mine, expected(inputs), inputs)
        suite.finish(comparison, required=number == 0)
        if not comparison.different:
            return


def derivatives(suite):
    for name, (operator, formulas) in DERIVATIVES.items():
        for dtype in TYPES:
            compare_derivative(suite, f"d {name}", dtype, formulas, ["d", "x"],
                               lambda: suite.couples(dtype),
                               lambda inputs: gradients(operator, inputs[1:], inputs[0])[0])
    for name, (index, formulas) in QUOTIENT.items():
        for dtype in TYPES:
            compare_derivative(suite, f"d {name}", dtype, formulas, ["d", "x", "y"],
                               lambda: suite.tuples(dtype, 3),
                               lambda inputs: gradients(torch.div, inputs[1:], inputs[0])[index])


# --- activations ---------------------------------------------------------------------------------

ACTIVATIONS = {
    "silu_torch": F.silu,
    "gelu_torch": F.gelu,
    "gelu_tanh_torch": lambda x: F.gelu(x, approximate="tanh"),
}
GATED = {
    "swiglu_torch": lambda gate, up: F.silu(gate) * up,
    "geglu_torch": lambda gate, up: F.gelu(gate) * up,
    "geglu_tanh_torch": lambda gate, up: F.gelu(gate, approximate="tanh") * up,
}


def activation_kernel(suite, name, dtype):
    return suite.swage.kernel(name, dtype)


def activations(suite):
    for name, operator in ACTIVATIONS.items():
        for dtype in TYPES:
            forward = Comparison(name, dtype)
            kernel = activation_kernel(suite, name, dtype)
            for x in suite.every(dtype):
                mine = torch.empty_like(x)
                run(suite.swage, kernel, [x, mine])
                forward.add(mine, operator(x), [x])
            suite.finish(forward)
            backward = Comparison(name + "_backward", dtype)
            kernel = activation_kernel(suite, backward.name, dtype)
            for d, x in suite.couples(dtype):
                mine = torch.empty_like(x)
                run(suite.swage, kernel, [d, x, mine])
                backward.add(mine, gradients(operator, [x], d)[0], [d, x])
            suite.finish(backward)
    for name, operator in GATED.items():
        for dtype in TYPES:
            forward = Comparison(name, dtype)
            kernel = activation_kernel(suite, name, dtype)
            for gate, up in suite.couples(dtype):
                mine = torch.empty_like(gate)
                run(suite.swage, kernel, [gate, up, mine])
                forward.add(mine, operator(gate, up), [gate, up])
            suite.finish(forward)
            both = [Comparison(f"{name}_backward, {of}", dtype) for of in ("d_gate", "d_up")]
            kernel = activation_kernel(suite, name + "_backward", dtype)
            for inputs in suite.tuples(dtype, 3):
                mine = [torch.empty_like(inputs[0]) for _ in both]
                run(suite.swage, kernel, [*inputs, *mine])
                theirs = gradients(operator, inputs[1:], inputs[0])
                for comparison, a, b in zip(both, mine, theirs):
                    comparison.add(a, b, inputs)
            for comparison in both:
                suite.finish(comparison)


def main():
    parts = {"activations": activations, "functions": functions, "derivatives": derivatives}
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--library", default=os.path.join(here, "../../build/release/libswage.so"))
    parser.add_argument("--sample", action="store_true", help="a part of the inputs, in about a minute")
    parser.add_argument("--out", metavar="DIR", help="a folder for torch_on_gpu.json")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; default all")
    options = parser.parse_args()
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; parts are {', '.join(parts)}")
    if not torch.cuda.is_available():
        sys.exit("torch_on_gpu.py: PyTorch sees no CUDA device")
    swage = Swage(options.library, f"cuda:{torch.cuda.current_device()}")
    suite = Suite(swage, options.sample)
    header = {"device": torch.cuda.get_device_name(), "torch": torch.__version__,
              "cuda": torch.version.cuda, "swage": swage.version(), "sample": options.sample}
    print(", ".join(f"{key} {value}" for key, value in header.items()))
    for name in options.parts or parts:
        start = time.time()
        try:
            parts[name](suite)
        except RuntimeError as error:  # the other parts still have something to say
            suite.failures.append(f"{name} stopped: {error}")
            print(suite.failures[-1], flush=True)
        print(f"{name}: {time.time() - start:.0f} s", flush=True)
        if options.out:
            os.makedirs(options.out, exist_ok=True)
            with open(os.path.join(options.out, "torch_on_gpu.json"), "w") as file:
                json.dump({**header, "comparisons": suite.rows}, file, indent=1)
    if suite.failures:
        sys.exit("\nPyTorch has other bits:\n  " + "\n  ".join(suite.failures))
    print("\nevery bit is PyTorch's")


if __name__ == "__main__":
    main()
