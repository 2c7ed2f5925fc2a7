"""test_calls.py -- kernels called on NumPy's arrays."""

import copy
import pathlib
import pickle
import tempfile
import time
import unittest

import numpy as np

import swage

SWIGLU = "kernel swiglu<T>(gate: in T, up: in T, h: out T) { h = gate * sigmoid(gate) * up; }"
SCALE = "kernel scale<T>(x: in T, factor: f32, shift: i32, y: out T) { y = x * factor + f32(shift); }"


def swiglu(gate, up):
    return gate / (1 + np.exp(-gate)) * up


class Skipped(unittest.TestCase):
    def test_rows_that_are_left_out_are_0_in_fresh_outputs(self):
        kernel = swage.kernel("kernel r(x: in f32, id: in i32 [row], y: out f32) {"
                              " skip where id < 0; y = x + x; }")
        x = np.full((3, 4), 2, np.float32)
        for _ in range(3):
            np.full((3, 4), np.nan, np.float32)  # what fresh memory may hold
            found = kernel(x, np.int32([0, -1, 1]))
            self.assertEqual(found[:, 0].tolist(), [4, 0, 4])
        twice = swage.kernel("kernel t(x: in f32, y: out f32) { y = x + x; }")
        self.assertEqual(twice(x, valid_rows=np.int32([1]))[:, 0].tolist(), [4, 0, 0])


class Scales(unittest.TestCase):
    OFFSETS = {  # of row, group, where there are `rows` and `groups`
        "row_major": lambda row, group, rows, groups: row * groups + group,
        "column_major": lambda row, group, rows, groups: group * rows + row,
        "column_major_padded": lambda row, group, rows, groups: group * ((rows + 3) & ~3) + row,
        "packed_words": lambda row, group, rows, groups:
            (group // 4 * ((rows + 3) & ~3) + row) * 4 + group % 4,
        "swizzled_128x4": lambda row, group, rows, groups:
            (row // 128 * ((groups + 3) // 4) + group // 4) * 512
            + row % 32 * 16 + row // 32 % 4 * 4 + group % 4,
    }

    def test_scales_are_written_in_every_layout(self):
        kernel = swage.kernel("kernel k(x: in f32, s: out f32 [group 4]) { s = group_max(x, 4); }")
        for layout, offset in self.OFFSETS.items():
            for rows, groups in (1, 1), (5, 6), (130, 9):
                with self.subTest(layout=layout, rows=rows, groups=groups):
                    view = swage.scale_view(layout, rows, groups)
                    memory = np.zeros(view.count, np.float32)
                    scales = np.lib.stride_tricks.as_strided(
                        memory, view.shape, [4 * stride for stride in view.strides])
                    x = np.arange(1, 1 + rows * groups * 4, dtype=np.float32).reshape(rows, -1)
                    kernel(x, s=scales)
                    expected = np.zeros(view.count, np.float32)
                    for row in range(rows):
                        for group in range(groups):
                            expected[offset(row, group, rows, groups)] = x[row, group * 4 + 3]
                    self.assertEqual(memory.tolist(), expected.tolist())

    def test_another_layout_is_refused_by_name(self):
        with self.assertRaisesRegex(swage.Error, "'diagonal', expected one of row_major, column_major"):
            swage.scale_view("diagonal", 1, 1)
        with self.assertRaisesRegex(swage.Error, "found -1 rows of 2 groups"):
            swage.scale_view("row_major", -1, 2)


class Calls(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(1)

    def array(self, *shape, dtype=np.float32):
        return self.random.standard_normal(shape).astype(dtype)

    def test_by_position_by_name_with_and_without_outputs(self):
        kernel, gate, up = swage.kernel(SWIGLU, T="f32"), self.array(3, 5), self.array(3, 5)
        h, expected = np.empty_like(gate), swiglu(gate, up)
        for result in (kernel(gate, up), kernel(gate, up=up), kernel(up=up, gate=gate),
                       kernel(gate, up, h), kernel(gate, up, out=h), kernel(gate, up, h=h),
                       kernel(gate, up, out=[h]), kernel(h=h, gate=gate, up=up)):
            np.testing.assert_allclose(result, expected, rtol=1e-6)
        self.assertIs(kernel(gate, up, h), h)

    def test_every_type_that_numpy_has(self):
        for dtype in (np.float64, np.float32, np.float16, np.int8, np.int16, np.int32, np.int64,
                      np.uint8):
            kernel = swage.kernel("kernel plus<T>(x: in T, y: out T) { y = x + x; }", T=dtype)
            x = np.arange(10).astype(dtype)
            y = kernel(x)
            self.assertEqual(y.dtype, dtype)
            np.testing.assert_array_equal(y, x + x)
        flip = swage.kernel("kernel flip(x: in bool, y: out bool) { y = !x; }")
        np.testing.assert_array_equal(flip(np.array([True, False])), [False, True])

    def test_scalars_are_numbers_of_any_library(self):
        kernel, x = swage.kernel(SCALE, T="f32"), self.array(4)
        for factor, shift in ((2, 1), (2.0, True), (np.float64(2), np.int64(1)),
                              (np.array(2.0), np.uint8(1))):
            np.testing.assert_allclose(kernel(x, factor, shift), x * 2 + 1, rtol=1e-6)
            np.testing.assert_allclose(kernel(x, shift=shift, factor=factor), x * 2 + 1, rtol=1e-6)

    def test_a_scalar_that_is_a_truth(self):
        kernel = swage.kernel("kernel f(x: in f32, yes: bool, y: out f32) { y = yes ? x : 0; }")
        x = self.array(3)
        for value in (True, 1, np.True_, np.bool_(True)):
            np.testing.assert_array_equal(kernel(x, value), x)
        np.testing.assert_array_equal(kernel(x, np.False_), 0 * x)

    def test_views_of_any_strides_are_not_copied(self):
        kernel, buffer = swage.kernel(SWIGLU, T="f32"), self.array(6, 16)
        for gate, up in ((buffer[:, :8], buffer[:, 8:]), (buffer[:, 0::2], buffer[:, 1::2]),
                         (buffer[::-1, :8], buffer[:, 8:]), (buffer.T[:8], buffer.T[8:]),
                         (np.broadcast_to(buffer[0], (6, 16)), buffer)):
            np.testing.assert_allclose(kernel(gate, up), swiglu(gate, up), rtol=2e-6)
        target = np.zeros((6, 16), np.float32)
        kernel(buffer[:, :8], buffer[:, 8:], target[:, 1::2])
        np.testing.assert_allclose(target[:, 1::2], swiglu(buffer[:, :8], buffer[:, 8:]), rtol=2e-6)
        self.assertEqual(np.count_nonzero(target[:, 0::2]), 0)

    def test_read_only_inputs_are_read(self):
        kernel, gate = swage.kernel(SWIGLU, T="f32"), self.array(4)
        gate.flags.writeable = False
        np.testing.assert_allclose(kernel(gate, gate), swiglu(gate, gate), rtol=1e-6)

    def test_zero_sizes(self):
        kernel = swage.kernel(SWIGLU, T="f32")
        for shape in ((0,), (0, 4), (4, 0), (2, 0, 3)):
            self.assertEqual(kernel(self.array(*shape), self.array(*shape)).shape, shape)

    def test_no_dimensions(self):
        kernel = swage.kernel(SWIGLU, T="f64")
        self.assertAlmostEqual(float(kernel(np.array(1.0), np.array(2.0))), swiglu(1.0, 2.0))

    def test_fresh_outputs_have_the_shape_of_their_space(self):
        source = """
        kernel rows<T>(x: in T, largest: out T [row], total: out T [tensor], groups: out T [group 4],
                       sums: out T [col]) {
          largest = row_max(x);
          groups = group_max(x, 4);
          sums = col_sum(x);
          total = col_sum(row_sum(x));
        }
        """
        x = self.array(2, 3, 8)
        largest, total, groups, sums = swage.kernel(source, T="f32")(x)
        np.testing.assert_array_equal(largest, x.max(-1))
        np.testing.assert_array_equal(groups, x.reshape(2, 3, 2, 4).max(-1))
        np.testing.assert_allclose(sums, x.sum((0, 1)), rtol=1e-5)
        self.assertEqual(total.shape, ())
        np.testing.assert_allclose(total, x.sum(), rtol=1e-5)
        source = """
        kernel columns<T>(x: in T, largest: out T [col group 3]) { largest = col_group_max(x, 3); }
        """
        x = self.array(2, 6, 8)
        np.testing.assert_array_equal(swage.kernel(source, T="f32")(x), x.reshape(2, 2, 3, 8).max(2))

    def test_in_place(self):
        kernel = swage.kernel("kernel twice(x: inout f32) { x = 2 * x; }")
        x = self.array(5)
        before = x.copy()
        self.assertIs(kernel(x), x)
        np.testing.assert_array_equal(x, 2 * before)
        swiglu_kernel, gate = swage.kernel(SWIGLU, T="f32"), self.array(5)
        expected = swiglu(gate, x)
        np.testing.assert_allclose(swiglu_kernel(gate, x, out=gate), expected, rtol=1e-6)

    def test_rows_beyond_the_count_are_left_alone(self):
        kernel, gate, h = swage.kernel(SWIGLU, T="f32"), self.array(4, 8), np.full((4, 8), 7, "f4")
        kernel(gate, gate, h, valid_rows=np.array([2], np.int32))
        np.testing.assert_allclose(h[:2], swiglu(gate, gate)[:2], rtol=1e-6)
        np.testing.assert_array_equal(h[2:], 7)

    def test_a_parameter_may_have_the_name_of_an_option(self):
        kernel = swage.kernel(
            "kernel f(x: in f32, workspace: out f32, stream: f32) { workspace = x + stream; }")
        x, y = self.array(3), np.empty(3, np.float32)
        self.assertIs(kernel(x, stream=1, workspace=y), y)
        np.testing.assert_allclose(y, x + 1)

    def test_prepare_compiles_and_runs_nothing(self):
        kernel, x, y = swage.kernel(SWIGLU, T="f32"), self.array(3), np.zeros(3, np.float32)
        kernel.prepare(x, x, y)
        self.assertEqual(kernel.workspace_bytes(x, x, y), 0)
        np.testing.assert_array_equal(y, 0)

    def test_tuning_shows_a_bar_and_finds_a_schedule(self):
        bars = []

        class Bar:
            def __init__(self, total, desc, unit):
                self.total, self.desc, self.shown, self.closed = total, desc, 0, False
                bars.append(self)

            def update(self, more):
                self.shown += more

            def close(self):
                self.closed = True

        # A kernel that no record of another run is of.
        source = SWIGLU.replace("gate *", f"{time.time_ns() % 10**6 + 1}.5 * gate *")
        kernel, x = swage.kernel(source, T="f32"), self.array(64, 512)
        tuned = kernel.tune(x, x, budget=0.3, force=True, private=True, progress=Bar)
        self.assertIn("lanes", tuned.schedule)
        self.assertGreater(tuned.candidates, 0)
        self.assertEqual([(bar.total, bar.desc, bar.closed) for bar in bars],
                         [(0.3, "tuning swiglu", True)])
        self.assertTrue(0 < bars[0].shown <= 0.3, bars[0].shown)
        fixed = swage.kernel(source, T="f32", schedule=tuned.schedule)
        np.testing.assert_array_equal(fixed(x, x), kernel(x, x))

    def test_what_a_kernel_says_of_itself(self):
        kernel = swage.kernel(SCALE.replace("shift: i32", "const shift: i32 = 3"), T="f16", shift=2)
        self.assertEqual(kernel.name, "scale")
        self.assertIn("kernel scale(x: in f16", kernel.text)
        self.assertEqual(kernel.parameters, [("x", "in", "f16", "element", 0),
                                             ("factor", "scalar", "f32", "element", 0),
                                             ("y", "out", "f16", "element", 0)])
        self.assertEqual(kernel.constants, [("shift", "i32", 2, 3)])
        self.assertEqual(repr(kernel), "<swage.Kernel scale(x: in f16, factor: scalar f32, "
                                       "y: out f16) on the device of its arrays>")
        self.assertIsNone(kernel.device)
        self.assertEqual(swage.kernel(SWIGLU, T="f32", device="cpu").device, "cpu")

    def test_pickles_and_copies_compute_the_same(self):
        kernel, x = swage.kernel(SWIGLU, T="f32", device="cpu", math="fast"), self.array(9)
        for other in (pickle.loads(pickle.dumps(kernel)), copy.copy(kernel), copy.deepcopy(kernel)):
            self.assertEqual(repr(other), repr(kernel))
            np.testing.assert_array_equal(other(x, x), kernel(x, x))

    def test_gradients(self):
        kernel = swage.kernel(SWIGLU, T="f64")
        gate, up, d_h = (self.array(7, dtype=np.float64) for _ in range(3))
        s = 1 / (1 + np.exp(-gate))
        expected = d_h * up * s * (1 + gate * (1 - s)), d_h * gate * s
        for gradient in (kernel.gradient(), kernel.gradient("gate", "up"),
                         swage.kernel("swiglu", T="f64").gradient()):
            for found, wanted in zip(gradient(d_h, gate, up), expected):
                np.testing.assert_allclose(found, wanted, rtol=1e-12)
        in_place = kernel.gradient(gate="up", up="gate", name="back")
        self.assertEqual(in_place.name, "back")
        in_place(d_h, gate, up)
        np.testing.assert_allclose(up, expected[0], rtol=1e-12)
        np.testing.assert_allclose(gate, expected[1], rtol=1e-12)

    def test_gradients_of_gradients(self):
        kernel = swage.kernel("kernel cube(x: in f64, y: out f64) { y = x * x * x; }")
        second = kernel.gradient("x").gradient("x")
        x, one = self.array(4, dtype=np.float64), np.ones(4)
        np.testing.assert_allclose(second(one, one, x), 6 * x, rtol=1e-12)

    def test_kernels_of_files_and_of_the_catalogue(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "mine.swg"
            path.write_text(SWIGLU)
            x = self.array(4)
            np.testing.assert_array_equal(swage.kernel(path, T="f32")(x, x),
                                          swage.kernel("swiglu", T="f32")(x, x))
            path.write_text("kernel wrong(")
            with self.assertRaises(swage.Error) as raised:
                swage.kernel(path)
            self.assertEqual(raised.exception.place[:2], (str(path), 1))
        entry = swage.catalogue()["swiglu"]
        self.assertEqual(entry.file, "swiglu.swg")
        self.assertTrue(entry.text.startswith("kernel swiglu<T>("))
        self.assertTrue(entry.summary.startswith("h = silu(gate) * up"))
        self.assertIn("swiglu_grad", swage.catalogue())

    def test_devices_end_with_the_cpu(self):
        cpu = swage.devices()[-1]
        self.assertEqual(cpu.id, "cpu")
        self.assertGreater(cpu.compute_units, 0)


if __name__ == "__main__":
    unittest.main()
