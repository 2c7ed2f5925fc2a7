"""torch_quantised_test.py -- operators of quantised kernels; exit status 77 where there is no PyTorch."""

import sys
import unittest
import warnings

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

from seeded import Seeded
import swage
import swage.torch


def of_bytes(tensors):
    return [tensor.view(torch.uint8) for tensor in tensors]


@unittest.skipUnless(hasattr(torch, "float4_e2m1fn_x2"), "a PyTorch without float4_e2m1fn_x2")
class Quantised(Seeded):
    def test_both_directions_are_those_of_the_kernel_plain_and_compiled(self):
        x, y, z = (torch.randn(64, 96, dtype=torch.bfloat16) for _ in range(3))
        one = torch.ones(())
        for name, inputs, types in (("mxfp8_both", (x,), {"Q": "f8e4m3"}), ("mxfp4_both", (x,), {}),
                                    ("swiglu_mxfp4_both", (x, y), {}), ("swiglu_nvfp4_both", (x, y, one), {}),
                                    ("swiglu_mxfp4_columns", (x, y), {}),
                                    ("swiglu_mxfp4_both_gradient", (x, y, z), {}),
                                    ("swiglu_nvfp4_both_gradient", (x, y, z, one, one), {})):
            with self.subTest(name=name):
                expected = of_bytes(swage.kernel(name, T="bf16", **types)(*inputs))
                operator = getattr(swage.torch, name)
                given = {key: torch.float8_e4m3fn for key in types}
                compiled = torch.compile(lambda *a: operator(*a, **given), fullgraph=True, backend="aot_eager")
                for found in (operator(*inputs, **given), compiled(*inputs)):
                    for a, b in zip(of_bytes(found), expected):
                        self.assertTrue(torch.equal(a, b))

    def test_codes_along_columns_come_back_as_they_lie_transposed(self):
        memory = torch.randint(0, 256, (32, 48), dtype=torch.uint8)
        q = memory[:, :32].view(torch.float4_e2m1fn_x2).T  # 64 rows of 32 columns
        scale = torch.full((2, 32), 127, dtype=torch.uint8).view(torch.float8_e8m0fnu)
        back = swage.kernel("kernel back(q: in f4e2m1, y: out f32) { y = q; }")
        expected = back(memory[:, :32].contiguous()).T
        operator = swage.torch.dequantise_mxfp4_columns
        compiled = torch.compile(lambda *a: operator(*a, T=torch.float32), fullgraph=True, backend="aot_eager")
        for y in (operator(q, scale, T=torch.float32), compiled(q, scale)):
            self.assertEqual(y.shape, (64, 32))
            self.assertTrue(torch.equal(y, expected))

    def test_integers_have_no_gradient_and_backward_says_so(self):
        x, smooth = torch.randn(4, 16, requires_grad=True), torch.ones(16)
        compiled = torch.compile(swage.torch.swiglu_int8_row, fullgraph=True, backend="aot_eager")
        for kernel in (swage.torch.swiglu_int8_row, torch.ops.swage.swiglu_int8_row, compiled):
            for result in kernel(x, x, smooth):
                self.assertFalse(result.requires_grad)
                with warnings.catch_warnings(), self.assertRaisesRegex(RuntimeError, "does not require grad"):
                    warnings.simplefilter("error")
                    result.float().sum().backward()

    def test_rows_of_no_expert_are_zero(self):
        gate, up = (torch.randn(4, 128, dtype=torch.bfloat16) for _ in range(2))
        expert = torch.tensor([0, -1, 1, -1], dtype=torch.int32)
        none = torch.full((2,), float("inf"))
        for name, more in (("swiglu_mxfp4_experts", ()), ("swiglu_nvfp4_experts", (torch.ones(2),)),
                           ("swiglu_int8_row_experts", ()), ("swiglu_int8_group_experts", ())):
            with self.subTest(name=name):
                for found in of_bytes(getattr(swage.torch, name)(gate, up, expert, *more, none)):
                    rows = found.reshape(4, -1)
                    self.assertFalse(rows[1].any() or rows[3].any())
                    self.assertTrue(rows[0].any() and rows[2].any())

    def test_experts_along_both_dimensions_with_counts(self):
        gate, up = (torch.randn(3, 32, 64, dtype=torch.bfloat16) for _ in range(2))
        weight, smooth = torch.randn(3, 32), torch.ones(1).expand(64)
        counts = torch.tensor([32, 0, 5])
        expert = torch.arange(3, dtype=torch.int32)[:, None].expand(3, 32)
        tables = torch.ones(3), torch.full((3,), 2.0)
        for name, inputs in (("swiglu_mxfp8_both_scaled", (gate, up, weight, smooth)),
                             ("swiglu_mxfp4_both_scaled", (gate, up, weight, smooth)),
                             ("swiglu_nvfp4_columns_scaled", (gate, up, weight, smooth, torch.ones(()))),
                             ("swiglu_mxfp8_columns_experts", (gate, up, expert, tables[1])),
                             ("swiglu_nvfp4_both_experts", (gate, up, expert, *tables))):
            with self.subTest(name=name):
                operator = getattr(swage.torch, name)
                given = {"Q": torch.float8_e4m3fn} if "mxfp8" in name else {}
                types = {"Q": "f8e4m3"} if given else {}
                expected = of_bytes(swage.kernel(name, T="bf16", **types)(*inputs, valid_rows=counts))
                compiled = torch.compile(lambda *a, n: operator(*a, valid_rows=n, **given), fullgraph=True,
                                         backend="aot_eager")
                for found in (operator(*inputs, valid_rows=counts, **given), compiled(*inputs, n=counts)):
                    for a, b in zip(of_bytes(found), expected):
                        self.assertTrue(torch.equal(a, b))
                        self.assertFalse(a[1].any())


if __name__ == "__main__":
    unittest.main()
