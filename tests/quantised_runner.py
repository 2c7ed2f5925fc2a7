"""quantised_runner.py -- what the scripts of quantised kernels share: arrays of every type, kernels run on them, and
comparisons to the bit. Ends the script with 77, which CTest takes for skipped, where there is no ml_dtypes.
"""

import argparse
import ctypes
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import swage_capi  # noqa: E402
from cuda_driver import CudaDriver  # noqa: E402

try:
    import ml_dtypes
    import numpy as np
except ImportError:
    print("skipped: no ml_dtypes")
    sys.exit(77)

BYTE_FLOATS = {"f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
               "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
               "e8m0": ml_dtypes.float8_e8m0fnu}
E2M1 = ml_dtypes.float4_e2m1fn
TYPES = dict(BYTE_FLOATS, bf16=ml_dtypes.bfloat16, f16=np.float16, f32=np.float32, i32=np.int32, i8=np.int8,
             u8=np.uint8)
NAMES = {np.dtype(dtype): name for name, dtype in TYPES.items()}
LARGEST = {"f8e4m3": 448, "f8e5m2": 57344, "f8e4m3fnuz": 240, "f8e5m2fnuz": 57344}
F32 = np.float32


class Runner:
    """Kernels on arrays of NumPy, on the CPU, or on a GPU that they are copied to and from."""

    def __init__(self, library, device):
        self.swage = swage_capi.Swage(library, device)
        self.driver = None if device == "cpu" else CudaDriver(int(device.removeprefix("cuda:")))

    def __call__(self, name, arrays, bindings, source=None):
        kernel = self.swage.kernel(name, {key: value for key, value in bindings.items()}, source)
        places = [a.ctypes.data if self.driver is None else self.driver.allocate(span(a))
                  for a in arrays]
        device = swage_capi.DEVICE_CPU if self.driver is None else swage_capi.DEVICE_CUDA
        tensors = [(place, *described(a), device, 0) for place, a in zip(places, arrays)]
        try:
            if self.driver is None:
                self.swage.launch(kernel, self.swage.arguments(tensors))
            else:
                self.on_gpu(kernel, arrays, places, self.swage.arguments(tensors))
        finally:
            self.swage.destroy(kernel)

    def on_gpu(self, kernel, arrays, places, arguments):
        for place, a in zip(places, arrays):
            self.driver.write(place, ctypes.string_at(a.ctypes.data, span(a)))
        self.swage.launch(kernel, arguments, self.driver.stream)
        self.driver.synchronize()
        for place, a in zip(places, arrays):
            ctypes.memmove(a.ctypes.data, self.driver.read(place, span(a)), span(a))
            self.driver.free(place)


class Packed(np.ndarray):
    """Bytes of which each holds two of f4e2m1."""


class PackedColumns(Packed):
    """The bytes of a transposed tensor: each holds two neighbours of a column, which follow one another."""


def described(array):
    """The name of its type, its shape and its strides, in elements."""
    if isinstance(array, PackedColumns):
        columns, pairs = array.shape
        return "f4e2m1", (2 * pairs, columns), [1, 2 * pairs]
    if isinstance(array, Packed):
        return ("f4e2m1", (*array.shape[:-1], 2 * array.shape[-1]),
                [2 * stride for stride in array.strides[:-1]] + [1])
    return NAMES[array.dtype], array.shape, [stride // array.itemsize for stride in array.strides]


def packed(*shape):
    """Space for so many elements of f4e2m1."""
    return np.empty((*shape[:-1], shape[-1] // 2), np.uint8).view(Packed)


def span(array):
    """Bytes from the first element to the end of the last."""
    return array.itemsize + sum((n - 1) * stride for n, stride in zip(array.shape, array.strides))


def codes(array):
    return array.view(np.uint8)


def same(a, b):
    """Equal, NaN for NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return (a == b) | (np.isnan(a.astype(F32)) & np.isnan(b.astype(F32)))


def check(condition, what):
    if not condition:
        print("FAILED:", what)
        check.failed += 1


check.failed = 0


def compare(what, got, expected):
    """Codes and scales, to the bit."""
    (q, scale), (expected_q, expected_scale) = got, expected
    ok = same(scale, expected_scale)
    check(ok.all(), f"{what}: scales {scale[~ok][:2]}, expected {expected_scale[~ok][:2]}")
    wrong = ~same(q, expected_q)
    check(not wrong.any(), f"{what}: {int(wrong.sum())} codes, first {q[wrong][:3]}, expected "
          f"{expected_q[wrong][:3]}")
    compare.total += q.size


compare.total = 0


def run_parts(doc, *parts):
    """The exit status of checks of which each part takes a Runner, on the device of the command line."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--library", dest="path", required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    options = parser.parse_args()
    run = Runner(options.path, options.device)
    for part in parts:
        part(run)
    print(f"{compare.total} codes and their scales equal to the bit; {check.failed} failed checks")
    return 1 if check.failed else 0
