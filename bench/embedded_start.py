#!/usr/bin/env python3
"""embedded_start.py -- kernels that a program carries, beside the compiler's, each in a process of its own.

SwiGLU of bf16, forward, on GPU 0: carried with machine code and launched by the runtime without a
compiler, carried as PTX alone, and compiled when it is launched. No cache, and each process has its
context before its clock starts. Prints what it takes to open the device, to make the kernel, and to launch
it first until it is done; the time of a launch in a graph of many; and whether all results have equal bits.

  python3 bench/embedded_start.py --runtime build/release/libswage_runtime.so \\
      --library build/release/libswage.so --machine-code libcubin.so --ptx libptx.so

The last two are made where there is a compiler, and where there is ptxas:

  swage build swiglu -D T=bf16 --arch sm_90 -o carried && gcc -shared -o libcubin.so carried.o -lswage_runtime
  swage build swiglu -D T=bf16 --arch sm_80 --assembler none ...
"""

import argparse
import ctypes
import hashlib
import json
import random
import statistics
import subprocess
import sys
import time

from cuda_driver import CudaDriver
from swage_capi import DEVICE_CUDA, Swage

COLUMNS, LAUNCHES, SAMPLES = 14336, 20, 15


def measure(rows, library, carried=None):
    driver = CudaDriver()
    size = 2 * rows * COLUMNS
    data = random.Random(1).randbytes(size // 2)  # the upper byte too: numbers of every size, some NaN
    places = [driver.allocate(size) for _ in range(3)]
    for place in places[:2]:
        for half in range(2):
            driver.write(place + half * len(data), data)
    if carried:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(carried)
    start = time.perf_counter()
    swage = Swage(library, "cuda:0")
    opened = time.perf_counter()
    kernel = swage.kernel("swiglu", "bf16") if not carried else swage.kernel(
        "swiglu", "bf16", "kernel swiglu<T>(gate: in T, up: in T, h: out T) "
        "{ h = gate * sigmoid(gate) * up; }")
    arguments = swage.arguments([(place, "bf16", (rows, COLUMNS), (COLUMNS, 1), DEVICE_CUDA, 0)
                                 for place in places])
    made = time.perf_counter()
    swage.launch(kernel, arguments, driver.stream)
    driver.synchronize()
    end = time.perf_counter()
    graph = driver.capture(lambda: [swage.launch(kernel, arguments, driver.stream)
                                    for _ in range(LAUNCHES)])
    driver.time(graph)
    steady = statistics.median(driver.time(graph) for _ in range(SAMPLES)) / LAUNCHES
    return {"open": opened - start, "kernel": made - opened, "launch": end - made, "steady": steady,
            "bits": hashlib.sha256(driver.read(places[2], size)).hexdigest()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", required=True, help="libswage_runtime.so")
    parser.add_argument("--library", dest="libswage", required=True, help="libswage.so")
    parser.add_argument("--machine-code", required=True)
    parser.add_argument("--ptx", required=True)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return print(json.dumps(measure(options.rows, *options.one)))
    contestants = {"machine code": [options.runtime, options.machine_code],
                   "PTX": [options.runtime, options.ptx], "compiled": [options.libswage]}
    results = {}
    for name in list(contestants) * 3:  # the driver's own start differs from process to process
        done = subprocess.run([sys.executable, *sys.argv, "--one", *contestants[name]], check=True,
                              stdout=subprocess.PIPE)
        results.setdefault(name, []).append(json.loads(done.stdout))
    print(f"{'us':14}{'open':>12}{'kernel':>12}{'1st launch':>12}{'steady':>12}")
    for name, runs in results.items():
        print(f"{name:14}" + "".join(f"{1e6 * statistics.median(run[key] for run in runs):12.1f}"
                                     for key in ("open", "kernel", "launch", "steady")))
    if len({run["bits"] for runs in results.values() for run in runs}) != 1:
        sys.exit("results have different bits")
    print("equal bits")


if __name__ == "__main__":
    main()
