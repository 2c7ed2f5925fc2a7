#!/usr/bin/env python3
"""compare_triton.py -- Swage beside Triton, torch.compile and eager PyTorch, in one process.

Swage is called through its C ABI (libswage.so and ctypes); peers are measured in the same run, each
launch captured with many others in one CUDA graph that goes round through buffer sets larger than
the cache, with fresh outputs held alive. Prints the median time of a launch and Swage's ratio to
each peer (below 1: Swage is faster).

  python3 bench/compare_triton.py --library build/release/libswage.so --json results.json
  python3 bench/compare_triton.py --accuracy         what accurate mode costs over triton mode
  python3 bench/compare_triton.py --tuners           how long each autotuner takes for one shape
  python3 bench/compare_triton.py --self-test        Swage alone on the CPU, without torch
"""

import argparse
import ctypes
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from swage_capi import DEVICE_CPU, Swage
from triton_peers import triton_kernels

COLUMNS = 14336
PEERS = ["triton", "compile", "eager", "cub"]
DEFAULT_PEERS = PEERS[:3]
MAX_SETS = 8192  # of buffers, so nodes of a graph
ROWS = [1, 16, 64, 128, 512, 2048, 8192, 16384]
KERNELS = {  # case: (catalogue kernel, tensors read and written)
    "forward": ("swiglu", 3),
    "packed": ("swiglu", 3),
    "backward": ("swiglu_backward_inplace", 6),
}


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
    found = swage.tune(kernel, args, force=True, budget=0.05, keep_private=True)
    swage.launch(kernel, args)
    worst = max(abs(h - g / (1 + math.exp(-g)) * u) for g, u, h in zip(gate, up, out))
    print(f"Swage {swage.version()}: {found.candidates} schedules tuned on the CPU, "
          f"best {found.schedule.decode()}, largest error {worst:.2g}")
    return 0 if worst < 1e-6 else 1


# --- the peers -----------------------------------------------------------------------------------


class Case:
    """Buffer sets for one kernel, shape and type."""

    def __init__(self, torch, case, rows, columns, dtype, pool_bytes):
        self.case, self.rows, self.columns, self.dtype = case, rows, columns, dtype
        torch_type = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
        size = 4 if dtype == "f32" else 2
        self.bytes = KERNELS[case][1] * rows * columns * size
        sets = max(2, min(MAX_SETS, -(-pool_bytes // (3 * rows * columns * size))))

        def random(*shape):
            return torch.randn(shape, dtype=torch_type, device="cuda")

        # One slab a tensor: thousands of small allocations would take longer than the measurement.
        if case == "packed":
            both = random(sets, rows, 2 * columns)
            inputs = [both[:, :, :columns], both[:, :, columns:]]
        else:
            inputs = [random(sets, rows, columns) for _ in range(2)]
        if case == "backward":
            self.slabs = [random(sets, rows, columns)] + inputs
        else:
            self.slabs = inputs + [torch.empty(sets, rows, columns, dtype=torch_type, device="cuda")]
        self.sets = list(zip(*(slab.unbind(0) for slab in self.slabs)))
        # Values that are updated in place drift; each replay begins with these again.
        self.pristine = [slab.clone() for slab in self.slabs] if case == "backward" else None

    def restore(self):
        if self.pristine:
            for slab, first in zip(self.slabs, self.pristine):
                slab.copy_(first)


def graph_time(torch, case, launch, replays):
    """Seconds of one launch: `launch(tensors)` on every set, in one graph, median of replays."""
    sets = case.sets
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


def swage_launcher(torch, swage, case, tune, math=None):
    kernel = swage.kernel(KERNELS[case.case][0], case.dtype, math=math)
    prepared = {tensors[0].data_ptr(): swage.torch_arguments(tensors) for tensors in case.sets}
    first = prepared[case.sets[0][0].data_ptr()]
    found = swage.tune(kernel, first) if tune else None
    swage.prepare(kernel, first)

    def launch(tensors):
        swage.launch(kernel, prepared[tensors[0].data_ptr()],
                     torch.cuda.current_stream().cuda_stream)

    # What the tuner found, to hold beside what is measured here.
    launch.tuned = found and {"schedule": found.schedule.decode(), "seconds": found.seconds,
                              "default_seconds": found.default_seconds, "spread": found.spread}
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


_cub = None


def cub_library(torch):
    """CUB's DeviceTransform, built with nvcc once a process."""
    global _cub
    if _cub is None:
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cub_peer.cu")
        if shutil.which("nvcc") is None:
            sys.exit("compare_triton.py: the peer cub is built with nvcc, which is not on the PATH; "
                     "install the CUDA toolkit or leave cub out of --peers")
        major, minor = torch.cuda.get_device_capability()
        with tempfile.TemporaryDirectory() as folder:
            library = os.path.join(folder, "libcub_peer.so")
            subprocess.run(["nvcc", "-O3", "-std=c++17", f"-arch=sm_{major}{minor}", "-shared",
                            "-Xcompiler", "-fPIC", "-o", library, source], check=True)
            _cub = ctypes.CDLL(library)
        pointer = ctypes.c_void_p
        _cub.cub_swiglu.argtypes = [ctypes.c_int, pointer, pointer, pointer, ctypes.c_int64, pointer]
    return _cub


def cub_launcher(torch, case):
    if case.case != "forward":
        return None  # it takes contiguous inputs and gives one output
    transform = cub_library(torch).cub_swiglu
    number = ["f32", "f16", "bf16"].index(case.dtype)

    def launch(tensors):
        gate, up, out = tensors
        status = transform(number, gate.data_ptr(), up.data_ptr(), out.data_ptr(), out.numel(),
                           torch.cuda.current_stream().cuda_stream)
        if status != 0:
            raise RuntimeError(f"CUB: CUDA error {status}")

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
        torch._dynamo.reset()  # past a few shapes it would run them eagerly
        function = torch.compile(function, dynamic=False)
    return lambda tensors: function(*(tensors if case.case == "backward" else tensors[:2]))


def measure(torch, case, launchers, options):
    """Per peer the times of a launch by run. The peers take turns, so that clocks that drift hit
    all alike."""
    runs = {peer: [] for peer in launchers}
    for _ in range(options.runs):
        for peer, launch in launchers.items():
            runs[peer].append(graph_time(torch, case, launch, options.replays))
    return runs


def compare(torch, swage, pool, options):
    print(f"{'case':9} {'T':5} {'rows':>6} {'columns':>8} {'swage':>10} " +
          " ".join(f"{peer:>10} {'ratio':>6}" for peer in options.peers) + f" {'GB/s':>6}")
    results = []
    for name, dtype, rows in itertools.product(options.cases, options.types, options.rows):
        case = Case(torch, name, rows, options.columns, dtype, pool)
        make = {
            "triton": lambda: triton_launcher(case),
            "compile": lambda: torch_launcher(torch, case, True),
            "eager": lambda: torch_launcher(torch, case, False),
            "cub": lambda: cub_launcher(torch, case),
        }
        launchers = {"swage": swage_launcher(torch, swage, case, not options.no_tune)}
        launchers |= {peer: launch for peer in options.peers if (launch := make[peer]())}
        runs = measure(torch, case, launchers, options)
        seconds = {peer: statistics.median(times) for peer, times in runs.items()}
        ratios = {peer: seconds["swage"] / seconds[peer] for peer in seconds}
        results.append({"case": name, "dtype": dtype, "rows": rows, "columns": options.columns,
                        "bytes": case.bytes, "sets": len(case.sets), "seconds": seconds,
                        "ratio": ratios, "runs": runs, "tuned": launchers["swage"].tuned})
        cells = " ".join(f"{1e6 * seconds[p]:>7.2f} us {ratios[p]:>6.3f}" if p in seconds
                         else f"{'-':>10} {'-':>6}" for p in options.peers)
        print(f"{name:9} {dtype:5} {rows:>6} {options.columns:>8} {1e6 * seconds['swage']:>7.2f} us "
              f"{cells} {case.bytes / seconds['swage'] / 1e9:>6.0f}", flush=True)
        del case, launchers
        torch.cuda.empty_cache()
    return results


def compare_accuracy(torch, swage, pool, options):
    results = []
    for name, dtype, rows in itertools.product(options.cases, options.types, options.rows):
        case = Case(torch, name, rows, options.columns, dtype, pool)
        launchers = {math: swage_launcher(torch, swage, case, not options.no_tune, math)
                     for math in ("accurate", "triton")}
        runs = measure(torch, case, launchers, options)
        seconds = {math: statistics.median(times) for math, times in runs.items()}
        results.append({"case": name, "dtype": dtype, "rows": rows, "columns": options.columns,
                        "seconds": seconds, "runs": runs})
        print(f"{name:9} {dtype:5} {rows:>6} {options.columns:>8} accurate mode "
              f"{1e6 * seconds['accurate']:.2f} us, triton mode {1e6 * seconds['triton']:.2f} us, "
              f"ratio {seconds['accurate'] / seconds['triton']:.4f}", flush=True)
    return results


def compare_tuners(torch, swage, pool, options):
    """Wall time of tuning one forward shape, compiling included: Swage's tuner, and Triton's over
    16 configurations. Neither draws on a cache of compiled code: see main for the driver's."""
    triton, _, _ = triton_kernels()
    del pool
    results = []
    for rows in options.rows:
        os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp()
        case = Case(torch, "forward", rows, options.columns, options.types[0], 0)
        kernel = swage.kernel("swiglu", case.dtype)
        start = time.perf_counter()
        found = swage.tune(kernel, swage.torch_arguments(case.sets[0]))
        mine = time.perf_counter() - start
        configs = [triton.Config({"BLOCK": block}, num_warps=warps)
                   for block in (512, 1024, 2048, 4096) for warps in (2, 4, 8, 16)]
        _, forward, _ = triton_kernels()  # a new one: compiled for no configuration yet
        tuned = triton.autotune(configs=configs, key=["count"])(forward)
        gate, up, out = case.sets[0]
        count = gate.numel()
        start = time.perf_counter()
        tuned[lambda meta: (triton.cdiv(count, meta["BLOCK"]),)](
            gate, up, out, case.columns, gate.stride(0), count, PACKED=False)
        torch.cuda.synchronize()
        theirs = time.perf_counter() - start
        results.append({"rows": rows, "columns": options.columns, "swage_seconds": mine,
                        "swage_candidates": found.candidates, "triton_seconds": theirs,
                        "triton_candidates": len(configs)})
        print(f"{rows:>6}x{options.columns}: Swage tunes {found.candidates} schedules in {mine:.2f} s, "
              f"Triton {len(configs)} configurations in {theirs:.2f} s", flush=True)
    return results


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--library", default=os.path.join(here, "../build/release/libswage.so"),
                        help="libswage.so to load")
    parser.add_argument("--cases", nargs="+", choices=list(KERNELS), default=list(KERNELS))
    parser.add_argument("--types", nargs="+", choices=["f32", "f16", "bf16"], default=["bf16"])
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--runs", type=int, default=3, help="runs, in which the peers take turns")
    parser.add_argument("--replays", type=int, default=11, help="of the graph, a run")
    parser.add_argument("--no-tune", action="store_true", help="launch Swage by its heuristic")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=DEFAULT_PEERS,
                        help="cub is built with nvcc, and measured forward alone")
    parser.add_argument("--json", metavar="FILE", help="write every number to a file")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--accuracy", action="store_true",
                      help="Swage's accurate mode beside its triton mode, in place of the peers")
    mode.add_argument("--tuners", action="store_true",
                      help="the time to tune of Swage and of Triton, in place of the time to run")
    mode.add_argument("--self-test", action="store_true",
                      help="test the calls of the C ABI on the CPU; needs no torch")
    options = parser.parse_args()
    if options.self_test:
        return self_test(options.library)
    if options.tuners:
        if options.cases != list(KERNELS) or len(options.types) > 1:
            parser.error("--tuners tunes the forward case of one type; leave --cases out")
        os.environ["CUDA_CACHE_DISABLE"] = "1"  # the driver's own cache of assembled PTX
        os.environ["SWAGE_CACHE_DIR"] = ""

    import torch

    if not torch.cuda.is_available():
        sys.exit("compare_triton.py: PyTorch sees no CUDA device; use --self-test without one")
    swage = Swage(options.library, f"cuda:{torch.cuda.current_device()}")
    pool = 10 * torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Swage {swage.version()}")
    run = compare_accuracy if options.accuracy else compare_tuners if options.tuners else compare
    results = run(torch, swage, pool, options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__,
                       "swage": swage.version(), "results": results}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
