"""gpu_values.py -- the inputs over which scripts on a GPU hold Swage beside PyTorch and Triton."""

import torch

CHUNK = 1 << 26  # elements of one launch: its temporaries in double precision fit any GPU
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
INTEGERS = {"f32": torch.int32, "f16": torch.int16, "bf16": torch.int16}


def run(swage, kernel, tensors):
    swage.launch(kernel, swage.torch_arguments(tensors), torch.cuda.current_stream().cuda_stream)


def pairs(dtype):
    """All 2^32 pairs of a 16-bit type, CHUNK at a time."""
    every = torch.arange(-32768, 32768, dtype=torch.int16, device="cuda").view(TYPES[dtype])
    step = CHUNK >> 16
    for first in range(0, 1 << 16, step):
        gate = every[first:first + step].repeat_interleave(1 << 16)
        yield gate, every.repeat(step)


def random_values(dtype, generator, wide):
    """CHUNK values: any bits at all, or normally distributed ones over a few magnitudes."""
    if wide:
        low, high = (-(1 << 31), 1 << 31) if dtype == "f32" else (-(1 << 15), 1 << 15)
        return torch.randint(low, high, (CHUNK,), generator=generator, device="cuda",
                             dtype=torch.int64).to(INTEGERS[dtype]).view(TYPES[dtype])
    x = torch.randn(CHUNK, generator=generator, device="cuda")
    scale = torch.randint(-6, 7, (CHUNK,), generator=generator, device="cuda")
    return (x * torch.exp2(scale.float())).to(TYPES[dtype])


def special_values(dtype):
    """About a hundred values around everything special: a million triples."""
    centres = [0.0, 0.5, 1.0, 1.278, 2.0, 17.0, 64.0, 87.3, 88.0, 88.7, 89.0, 92.0, 103.9, 104.0,
               128.0, 2.0 ** -14, 2.0 ** -24, 2.0 ** -126, 2.0 ** -133, 2.0 ** -149, 65504.0,
               3.0e38, float("inf"), float("nan")]
    x = torch.tensor(centres, dtype=torch.float32, device="cuda").to(TYPES[dtype])
    bits = x.view(INTEGERS[dtype])
    near = torch.cat([bits, bits - 1, bits + 1]).view(TYPES[dtype])
    return torch.cat([near, -near]).view(INTEGERS[dtype]).unique().view(TYPES[dtype])
