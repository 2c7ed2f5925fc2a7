#!/usr/bin/env python3
"""seeds.py FOLDER -- writes a seed corpus for every fuzz target, made from the kernels and the tests."""
import ast
import json
import pathlib
import re
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LITERALS = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+')
RAW = re.compile(r'R"\((.*?)\)"', re.S)


def literals(path):
    """The string literals of a C++ file, neighbours joined as the compiler does."""
    text = path.read_text()
    for raw in RAW.findall(text):
        yield raw
    for match in LITERALS.finditer(RAW.sub("", text)):
        try:
            yield "".join(ast.literal_eval(part)
                          for part in re.findall(r'"(?:[^"\\\n]|\\.)*"', match[0]))
        except (SyntaxError, ValueError):
            pass  # an escape that Python does not have


def of_parse():
    for path in sorted((ROOT / "kernels").glob("*.swg")):
        yield path.read_bytes()
    for path in sorted((ROOT / "tests" / "ir").glob("*.cpp")):
        for text in literals(path):
            if "kernel" in text and "{" in text:
                yield text.encode(errors="surrogatepass")


def of_safetensors():
    yield (ROOT / "tests/fixtures/pytorch.safetensors").read_bytes()
    for text in literals(ROOT / "tests/cli/safetensors_test.cpp"):
        if text.startswith("{"):
            yield text.encode(errors="surrogatepass")
    for kind, size in (("F32", 4), ("BF16", 2), ("F8_E4M3", 1)):
        header = {"__metadata__": {"format": "pt"},
                  "a": {"dtype": kind, "shape": [2, 3], "data_offsets": [0, 6 * size]},
                  "b": {"dtype": kind, "shape": [], "data_offsets": [6 * size, 7 * size]}}
        yield json.dumps(header).encode() + bytes(7 * size)


def string(value):
    return struct.pack("<Q", len(value)) + value


def of_cache_entry():
    key = [b"swage 0.1.0 llvm 22", b"kernel k(x: in f32, y: out f32) { y = x; }",
           b"flat i32 exact x=unit@16 y=unit@16", b"threads=256 bytes=16", b"cuda sm_90 ptx78", b""]
    for flags, sections in ((0, [b"", b"", b"\x7fELF"]), (1, [b".version 7.8", b"\x7fELF", b""])):
        yield (b"".join(map(string, key)) + string(b"k") + string(b"k_entry") + bytes([flags])
               + struct.pack("<QQ", 1700000000, 1234) + b"".join(map(string, sections)))


def of_kernel_image():
    kernel = string(b"k") + string(b"kernel k(x: in f32, y: out f32) { y = x; }")
    variant = string(b"flat i32 x=unit@16 y=unit@16") + string(b"threads=256")
    for target, flags, sections in ((b"sm_90", 3, [b".version 7.8", b"\x7fELF", b""]),
                                    (b"x86-64-v3", 0, [b"", b"", b"\x7fELF"])):
        code = string(target) + string(b"swage_k") + bytes([flags]) + b"".join(map(string, sections))
        yield (struct.pack("<I", 1) + kernel + struct.pack("<I", 1) + code
               + struct.pack("<III", 1, 0, 0) + bytes([0, 40]) + variant)


def of_tuning_record():
    record = {"kernel": "0123456789abcdef" * 2, "name": "swiglu", "device": "NVIDIA H200",
              "target": "cuda sm_90 ptx78", "units": 132, "driver": 13000,
              "specialization": "flat i32 exact", "size_class": 25, "rows": 1,
              "columns": 33554432, "schedule": "threads=256 bytes=16 accesses=1",
              "seconds": 4.2e-5, "spread": 0.01, "default_schedule": "threads=128 bytes=16",
              "default_seconds": 4.4e-05, "bytes": 201326592, "roofline": 4.2e12,
              "candidates": 24, "created": 1700000000, "swage": "0.1.0"}
    yield json.dumps(record).encode()
    yield json.dumps(dict(record, seconds=-1, kernel="x")).encode()


def main():
    for name, make in (("parse", of_parse), ("safetensors", of_safetensors),
                       ("cache_entry", of_cache_entry), ("kernel_image", of_kernel_image),
                       ("tuning_record", of_tuning_record)):
        folder = pathlib.Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        seeds = sorted(set(make()))
        for number, seed in enumerate(seeds):
            (folder / f"seed{number:04}").write_bytes(seed)
        print(f"{name}: {len(seeds)} seeds")


main()
