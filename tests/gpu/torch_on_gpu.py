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
            picked = picked[torch.linspace(0, count - 1, min(EXAMPLES, count), dtype=torch.float64).long()]
            for i in picked.tolist()[:EXAMPLES * 4 - len(kept)]:
                kept.append({"inputs": [self.text(x[where[i]]) for x in inputs],
                             "swage": self.text(mine[i]), "torch": self.text(theirs[i])})

    @staticmethod
    def text(value):
        value = value.item()
        return float(value).hex() if isinstance(value, float) else value

    def report(self):
        print(f"{self.name:44} {self.dtype:5} {self.compared:>11} compared {self.different:>10} differ",
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

    def hold(self, names, dtype, make_kernel, sets, expected, required=True):
        """Compares each output of a kernel, called `names`, with what PyTorch gives: `expected` of
        the inputs, a list of tensors. Gives the number of differences, or None if it stopped."""
        comparisons = [Comparison(name, dtype) for name in names]
        try:
            kernel = make_kernel()
            for inputs in sets:
                mine = [torch.empty_like(inputs[0]) for _ in names]
                run(self.swage, kernel, [*inputs, *mine])
                for comparison, a, b in zip(comparisons, mine, expected(inputs)):
                    comparison.add(a, b, inputs)
        except RuntimeError as error:  # the others still have something to say
            self.failures.append(f"{names[0]} of {dtype} stopped: {error}")
            print(self.failures[-1], flush=True)
            return None
        for comparison in comparisons:
            self.rows.append({**comparison.report(), "required": required})
            if comparison.different and required:
                self.failures.append(f"{comparison.name} of {dtype}")
        return sum(comparison.different for comparison in comparisons)

    def every(self, dtype):
        """All values of a type, CHUNK at a time; in a sample random and special ones of f32."""
        if dtype == "f32" and self.sample:
            yield from self.tuples(dtype, 1)
            return
        total = 1 << (32 if dtype == "f32" else 16)
        for first in range(-total // 2, total // 2, CHUNK):
            integers = torch.arange(first, first + min(CHUNK, total), dtype=torch.int64, device="cuda")
            yield [integers.to(INTEGERS[dtype]).view(TYPES[dtype])]

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
        """All pairs of a 16-bit type; random and special ones of f32, and in a sample."""
        return self.tuples(dtype, 2) if dtype == "f32" or self.sample else pairs(dtype)


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
    "x * (1.0 / 3)": lambda x: x / 3,
}
BINARY = {
    "x + y": torch.add,
    "x - y": torch.sub,
    "x * y": torch.mul,
    "x / y": torch.div,
    "min(x, y)": torch.minimum,
    "max(x, y)": torch.maximum,
}


def functions(suite):
    for names, operators, sets in ((["x"], UNARY, suite.every), (["x", "y"], BINARY, suite.couples)):
        for expression, operator in operators.items():
            for dtype in TYPES:
                suite.hold([expression], dtype, lambda: suite.kernel(expression, names, dtype),
                           sets(dtype), lambda inputs: [operator(*inputs)])


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


def hold_derivative(suite, name, formulas, names, sets, expected):
    """The first formula must have PyTorch's bits. Others are looked at where it has not."""
    for dtype in TYPES:
        for number, formula in enumerate(formulas):
            text = formula if isinstance(formula, str) else formula[dtype != "f32"]
            different = suite.hold([f"d {name}: {text}"], dtype,
                                   lambda: suite.kernel(text, names, dtype), sets(dtype), expected,
                                   required=number == 0)
            if different == 0:
                break


def derivatives(suite):
    for name, (operator, formulas) in DERIVATIVES.items():
        hold_derivative(suite, name, formulas, ["d", "x"], suite.couples,
                        lambda inputs: gradients(operator, inputs[1:], inputs[0]))
    for name, (index, formulas) in QUOTIENT.items():
        hold_derivative(suite, name, formulas, ["d", "x", "y"], lambda dtype: suite.tuples(dtype, 3),
                        lambda inputs: [gradients(torch.div, inputs[1:], inputs[0])[index]])


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


def activations(suite):
    for table, values, gradient_values in ((ACTIVATIONS, suite.every, suite.couples),
                                           (GATED, suite.couples, lambda dtype: suite.tuples(dtype, 3))):
        for name, operator in table.items():
            backward = name + "_backward"
            results = [f"{backward}, {of}" for of in ("d_gate", "d_up")] if table is GATED else [backward]
            for dtype in TYPES:
                suite.hold([name], dtype, lambda: suite.swage.kernel(name, dtype), values(dtype),
                           lambda inputs: [operator(*inputs)])
                suite.hold(results, dtype, lambda: suite.swage.kernel(backward, dtype),
                           gradient_values(dtype),
                           lambda inputs: gradients(operator, inputs[1:], inputs[0]))


def main():
    parts = {"activations": activations, "functions": functions, "derivatives": derivatives}
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--library", dest="libswage",
                        default=os.path.join(here, "../../build/release/libswage.so"))
    parser.add_argument("--sample", action="store_true", help="a part of the inputs, in about a minute")
    parser.add_argument("--out", metavar="DIR", help="a folder for torch_on_gpu.json")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; default all")
    options = parser.parse_args()
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; parts are {', '.join(parts)}")
    if not torch.cuda.is_available():
        sys.exit("torch_on_gpu.py: PyTorch sees no CUDA device")
    swage = Swage(options.libswage, f"cuda:{torch.cuda.current_device()}")
    suite = Suite(swage, options.sample)
    header = {"device": torch.cuda.get_device_name(), "torch": torch.__version__,
              "cuda": torch.version.cuda, "swage": swage.version(), "sample": options.sample}
    print(", ".join(f"{key} {value}" for key, value in header.items()))
    for name in options.parts or parts:
        start = time.time()
        parts[name](suite)
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
