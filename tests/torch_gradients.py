#!/usr/bin/env python3
"""torch_gradients.py -- the catalogue and its gradients in f64 against PyTorch's autograd.

    python3 tests/torch_gradients.py --library build/release/libswage.so

Every kernel is run on the CPU, forward and backward, on random rows; the largest difference, relative
to the largest value of the result where that is above 1, has to be below 1e-10. Ends with 77, which
CTest takes for skipped, where there is no PyTorch. `_torch` kernels have other tests.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import swage_capi  # noqa: E402

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

LIMIT = 1e-10
ROWS, COLUMNS = 7, 96
SHAPES = {"": (ROWS, COLUMNS), "row": (ROWS,), "col": (COLUMNS,)}
SCALES = {"logits": 3, "gate": 4, "up": 4}  # beyond the bounds of those that are clamped


def single(value):
    """The value of a `const` of f32."""
    return torch.tensor(value, dtype=torch.float32).double().item()


def rms(x, eps=1e-6):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + single(eps))


def column(x):
    return x.unsqueeze(-1)


def losses(logits, target, smoothing=0.0, z_scale=0.0):
    log_sum = torch.logsumexp(logits, -1)
    loss = F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
    counts = target != -100
    return loss + torch.where(counts, z_scale * log_sum * log_sum, 0.0), log_sum


def gpt_oss(gate, up):
    gate, up = gate.clamp(max=7.0), up.clamp(-7.0, 7.0)
    return gate * torch.sigmoid(single(1.702) * gate) * (up + 1)


def xielu(x):
    return torch.where(x > 0, 0.8 * x * x + 0.5 * x, 1.2 * (torch.expm1(x) - x) + 0.5 * x)


X, XW = "x", "x weight:col"
XRW = "x residual weight:col"
GU = "gate up"


def residual(gemma):
    def norm(x, residual, weight):
        total = x + residual
        return total, rms(total) * (1 + weight if gemma else weight)
    return norm


# Forward kernel, its gradient (None: kernel_backward), inputs, outputs, inputs with a gradient, the
# same in PyTorch.
ONE = [
    ("silu", F.silu), ("gelu", F.gelu), ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
    ("gelu_quick", lambda x: x * torch.sigmoid(1.702 * x)), ("relu", F.relu),
    ("squared_relu", lambda x: F.relu(x) ** 2), ("fatrelu", lambda x: torch.where(x > 0, x, 0.0)),
]
GATED = [
    ("swiglu", lambda g, u: F.silu(g) * u), ("swiglu_unsloth", lambda g, u: F.silu(g) * u),
    ("fatrelu_glu", lambda g, u: torch.where(g > 0, g, 0.0) * u),
    ("geglu", lambda g, u: F.gelu(g) * u), ("geglu_unsloth", lambda g, u: F.gelu(g) * u),
    ("geglu_tanh", lambda g, u: F.gelu(g, approximate="tanh") * u),
    ("geglu_tanh_unsloth", lambda g, u: F.gelu(g, approximate="tanh") * u),
    ("geglu_quick", lambda g, u: g * torch.sigmoid(1.702 * g) * u),
    ("glu", lambda g, u: torch.sigmoid(g) * u), ("bilinear", lambda g, u: g * u),
    ("reglu", lambda g, u: F.relu(g) * u), ("swiglu_multiplier", lambda g, u: F.silu(g) * u),
    ("swiglu_gpt_oss", gpt_oss),
    ("swiglu_clamp_before", lambda g, u: F.silu(g.clamp(max=10.0)) * u.clamp(-10.0, 10.0)),
    ("swiglu_step", lambda g, u: F.silu(g).clamp(max=7.0) * u.clamp(-7.0, 7.0)),
    ("situ", lambda g, u: torch.tanh(g) * torch.sigmoid(g) * torch.tanh(u)),
]
CASES = [(name, None, X, "y", "x", function) for name, function in ONE]
CASES += [(name, None, GU, "h", GU, function) for name, function in GATED]
CASES += [
    ("swiglu", "swiglu_grad", GU, "h", GU, lambda g, u: F.silu(g) * u),
    ("swiglu_scaled", "swiglu_scaled_gradient", GU + " scale:row", "h", GU + " scale",
     lambda g, u, s: F.silu(g) * u * column(s)),
    ("xielu", None, "x =0.8 =1.2", "y", "x", xielu),
    ("complex_abs", None, "re im", "y", "re im", torch.hypot),
    ("rms_norm", None, XW, "y", "x weight", lambda x, w: rms(x) * w),
    ("rms_norm_plain", None, X, "y", "x", rms),
    ("rms_norm_gemma", None, XW, "y", "x weight", lambda x, w: rms(x) * (1 + w)),
    ("rms_norm_residual", None, XRW, "sum y", "x weight", residual(False)),
    ("rms_norm_residual_rounded", None, XRW, "sum y", "x weight", residual(False)),
    ("rms_norm_gemma_residual", None, XRW, "sum y", "x weight", residual(True)),
    ("rms_norm_gemma_residual_rounded", None, XRW, "sum y", "x weight", residual(True)),
    ("layer_norm", None, XW + " bias:col", "y", "x weight bias",
     lambda x, w, b: F.layer_norm(x, (COLUMNS,), w, b, single(1e-5))),
    ("l2_norm", None, X, "y", "x", lambda x: F.normalize(x, dim=-1, eps=1e-12)),
    ("softmax", "softmax_grad", X, "y", "x", lambda x: torch.softmax(x, -1)),
    ("log_softmax", None, X, "y", "x", lambda x: torch.log_softmax(x, -1)),
    ("softmax_scaled", None, X, "y", "x", lambda x: torch.softmax(x, -1)),
    ("log_softmax_scaled", None, X, "y", "x", lambda x: torch.log_softmax(x, -1)),
    ("softmax_masked", None, "x mask", "y", "x", lambda x, m: torch.softmax(x + m, -1)),
    ("log_softmax_masked", None, "x mask", "y", "x", lambda x, m: torch.log_softmax(x + m, -1)),
    ("cross_entropy", "cross_entropy_gradient", "logits target:row", "loss:row log_sum:row", "logits",
     losses),
    ("cross_entropy_smoothed", None, "logits target:row", "loss:row log_sum:row", "logits",
     lambda x, t: losses(x, t, single(0.1), 0.0)),
    # From what the forward stored.
    ("softmax", "softmax_backward", X, "y", "x", lambda x: torch.softmax(x, -1)),
    ("cross_entropy", "cross_entropy_gradient_saved", "logits target:row", "loss:row log_sum:row",
     "logits", losses),
]
WHOLE = [
    ("softmax_scaled", {"scale": 0.25}, X, "y", "x", lambda x: torch.softmax(0.25 * x, -1)),
    ("log_softmax_masked", {"scale": 2}, "x mask", "y", "x",
     lambda x, m: torch.log_softmax(2 * x + m, -1)),
    ("cross_entropy_smoothed", {"smoothing": 0.25, "z_scale": 0.125}, "logits target:row",
     "loss:row log_sum:row", "logits", lambda x, t: losses(x, t, 0.25, 0.125)),
]


def tensor(shape, generator):
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def parsed(words):
    return [tuple((word + ":").split(":")[:2]) for word in words.split()]


def launch(swage, name, values, constants):
    """Runs kernel `name` on tensors and numbers in the order of its parameters."""
    bindings = {"T": "f64", "L": "f64", "S": "f64", **constants}
    for optional in ("L", "S"):
        if not (optional == "L" and name.startswith("cross_entropy")
                or optional == "S" and name.startswith("swiglu_scaled")):
            del bindings[optional]
    kernel = swage.kernel(name, bindings)
    tensors = [v if torch.is_tensor(v) else torch.zeros(1, dtype=torch.float64) for v in values]
    names = {torch.float64: "f64", torch.int64: "i64"}
    args = swage.arguments([(t.data_ptr(), names[t.dtype], tuple(t.shape), tuple(t.stride()),
                             swage_capi.DEVICE_CPU, 0) for t in tensors])
    for arg, value in zip(args, values):
        if not torch.is_tensor(value):
            arg.kind = 1
            arg.value.real = value
    swage.launch(kernel, args)
    swage.destroy(kernel)


def largest(got, expected):
    finite = expected.isfinite()
    if not torch.equal(got[~finite], expected[~finite]):
        return float("inf")
    got, expected = got[finite], expected[finite]
    return (got - expected).abs().max().item() / max(1.0, expected.abs().max().item())


def run(swage, case, constants, generator):
    name, gradient, inputs, outputs, wanted, function = case
    gradient = gradient or f"{name}_backward"
    values, names = [], []
    for word, space in parsed(inputs):
        names.append(word)
        if word.startswith("="):
            values.append(float(word[1:]))
        elif word == "target":
            target = torch.randint(0, COLUMNS, (ROWS,), generator=generator)
            target[2] = -100
            values.append(target)
        else:
            value = tensor(SHAPES[space], generator) * SCALES.get(word, 1)
            if word == "mask":
                value[:, 5::7] = -torch.inf
            values.append(value)
    leaves = [v.clone().requires_grad_(names[i] in wanted.split())
              if torch.is_tensor(v) and v.dtype == torch.float64 else v
              for i, v in enumerate(values)]
    expected = function(*[v for v in leaves if torch.is_tensor(v)])
    expected = expected if isinstance(expected, tuple) else (expected,)
    spaces = [space for _, space in parsed(outputs)]
    results = [torch.empty(SHAPES[space], dtype=torch.float64) for space in spaces]
    # xielu has its scalars behind its output.
    in_order = values + results if name != "xielu" else values[:1] + results + values[1:]
    launch(swage, name, in_order, constants)
    forward = max(largest(g, e.detach()) for g, e in zip(results, expected))

    incoming = [tensor(SHAPES[space], generator) for space in spaces]
    if gradient == "cross_entropy_gradient_saved":
        incoming[1].zero_()
    sought = [v for v in leaves if torch.is_tensor(v) and v.requires_grad]
    slopes = torch.autograd.grad(expected, sought, incoming)
    found = [torch.empty_like(slope) for slope in slopes]
    if gradient == "softmax_backward":
        before = incoming + results
    elif gradient == "cross_entropy_gradient_saved":
        before = [incoming[0], *values, results[1]]
    else:
        before = incoming + values
    launch(swage, gradient, before + found, constants)
    return gradient, forward, max(largest(g, s) for g, s in zip(found, slopes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", dest="path", required=True)
    options = parser.parse_args()
    swage = swage_capi.Swage(options.path, "cpu")
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    cases = [(case, {}) for case in CASES]
    cases += [((name, None if name != "cross_entropy_smoothed" else "cross_entropy_smoothed_gradient",
                *rest), constants) for name, constants, *rest in WHOLE]
    for case, constants in cases:
        if case[0] == "cross_entropy_smoothed":
            case = (case[0], "cross_entropy_smoothed_gradient", *case[2:])
        name, forward, backward = run(swage, case, constants, generator)
        print(f"{case[0]:32} {forward:8.1e}   {name:40} {backward:8.1e}")
        worst = max(worst, forward, backward)
    print(f"largest difference {worst:.1e} of {len(cases)} kernels and their gradients")
    return 0 if worst < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
