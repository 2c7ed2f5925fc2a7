"""test_valid_rows.py -- counts of rows with kernels of both directions; exit status 77 where there is no NumPy."""

import ctypes
import os
import sys
import unittest

try:
    import numpy as np
except ImportError:
    print("skipped: no NumPy")
    sys.exit(77)

import arrays
import swage
from swage._structs import CPU, CUDA

KEPT = 0xa5
# Codes of f32 show all that is stored without conversions; scales are the bytes of e8m0, exponents of 2 plus 127.
ROWS, COLUMNS = 96, 64


def expected_scales(groups):
    """The byte of the smallest power of two that is at least the maximum of each last dimension, over 448."""
    largest = np.abs(groups).max(-1).astype(np.float32) * (np.float32(1) / np.float32(448))
    fraction, exponent = np.frexp(largest)
    power = exponent - (fraction == 0.5)
    return np.where(largest > 0, np.maximum(power + 127, 0), 0).astype(np.uint8)


class Expected:
    """What mxfp8_both writes of `x` where `rows` says which count, in memory that held KEPT."""

    def __init__(self, x, counted):
        x = np.where(counted[:, None], x, 0)
        self.scale = np.full((len(x), COLUMNS // 32), KEPT, np.uint8)
        self.q = np.full(x.shape, KEPT, np.uint8).repeat(4, -1).view(np.float32)
        self.scale_columns = np.full((len(x) // 32, COLUMNS), KEPT, np.uint8)
        self.q_columns = self.q.copy()
        scales = expected_scales(x.reshape(len(x), -1, 32))
        self.scale[counted] = scales[counted]
        powers = np.ldexp(np.float32(1), np.minimum(127 - scales.astype(np.int32), 126))
        self.q[counted] = (x * powers.repeat(32, -1))[counted]
        left = x.reshape(-1, 32, COLUMNS)
        some = counted.reshape(-1, 32).any(-1)
        down = expected_scales(left.transpose(0, 2, 1))
        self.scale_columns[some] = down[some]
        powers = np.ldexp(np.float32(1), np.minimum(127 - down.astype(np.int32), 126))
        self.q_columns[counted] = (x * powers.repeat(32, 0))[counted]

    def all(self):
        return self.q, self.scale, self.q_columns, self.scale_columns


def matrix():
    return np.random.default_rng(5).standard_normal((ROWS, COLUMNS)).astype(np.float32)


def outputs():
    codes = [np.full((ROWS, COLUMNS), KEPT, np.uint8).repeat(4, -1).view(np.float32) for _ in range(2)]
    return [codes[0], np.full((ROWS, COLUMNS // 32), KEPT, np.uint8), codes[1],
            np.full((ROWS // 32, COLUMNS), KEPT, np.uint8)]


CASES = [([0], 1), ([1], 1), ([32], 1), ([47], 1), ([96], 1), ([1000], 1), ([10, 32, 0], 3), ([33, 0, 5], 3)]


def counted_rows(counts):
    batch = ROWS // len(counts)
    return np.arange(ROWS) % batch < np.repeat(counts, batch)


E8M0 = (14, 8)  # kDLFloat8_e8m0fnu, for which NumPy has no type


def views(got, places, batches, device=(CPU, 0)):
    """Outputs at their places as arrays of DLPack, in batches of rows."""
    return [arrays.Array(place, (batches, len(one) // batches, one.shape[-1]), device=device,
                         dtype=E8M0 if one.dtype == np.uint8 else (2, 32)) for one, place in zip(got, places)]


class Host(unittest.TestCase):
    def test_groups_are_made_of_the_rows_that_count(self):
        kernel = swage.kernel("mxfp8_both", T="f32", Q="f32")
        x = matrix()
        for counts, batches in CASES:
            for dtype in (np.int32, np.int64):
                with self.subTest(counts=counts, dtype=dtype):
                    got = outputs()
                    kernel(x.reshape(batches, -1, COLUMNS), *views(got, [one.ctypes.data for one in got], batches),
                           valid_rows=np.array(counts, dtype))
                    for one, wanted in zip(got, Expected(x, counted_rows(counts)).all()):
                        np.testing.assert_array_equal(one.view(np.uint8), wanted.view(np.uint8))

    def test_fresh_outputs_are_zero_beyond_the_count(self):
        kernel = swage.kernel("kernel k(x: in f32, y: out f32, m: out f32 [col group 32]) {"
                              "  let c = col_group_max(x, 32); m = c; y = x - c; }")
        x = matrix()
        y, m = kernel(x, valid_rows=np.int32([40]))
        largest = np.stack([x[:32].max(0), x[32:40].max(0), 0 * x[0]])
        np.testing.assert_array_equal(m, largest)
        np.testing.assert_array_equal(y[:40], x[:40] - largest.repeat(32, 0)[:40])
        self.assertFalse(y[40:].any())

    def test_four_bits_of_rows_beyond_stay(self):
        kernel = swage.kernel("kernel k(x: in f32, q: out f4e2m1, m: out f32 [col group 32]) {"
                              "  let c = col_group_max(abs(x), 32); m = c; q = 6 * x / c; }")
        x = matrix()
        for count in (0, 1, 33, 95):
            whole = kernel(x * (np.arange(ROWS) < count)[:, None])[0] if count else None
            q, m = np.full((ROWS, COLUMNS // 2), KEPT, np.uint8), np.full((3, COLUMNS), -1, np.float32)
            kernel(x, q, m, valid_rows=np.int64([count]))
            if count:
                np.testing.assert_array_equal(q[:count], whole[:count])
            self.assertTrue((q[count:] == KEPT).all())
            self.assertTrue((m[-(-count // 32):] == -1).all() and (m[:-(-count // 32)] >= 0).all())


@unittest.skipUnless(os.environ.get("SWAGE_LIBCUDA_PATH"), "SWAGE_LIBCUDA_PATH names no driver")
class Cuda(unittest.TestCase):
    def test_groups_are_made_of_the_rows_that_count(self):
        from test_cuda import Driver
        driver = Driver()
        kernel = swage.kernel("mxfp8_both", T="f32", Q="f32")
        x = matrix()

        def on_gpu(array):
            driver.use(0)
            address = ctypes.c_uint64()
            driver.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(array.nbytes))
            driver.call("cuMemcpyHtoD_v2", address, ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))
            driver.call("cuCtxSynchronize")
            return address.value

        for counts, batches in CASES:
            with self.subTest(counts=counts):
                got, where = outputs(), (CUDA, 0)
                places = [on_gpu(one) for one in got]
                kernel(arrays.Array(on_gpu(x), (batches, ROWS // batches, COLUMNS), device=where),
                       *views(got, places, batches, where),
                       valid_rows=arrays.Array(on_gpu(np.int32(counts)), (batches,), device=where, dtype=(0, 32)))
                driver.call("cuCtxSynchronize")
                for one, place, wanted in zip(got, places, Expected(x, counted_rows(counts)).all()):
                    driver.call("cuMemcpyDtoH_v2", ctypes.c_void_p(one.ctypes.data), ctypes.c_uint64(place),
                                ctypes.c_size_t(one.nbytes))
                    np.testing.assert_array_equal(one.view(np.uint8), wanted.view(np.uint8))


if __name__ == "__main__":
    unittest.main()
