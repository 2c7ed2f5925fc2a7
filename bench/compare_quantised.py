#!/usr/bin/env python3
"""compare_quantised.py -- SwiGLU with a result of 8 or 4 bits and scales, beside Triton and torch.compile, on one GPU.

bf16 gate and up are halves of one tensor. Each launch is captured with others in a graph that goes round
through buffer sets of ten times the L2 cache, with outputs of their own; rivals take turns. Prints
microseconds a launch, Swage's ratio to the better peer, and the share of what a copy moves in a second.
Peers whose codes are not Swage's, but for those that the last bits of an exponential decide, are named. These Triton
kernels take an approximate exponential and quotient; --math triton times Swage with the same arithmetic too. With --regret
Swage's rivals are its own: the tuned schedule is held against the default and a fixed set. --self-test holds what the
peers compute to Swage's codes on the CPU, Triton's kernels in its interpreter, and needs no GPU.

  python3 bench/compare_quantised.py --library build/release/libswage.so --rows 1 128 2048 8192
"""

import argparse
import collections
import json
import random
import sys

try:
    import torch
except ImportError:
    print("compare_quantised.py: there is no PyTorch")
    sys.exit(77)  # which CTest takes for skipped

import block_peers
import quantised_peers
from measuring import in_turns
from quantised_kinds import GROUP, KINDS, unequal
from swage_capi import Swage

REPLAYS, RUNS, MOST_SETS = 9, 2, 64


def fixed(kind, columns):
    """Schedules for --regret; what is not legal for a kernel or a shape is left out."""
    if KINDS[kind].scale is None:
        return [f"threads={threads} bytes={size} accesses={accesses} dependent=1"
                for threads in (128, 256, 512) for size, accesses in ((16, 1), (16, 2), (8, 1))]

    def blocks(row, size):  # as many as hold a row in one access each
        count = -(-2 * columns // (row * size))
        return count if count > 1 else "once"

    parts = [(row, size, 1, blocks(row, size), resident, "")
             for row, size, most in ((128, 32, 1536), (256, 32, 1536), (256, 16, 2048), (512, 16, 2048), (512, 32, 1024),
                                     (256, 8, 1536), (128, 8, 1536))
             for resident in ((512, 1024, most) if size > 8 else (most,))]
    parts += [(128, 32, 1, blocks(128, 32), resident, more)
              for resident, more in ((1280, ""), (1024, " ahead=1"), (1536, " ahead=1"))]
    parts += [(256, 32, 1, blocks(256, 32), 1280, ""), (128, 16, 2, blocks(128, 32), 1536, " ahead=1")]
    clusters = [(512, 8, 4, 2, 1024, ""), (256, 8, 2, 8, 1024, ""), (256, 8, 8, 2, 1024, ""), (256, 8, 8, 2, 1280, " ahead=1"),
                (128, 8, 16, 2, 768, "")]
    whole = [(128, 32, 1, " ahead=1"), (64, 32, 1, " ahead=1"), (256, 16, 8, ""), (512, 8, 8, ""), (512, 16, 4, ""),
             (1024, 16, 2, ""), (1024, 8, 4, ""), (512, 32, 2, "")]
    return [f"threads={row} row={row} bytes={size} accesses={accesses} grid={grid} dependent=1 resident={resident}{more}"
            for row, size, accesses, grid, resident, more in
            parts + clusters + [(row, size, accesses, "once", 1024, more) for row, size, accesses, more in whole]]


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


def number_of(kind):
    return torch.full((), KINDS[kind].number, dtype=torch.float32, device="cuda")


class SwagePeer:
    """Swage's kernel, tuned for the first tensors that it gets."""

    def __init__(self, swage, kind, tune, schedule=None, math=None):
        self.swage, self.kind, self.tune, self.made = swage, kind, tune, {}
        self.kernel = swage.kernel(KINDS[kind].kernel, KINDS[kind].bound, math=math, schedule=schedule)

    def use(self, sets):
        self.made = {}
        for gate_up, number in sets:
            inputs, outputs = KINDS[self.kind].tensors(torch, gate_up, number)
            self.made[gate_up.data_ptr()] = self.swage.torch_arguments(inputs + outputs), outputs
        arguments = self.made[sets[0][0].data_ptr()][0]
        if self.tune:
            self.swage.tune(self.kernel, arguments)
            self.tune = False
        self.swage.prepare(self.kernel, arguments)

    def __call__(self, gate_up, number):
        arguments, outputs = self.made[gate_up.data_ptr()]
        self.swage.launch(self.kernel, arguments, torch.cuda.current_stream().cuda_stream)
        return outputs


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


def name_unequal(peers, each):
    """Says which peers compute something else."""
    codes = {name: peer(*each) for name, peer in peers.items()}
    torch.cuda.synchronize()
    for name, found in codes.items():
        share = unequal(torch, found, codes["swage"])
        if share > 1e-3:
            print(f"  of {name}'s codes {share:.2%} are not Swage's", flush=True)


def measure(peers, kind, rows, columns):
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    count = max(2, min(MOST_SETS, -(-10 * cache // (5 * rows * columns))))
    number, times = number_of(kind), collections.defaultdict(list)
    for _ in range(RUNS):
        whole = torch.randn(count, rows, 2 * columns, dtype=torch.bfloat16, device="cuda")
        sets = [(gate_up, number) for gate_up in whole.unbind(0)]
        for peer in peers.values():
            if isinstance(peer, SwagePeer):
                peer.use(sets)
        if not times:
            name_unequal(peers, sets[0])
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
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 16, 128, 512, 2048, 8192])
    parser.add_argument("--columns", type=int, default=14336)
    parser.add_argument("--no-tune", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes its time")
    parser.add_argument("--schedule", help="of Swage, in place of tuning")
    parser.add_argument("--math", nargs="+", choices=["triton", "fast"], default=[],
                        help="Swage in these modes too, beside its kernel's own")
    parser.add_argument("--regret", action="store_true", help="hold the tuned schedule against others")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if options.self_test:
        from quantised_self_test import self_test
        return self_test(options.libswage)
    swage = Swage(options.libswage, "cuda:0")
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, copy {bandwidth / 1e9:.0f} GB/s")
    triton = quantised_peers.triton_functions(torch, GROUP) | block_peers.triton_functions(torch)
    compiled = quantised_peers.torch_functions(torch, GROUP) | block_peers.torch_functions(torch)
    results = []
    for kind in options.kinds:
        for rows in options.rows:
            tune = not options.no_tune and not options.schedule
            peers = {"swage": SwagePeer(swage, kind, tune, options.schedule)}
            if options.regret:
                sample = torch.randn(rows, 2 * options.columns, dtype=torch.bfloat16, device="cuda")
                peers |= own_rivals(swage, kind, options.columns,
                                    [(sample, number_of(kind))])
            elif not options.no_peers:
                if not options.no_compile:
                    torch._dynamo.reset()
                    peers["compile"] = torch.compile(compiled[kind], dynamic=False)
                if kind in triton:
                    peers["triton"] = triton[kind]
                peers |= {f"swage-{math}": SwagePeer(swage, kind, tune, options.schedule, math)
                          for math in options.math}
            times = measure(peers, kind, rows, options.columns)
            others = [value for name, value in times.items() if not name.startswith("swage")]
            ratio = times["swage"] / min(others) if others else float("nan")
            share = KINDS[kind].moved(rows, options.columns) / (1e-6 * times["swage"]) / bandwidth
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
