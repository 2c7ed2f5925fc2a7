#!/usr/bin/env python3
"""compare_quantised.py -- SwiGLU with an f8e4m3 result and scales, beside Triton and torch.compile, on one GPU.

bf16 gate and up are halves of one tensor. Each launch is captured with others in a graph that goes round
through buffer sets of ten times the L2 cache, with outputs of their own; rivals take turns. Prints
microseconds a launch, Swage's ratio to the better peer, and the share of what a copy moves in a second.
With --regret Swage's rivals are its own: the tuned schedule is held against the default and a fixed set.

  python3 bench/compare_quantised.py --library build/release/libswage.so --rows 1 128 2048 8192
"""

import argparse
import collections
import json
import random

import torch

from measuring import in_turns
from quantised_peers import torch_functions, triton_functions
from swage_capi import Swage

KERNELS = {"tensor": "swiglu_quantised_tensor", "row": "swiglu_quantised_row",
           "group": "swiglu_quantised_group", "group_e8m0": "swiglu_quantised_group_e8m0"}
GROUP, REPLAYS, RUNS, MOST_SETS = 128, 9, 2, 64


def fixed(kind, columns):
    """Schedules for --regret; what is not legal for a kernel or a shape is left out."""
    if kind == "tensor":
        return [f"threads={threads} bytes={size} accesses={accesses} dependent=1"
                for threads in (128, 256, 512) for size, accesses in ((16, 1), (16, 2), (8, 1))]

    def blocks(row, size):  # as many as hold a row in one access each
        count = 1 << (-(-2 * columns // (row * size)) - 1).bit_length()
        return count if count > 1 else "once"

    parts = [(row, size, 1, blocks(row, size), "") for row in (64, 128, 256, 512) for size in (8, 16, 32)]
    whole = [(128, 32, 1, " ahead=1"), (64, 32, 1, " ahead=1"), (128, 16, 2, ""), (256, 16, 8, ""), (512, 8, 8, ""),
             (512, 16, 4, ""), (1024, 16, 2, ""), (1024, 8, 4, ""), (512, 32, 2, "")]
    return [f"threads={row} row={row} bytes={size} accesses={accesses} grid={grid} dependent=1 resident=1024{more}"
            for row, size, accesses, grid, more in
            parts + [(row, size, accesses, "once", more) for row, size, accesses, more in whole]]


def own_rivals(swage, kind, columns, arguments):
    """The default and the fixed schedules that are legal for such arguments."""
    peers = {"default": SwagePeer(swage, kind, False)}
    for schedule in fixed(kind, columns):
        try:
            peer = SwagePeer(swage, kind, False, schedule)
            peer.use(arguments)
        except RuntimeError:
            continue
        peers[schedule] = peer
    return peers


class SwagePeer:
    """Swage's kernel, tuned for the first tensors that it gets."""

    def __init__(self, swage, kind, tune, schedule=None):
        self.swage, self.kind, self.tune, self.made = swage, kind, tune, {}
        bound = {"T": "bf16", "Q": "f8e4m3"} | ({"S": "f32"} if kind == "tensor" else {})
        self.kernel = swage.kernel(KERNELS[kind], bound, schedule=schedule)

    def arguments(self, gate_up, scale):
        rows, columns = gate_up.shape[0], gate_up.shape[1] // 2
        q = torch.empty(rows, columns, dtype=torch.float8_e4m3fn, device="cuda")
        tensors = [gate_up[:, :columns], gate_up[:, columns:]]
        if self.kind == "tensor":
            tensors += [scale, q]
        else:
            shape = (rows,) if self.kind == "row" else (rows, columns // GROUP)
            dtype = torch.float8_e8m0fnu if self.kind == "group_e8m0" else torch.float32
            tensors += [q, torch.empty(shape, dtype=dtype, device="cuda")]
        return self.swage.torch_arguments(tensors), tensors

    def use(self, sets):
        self.made = {gate_up.data_ptr(): self.arguments(gate_up, scale) for gate_up, scale in sets}
        arguments = self.made[sets[0][0].data_ptr()][0]
        if self.tune:
            self.swage.tune(self.kernel, arguments)
            self.tune = False
        self.swage.prepare(self.kernel, arguments)

    def __call__(self, gate_up, scale):
        self.swage.launch(self.kernel, self.made[gate_up.data_ptr()][0],
                          torch.cuda.current_stream().cuda_stream)


def capture(peer, sets):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for each in sets[:3]:
            peer(*each)
    torch.cuda.synchronize()
    graph, held = torch.cuda.CUDAGraph(), collections.deque(maxlen=len(sets))
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(max(1, 8 // len(sets))):
            for each in sets:
                held.append(peer(*each))
    return graph, held, len(sets) * max(1, 8 // len(sets))


def microseconds(graph, launches):
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(1_000_000)
    begin.record()
    graph.replay()
    end.record()
    end.synchronize()
    return 1e3 * begin.elapsed_time(end) / launches


def copy_bandwidth():
    """Bytes that a copy of 268 MB reads and writes in a second."""
    a, b = (torch.empty(1 << 27, dtype=torch.int16, device="cuda") for _ in range(2))
    graph, _, launches = capture(lambda x, y: x.copy_(y), [(a, b), (b, a)])
    return 4 * a.numel() / (1e-6 * min(microseconds(graph, launches) for _ in range(REPLAYS)))


def measure(peers, rows, columns):
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    count = max(2, min(MOST_SETS, -(-10 * cache // (5 * rows * columns))))
    scale, times = torch.full((), 0.02, device="cuda"), collections.defaultdict(list)
    for _ in range(RUNS):
        whole = torch.randn(count, rows, 2 * columns, dtype=torch.bfloat16, device="cuda")
        sets = [(gate_up, scale) for gate_up in whole.unbind(0)]
        for peer in peers.values():
            if isinstance(peer, SwagePeer):
                peer.use(sets)
        graphs = {name: capture(peer, sets) for name, peer in peers.items()}

        def sample(name):
            graph, _, launches = graphs[name]
            return microseconds(graph, launches)

        in_turns(graphs, 1, sample, random)
        for name, value in in_turns(graphs, REPLAYS, sample, random).items():
            times[name].append(value)
    return {name: min(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", dest="libswage", default="build/release/libswage.so")
    parser.add_argument("--kinds", nargs="+", choices=list(KERNELS), default=list(KERNELS))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 16, 128, 512, 2048, 8192])
    parser.add_argument("--columns", type=int, default=14336)
    parser.add_argument("--no-tune", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--schedule", help="of Swage, in place of tuning")
    parser.add_argument("--regret", action="store_true", help="hold the tuned schedule against others")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    swage = Swage(options.libswage, "cuda:0")
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, copy {bandwidth / 1e9:.0f} GB/s")
    triton, compiled = triton_functions(torch, GROUP), torch_functions(torch, GROUP)
    results = []
    for kind in options.kinds:
        for rows in options.rows:
            tune = not options.no_tune and not options.schedule
            peers = {"swage": SwagePeer(swage, kind, tune, options.schedule)}
            if options.regret:
                sample = torch.randn(rows, 2 * options.columns, dtype=torch.bfloat16, device="cuda")
                peers |= own_rivals(swage, kind, options.columns,
                                    [(sample, torch.full((), 0.02, device="cuda"))])
            elif not options.no_peers:
                torch._dynamo.reset()
                peers["compile"] = torch.compile(compiled[kind], dynamic=False)
                if kind in triton:
                    peers["triton"] = triton[kind]
            times = measure(peers, rows, options.columns)
            others = [value for name, value in times.items() if name != "swage"]
            ratio = times["swage"] / min(others) if others else float("nan")
            share = 5 * rows * options.columns / (1e-6 * times["swage"]) / bandwidth
            results.append({"kind": kind, "rows": rows, "columns": options.columns, "ratio": ratio,
                            "share": share, "microseconds": times})
            if options.regret:
                best = min(times, key=times.get)
                print(f"{kind:11} {rows:>6}x{options.columns} tuned {times['swage']:.2f} / default "
                      f"{times['swage'] / times['default']:.3f} / best {ratio:.3f} of {len(others)}, {best}",
                      flush=True)
                continue
            print(f"{kind:11} {rows:>6}x{options.columns} " +
                  " ".join(f"{name} {value:8.2f}" for name, value in times.items()) +
                  f"  ratio {ratio:.3f}  of copy {share:.2f}", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
