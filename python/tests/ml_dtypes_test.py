"""ml_dtypes_test.py -- arrays of NumPy of the types of ml_dtypes; exit status 77 where that is not."""

import sys
import unittest

try:
    import ml_dtypes
    import numpy as np
except ImportError:
    print("skipped: no ml_dtypes")
    sys.exit(77)

import swage

TYPES = {"bf16": ml_dtypes.bfloat16, "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
         "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
         "e8m0": ml_dtypes.float8_e8m0fnu}
BOTH = "kernel k<Q>(x: in Q, q: out Q, y: out f32) { q = x; y = x; }"


class MlDtypes(unittest.TestCase):
    def test_arrays_of_every_type_are_made_and_read(self):
        for name, dtype in TYPES.items():
            with self.subTest(name):
                x = np.array([[1, 2, 0.5, 4]] * 3, np.float32).astype(dtype)
                for bound in (name, dtype, np.dtype(dtype)):
                    q, y = swage.kernel(BOTH, Q=bound)(x)
                    self.assertEqual(q.dtype, dtype)
                    np.testing.assert_array_equal(q.view(np.uint8), x.view(np.uint8))
                    np.testing.assert_array_equal(y, x.astype(np.float32))
                memory = np.zeros((3, 8), dtype)
                swage.kernel(BOTH, Q=name)(x[:, ::2], memory[:, 1:5:2], np.empty((3, 2), np.float32))
                np.testing.assert_array_equal(memory[:, 1:5:2].astype(np.float32), [[1, 0.5]] * 3)

    def test_another_type_is_refused_by_its_name(self):
        x = np.zeros((2, 2), ml_dtypes.float8_e5m2)
        with self.assertRaisesRegex(swage.Error, "'x' holds f8e5m2, expected f8e4m3"):
            swage.kernel(BOTH, Q="f8e4m3")(x)
        with self.assertRaisesRegex(swage.Error, "'x': its array is of type float8_e3m4, which is none"):
            swage.kernel(BOTH, Q="f8e4m3")(np.zeros((2, 2), ml_dtypes.float8_e3m4))

    def test_a_quantised_activation_and_back(self):
        gate = np.linspace(-4, 4, 512, dtype=np.float32).reshape(2, 256).astype(ml_dtypes.bfloat16)
        q, scale = swage.kernel("swiglu_quantised_group_e8m0", T="bf16", Q="f8e4m3")(gate, gate)
        self.assertEqual((q.dtype, scale.dtype, scale.shape), (TYPES["f8e4m3"], TYPES["e8m0"], (2, 2)))
        back = swage.kernel("dequantise_group", T="f32", Q="f8e4m3", S="e8m0")(q, scale)
        expected = gate.astype(np.float32) ** 2 / (1 + np.exp(-gate.astype(np.float32)))
        np.testing.assert_allclose(back, expected, rtol=1 / 16, atol=0.05)


if __name__ == "__main__":
    unittest.main()
