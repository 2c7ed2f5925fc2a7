"""test_packed.py -- arrays of which a byte holds two elements; exit status 77 where there is no NumPy."""

import sys
import unittest

try:
    import numpy as np
except ImportError:
    print("skipped: no NumPy")
    sys.exit(77)

import swage

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
TO = "kernel to(x: in f32, q: out f4e2m1) { q = x; }"
BACK = "kernel back(q: in f4e2m1, y: out f32) { y = q; }"
AGAIN = "kernel again(q: in f4e2m1, p: out f4e2m1) { p = -q; }"


class Packed(unittest.TestCase):
    def setUp(self):
        self.x = np.tile(E2M1, (3, 2)) * np.float32(1.01)
        self.q = np.tile(np.arange(16, dtype=np.uint8), (3, 2)).reshape(3, 16, 2)
        self.q = self.q[..., 0] | self.q[..., 1] << 4

    def test_bytes_of_two_are_made_and_read(self):
        q = swage.kernel(TO)(self.x)
        self.assertEqual((q.dtype, q.shape), (np.uint8, (3, 16)))
        np.testing.assert_array_equal(q, self.q)
        y = swage.kernel(BACK)(q)
        np.testing.assert_array_equal(y, np.tile(E2M1, (3, 2)))
        np.testing.assert_array_equal(swage.kernel(AGAIN)(q), q ^ 0x88)

    def test_bytes_are_codes_of_eight_bits_where_the_kernel_has_such(self):
        codes, scale = np.array([[0x38, 0xb8, 0x7e, 0x01]], np.uint8), np.array([[126, 129]], np.uint8)
        kernel = swage.kernel("kernel k(q: in f8e4m3, s: in e8m0 [group 2], y: out f32, s_out: out e8m0 [group 2]) {"
                              " y = f32(q) * f32(s); s_out = s; }")
        y, copied = np.zeros((1, 4), np.float32), np.zeros((1, 2), np.uint8)
        kernel(codes, scale, y, copied)
        np.testing.assert_array_equal(y, [[0.5, -0.5, 448 * 4, 4 * 2.0**-9]])
        np.testing.assert_array_equal(copied, scale)
        with self.assertRaisesRegex(swage.Error, "'q' holds i8, expected f8e4m3; if its bytes are such codes"):
            kernel(codes.view(np.int8), scale, y, copied)

    def test_bytes_that_are_given_are_written_and_no_others(self):
        memory = np.full((3, 20), 0xa5, np.uint8)
        swage.kernel(TO)(self.x, memory[:, 2:18])
        np.testing.assert_array_equal(memory[:, 2:18], self.q)
        self.assertTrue((memory[:, :2] == 0xa5).all() and (memory[:, 18:] == 0xa5).all())

    def test_codes_along_columns_are_made_transposed(self):
        # Of 64 rows and 32 columns: two rows to a byte.
        x = np.linspace(-6, 6, 64 * 32, dtype=np.float32).reshape(64, 32)
        memory, scale = np.full((32, 40), 0xa5, np.uint8), np.zeros((4, 32), np.uint8)
        q = memory[:, 2:34].T
        kernel = swage.kernel("""kernel k(x: in f32, q: out f4e2m1, s: out u8 [col group 16]) {
          q = x; s = u8(col_group_max(abs(x), 16)); }""")
        kernel(x, q, scale)
        np.testing.assert_array_equal(memory[:, 2:34], swage.kernel(TO)(np.ascontiguousarray(x.T)))
        self.assertTrue((memory[:, :2] == 0xa5).all() and (memory[:, 34:] == 0xa5).all())

    def test_codes_along_columns_are_read_transposed(self):
        # Of 64 rows and 32 columns: bytes of [32, 32] that lie transposed, between others.
        memory, scale = np.random.default_rng(1).integers(0, 256, (32, 40), np.uint8), np.zeros((2, 32), np.uint8)
        scale[:] = np.arange(120, 134).repeat(5)[:64].reshape(2, 32)
        q = memory[:, 2:34].T
        kernel = swage.kernel("dequantise_mxfp4_columns", T="f32", S="u8")
        y = kernel(q, scale)
        self.assertEqual(y.shape, (64, 32))
        plain = swage.kernel(BACK)(np.ascontiguousarray(memory[:, 2:34])).T
        np.testing.assert_array_equal(y, plain * scale.astype(np.float32).repeat(32, 0))
        again = swage.kernel("kernel k(q: inout f4e2m1, s: out u8 [col group 16]) {"
                             " s = u8(col_group_max(abs(q), 16)); q = -q; }")
        before = memory.copy()
        again(q, np.zeros((4, 32), np.uint8))
        np.testing.assert_array_equal(memory[:, 2:34], before[:, 2:34] ^ 0x88)
        np.testing.assert_array_equal(memory[:, :2], before[:, :2])

    def test_a_kernel_without_groups_of_rows_takes_no_transposed_codes(self):
        memory = np.full((16, 16), 0xa5, np.uint8)
        with self.assertRaisesRegex(swage.Error, "'q' is f4e2m1.*groups of an even number of rows.*transposed"):
            swage.kernel(TO)(np.zeros((32, 16), np.float32), memory.T)
        self.assertTrue((memory == 0xa5).all())
        with self.assertRaisesRegex(swage.Error, "'q' is f4e2m1.*groups of an even number of rows.*transposed"):
            swage.kernel(BACK)(memory.T)
        # The other way round it works: the matrix as it lies, and the other tensor transposed.
        x, y = np.random.default_rng(2).normal(size=(32, 16)).astype(np.float32), np.empty((32, 16), np.float32)
        swage.kernel(TO)(x.T, memory)
        swage.kernel(BACK)(memory, y.T)
        np.testing.assert_array_equal(y, swage.kernel(BACK)(swage.kernel(TO)(x)))

    def test_what_does_not_fit_is_refused(self):
        with self.assertRaisesRegex(swage.Error, "'q': two of f4e2m1 share a byte, expected an even"):
            swage.kernel(TO)(self.x[:, :5])
        with self.assertRaisesRegex(swage.Error, "'q' has shape"):
            swage.kernel(TO)(self.x, np.empty((3, 15), np.uint8))
        with self.assertRaisesRegex(swage.Error, "two elements to a byte, expected a last dimension that is dense"):
            swage.kernel(TO)(self.x, np.empty((3, 32), np.uint8)[:, ::2])
        with self.assertRaisesRegex(swage.Error, "'q' holds"):
            swage.kernel(TO)(self.x, np.empty((3, 16), np.int8))

    def test_no_elements_are_nothing_to_do_whatever_their_strides(self):
        self.assertEqual(swage.kernel(TO)(np.zeros((0, 32), "f4")).shape, (0, 16))
        self.assertEqual(swage.kernel(BACK)(np.zeros((0, 16), np.uint8), np.empty((0, 32), "f4")).shape, (0, 32))
        self.assertEqual(swage.kernel(BACK)(np.zeros((2, 0, 4), np.uint8), np.empty((2, 0, 8), "f4")).shape, (2, 0, 8))

    def test_a_type_by_another_name(self):
        kernel = swage.kernel("kernel k<Q>(x: in f32, q: out Q) { q = x; }", Q="float4_e2m1fn_x2")
        self.assertEqual(kernel.parameters[1].type, "f4e2m1")
        np.testing.assert_array_equal(kernel(self.x), self.q)

    def test_bytes_of_one_are_refused(self):
        try:
            import ml_dtypes
        except ImportError:
            self.skipTest("no ml_dtypes")
        with self.assertRaisesRegex(swage.Error, "'q': its array has a byte for each element"):
            swage.kernel(BACK)(np.zeros((3, 16), ml_dtypes.float4_e2m1fn), np.empty((3, 16), "f4"))


if __name__ == "__main__":
    unittest.main()
