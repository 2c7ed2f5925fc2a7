"""test_dlpack.py -- arrays of any producer: capsules are given back once, and refused by name."""

import gc
import unittest

import arrays
import swage

DOUBLE = "kernel double(x: in f32, y: out f32) { y = 2 * x; }"


class Dlpack(unittest.TestCase):
    def setUp(self):
        self.kernel = swage.kernel(DOUBLE)

    def check_given_back(self, *made):
        gc.collect()
        for array in made:
            self.assertGreater(array.exported, 0)
            self.assertEqual(array.exported, array.deleted)

    def test_versioned_and_legacy_capsules_are_read_and_given_back_once(self):
        for kind in (arrays.Array, arrays.LegacyArray):
            x, y = (arrays.floats(v, kind) for v in ([1, 2, 3], [0, 0, 0]))
            self.assertIs(self.kernel(x, y), y)
            self.assertEqual(list(y.memory), [2, 4, 6])
            self.check_given_back(x, y)

    def test_capsules_are_given_back_once_when_the_call_fails(self):
        x, y = arrays.floats([1, 2, 3]), arrays.floats([0, 0])
        with self.assertRaisesRegex(swage.Error, "'y' has shape"):
            self.kernel(x, y)
        self.check_given_back(x, y)

    def test_capsules_are_given_back_once_when_a_later_array_is_refused(self):
        x, y = arrays.floats([1, 2]), arrays.floats([0, 0], read_only=True)
        with self.assertRaisesRegex(swage.Error, "parameter 'y': its array is read-only"):
            self.kernel(x, y)
        self.check_given_back(x, y)
        self.assertEqual(list(y.memory), [0, 0])

    def test_a_read_only_input_is_read(self):
        x, y = arrays.floats([1, 2], read_only=True), arrays.floats([0, 0])
        self.kernel(x, y)
        self.assertEqual(list(y.memory), [2, 4])

    def test_arrays_of_a_library_without_writing_are_refused_as_outputs(self):
        class Constant(arrays.Array):
            __module__ = "jaxlib._jax"

        with self.assertRaisesRegex(swage.Error, "parameter 'y': its array is read-only"):
            self.kernel(arrays.floats([1]), arrays.floats([0], Constant))

    def test_strides_of_a_producer_are_followed(self):
        x = arrays.floats([1, 9, 2, 9], shape=(2,), strides=(2,))
        y = arrays.floats([0, 0])
        self.kernel(x, y)
        self.assertEqual(list(y.memory), [2, 4])

    def test_a_dlpack_of_the_future_is_refused_by_name(self):
        with self.assertRaisesRegex(swage.Error, "parameter 'x': its array comes by DLPack 7"):
            self.kernel(arrays.floats([1], major=7), arrays.floats([0]))

    def test_a_type_that_no_kernel_takes_is_refused_by_name(self):
        with self.assertRaisesRegex(swage.Error, "parameter 'x': DLPack type code 5"):
            self.kernel(arrays.floats([1, 2], shape=(1,), dtype=(5, 64)), arrays.floats([0]))

    def test_what_dlpack_gives_instead_of_a_capsule_is_refused_by_name(self):
        class Wrong:
            shape = (1,)

            def __dlpack__(self, **_):
                return 42

        with self.assertRaisesRegex(swage.Error, "parameter 'x': __dlpack__ gave no capsule"):
            self.kernel(Wrong(), arrays.floats([0]))

    def test_a_producer_that_raises_is_named(self):
        class Broken:
            shape = (1,)

            def __dlpack__(self, **_):
                raise BufferError("on strike")

        with self.assertRaisesRegex(swage.Error, "parameter 'x': .*on strike"):
            self.kernel(Broken(), arrays.floats([0]))

    def test_fresh_outputs_need_a_library_that_makes_arrays(self):
        with self.assertRaisesRegex(swage.Error, "parameter 'y': Array says no way.*pass the output"):
            self.kernel(arrays.floats([1]))


if __name__ == "__main__":
    unittest.main()
