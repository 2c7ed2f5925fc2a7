"""peers.py -- kernels by Swage and by its peers on torch tensors, ready to be captured into graphs.

A peer is a function that takes the tensors of one call (BufferSets.sets of compare_triton.py) and
launches on torch's current stream; what it returns is kept alive.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile

from measuring import KINDS, ROW_KINDS
from row_peers import row_functions
from triton_peers import triton_kernels


class SwagePeer:
    """Swage's kernel for one kind and type, tuned for the first buffer sets that it is given."""

    def __init__(self, torch, swage, kind, dtype, tune, math=None):
        self.torch, self.swage, self.tune = torch, swage, tune
        self.kernel = swage.kernel(KINDS[kind].kernel, dtype, math=math)
        self.prepared = None
        self.tuned = None  # what the tuner found, to hold beside what is measured

    def use(self, sets):
        """Makes the arguments for these buffer sets: no time of a launch."""
        first = self.prepared is None
        self.prepared = {tensors[0].data_ptr(): self.swage.torch_arguments(tensors)
                         for tensors in sets}
        arguments = self.prepared[sets[0][0].data_ptr()]
        if first and self.tune:
            found = self.swage.tune(self.kernel, arguments)
            self.tuned = {"schedule": found.schedule.decode(), "seconds": found.seconds,
                          "default_seconds": found.default_seconds, "spread": found.spread}
        self.swage.prepare(self.kernel, arguments)

    def __call__(self, tensors):
        self.swage.launch(self.kernel, self.prepared[tensors[0].data_ptr()],
                          self.torch.cuda.current_stream().cuda_stream)


def triton_peer(kind, rows, columns):
    triton, forward, backward = triton_kernels()
    count = rows * columns
    grid = (triton.cdiv(count, 1024),)

    def launch(tensors):
        if KINDS[kind].in_place:
            backward[grid](*tensors, count, BLOCK=1024, num_warps=4)
        else:
            forward[grid](*tensors, columns, tensors[0].stride(0), count,
                          PACKED=bool(KINDS[kind].packed), BLOCK=1024, num_warps=4)

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


def torch_peer(torch, kind, compiled):
    forward, backward = eager_functions(torch)
    function = (row_functions(torch)[kind] if kind in ROW_KINDS
                else backward if KINDS[kind].in_place else forward)
    if compiled:
        torch._dynamo.reset()  # past a few shapes it would run them eagerly
        function = torch.compile(function, dynamic=False)
    outputs = KINDS[kind].outputs
    return lambda tensors: function(*(tensors[:outputs[0]] if outputs else tensors))


def cccl_includes(path):
    """Compiler options for headers of CCCL: a folder that has cub/ and cuda/ in it, or its
    repository, which keeps them in folders of their own."""
    if path is None:
        return []
    folders = [os.path.join(path, folder) for folder in ("cub", "thrust", "libcudacxx/include")]
    if not os.path.exists(os.path.join(folders[0], "cub")):
        folders = [path]
    if not os.path.exists(os.path.join(folders[0], "cub/device/device_transform.cuh")):
        sys.exit(f"compare_triton.py: '{path}' holds no cub/device/device_transform.cuh; give CCCL's "
                 "include folder or its repository")
    return [f"-I{folder}" for folder in folders]


class Cub:
    """CUB's DeviceTransform, built with nvcc."""

    def __init__(self, torch, cccl=None):
        self.torch = torch
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cub_peer.cu")
        if shutil.which("nvcc") is None:
            sys.exit("compare_triton.py: CUB is built with nvcc, which is not on the PATH; install "
                     "the CUDA toolkit or leave cub and cub-copyable out of --peers")
        major, minor = torch.cuda.get_device_capability()
        with tempfile.TemporaryDirectory() as folder:
            library = os.path.join(folder, "libcub_peer.so")
            subprocess.run(["nvcc", "-O3", "-std=c++17", f"-arch=sm_{major}{minor}", "-shared",
                            "-Xcompiler", "-fPIC", *cccl_includes(cccl), "-o", library, source],
                           check=True)
            self.functions = ctypes.CDLL(library)
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self.functions.cub_swiglu.argtypes = [number, number, pointer, pointer, pointer,
                                            ctypes.c_int64, pointer]

    def version(self):
        number = self.functions.cub_version()
        return f"{number // 10000}.{number // 100 % 100}.{number % 100}"

    def peer(self, dtype, copyable):
        number = ["f32", "f16", "bf16"].index(dtype)

        def launch(tensors):
            gate, up, out = tensors
            status = self.functions.cub_swiglu(
                number, int(copyable), gate.data_ptr(), up.data_ptr(), out.data_ptr(), out.numel(),
                self.torch.cuda.current_stream().cuda_stream)
            if status != 0:
                raise RuntimeError(f"CUB: CUDA error {status}")

        return launch
