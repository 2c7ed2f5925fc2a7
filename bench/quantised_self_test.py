"""quantised_self_test.py -- what the peers of compare_quantised.py compute, held to Swage on the CPU."""

import os

import block_peers
import quantised_peers
from quantised_kinds import GROUP, KINDS, unequal
from swage_capi import Swage

# Of numbers that no exponential was asked for: all bits are owed.
TEXT = """
kernel mxfp8(h: in f32, q: out f8e4m3, scale: out e8m0 [group 32]) {
  let s = e8m0_up(group_max(abs(h), 32) * (1.0 / 448));
  scale = s;
  q = f8e4m3(clamp(h * rcp(s), -448, 448));
}
kernel mxfp4(h: in f32, q: out f4e2m1, scale: out e8m0 [group 32]) {
  let s = e8m0_down(0.25 * group_max(abs(h), 32));
  scale = s;
  q = h * rcp(s);
}
kernel nvfp4(h: in f32, global: in f32 [tensor], q: out f4e2m1, scale: out f8e4m3 [group 16]) {
  let s = f8e4m3(min(group_max(abs(h), 16) / 6 * global, 448));
  scale = s;
  q = h * (s == 0 ? 0 : global / s);
}
"""


def numbers(torch):
    """Of every size and sign, multiples of a quarter, which lie between numbers of 4 bits, zeros, and subnormals."""
    generator = torch.Generator().manual_seed(3)
    h = torch.randn(64, 480, generator=generator)
    h *= torch.exp2(torch.linspace(-140, 110, 64)[:, None])
    h[:8] = torch.randint(-24, 25, (8, 480), generator=generator) * 0.25
    h[8, :64], h[9, :64] = 0, -0.0
    return h


def _expect(condition, what):
    if not condition:
        raise SystemExit(f"compare_quantised.py: the self-test fails: {what}")


def _same(torch, found, expected):
    return all(torch.equal(a.contiguous().view(torch.uint8).flatten(), b.contiguous().view(torch.uint8).flatten())
               for a, b in zip(found, expected, strict=True))


def _quantised_alone(torch, swage):
    for kind, quantise in block_peers.quantisers(torch).items():
        h = numbers(torch)
        for number in (torch.tensor(1.0), torch.tensor(37.0)):
            _, outputs = KINDS[kind].tensors(torch, h.repeat(1, 2), number)
            inputs = [h, number] if kind == "nvfp4" else [h]
            kernel = swage.kernel(kind, source=TEXT)
            swage.launch(kernel, swage.torch_arguments(inputs + outputs))
            swage.destroy(kernel)
            _expect(_same(torch, quantise(h, number), outputs), f"PyTorch's {kind} is not Swage's")


def _whole(torch, swage, functions, what, same_scales_alone=False):
    """But for codes that the last bits of an exponential decide. `same_scales_alone`: but for groups of another
    scale, too."""
    generator = torch.Generator().manual_seed(5)
    gate_up = torch.randn(7, 2 * 1024, generator=generator).bfloat16()
    gate_up[1, :256] = 0
    between = torch.randint(-24, 25, (1024,), generator=generator) * 0.25
    for kind, function in functions.items():
        if KINDS[kind].is_packed:  # halfway between two numbers of 4 bits: the sigmoid of 64 is 1
            gate_up[2, :1024], gate_up[2, 1024:] = 64, between
        number = torch.full((), KINDS[kind].number, dtype=torch.float32)
        inputs, outputs = KINDS[kind].tensors(torch, gate_up, number)
        kernel = swage.kernel(KINDS[kind].kernel, KINDS[kind].bound)
        swage.launch(kernel, swage.torch_arguments(inputs + outputs))
        swage.destroy(kernel)
        found = function(gate_up, number)
        if same_scales_alone:
            same = found[1].view(torch.uint8) == outputs[1].view(torch.uint8)
            _expect(same.float().mean() > 0.9, f"few of {what}'s scales of {kind} are Swage's")
            found, outputs = (each[0].view(torch.uint8).view(*same.shape, -1)[same] for each in (found, outputs))
        share = unequal(torch, found, outputs)
        _expect(share < 1e-3, f"of {what}'s codes of {kind} {share:.2%} are not Swage's")


def _in_interpreter(torch, swage):
    """Triton's kernels, without its tuner. Its interpreter loses carries into the exponent of 8-bit floats (3.9):
    codes of MXFP8 are left to the GPU, and some scales of NVFP4 are a half of what they should be."""
    os.environ["TRITON_INTERPRET"] = "1"  # before triton is asked for
    try:
        from block_triton import block_kernel
    except ImportError:
        return "no Triton"
    for by_bits in (False, True):
        functions = block_peers.triton_functions(torch, block_kernel.fn, GROUPS=16, BY_BITS=by_bits)
        for kind in ("mxfp4", "nvfp4"):
            _whole(torch, swage, {kind: functions[kind]}, "Triton", same_scales_alone=kind == "nvfp4")
    return "Triton's in its interpreter"


def self_test(library):
    import torch

    swage = Swage(library, "cpu")
    _quantised_alone(torch, swage)
    _whole(torch, swage, quantised_peers.torch_functions(torch, GROUP) | block_peers.torch_functions(torch), "PyTorch")
    print(f"compare_quantised.py: the self-test passes, PyTorch's peers and {_in_interpreter(torch, swage)}")
    return 0
