"""cuda_driver.py -- memory, graphs and events of one GPU through the CUDA driver, for benchmarks
that need no framework."""

import ctypes
import os

_POINTER = ctypes.c_void_p
_ADDRESS, _SIZE, _INT = ctypes.c_uint64, ctypes.c_size_t, ctypes.c_int
_OUT = ctypes.POINTER(_POINTER)
_SIGNATURES = {
    "cuInit": [_INT],
    "cuDeviceGet": [ctypes.POINTER(_INT), _INT],
    "cuDevicePrimaryCtxRetain": [_OUT, _INT],
    "cuCtxSetCurrent": [_POINTER],
    "cuStreamCreate": [_OUT, _INT],
    "cuStreamSynchronize": [_POINTER],
    "cuStreamBeginCapture_v2": [_POINTER, _INT],
    "cuStreamEndCapture": [_POINTER, _OUT],
    "cuGraphInstantiateWithFlags": [_OUT, _POINTER, ctypes.c_uint64],
    "cuGraphDestroy": [_POINTER],
    "cuGraphLaunch": [_POINTER, _POINTER],
    "cuGraphExecDestroy": [_POINTER],
    "cuEventCreate": [_OUT, _INT],
    "cuEventRecord": [_POINTER, _POINTER],
    "cuEventSynchronize": [_POINTER],
    "cuEventElapsedTime": [ctypes.POINTER(ctypes.c_float), _POINTER, _POINTER],
    "cuMemAlloc_v2": [ctypes.POINTER(_ADDRESS), _SIZE],
    "cuMemFree_v2": [_ADDRESS],
    "cuMemcpyHtoD_v2": [_ADDRESS, _POINTER, _SIZE],
    "cuMemcpyDtoH_v2": [_POINTER, _ADDRESS, _SIZE],
    "cuMemcpyDtoDAsync_v2": [_ADDRESS, _ADDRESS, _SIZE, _POINTER],
}
_NON_BLOCKING = 1
_RELAXED = 2  # what other threads do does not end a capture


class CudaDriver:
    """GPU `ordinal` in its primary context, and one stream for everything. Calls that fail raise
    RuntimeError."""

    def __init__(self, ordinal=0):
        self.lib = ctypes.CDLL(os.environ.get("SWAGE_LIBCUDA_PATH", "libcuda.so.1"))
        for name, arguments in _SIGNATURES.items():
            function = getattr(self.lib, name)
            function.argtypes, function.restype = arguments, _INT
        self._call("cuInit", 0)
        device = _INT()
        self._call("cuDeviceGet", ctypes.byref(device), ordinal)
        self._call("cuCtxSetCurrent", self._make("cuDevicePrimaryCtxRetain", device))
        self.stream = self._make("cuStreamCreate", _NON_BLOCKING)
        self._begin, self._end = (self._make("cuEventCreate", 0) for _ in range(2))

    def _call(self, name, *arguments):
        status = getattr(self.lib, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} gives CUDA error {status}")

    def _make(self, name, *arguments):
        handle = _POINTER()
        self._call(name, ctypes.byref(handle), *arguments)
        return handle

    def allocate(self, size):
        """The address of `size` bytes, to be given to `free`."""
        address = _ADDRESS()
        self._call("cuMemAlloc_v2", ctypes.byref(address), size)
        return address.value

    def free(self, address):
        self._call("cuMemFree_v2", address)

    def write(self, address, data):
        self._call("cuMemcpyHtoD_v2", address, data, len(data))
        self._call("cuStreamSynchronize", None)  # it may return before the bytes are there

    def read(self, address, size):
        data = ctypes.create_string_buffer(size)
        self._call("cuMemcpyDtoH_v2", data, address, size)
        return data.raw

    def copy(self, to, source, size):
        """On the stream: not done on return."""
        self._call("cuMemcpyDtoDAsync_v2", to, source, size, self.stream)

    def synchronize(self):
        self._call("cuStreamSynchronize", self.stream)

    def capture(self, work):
        """The graph of what `work()` puts on the stream, to be given to `destroy`."""
        self._call("cuStreamBeginCapture_v2", self.stream, _RELAXED)
        try:
            work()
        finally:
            graph = self._make_captured()
        try:
            return self._make("cuGraphInstantiateWithFlags", graph, 0)
        finally:
            self._call("cuGraphDestroy", graph)

    def _make_captured(self):
        graph = _POINTER()
        self._call("cuStreamEndCapture", self.stream, ctypes.byref(graph))
        return graph

    def launch(self, graph):
        self._call("cuGraphLaunch", graph, self.stream)

    def time(self, graph):
        """Seconds of one launch of the graph, on the GPU's clock."""
        self._call("cuEventRecord", self._begin, self.stream)
        self.launch(graph)
        self._call("cuEventRecord", self._end, self.stream)
        self._call("cuEventSynchronize", self._end)
        milliseconds = ctypes.c_float()
        self._call("cuEventElapsedTime", ctypes.byref(milliseconds), self._begin, self._end)
        return 1e-3 * milliseconds.value

    def destroy(self, graph):
        self._call("cuGraphExecDestroy", graph)
