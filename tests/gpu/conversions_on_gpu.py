#!/usr/bin/env python3
"""conversions_on_gpu.py -- floats of one byte on a GPU: all 2^32 floats converted, and every code widened.

Held to PyTorch's conversions, which do not saturate either; e8m0, e8m0_up and e8m0_down to integer arithmetic on the
bits of the float. All values of bf16 and f16 are converted, too.

  python3 tests/gpu/conversions_on_gpu.py --library build/release/libswage.so

Exit status 1 if anything differs; NaN equals NaN.
"""

import argparse
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "../../bench")]

import torch
from gpu_values import CHUNK, INTEGERS, TYPES, run
from swage_capi import Swage

FLOATS = {"f8e4m3": torch.float8_e4m3fn, "f8e5m2": torch.float8_e5m2,
          "f8e4m3fnuz": torch.float8_e4m3fnuz, "f8e5m2fnuz": torch.float8_e5m2fnuz}
SMALLEST = 0x400000  # the bits of 2^-127


def power(x, way):
    """The code of the power of two nearest to x, or of the smallest that is at least x, or the largest at most."""
    bits = x.view(torch.int32)
    fraction = bits & 0x7fffff
    if way == "down":
        code = torch.where((bits < 0) & (x != 0) | ~torch.isfinite(x), 255, bits >> 23)
        return torch.where(x == 0, 0, code).to(torch.uint8)
    up = way == "up"
    code = (bits >> 23) + (fraction > 0 if up else fraction >= SMALLEST)
    small = bits > SMALLEST if up else bits >= SMALLEST + SMALLEST // 2
    code = torch.where(bits < 0x800000, small.int(), code)
    code = torch.where((bits < 0) & (x != 0) | ~torch.isfinite(x), 255, code)
    return torch.where(x == 0, 0, code).clamp(max=255).to(torch.uint8)


def expected(name, x):
    wide = x.float()
    return (power(wide, name[5:]) if name.startswith("e8m0")
            else wide.to(FLOATS[name]).view(torch.uint8))


def is_nan(codes, name):
    return codes == 255 if name.startswith("e8m0") else codes.view(FLOATS[name]).float().isnan()


def conversion(swage, name, dtype):
    stored = "e8m0" if name.startswith("e8m0") else name
    kernel = swage.kernel("k", source=f"kernel k(x: in {dtype}, y: out {stored}) {{ y = {name}(x); }}")
    total, wrong, first = 1 << (32 if dtype == "f32" else 16), 0, None
    for low in range(-total // 2, total // 2, CHUNK):
        integers = torch.arange(low, low + min(CHUNK, total), dtype=torch.int64, device="cuda")
        x = integers.to(INTEGERS[dtype]).view(TYPES[dtype])
        y = torch.empty(x.shape, dtype=FLOATS.get(name, torch.float8_e8m0fnu), device="cuda")
        run(swage, kernel, [x, y])
        mine, theirs = y.view(torch.uint8), expected(name, x)
        different = (mine != theirs) & ~(is_nan(mine, name) & is_nan(theirs, name))
        count = int(different.sum())
        if count and first is None:
            at = different.nonzero()[0]
            first = f"{x[at].item():.9g} gives code {mine[at].item()}, not {theirs[at].item()}"
        wrong += count
    print(f"{dtype:5} to {name:11} {total:>11} compared {wrong:>10} differ {first or ''}", flush=True)
    return wrong


def widening(swage, name):
    codes = torch.arange(256, dtype=torch.int32, device="cuda").to(torch.uint8)
    wide = torch.empty(256, device="cuda")
    kernel = swage.kernel("k", source=f"kernel k(x: in {name}, y: out f32) {{ y = x; }}")
    x = codes.view(FLOATS.get(name, torch.float8_e8m0fnu))
    run(swage, kernel, [x, wide])
    exact = (torch.where(codes == 255, torch.nan, torch.exp2(codes.double() - 127)).float()
             if name == "e8m0" else x.float())
    wrong = int(((wide != exact) & ~(wide.isnan() & exact.isnan())).sum())
    print(f"{name:11} to f32, 256 codes: {wrong} differ", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", dest="libswage",
                        default=os.path.join(here, "../../build/release/libswage.so"))
    options = parser.parse_args()
    swage = Swage(options.libswage, f"cuda:{torch.cuda.current_device()}")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Swage {swage.version()}")
    wrong = sum(conversion(swage, name, dtype) for name in (*FLOATS, "e8m0", "e8m0_up", "e8m0_down")
                for dtype in TYPES)
    wrong += sum(widening(swage, name) for name in (*FLOATS, "e8m0"))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
