"""test_torch.py -- kernels called on PyTorch's tensors; exit status 77 where there is no PyTorch."""

import sys
import unittest

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

from seeded import Seeded
import swage


class Torch(Seeded):
    def test_every_type_that_kernels_have(self):
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int8,
                      torch.int16, torch.int32, torch.int64, torch.uint8):
            kernel = swage.kernel("kernel plus<T>(x: in T, y: out T) { y = x + x; }", T=dtype)
            x = torch.arange(10).to(dtype)
            y = kernel(x)
            self.assertEqual(y.dtype, dtype)
            self.assertTrue(torch.equal(y, x + x))

    def test_pairs_of_four_bits(self):
        if not hasattr(torch, "float4_e2m1fn_x2"):
            self.skipTest("a PyTorch without float4_e2m1fn_x2")
        numbers = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
        x = torch.cat((numbers, -numbers)).repeat(3, 2)
        codes = torch.arange(16, dtype=torch.uint8).repeat(3, 2)
        pairs = codes[:, ::2] | codes[:, 1::2] << 4
        to = swage.kernel("kernel to(x: in f32, q: out f4e2m1) { q = 1.01 * x; }")
        back = swage.kernel("kernel back(q: in f4e2m1, y: out f32) { y = q; }")
        q = to(x)
        self.assertEqual((q.dtype, q.shape), (torch.float4_e2m1fn_x2, (3, 16)))
        self.assertTrue(torch.equal(q.view(torch.uint8), pairs))
        for given in (q, pairs):
            y = back(given)
            self.assertTrue(torch.equal(y, x) and torch.equal(torch.signbit(y), torch.signbit(x)))
        memory = torch.full((3, 20), 0xa5, dtype=torch.uint8)
        to(x, memory[:, 2:18])
        self.assertTrue(torch.equal(memory[:, 2:18], pairs))
        self.assertTrue(bool((memory[:, :2] == 0xa5).all() and (memory[:, 18:] == 0xa5).all()))

    def test_counts_of_rows_beside_groups_of_rows(self):
        if not hasattr(torch, "float8_e8m0fnu"):
            self.skipTest("a PyTorch without float8_e8m0fnu")
        kernels = [swage.kernel("mxfp8_both", T="bf16", Q="f8e4m3"), swage.kernel("mxfp8_columns", T="bf16", Q="f8e4m3"),
                   swage.kernel("mxfp4_both", T="bf16"), swage.kernel("swiglu_mxfp4_both", T="bf16"),
                   swage.kernel("swiglu_mxfp8_columns", T="bf16", Q="f8e5m2", largest=57344)]
        for kernel in kernels:
            names = [p.name for p in kernel.parameters if p.role == "in"]
            for count in (0, 1, 31, 32, 50, 64):
                inputs = [torch.randn(64, 96, dtype=torch.bfloat16) for _ in names]
                cut = [torch.where(torch.arange(64)[:, None] < count, x, 0) for x in inputs]
                for x in inputs:
                    x[count:] = float("nan")  # which would show
                found = kernel(*inputs, valid_rows=torch.tensor([count], dtype=torch.int64))
                for some, whole in zip(found, kernel(*cut)):
                    rows = count if len(some) == 64 else -(-count // 32)
                    some, whole = some.view(torch.uint8), whole.view(torch.uint8)
                    self.assertTrue(torch.equal(some[:rows], whole[:rows]), (kernel, count))
                    self.assertFalse(some[rows:].any(), (kernel, count))

    def test_quantised_kernels_take_counts_of_256_experts(self):
        if not hasattr(torch, "float4_e2m1fn_x2"):
            self.skipTest("a PyTorch without float4_e2m1fn_x2")
        counts = torch.randint(0, 4, (256,), dtype=torch.int32)
        counts[:4] = torch.tensor([0, 3, 1000, 0])
        counted = torch.arange(3) < counts[:, None]
        tried = 0
        for name, entry in swage.catalogue().items():
            if not name.startswith("swiglu_") or not any(word in name for word in ("quantised", "int8", "fp4", "fp8")):
                continue
            types = {"T": "bf16", "Q": "f8e4m3", "S": "f32"}
            generics = entry.text[entry.text.index("<") + 1:entry.text.index(">")].split(", ")
            kernel = swage.kernel(name, **{key: types[key] for key in generics})
            if any(p.space.startswith("col group") for p in kernel.parameters):
                continue  # groups of rows have a test of their own
            tried += 1
            given = [self.value_of(p) for p in kernel.parameters if p.role == "in"]
            whole, some = kernel(*given), kernel(*given, valid_rows=counts)
            if not isinstance(whole, tuple):
                whole, some = (whole,), (some,)
            for a, b in zip(whole, some):
                a, b = (x.view(torch.uint8).reshape(256, 3, -1) for x in (a, b))
                self.assertTrue(torch.equal(a[counted], b[counted]), name)
                self.assertFalse(b[~counted].any(), name)
        self.assertGreater(tried, 20)

    def value_of(self, parameter):
        """For batches of 256 experts with 3 rows of 128 columns each."""
        shape = {"element": (256, 3, 128), "row": (256, 3), "col": (128,), "tensor": (), "table": (256,)}[parameter.space]
        if parameter.type == "i32":
            return torch.arange(256, dtype=torch.int32)[:, None].expand(shape).contiguous()
        return torch.rand(shape).add(0.5).to(torch.bfloat16 if parameter.type == "bf16" else torch.float32)

    def test_views_in_bf16_are_not_copied(self):
        kernel = swage.kernel("swiglu", T="bf16")
        packed = torch.randn(6, 16, dtype=torch.bfloat16)
        gate, up = packed[:, :8], packed[:, 8:]
        expected = (torch.nn.functional.silu(gate.double()) * up.double()).bfloat16()
        self.assertTrue(torch.equal(kernel(gate, up), expected))
        kernel(gate, up, out=gate)
        self.assertTrue(torch.equal(packed[:, :8], expected))

    def test_fresh_outputs_keep_the_order_of_dimensions(self):
        kernel = swage.kernel("silu", T="f32")
        x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
        y = kernel(x)
        self.assertEqual(y.stride(), x.stride())
        torch.testing.assert_close(y, torch.nn.functional.silu(x))

    def test_tensors_that_require_a_gradient(self):
        kernel, x = swage.kernel("silu", T="f32"), torch.randn(3, requires_grad=True)
        with self.assertRaisesRegex(swage.Error, "parameter 'x': its tensor requires a gradient"):
            kernel(x)
        with torch.no_grad():
            self.assertFalse(kernel(x).requires_grad)

    def test_parameters_and_subclasses_are_tensors(self):
        class Mine(torch.Tensor):
            pass

        kernel = swage.kernel("silu", T="f32")
        with torch.no_grad():
            self.assertIs(type(kernel(torch.nn.Parameter(torch.ones(3)))), torch.Tensor)
        self.assertEqual(kernel(torch.ones(3).as_subclass(Mine)).shape, (3,))

    def test_importing_swage_beside_torch_and_numpy(self):
        x = torch.ones(4)
        y = swage.kernel("silu", T="f32")(x, x.numpy().copy())
        self.assertEqual(type(y).__module__, "numpy")


if __name__ == "__main__":
    unittest.main()
