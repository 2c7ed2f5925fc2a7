#!/usr/bin/env python3
"""valid_rows.py -- does the cost of a launch follow the rows that count, and not the capacity?

Launches over [experts, capacity, columns] whose counts lie on the device: all rows count, a tenth of
each expert's, the same rows all with one expert, and none. Beside them a launch without counts. Each
time is the median of several CUDA graphs of launches; the last column is a tenth over all.

  python3 bench/valid_rows.py --library build/release/libswage.so
  python3 bench/valid_rows.py --kernels swiglu --schedule grid=6
"""

import argparse
import statistics

import torch

from measuring import KINDS, is_col
from swage_capi import Swage

KERNELS = {"swiglu": "forward", "swiglu_backward_inplace": "backward", "rms_norm": "rms_norm",
           "softmax": "softmax", "rms_norm_backward": "rms_norm_backward"}
LAUNCHES, GRAPHS = 20, 15


def time_of(launch):
    """Microseconds a launch."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        launch(stream.cuda_stream)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(LAUNCHES):
            launch(stream.cuda_stream)
    times = []
    for _ in range(GRAPHS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1000 / LAUNCHES)
    return statistics.median(times)


def counts_by_part(experts, capacity):
    tenth = capacity // 10
    one = [0] * experts
    one[0] = min(capacity, experts * tenth)
    return {"all": [capacity] * experts, "a tenth": [tenth] * experts, "one expert's": one,
            "none": [0] * experts}


def run(swage, name, options):
    kind = KINDS[KERNELS[name]]
    shape = (options.experts, options.capacity, options.columns)
    tensors = [torch.rand(shape[-1:] if is_col(tensor) else shape, device="cuda").to(torch.bfloat16)
               for tensor in kind.tensors]
    kernel = swage.kernel(name, "bf16", schedule=options.schedule)
    arguments = swage.torch_arguments(tensors)
    times = {"without": time_of(lambda stream: swage.launch(kernel, arguments, stream))}
    for part, numbers in counts_by_part(options.experts, options.capacity).items():
        counts = torch.tensor(numbers, dtype=torch.int32, device="cuda")
        valid = swage.torch_arguments([counts])
        times[part] = time_of(lambda stream, valid=valid: swage.launch(kernel, arguments, stream,
                                                                       valid))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", dest="path", default="build/release/libswage.so")
    parser.add_argument("--kernels", nargs="+", default=list(KERNELS), choices=list(KERNELS))
    parser.add_argument("--experts", type=int, default=8)
    parser.add_argument("--capacity", type=int, default=1040)
    parser.add_argument("--columns", type=int, default=14336)
    parser.add_argument("--schedule", help="instead of the default")
    options = parser.parse_args()
    swage = Swage(options.path, "cuda:0")
    print(f"{torch.cuda.get_device_name()}, {options.experts} experts of {options.capacity} rows of "
          f"{options.columns} bf16, us{', ' + options.schedule if options.schedule else ''}")
    for i, name in enumerate(options.kernels):
        times = run(swage, name, options)
        if i == 0:
            print(f"{'':24}" + "".join(f"{part:>14}" for part in times) + f"{'tenth/all':>12}")
        print(f"{name:24}" + "".join(f"{time:14.2f}" for time in times.values()) +
              f"{times['a tenth'] / times['all']:12.3f}")


if __name__ == "__main__":
    main()
