#!/usr/bin/env python3
"""compare_triton.py -- Swage beside Triton, torch.compile and eager PyTorch, in one process.

Swage is called through its C ABI (libswage.so and ctypes); peers are measured in the same run, each
launch captured with many others in one CUDA graph that goes round through buffer sets larger than
the cache, with fresh outputs held alive. Prints the median time of a launch and Swage's ratio to
each peer (below 1: Swage is faster).

  python3 bench/compare_triton.py --library build/release/libswage.so --json results.json
  python3 bench/compare_triton.py --self-test        Swage alone on the CPU, without torch
"""

import argparse
import ctypes
import json
import os
import statistics
import sys

COLUMNS = 14336
ROWS = [1, 16, 64, 128, 512, 2048, 8192, 16384]
KERNELS = {  # case: (catalogue kernel, tensors read and written)
    "forward": ("swiglu", 3),
    "packed": ("swiglu", 3),
    "backward": ("swiglu_backward_inplace", 6),
}


# --- Swage through its C ABI ---------------------------------------------------------------------


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class ArgValue(ctypes.Union):
    _fields_ = [
        ("tensor", ctypes.POINTER(DLTensor)),
        ("real", ctypes.c_double),
        ("integer", ctypes.c_int64),
    ]


class Arg(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("value", ArgValue)]


class TuneOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("budget_seconds", ctypes.c_double),
        ("force", ctypes.c_int32),
        ("keep_private", ctypes.c_int32),
    ]


class TuneResult(ctypes.Structure):
    _fields_ = [
        ("schedule", ctypes.c_char * 256),
        ("default_schedule", ctypes.c_char * 256),
        ("seconds", ctypes.c_double),
        ("default_seconds", ctypes.c_double),
        ("spread", ctypes.c_double),
        ("bytes", ctypes.c_int64),
        ("bytes_per_second", ctypes.c_double),
        ("candidates", ctypes.c_int32),
        ("improved", ctypes.c_int32),
    ]


DLPACK_CODE = {"f32": (2, 32), "f16": (2, 16), "bf16": (4, 16)}
DEVICE_CPU, DEVICE_CUDA = 1, 2


class Swage:
    def __init__(self, path, device):
        self.lib = ctypes.CDLL(path)
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        signatures = {
            "swage_device_open": [text, ctypes.POINTER(pointer)],
            "swage_kernel_from_catalogue": [pointer, text, ctypes.POINTER(text), ctypes.c_size_t,
                                            pointer, ctypes.POINTER(pointer)],
            "swage_kernel_launch": [pointer, pointer, ctypes.POINTER(Arg), ctypes.c_size_t],
            "swage_kernel_prepare": [pointer, ctypes.POINTER(Arg), ctypes.c_size_t],
            "swage_kernel_tune": [pointer, ctypes.POINTER(Arg), ctypes.c_size_t,
                                  ctypes.POINTER(TuneOptions), ctypes.POINTER(TuneResult)],
        }
        for name, arguments in signatures.items():
            function = getattr(self.lib, name)
            function.argtypes, function.restype = arguments, ctypes.c_int
        self.lib.swage_last_error.restype = text
        self.lib.swage_version.restype = text
        self.device = pointer()
        self.check(self.lib.swage_device_open(device.encode(), ctypes.byref(self.device)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.lib.swage_last_error().decode())

    def version(self):
        return self.lib.swage_version().decode()

    def kernel(self, name, dtype):
        handle = ctypes.c_void_p()
        bindings = (ctypes.c_char_p * 1)(f"T={dtype}".encode())
        self.check(self.lib.swage_kernel_from_catalogue(
            self.device, name.encode(), bindings, 1, None, ctypes.byref(handle)))
        return handle

    def arguments(self, tensors):
        """`tensors`: (address, dtype, shape, strides in elements, device type, device index)."""
        args = (Arg * len(tensors))()
        keep = []
        for i, (address, dtype, shape, strides, kind, index) in enumerate(tensors):
            code, bits = DLPACK_CODE[dtype]
            sizes = (ctypes.c_int64 * len(shape))(*shape)
            steps = (ctypes.c_int64 * len(shape))(*strides)
            tensor = DLTensor(address, kind, index, len(shape), code, bits, 1, sizes, steps, 0)
            args[i].kind = 0
            args[i].value.tensor = ctypes.pointer(tensor)
            keep += [sizes, steps, tensor]
        args.keep = keep
        return args

    def launch(self, kernel, args, stream=None):
        self.check(self.lib.swage_kernel_launch(kernel, stream, args, len(args)))

    def prepare(self, kernel, args):
        self.check(self.lib.swage_kernel_prepare(kernel, args, len(args)))

    def tune(self, kernel, args, force=False, budget=0.0):
        options = TuneOptions(ctypes.sizeof(TuneOptions), budget, int(force), 0)
        result = TuneResult()
        self.check(self.lib.swage_kernel_tune(kernel, args, len(args), ctypes.byref(options),
                                              ctypes.byref(result)))
        return result


def self_test(path):
    """Launches and tunes on the CPU and compares with the formula."""
    import array
    import math

    swage = Swage(path, "cpu")
    rows, columns = 3, 100
    count = rows * columns
    gate = array.array("f", [(i % 17 - 8) / 4 for i in range(count)])
    up = array.array("f", [(i % 13 - 6) / 3 for i in range(count)])
    out = array.array("f", [0.0] * count)
    tensors = [(a.buffer_info()[0], "f32", (rows, columns), (columns, 1), DEVICE_CPU, 0)
               for a in (gate, up, out)]
    args = swage.arguments(tensors)
    kernel = swage.kernel("swiglu", "f32")
    found = swage.tune(kernel, args, force=True, budget=0.05)
    swage.launch(kernel, args)
    worst = max(abs(h - g / (1 + math.exp(-g)) * u) for g, u, h in zip(gate, up, out))
    print(f"Swage {swage.version()}: {found.candidates} schedules tuned on the CPU, "
          f"best {found.schedule.decode()}, largest error {worst:.2g}")
    return 0 if worst < 1e-6 else 1


# --- the peers -----------------------------------------------------------------------------------


def triton_kernels():
    """The usual shape: 1024 elements a block, 4 warps, silu rounded to the storage type."""
    import triton
    import triton.language as tl

    @triton.jit
    def forward(gate_ptr, up_ptr, out_ptr, columns, gate_stride, count, PACKED: tl.constexpr,
                BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        mask = at < count
        source = at
        if PACKED:
            source = at // columns * gate_stride + at % columns
        gate = tl.load(gate_ptr + source, mask=mask, other=0).to(tl.float32)
        up = tl.load(up_ptr + source, mask=mask, other=0)
        silu = (gate * tl.sigmoid(gate)).to(up.dtype)
        tl.store(out_ptr + at, silu * up, mask=mask)

    @triton.jit
    def backward(dw_ptr, gate_ptr, up_ptr, count, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        mask = at < count
        dw = tl.load(dw_ptr + at, mask=mask, other=0)
        gate = tl.load(gate_ptr + at, mask=mask, other=0).to(tl.float32)
        up = tl.load(up_ptr + at, mask=mask, other=0)
        s = tl.sigmoid(gate)
        f = (s * gate).to(dw.dtype)
        dg = (dw * up).to(tl.float32)
        tl.store(dw_ptr + at, f * up, mask=mask)
        tl.store(gate_ptr + at, dw * f, mask=mask)
        tl.store(up_ptr + at, (dg * s * (1 + gate * (1 - s))).to(dw.dtype), mask=mask)

    return triton, forward, backward


class Case:
    """Buffer sets for one kernel, shape and type."""

    def __init__(self, torch, case, rows, columns, dtype, pool_bytes):
        self.case, self.rows, self.columns, self.dtype = case, rows, columns, dtype
        torch_type = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
        size = 4 if dtype == "f32" else 2
        self.bytes = KERNELS[case][1] * rows * columns * size
        sets = max(2, min(1024, -(-pool_bytes // (3 * rows * columns * size))))

        def random(*shape):
            return torch.randn(shape, dtype=torch.float32, device="cuda").to(torch_type)

        self.sets = []
        for _ in range(sets):
            if case == "packed":
                both = random(rows, 2 * columns)
                self.sets.append((both[:, :columns], both[:, columns:],
                                  torch.empty(rows, columns, dtype=torch_type, device="cuda")))
            elif case == "forward":
                self.sets.append((random(rows, columns), random(rows, columns),
                                  torch.empty(rows, columns, dtype=torch_type, device="cuda")))
            else:
                self.sets.append(tuple(random(rows, columns) for _ in range(3)))
        # Values that are updated in place drift; each replay begins with these again.
        self.pristine = [[t.clone() for t in s] for s in self.sets] if case == "backward" else None

    def restore(self):
        if self.pristine:
            for tensors, first in zip(self.sets, self.pristine):
                for tensor, value in zip(tensors, first):
                    tensor.copy_(value)


def graph_time(torch, case, launch, replays):
    """Seconds of one launch: `launch(tensors)` on every set, in one graph, median of replays."""
    sets = case.sets
    while len(sets) * case.bytes < 1 << 20 and len(sets) < 4096:
        sets = sets + sets
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for tensors in sets[:3]:
            launch(tensors)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    held = []
    with torch.cuda.graph(graph, stream=stream):
        for tensors in sets:
            held.append(launch(tensors))
    graph.replay()
    times = []
    for _ in range(replays):
        case.restore()
        torch.cuda.synchronize()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(1e-3 * begin.elapsed_time(end) / len(sets))
    return statistics.median(times)


def swage_launcher(torch, swage, case, tune):
    kernel = swage.kernel(KERNELS[case.case][0], case.dtype)
    prepared = {}
    for tensors in case.sets:
        prepared[tensors[0].data_ptr()] = swage.arguments(
            [(t.data_ptr(), case.dtype, tuple(t.shape), tuple(t.stride()), DEVICE_CUDA,
              t.device.index) for t in tensors])
    first = prepared[case.sets[0][0].data_ptr()]
    if tune:
        swage.tune(kernel, first)
    swage.prepare(kernel, first)

    def launch(tensors):
        swage.launch(kernel, prepared[tensors[0].data_ptr()],
                     torch.cuda.current_stream().cuda_stream)

    return launch


def triton_launcher(case):
    triton, forward, backward = triton_kernels()
    count = case.rows * case.columns
    grid = (triton.cdiv(count, 1024),)

    def launch(tensors):
        if case.case == "backward":
            backward[grid](*tensors, count, BLOCK=1024, num_warps=4)
        else:
            forward[grid](*tensors, case.columns, tensors[0].stride(0), count,
                          PACKED=case.case == "packed", BLOCK=1024, num_warps=4)

    return launch


def eager_functions(torch):
    silu = torch.nn.functional.silu

    def forward(gate, up):
        return silu(gate) * up

    def backward(dw, gate, up):
        s = torch.sigmoid(gate.float())
        f = (s * gate).to(dw.dtype)
        dg = (dw * up).float()
        return f * up, dw * f, (dg * s * (1 + gate * (1 - s))).to(dw.dtype)

    return forward, backward


def torch_launcher(torch, case, compiled):
    forward, backward = eager_functions(torch)
    function = backward if case.case == "backward" else forward
    if compiled:
        function = torch.compile(function, dynamic=False)
    return lambda tensors: function(*(tensors if case.case == "backward" else tensors[:2]))


def compare(options):
    import torch

    if not torch.cuda.is_available():
        sys.exit("compare_triton.py: PyTorch sees no CUDA device; use --self-test without one")
    swage = Swage(options.library, f"cuda:{torch.cuda.current_device()}")
    pool = 10 * torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size
    results = []
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Swage {swage.version()}")
    print(f"{'case':9} {'T':5} {'rows':>6} {'columns':>8} {'swage':>10} {'triton':>10} {'ratio':>6} "
          f"{'compile':>10} {'ratio':>6} {'eager':>10} {'ratio':>6} {'GB/s':>6}")
    for name in options.cases:
        for dtype in options.types:
            for rows in options.rows:
                case = Case(torch, name, rows, options.columns, dtype, pool)
                peers = {
                    "swage": lambda: swage_launcher(torch, swage, case, not options.no_tune),
                    "triton": lambda: triton_launcher(case),
                    "compile": lambda: torch_launcher(torch, case, True),
                    "eager": lambda: torch_launcher(torch, case, False),
                }
                launchers = {peer: make() for peer, make in peers.items()}
                runs = {peer: [] for peer in launchers}
                for _ in range(options.runs):  # in turns, so that clocks that drift hit all alike
                    for peer, launch in launchers.items():
                        runs[peer].append(graph_time(torch, case, launch, options.replays))
                seconds = {peer: statistics.median(times) for peer, times in runs.items()}
                ratios = {peer: seconds["swage"] / seconds[peer] for peer in seconds}
                results.append({"case": name, "dtype": dtype, "rows": rows,
                                "columns": options.columns, "bytes": case.bytes,
                                "seconds": seconds, "ratio": ratios, "runs": runs})
                cells = " ".join(f"{1e6 * seconds[p]:>7.2f} us {ratios[p]:>6.3f}"
                                 for p in ("triton", "compile", "eager"))
                print(f"{name:9} {dtype:5} {rows:>6} {options.columns:>8} "
                      f"{1e6 * seconds['swage']:>7.2f} us {cells} "
                      f"{case.bytes / seconds['swage'] / 1e9:>6.0f}", flush=True)
                del case, launchers
                torch.cuda.empty_cache()
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__,
                       "swage": swage.version(), "results": results}, file, indent=1)
    return 0


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--library", default=os.path.join(here, "../build/release/libswage.so"),
                        help="libswage.so to load")
    parser.add_argument("--cases", nargs="+", choices=list(KERNELS), default=list(KERNELS))
    parser.add_argument("--types", nargs="+", choices=list(DLPACK_CODE), default=["bf16"])
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--runs", type=int, default=3, help="runs, in which the peers take turns")
    parser.add_argument("--replays", type=int, default=11, help="of the graph, a run")
    parser.add_argument("--no-tune", action="store_true", help="launch Swage by its heuristic")
    parser.add_argument("--json", metavar="FILE", help="write every number to a file")
    parser.add_argument("--self-test", action="store_true",
                        help="test the calls of the C ABI on the CPU; needs no torch")
    options = parser.parse_args()
    if options.self_test:
        return self_test(options.library)
    return compare(options)


if __name__ == "__main__":
    sys.exit(main())
