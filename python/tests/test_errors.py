"""test_errors.py -- a wrong call raises swage.Error that names what is wrong."""

import pickle
import sys
import unittest

import arrays
import numpy as np

import swage
from swage._structs import CUDA

SCALE = "kernel scale(x: in f32, factor: f32, n: i32, y: out f32) { y = x * factor + f32(n); }"


class Errors(unittest.TestCase):
    def setUp(self):
        self.kernel = swage.kernel(SCALE)
        self.x = np.ones((2, 3), np.float32)

    def refused(self, pattern, *args, kernel=None, code="invalid_argument", **named):
        with self.assertRaisesRegex(swage.Error, pattern) as raised:
            (kernel or self.kernel)(*args, **named)
        self.assertEqual(raised.exception.code, code)
        return raised.exception

    def test_wrong_types_name_the_parameter(self):
        self.refused("'x' holds f64, expected f32", self.x.astype(np.float64), 1, 1)
        self.refused("'y' holds i32, expected f32", self.x, 1, 1, self.x.astype(np.int32))
        self.refused("parameter 'x': found list, expected an array", [1.0], 1, 1)
        self.refused("parameter 'x': found float 2.0, expected an array", 2.0, 1, 1)
        self.refused("parameter 'x': found None, expected an array of f32", None, 1, 1)
        self.refused("parameter 'factor': found str 'two', expected a number", self.x, "two", 1)
        self.refused("parameter 'factor': found ndarray, expected a number", self.x, self.x, 1)
        self.refused("parameter 'n': found float 1.5, expected a number .i32.", self.x, 1, 1.5)
        self.refused("parameter 'x': DLPack type code 5", self.x.astype(np.complex64), 1, 1)
        self.refused("parameter 'x': .*type >f4", self.x.astype(">f4"), 1, 1)

    def test_integers_that_do_not_fit_name_the_parameter(self):
        self.refused("'n'", self.x, 1, 2**40)
        self.refused("parameter 'n': .*beyond 64 bits", self.x, 1, 2**80)

    def test_wrong_shapes_name_the_parameter(self):
        self.refused(r"'y' has shape \[3, 2\], but 'x' has \[2, 3\]", self.x, 1, 1,
                     np.empty((3, 2), np.float32))

    def test_too_many_and_too_few_arguments(self):
        self.refused("'scale': found 5 arguments, expected 3, or 4 with the outputs",
                     self.x, 1, 1, self.x, self.x)
        self.refused("parameter 'n' was not given", self.x, 1)
        self.refused("parameter 'x' was not given")
        self.refused("out= holds 2 arrays, expected 1 .y.", self.x, 1, 1, out=(self.x, self.x))
        twice = swage.kernel("kernel twice(x: inout f32) { x = 2 * x; }")
        self.refused("found 2 arguments, expected 1", self.x, self.x, kernel=twice)

    def test_unknown_and_repeated_names(self):
        self.refused("there is no parameter 'fator'; its parameters are x, factor, n, y",
                     self.x, fator=1, n=1)
        self.refused("found 4 arguments|'x' was given twice", self.x, 1, 1, self.x, x=self.x)
        self.refused("parameter 'y' was given twice", self.x, 1, 1, y=self.x, out=self.x)

    def test_mixed_devices_name_both_parameters(self):
        gpu = arrays.floats([1] * 6, shape=(2, 3), device=(CUDA, 0))
        self.refused("parameter 'y': its array is on cuda:0, but that of 'x' on cpu; move one",
                     self.x, 1, 1, gpu)
        on_cpu = swage.kernel(SCALE, device="cpu")
        self.refused("parameter 'x': its array is on cuda:0, but kernel 'scale' is for cpu", gpu, 1,
                     1, self.x, kernel=on_cpu)
        self.assertEqual(gpu.exported, 0)

    def test_read_only_outputs(self):
        y = np.empty((2, 3), np.float32)
        y.flags.writeable = False
        self.refused("parameter 'y': its array is read-only", self.x, 1, 1, y)

    def test_overlapping_outputs(self):
        buffer = np.zeros(10, np.float32)
        self.refused("'y'", buffer[:8], 1, 1, buffer[1:9])

    def test_options_of_a_wrong_kind(self):
        self.refused("parameter 'valid_rows': found int 2", self.x, 1, 1, valid_rows=2)
        self.refused("valid_rows", self.x, 1, 1, valid_rows=np.zeros(1, np.float32))
        self.refused("stream=: found str", self.x, 1, 1, stream="fast")

    def test_kernel_text_with_a_mistake_says_where(self):
        with self.assertRaises(swage.Error) as raised:
            swage.kernel("kernel f(x: in f32, y: out f32) {\n  y = x * z;\n}")
        error = raised.exception
        self.assertEqual(error.code, "invalid_kernel")
        self.assertEqual(error.place, ("<kernel>", 2, 11))
        self.assertEqual(str(error), "<kernel>:2:11: error: unknown name 'z', expected a parameter, "
                                     "let or function\n  2 |   y = x * z;\n    |           ^")

    def test_an_output_of_a_type_that_numpy_has_not(self):
        if "ml_dtypes" in sys.modules:
            self.skipTest("ml_dtypes was imported")
        for name in ("bf16", "f8e4m3", "e8m0"):
            with self.assertRaisesRegex(swage.Error, f"'y': NumPy has no type for {name}; pass arrays of PyTorch, or"):
                swage.kernel(f"kernel k(x: in f32, y: out {name}) {{ y = x; }}")(np.zeros(4, np.float32))

    def test_what_makes_no_kernel(self):
        for pattern, make in (
                ("the catalogue has no kernel 'swigly'; did you mean 'swiglu'", lambda: swage.kernel("swigly")),
                ("the catalogue has no kernel 'attention'; 'swage list' shows", lambda: swage.kernel("attention")),
                ("a second name, 'g', was given", lambda: swage.kernel("swiglu", "g")),
                ("'T' has no binding", lambda: swage.kernel("swiglu")),
                ("T", lambda: swage.kernel("swiglu", T="f31")),
                ("binding T=.*found list", lambda: swage.kernel("swiglu", T=[])),
                ("'S'", lambda: swage.kernel("swiglu", T="f32", S="f32")),
                ("math='exact': expected one of accurate",
                 lambda: swage.kernel("swiglu", T="f32", math="exact")),
                ("no device 'cuda:77'", lambda: swage.kernel("swiglu", T="f32", device="cuda:77")),
                ("schedule|threads", lambda: swage.kernel("swiglu", T="f32", schedule="quick=1")),
                ("zero byte", lambda: swage.kernel("kernel \0")),
                ("found int", lambda: swage.kernel(3)),
                ("no parameter 'z' to take a gradient",
                 lambda: self.kernel.gradient("z")),
                ("expected a name", lambda: self.kernel.gradient(name="a b"))):
            with self.assertRaisesRegex(swage.Error, pattern):
                make()

    def test_a_file_that_is_not_there(self):
        import pathlib
        with self.assertRaisesRegex(swage.Error, "nowhere.swg: No such file") as raised:
            swage.kernel(pathlib.Path("nowhere.swg"))
        self.assertEqual(raised.exception.code, "io")

    def test_errors_are_pickled_with_all_they_say(self):
        error = swage.Error("a: 1", "driver", 700, "log")
        other = pickle.loads(pickle.dumps(error))
        self.assertEqual((str(other), other.code, other.driver_result, other.build_log, other.place),
                         ("a: 1", "driver", 700, "log", None))


if __name__ == "__main__":
    unittest.main()
