"""test_cuda.py -- arrays of a GPU: on the double of the driver that SWAGE_LIBCUDA_PATH names."""

import contextlib
import ctypes
import os
import sys
import types
import unittest
import unittest.mock

import arrays

import swage
from swage._structs import CUDA

SWIGLU = "kernel swiglu(gate: in f32, up: in f32, h: out f32) { h = gate * sigmoid(gate) * up; }"


class Driver:
    """What a test needs of the CUDA driver API: memory and streams of device 0."""

    def __init__(self):
        self.api = ctypes.CDLL(os.environ["SWAGE_LIBCUDA_PATH"])
        self.call("cuInit", 0)
        self.contexts = {}

    def call(self, name, *args):
        status = getattr(self.api, name)(*args)
        if status != 0:
            raise RuntimeError(f"{name}: {status}")

    def use(self, device):
        if device not in self.contexts:
            context = ctypes.c_void_p()
            self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
            self.contexts[device] = context
        self.call("cuCtxSetCurrent", self.contexts[device])

    def array(self, values, device=0, kind=arrays.Array, **how):
        self.use(device)
        address, size = ctypes.c_uint64(), 4 * len(values)
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        memory = (ctypes.c_float * len(values))(*values)
        self.call("cuMemcpyHtoD_v2", address, memory, ctypes.c_size_t(size))
        self.call("cuCtxSynchronize")  # a copy may return before its bytes are there
        self.call("cuCtxSetCurrent", None)
        return kind(address.value, (len(values),), device=(CUDA, device), **how)

    def read(self, array):
        kind, device = array.device
        self.use(device)
        self.call("cuCtxSynchronize")
        memory = (ctypes.c_float * array.shape[0])()
        self.call("cuMemcpyDtoH_v2", memory, ctypes.c_uint64(array.address),
                  ctypes.c_size_t(ctypes.sizeof(memory)))
        self.call("cuCtxSetCurrent", None)
        return list(memory)

    def stream(self, device):
        self.use(device)
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), 1)
        self.call("cuCtxSetCurrent", None)
        return stream.value


@unittest.skipUnless(os.environ.get("SWAGE_LIBCUDA_PATH"), "SWAGE_LIBCUDA_PATH names no driver")
class Cuda(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.driver = Driver()

    def close(self, found, expected):
        self.assertEqual(len(found), len(expected))
        for a, b in zip(found, expected):
            self.assertAlmostEqual(a, b, places=5)

    def test_a_call_runs_where_its_arrays_are(self):
        kernel = swage.kernel(SWIGLU)
        for device in (0, 1):
            gate, up, h = (self.driver.array(v, device) for v in ([-1, 0, 1, 2], [1] * 4, [0] * 4))
            self.assertIs(kernel(gate, up, h), h)
            self.close(self.driver.read(h), [-0.268941, 0, 0.731059, 1.761594])
        gate, up, h = (arrays.floats(v) for v in ([-1, 2], [1, 1], [0, 0]))
        kernel(gate, up, h)
        self.close(list(h.memory), [-0.268941, 1.761594])

    def test_producers_order_their_data_for_the_stream_of_the_launch(self):
        kernel, stream = swage.kernel(SWIGLU), self.driver.stream(0)
        gate, h = self.driver.array([1, 2]), self.driver.array([0, 0])
        kernel(gate, gate, h)
        self.assertEqual(gate.streams, [1, 1])  # the default stream, as DLPack numbers it
        kernel(gate, gate, h, stream=stream)
        self.assertEqual(h.streams, [1, stream])

    def test_the_current_stream_of_the_arrays_library_is_taken(self):
        class Ours(arrays.Array):
            __module__ = "cupy"

        class Device(contextlib.nullcontext):
            pass

        kernel, stream = swage.kernel(SWIGLU), self.driver.stream(1)
        gate, h = (self.driver.array([1, 2], 1, kind=Ours) for _ in range(2))
        library = types.SimpleNamespace(cuda=types.SimpleNamespace(
            Device=Device, get_current_stream=lambda: types.SimpleNamespace(ptr=stream)))
        with unittest.mock.patch.dict(sys.modules, cupy=library):
            kernel(gate, gate, h)
            self.assertEqual(gate.streams, [-1, -1])  # its own: nothing to wait for
            self.close(self.driver.read(h), [0.731059, 3.523188])
            stream = 12345  # no stream: the launch was on the one that the library named
            with self.assertRaisesRegex(swage.Error, "stream"):
                kernel(gate, gate, h)
            kernel(gate, gate, h, stream=0)
            self.assertEqual(h.streams, [-1, -1, 1])

    def test_arrays_of_two_gpus_are_refused_by_name(self):
        kernel = swage.kernel(SWIGLU)
        here, there = self.driver.array([1, 2], 0), self.driver.array([1, 2], 1)
        with self.assertRaisesRegex(swage.Error, "parameter 'up': its array is on cuda:1, but that "
                                                 "of 'gate' on cuda:0"):
            kernel(here, there, here)
        with self.assertRaisesRegex(swage.Error, "on cuda:1, but kernel 'swiglu' is for cuda:0"):
            swage.kernel(SWIGLU, device="cuda:0")(there, there, there)

    def test_sums_over_rows_take_a_workspace(self):
        kernel = swage.kernel("kernel sums(x: in f32, s: out f32 [tensor]) {"
                              "  s = col_sum(row_sum(x)); }")
        x, s = self.driver.array([1] * 1000), self.driver.array([0])
        size = kernel.workspace_bytes(x, s)
        self.assertGreater(size, 0)
        kernel(x, s, workspace=self.driver.array([0] * (size // 4 + 1)))
        self.assertEqual(self.driver.read(s), [1000])
        with self.assertRaisesRegex(swage.Error, "workspace"):
            kernel(x, s, workspace=self.driver.array([0]))
        with self.assertRaisesRegex(swage.Error, "parameter 'workspace': its array is on cpu"):
            kernel(x, s, workspace=arrays.floats([0] * 1000))

    def test_devices_list_the_gpus_first(self):
        self.assertEqual([device.id for device in swage.devices()], ["cuda:0", "cuda:1", "cpu"])
        self.assertTrue(swage.devices()[0].target.startswith("sm_"))

    def test_a_kernel_of_the_triton_mode_is_made_and_runs_on_a_gpu(self):
        kernel = swage.kernel(SWIGLU, math="triton")
        gate, h = self.driver.array([1, 2]), self.driver.array([0, 0])
        kernel(gate, gate, h)
        self.close(self.driver.read(h), [0.731059, 3.523188])
        with self.assertRaisesRegex(swage.Error, "triton mode needs a CUDA device") as raised:
            kernel(arrays.floats([1]), arrays.floats([1]), arrays.floats([0]))
        self.assertEqual(raised.exception.code, "unsupported")

    def test_what_the_driver_returned_is_kept(self):
        x = self.driver.array([1, 2])
        self.driver.api.swage_fake_cuda_fail(b"cuLaunchKernelEx", 719, 1)
        self.driver.api.swage_fake_cuda_fail(b"cuLaunchKernel", 719, 1)
        with self.assertRaisesRegex(swage.Error, "719|LAUNCH_FAILED") as raised:
            swage.kernel(SWIGLU)(x, x, self.driver.array([0, 0]))
        self.assertEqual((raised.exception.code, raised.exception.driver_result), ("driver", 719))

    def test_memory_that_the_gpu_does_not_reach_is_refused_by_name(self):
        x, nowhere = self.driver.array([1, 2]), arrays.Array(2**40, (2,), device=(CUDA, 0))
        with self.assertRaisesRegex(swage.Error, "'gate' lies in host memory"):
            swage.kernel(SWIGLU)(nowhere, x, x)


if __name__ == "__main__":
    unittest.main()
