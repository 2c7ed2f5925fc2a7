#!/usr/bin/env python3
"""compare_triton.py -- Swage beside Triton, torch.compile, eager PyTorch and CUB, in one process.

Swage is called through its C ABI (libswage.so and ctypes); peers are measured in the same run, each
launch captured with many others in one CUDA graph that goes round through buffer sets with an output
of their own each. Cold, the sets are ten times the L2 cache; warm (--warm), as many as fit a quarter of it,
so that a launch finds its inputs there, as it does behind the matrix product that wrote them; shapes of
which two sets do not fit are measured cold alone. Each run has fresh buffers, and the peers take turns
in an order drawn anew. Prints the time of a launch (median of the runs) and Swage's ratio to each
peer (median of the ratios of the runs; below 1: Swage is faster), then which bounds hold.

  python3 bench/compare_triton.py --library build/release/libswage.so --json results.json
  python3 bench/compare_triton.py --warm --peers triton compile cub cub-copyable --cccl ~/cccl
  python3 bench/compare_triton.py --cases rms_norm softmax --columns 4096 --peers compile liger
  python3 bench/compare_triton.py --accuracy         what accurate mode costs over triton mode
  python3 bench/compare_triton.py --tuners           how long each autotuner takes for one shape
  python3 bench/compare_triton.py --self-test        Swage alone on the CPU, without torch

Exit status 1 if a bound does not hold. Values that are updated in place go to zero in the hundreds of
launches of a warm graph, for all peers alike.
"""

import argparse
import collections
import itertools
import json
import os
import random as random_module
import statistics
import sys
import tempfile
import time

from measuring import ELEMENT_KINDS, KINDS, ROW_KINDS, in_turns, is_col, paired_ratio, warm_sets
from peers import Cub, SwagePeer, torch_peer, triton_peer
from row_peers import liger_peer
from swage_capi import DEVICE_CPU, DLPACK_CODE, Swage
from triton_peers import triton_kernels

COLUMNS = 14336
PEERS = ["triton", "compile", "eager", "cub", "cub-copyable", "liger"]
DEFAULT_PEERS = PEERS[:3]
MAX_SETS = 8192  # of buffers, so nodes of a graph
MIN_LAUNCHES, WARM_LAUNCHES = 8, 1024  # in a graph
SLEEP_CYCLES = 1_000_000  # of the GPU, so that the host has issued what is timed before it begins
ROWS = [1, 16, 64, 128, 512, 2048, 8192, 16384]
# Of the best peer's time. Launches of few rows gain from dependent launch; no other may lose more than
# the noise.
BOUNDS = {1: 0.70, 16: 0.70, 64: 0.88, 128: 0.92, 512: 0.985}
BOUND = 1.003


# Kernels along the row.
ROW_BOUND, FEW_ROWS_BOUND, FEW_ROWS = 1.01, 0.9, 1024


def bound_of(case, rows, columns):
    if case in ROW_KINDS:
        return FEW_ROWS_BOUND if rows < FEW_ROWS else ROW_BOUND
    few = BOUNDS if case == "forward" and columns == COLUMNS else {}
    return few.get(rows, BOUND)


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


# --- measuring -----------------------------------------------------------------------------------


class BufferSets:
    """Buffer sets for one kernel, shape and type."""

    def __init__(self, torch, case, rows, columns, dtype, count):
        torch_type = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]

        def random(*shape):
            return torch.randn(shape, dtype=torch_type, device="cuda")

        # One slab a tensor: thousands of small allocations would take longer than the measurement.
        kind, slabs = KINDS[case], []
        packed = random(count, rows, 2 * columns) if kind.packed else None
        for i, role in enumerate(kind.tensors):
            if i in kind.packed:
                half = kind.packed.index(i)
                slabs.append(packed[:, :, half * columns:(half + 1) * columns])
            elif is_col(role):
                slabs.append(random(count, columns))
            else:
                slabs.append(random(count, rows, columns))
        self.slabs = slabs
        self.sets = list(zip(*(slab.unbind(0) for slab in slabs)))
        # Values that are updated in place drift; each replay begins with these again.
        self.pristine = [slab.clone() for slab in slabs] if kind.in_place else None

    def restore(self):
        if self.pristine:
            for slab, first in zip(self.slabs, self.pristine):
                slab.copy_(first)


def bytes_of_set(case, rows, columns, dtype):
    return KINDS[case].whole * rows * columns * DLPACK_CODE[dtype][1] // 8


def capture(torch, peer, sets, launches):
    """A graph of `launches` launches of `peer`, round through the buffer sets, and what they gave:
    outputs are kept for one round, so that every peer has as many."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for tensors in sets[:3]:
            peer(tensors)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    held = collections.deque(maxlen=len(sets))
    with torch.cuda.graph(graph, stream=stream):
        for tensors in itertools.islice(itertools.cycle(sets), launches):
            held.append(peer(tensors))
    return graph, held


class Cell:
    """One kernel, shape and type, with the peers that are measured there."""

    def __init__(self, torch, options, case, rows, dtype):
        self.torch, self.options = torch, options
        self.case, self.rows, self.columns, self.dtype = case, rows, options.columns, dtype
        self.cache_bytes = torch.cuda.get_device_properties(
            torch.cuda.current_device()).L2_cache_size
        self.set_bytes = bytes_of_set(case, rows, options.columns, dtype)
        self.random = random_module.Random(0)

    def sets(self, warm):
        if warm:
            return warm_sets(self.cache_bytes, self.set_bytes)
        return max(2, min(MAX_SETS, -(-10 * self.cache_bytes // self.set_bytes)))

    def buffers(self, count):
        return BufferSets(self.torch, self.case, self.rows, self.columns, self.dtype, count)

    def run(self, peers, warm):
        """Per peer the median time of a launch, on fresh buffers."""
        torch, count = self.torch, self.sets(warm)
        launches = WARM_LAUNCHES if warm else max(count, MIN_LAUNCHES)
        buffers = self.buffers(count)
        for peer in peers.values():
            if isinstance(peer, SwagePeer):
                peer.use(buffers.sets)
        order = self.random.sample(list(peers), len(peers))
        graphs = {name: capture(torch, peers[name], buffers.sets, launches) for name in order}

        def sample(name):
            graph, _ = graphs[name]
            buffers.restore()
            if warm:
                graph.replay()
            torch.cuda._sleep(SLEEP_CYCLES)
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            graph.replay()
            end.record()
            end.synchronize()
            return 1e-3 * begin.elapsed_time(end) / launches

        in_turns(graphs, 1, sample, self.random)  # the first replay of a graph uploads it
        return buffers, in_turns(graphs, self.options.replays, sample, self.random)

    def measure(self, peers, warm=False):
        """Per peer its times by run, its median time, and Swage's ratio to it. `peers` begins with
        the one that is held beside the others."""
        times, kept = {name: [] for name in peers}, collections.deque(maxlen=2)
        for _ in range(self.options.runs):
            buffers, seconds = self.run(peers, warm)
            kept.append(buffers)  # so that the next ones lie elsewhere
            for name, value in seconds.items():
                times[name].append(value)
        mine = times[next(iter(peers))]
        return {"case": self.case, "dtype": self.dtype, "rows": self.rows, "columns": self.columns,
                "warm": warm, "sets": self.sets(warm), "runs": times,
                "bytes": KINDS[self.case].moved * self.set_bytes // KINDS[self.case].whole,
                "seconds": {name: statistics.median(times[name]) for name in times},
                "ratio": {name: paired_ratio(mine, others) for name, others in times.items()}}


def cells(torch, options):
    for case, dtype, rows in itertools.product(options.cases, options.types, options.rows):
        yield Cell(torch, options, case, rows, dtype)
        torch.cuda.empty_cache()


# --- what is measured ----------------------------------------------------------------------------


def peers_of(torch, swage, cell, options):
    case, dtype = cell.case, cell.dtype
    make = {
        "triton": lambda: triton_peer(case, cell.rows, cell.columns),
        "compile": lambda: torch_peer(torch, case, True),
        "eager": lambda: torch_peer(torch, case, False),
        "cub": lambda: options.cub.peer(dtype, False),
        "cub-copyable": lambda: options.cub.peer(dtype, True),
        "liger": lambda: liger_peer(case),
    }

    def has(name):
        if name.startswith("cub"):  # takes contiguous inputs and gives one output
            return case == "forward"
        return name in ("compile", "eager") or (name == "liger") == (case in ROW_KINDS)

    names = [name for name in options.peers if has(name)]
    return ({"swage": SwagePeer(torch, swage, case, dtype, not options.no_tune)} |
            {name: make[name]() for name in names})


def judge(result):
    """The best peer and the bound, into the result."""
    others = {name: ratio for name, ratio in result["ratio"].items() if name != "swage"}
    if not others:
        return
    best = max(others, key=others.get)
    bound = bound_of(result["case"], result["rows"], result["columns"])
    result |= {"best": best, "bound": bound, "holds": others[best] <= bound}


def table_row(result, options):
    seconds, ratios = result["seconds"], result["ratio"]
    row = " ".join(f"{1e6 * seconds[p]:>8.2f} us {ratios[p]:>6.3f}" if p in seconds
                   else f"{'-':>11} {'-':>6}" for p in options.peers)
    verdict = ""
    if "best" in result:
        verdict = (f" {ratios[result['best']]:>6.3f} {result['bound']:>6.3f} "
                   f"{'' if result['holds'] else 'no'}")
    return (f"{result['case']:9} {result['dtype']:5} {result['rows']:>6} {result['columns']:>8} "
            f"{'warm' if result['warm'] else 'cold':5} {1e6 * seconds['swage']:>8.2f} us {row} "
            f"{result['bytes'] / seconds['swage'] / 1e9:>6.0f}{verdict}")


def compare(torch, swage, options):
    if any(name.startswith("cub") for name in options.peers) and "forward" in options.cases:
        options.cub = Cub(torch, options.cccl)
        print(f"CUB of CCCL {options.cub.version()}")
    print(f"{'case':9} {'T':5} {'rows':>6} {'columns':>8} {'L2':5} {'swage':>11} " +
          " ".join(f"{peer:>11} {'ratio':>6}" for peer in options.peers) +
          f" {'GB/s':>6} {'best':>6} {'bound':>6} holds")
    results = []
    for cell in cells(torch, options):
        peers = peers_of(torch, swage, cell, options)
        for warm in [False, True] if options.warm and cell.sets(True) else [False]:
            result = cell.measure(peers, warm) | {"tuned": peers["swage"].tuned}
            judge(result)
            results.append(result)
            print(table_row(result, options), flush=True)
    judged = [result for result in results if "best" in result]
    broken = [result for result in judged if not result["holds"]]
    print(f"bounds on the ratio to the best peer: {len(judged) - len(broken)} of {len(judged)} hold")
    for result in broken:
        print(f"  {result['case']} {result['dtype']} {result['rows']}x{result['columns']} "
              f"{'warm' if result['warm'] else 'cold'}: {result['ratio'][result['best']]:.4f} of "
              f"{result['best']}, at most {result['bound']} was expected")
    return results


def compare_accuracy(torch, swage, options):
    results = []
    for cell in cells(torch, options):
        result = cell.measure({math: SwagePeer(torch, swage, cell.case, cell.dtype,
                                               not options.no_tune, math)
                               for math in ("accurate", "triton")})
        results.append(result)
        seconds = result["seconds"]
        print(f"{cell.case:9} {cell.dtype:5} {cell.rows:>6} {cell.columns:>8} accurate mode "
              f"{1e6 * seconds['accurate']:.2f} us, triton mode {1e6 * seconds['triton']:.2f} us, "
              f"ratio {result['ratio']['triton']:.4f}", flush=True)
    return results


def compare_tuners(torch, swage, options):
    """Wall time of tuning one forward shape, compiling included: Swage's tuner, and Triton's over
    16 configurations. Neither draws on a cache of compiled code: see main for the driver's."""
    triton, _, _ = triton_kernels()
    results = []
    for rows in options.rows:
        os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp()
        cell = Cell(torch, options, "forward", rows, options.types[0])
        gate, up, out = cell.buffers(1).sets[0]
        kernel = swage.kernel("swiglu", cell.dtype)
        start = time.perf_counter()
        found = swage.tune(kernel, swage.torch_arguments((gate, up, out)))
        mine = time.perf_counter() - start
        configs = [triton.Config({"BLOCK": block}, num_warps=warps)
                   for block in (512, 1024, 2048, 4096) for warps in (2, 4, 8, 16)]
        _, forward, _ = triton_kernels()  # a new one: compiled for no configuration yet
        tuned = triton.autotune(configs=configs, key=["count"])(forward)
        count = gate.numel()
        start = time.perf_counter()
        tuned[lambda meta: (triton.cdiv(count, meta["BLOCK"]),)](
            gate, up, out, cell.columns, gate.stride(0), count, PACKED=False)
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
    parser.add_argument("--library", dest="libswage",
                        default=os.path.join(here, "../build/release/libswage.so"),
                        help="libswage.so to load")
    parser.add_argument("--cases", nargs="+", choices=list(KINDS), default=list(ELEMENT_KINDS))
    parser.add_argument("--types", nargs="+", choices=["f32", "f16", "bf16"], default=["bf16"])
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--runs", type=int, default=3,
                        help="each with fresh buffers; the median of their ratios counts")
    parser.add_argument("--replays", type=int, default=11, help="of each graph, a run")
    parser.add_argument("--no-tune", action="store_true", help="launch Swage by its default schedule")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=DEFAULT_PEERS,
                        help="CUB is built with nvcc, and measured forward alone; cub-copyable with "
                        "cuda::proclaim_copyable_arguments; liger is the package liger_kernel, for "
                        "kernels along the row, where triton is left out")
    parser.add_argument("--cccl", metavar="PATH", help="headers of CCCL to build CUB with, a folder "
                        "that has cub/ in it or the repository, in place of the toolkit's")
    parser.add_argument("--warm", action="store_true",
                        help="also with inputs in the L2 cache, where two buffer sets fit a quarter of it")
    parser.add_argument("--json", metavar="FILE", help="write every number to a file")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--accuracy", action="store_true",
                      help="Swage's accurate mode beside its triton mode, in place of the peers")
    mode.add_argument("--tuners", action="store_true",
                      help="the time to tune of Swage and of Triton, in place of the time to run")
    mode.add_argument("--self-test", action="store_true",
                      help="test the calls of the C ABI on the CPU; needs no torch")
    options = parser.parse_args()
    options.cub = None  # built if it is asked for
    if options.self_test:
        return self_test(options.libswage)
    if options.tuners:
        if options.cases != list(ELEMENT_KINDS) or len(options.types) > 1:
            parser.error("--tuners tunes the forward case of one type; leave --cases out")
        os.environ["CUDA_CACHE_DISABLE"] = "1"  # the driver's own cache of assembled PTX
        os.environ["SWAGE_CACHE_DIR"] = ""

    import torch

    if not torch.cuda.is_available():
        sys.exit("compare_triton.py: PyTorch sees no CUDA device; use --self-test without one")
    swage = Swage(options.libswage, f"cuda:{torch.cuda.current_device()}")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Swage {swage.version()}")
    run = compare_accuracy if options.accuracy else compare_tuners if options.tuners else compare
    results = run(torch, swage, options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__,
                       "swage": swage.version(), "cccl": options.cub and options.cub.version(),
                       "results": results}, file,
                      indent=1)
    return 0 if all(result.get("holds", True) for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
