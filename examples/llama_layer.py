#!/usr/bin/env python3
"""SwiGLU of a LLaMA-3-8B layer, from PyTorch through Swage and back.

Makes `gate` and `up` of shape [2, 512, 14336] in bf16 from random tokens, writes them with the
safetensors package, lets `swage run swiglu` compute h from that file into another, reads h back and
compares every element with the float64 formula. Fails if any is more than one bf16 ulp off.

    pip install torch safetensors numpy
    python3 examples/llama_layer.py                          # every device of this machine
    python3 examples/llama_layer.py --device cpu --swage build/release/swage
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

BATCH, TOKENS, VOCABULARY = 2, 512, 32000
HIDDEN = 512  # of the toy model in front of the layer
INTERMEDIATE = 14336  # of LLaMA-3-8B
ROOT = pathlib.Path(__file__).resolve().parent.parent


def find_swage(given):
    built = ROOT / "build" / "release" / "swage"
    found = given or (str(built) if built.exists() else shutil.which("swage"))
    if not found:
        sys.exit(f"no swage command: build {built}, or name one with --swage")
    return found


def make_inputs(seed):
    """The two projections of embedded random tokens, as the layer's MLP would see them."""
    torch.manual_seed(seed)
    tokens = torch.randint(VOCABULARY, (BATCH, TOKENS))
    embedded = torch.nn.functional.embedding(tokens, torch.randn(VOCABULARY, HIDDEN))
    gate_projection = torch.nn.Linear(HIDDEN, INTERMEDIATE, bias=False)
    up_projection = torch.nn.Linear(HIDDEN, INTERMEDIATE, bias=False)
    with torch.no_grad():
        # Scaled so that gates reach both the linear and the saturated part of the sigmoid.
        gate = 4 * gate_projection(embedded)
        up = 2 * up_projection(embedded)
    return gate.to(torch.bfloat16), up.to(torch.bfloat16)


def exact_swiglu(gate, up):
    gate, up = gate.double(), up.double()
    return gate / (1 + torch.exp(-gate)) * up


def bf16_ulps(got, exact):
    """|got - exact| in units of bf16's spacing around exact: 8 bits of mantissa, subnormals kept."""
    _, exponent = torch.frexp(exact.abs())  # |exact| = m * 2^exponent, 0.5 <= m < 1
    spacing = torch.ldexp(torch.ones_like(exact), exponent.clamp(min=-125) - 8)
    return (got.double() - exact).abs() / spacing


def devices(swage):
    listed = subprocess.run([swage, "devices", "--quick", "--json"], check=True, stdout=subprocess.PIPE)
    return [device["id"] for device in json.loads(listed.stdout)["devices"]]


def run(swage, device, source, target):
    command = [swage, "run", "swiglu", "--input", str(source), "--output", str(target)]
    finished = subprocess.run(command + ["--device", device, "--json"], stdout=subprocess.PIPE)
    if finished.returncode != 0:
        sys.exit(f"{' '.join(command)} --device {device}: exit status {finished.returncode}")
    return json.loads(finished.stdout)


def report(name, h, exact, seconds=None):
    errors = bf16_ulps(h, exact)
    worst = errors.max().item()
    misrounded = (h != exact.to(torch.bfloat16)).sum().item()
    time = f"{seconds * 1e6:12.1f}" if seconds else f"{'':>12}"
    print(f"{name:<16}{time}{worst:12.4f}{misrounded:14d}")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swage", help="the command (default build/release/swage)")
    parser.add_argument("--device", action="append", help="cpu or cuda:N (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    swage = find_swage(options.swage)

    gate, up = make_inputs(options.seed)
    exact = exact_swiglu(gate, up)
    print(f"gate, up: {list(gate.shape)} bf16; gates from {gate.min():.2f} to {gate.max():.2f}")
    print(f"{'':<16}{'time, us':>12}{'max ulp':>12}{'misrounded':>14}")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "layer.safetensors"), pathlib.Path(folder, "h.safetensors")
        save_file({"gate": gate, "up": up}, source)
        for device in options.device or devices(swage):
            result = run(swage, device, source, target)
            h = load_file(target)["h"]
            if h.dtype != torch.bfloat16 or h.shape != gate.shape:
                sys.exit(f"h came back as {h.dtype} {list(h.shape)}")
            failed |= not report(f"swage {device}", h, exact, result["seconds"]) <= 1
            target.unlink()
    report("torch eager", torch.nn.functional.silu(gate) * up, exact)
    if failed:
        sys.exit("an element is more than one bf16 ulp from the float64 formula")
    print("every element of h is within one bf16 ulp of the float64 formula")


if __name__ == "__main__":
    main()
