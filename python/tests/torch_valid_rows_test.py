"""torch_valid_rows_test.py -- operators with counts of rows: results, gradients, torch.compile, errors.

On the CPU, or on the device that SWAGE_TEST_DEVICE names. Ends with 77, which CTest takes for skipped, where there is
no PyTorch.
"""

import os
import sys
import unittest

try:
    import torch
    from torch import library
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

from seeded import Seeded
import swage
import swage.torch

DEVICE = os.environ.get("SWAGE_TEST_DEVICE", "cpu")
BATCHES, ROWS, COLUMNS = 3, 64, 256
HAS_E2M1 = hasattr(torch, "float4_e2m1fn_x2")
HAS_E8M0 = torch.torch_version.TorchVersion(torch.__version__) >= "2.11"
# Elements, values of rows, groups, powers of two, 4 bits, both directions, experts; and how the kernel binds.
SAMPLE = [("swiglu", {}), ("swiglu_packed", {}), ("swiglu_scaled", {"S": "bf16"}), ("rms_norm", {}), ("softmax", {}),
          ("swiglu_backward", {}), ("swiglu_quantised_row", {"Q": "f8e4m3"}), ("swiglu_int8_group", {})]
if HAS_E8M0:
    SAMPLE += [("swiglu_quantised_group_e8m0", {"Q": "f8e4m3"}), ("mxfp8_both", {"Q": "f8e4m3"})]
if HAS_E2M1:
    SAMPLE += [("swiglu_mxfp4", {}), ("swiglu_nvfp4_both", {}), ("swiglu_mxfp4_experts", {})]
COUNTS = [[5], [0], [64 * 3], [70], [1000], [3, 0, 64], [64, 64, 64], [0, 40, -2]]


def counts_of(numbers, dtype=torch.int32):
    return torch.tensor(numbers, dtype=dtype, device=DEVICE)


def counted(numbers, rows=ROWS):
    """Which of the rows count, in their order."""
    if len(numbers) == 1:
        return (torch.arange(BATCHES * rows) < numbers[0]).reshape(BATCHES, rows).to(DEVICE)
    return (torch.arange(rows) < torch.tensor(numbers)[:, None]).to(DEVICE)


def make(operator, name, dtype):
    parameter = operator.parameter(name)
    if not parameter.is_tensor:
        return 0.8
    shape = {"element": [BATCHES, ROWS, COLUMNS], "row": [BATCHES, ROWS], "col": [COLUMNS], "tensor": [],
             "table": [4]}[parameter.space]
    if operator.half(parameter.name):
        shape[-1] *= 2
    if parameter.type == "i32":
        return torch.randint(-1, 4, shape, dtype=torch.int32, device=DEVICE)
    fixed = swage.torch._shapes.DTYPES[parameter.type] if parameter.type else dtype
    return torch.randn(shape, device=DEVICE).to(fixed)


def arguments(operator, dtype=torch.bfloat16):
    named = {name: dtype if name == "T" else torch.float8_e4m3fn for name in operator.signature.asked}
    return [make(operator, name, dtype) for name in operator.inputs if name != "valid_rows"], named


def all_of(found):
    return found if isinstance(found, tuple) else (found,)


def of_bytes(found):
    return [tensor.contiguous().view(torch.uint8) for tensor in all_of(found)]


def same(found, expected):
    return len(all_of(found)) == len(all_of(expected)) and all(
        torch.equal(a, b) for a, b in zip(of_bytes(found), of_bytes(expected)))


class Results(Seeded):
    def test_they_are_those_of_the_kernel(self):
        for name, types in SAMPLE:
            operator = getattr(swage.torch, name)
            given, named = arguments(operator)
            direct = given
            if operator.packed:
                direct = [half.contiguous() for half in given[0].chunk(2, -1)]
            kernel = swage.kernel(name.removesuffix("_packed"), T="bf16", **types)
            for numbers in COUNTS:
                for dtype in (torch.int32, torch.int64):
                    with self.subTest(name=name, counts=numbers, dtype=dtype):
                        counts = counts_of(numbers, dtype)
                        expected = kernel(*direct, valid_rows=counts)
                        self.assertTrue(same(operator(*given, valid_rows=counts, **named), expected))

    def test_rows_beyond_are_neither_read_nor_written(self):
        for name in ("swiglu", "rms_norm", "softmax", "swiglu_quantised_row"):
            operator = getattr(swage.torch, name)
            for numbers in COUNTS:
                given, named = arguments(operator)
                whole = all_of(operator(*given, **named))
                with self.subTest(name=name, counts=numbers):
                    counts, rows = counts_of(numbers), counted(numbers)
                    for tensor in given:
                        if tensor.dim() > 1:
                            tensor[~rows] = float("nan")
                    fresh = all_of(operator(*given, valid_rows=counts, **named))
                    out = [torch.full(w.shape, 3, dtype=torch.float32, device=DEVICE).to(w.dtype) for w in whole]
                    back = operator(*given, valid_rows=counts, out=tuple(out) if len(out) > 1 else out[0], **named)
                    self.assertTrue(all(a is b for a, b in zip(all_of(back), out)))
                    for before, new, kept in zip(whole, fresh, out):
                        before, new, kept = (t.float() for t in (before, new, kept))
                        self.assertTrue(torch.equal(new[rows], before[rows]))
                        self.assertTrue(torch.equal(kept[rows], before[rows]))
                        self.assertFalse(new[~rows].any())
                        self.assertTrue((kept[~rows] == 3).all())

    def test_one_value_for_all_is_written_without_a_row(self):
        total = swage.torch.op("kernel total(x: in f32, y: out f32 [col]) { y = col_sum(x) + 1; }")
        x = torch.randn(2, 4, 8, device=DEVICE)
        for numbers in ([0, 0], [1, 3], [5]):
            counts = counts_of(numbers)
            rows = (torch.arange(4, device=DEVICE) < counts[:, None] if len(numbers) == 2
                    else (torch.arange(8, device=DEVICE) < counts).reshape(2, 4))
            torch.testing.assert_close(total(x, valid_rows=counts), x[rows].sum(0) + 1)

    def test_in_place(self):
        d, gate, up = (torch.randn(BATCHES, ROWS, COLUMNS, device=DEVICE) for _ in range(3))
        for numbers in COUNTS:
            rows, whole, some = counted(numbers), [t.clone() for t in (d, gate, up)], [t.clone() for t in (d, gate, up)]
            swage.torch.swiglu_backward_inplace(*whole)
            versions = [t._version for t in some]
            swage.torch.swiglu_backward_inplace(*some, valid_rows=counts_of(numbers))
            for before, all_rows, found, version in zip((d, gate, up), whole, some, versions):
                self.assertTrue(torch.equal(found, torch.where(rows[..., None], all_rows, before)))
                self.assertGreater(found._version, version)

    def test_strides_that_do_not_merge(self):
        gate, up = (torch.randn(ROWS, BATCHES, COLUMNS, device=DEVICE).transpose(0, 1) for _ in range(2))
        for numbers in COUNTS:
            counts = counts_of(numbers)
            self.assertTrue(torch.equal(
                swage.torch.swiglu(gate, up, valid_rows=counts),
                swage.torch.swiglu(gate.contiguous(), up.contiguous(), valid_rows=counts)))

    def test_a_parameter_of_that_name_takes_its_place(self):
        own = swage.torch.op("kernel own(x: in f32, valid_rows: in i64 [row], y: out f32) {"
                             " y = valid_rows > 1 ? x : -x; }")
        x, which = torch.ones(2, 2, device=DEVICE), counts_of([1, 2], torch.int64)
        self.assertTrue(torch.equal(own(x, valid_rows=which), torch.tensor([[-1., -1], [1, 1]], device=DEVICE)))
        with self.assertRaisesRegex(TypeError, "valid_rows"):
            own.counted

    def test_inputs_are_given_by_name_too(self):
        x, up = torch.randn(2, 3, 8, device=DEVICE)
        for counts in (counts_of([2]), counts_of([0])):
            expected, out = swage.torch.swiglu(x, up, valid_rows=counts), torch.zeros_like(x)
            self.assertTrue(torch.equal(swage.torch.swiglu(x, up=up, valid_rows=counts), expected))
            self.assertTrue(torch.equal(swage.torch.swiglu(valid_rows=counts, up=up, gate=x), expected))
            swage.torch.swiglu(x, up=up, valid_rows=counts, out=out)
            self.assertTrue(torch.equal(out, expected))
            leaf = x.clone().requires_grad_()
            swage.torch.swiglu(gate=leaf, up=up, valid_rows=counts).sum().backward()
            self.assertTrue(torch.equal(leaf.grad.any(-1), (torch.arange(3, device=DEVICE) < counts)))

    def test_none_is_all_rows(self):
        x = torch.randn(2, 8, device=DEVICE)
        self.assertTrue(torch.equal(swage.torch.swiglu(x, x, valid_rows=None), swage.torch.swiglu(x, x)))


class Gradients(Seeded):
    def test_they_are_those_of_differences(self):
        for name, shapes in (("swiglu", [(2, 4, 8)] * 2), ("rms_norm", [(2, 4, 8), (8,)]), ("softmax", [(2, 4, 8)]),
                             ("swiglu_packed", [(2, 4, 16)])):
            operator = getattr(swage.torch, name)
            inputs = [torch.randn(s, dtype=torch.float64, device=DEVICE, requires_grad=True) for s in shapes]
            for numbers in ([3], [0, 2], [4, 1]):
                with self.subTest(name=name, counts=numbers):
                    def function(*given, counts=counts_of(numbers)):
                        return operator(*given, valid_rows=counts)
                    self.assertTrue(torch.autograd.gradcheck(function, inputs))
                    self.assertTrue(torch.autograd.gradgradcheck(function, inputs))

    def test_sums_over_rows_are_of_those_that_count(self):
        x, weight, d = (torch.randn(s, device=DEVICE) for s in ((BATCHES, ROWS, 32), (32,), (BATCHES, ROWS, 32)))
        for numbers in COUNTS:
            with self.subTest(counts=numbers):
                rows = counted(numbers)
                few, w = x[rows].clone().requires_grad_(), weight.clone().requires_grad_()
                swage.torch.rms_norm(few, w).backward(d[rows])
                nan = float("nan")
                dirty = torch.where(rows[..., None], x, nan).requires_grad_()
                v = weight.clone().requires_grad_()
                swage.torch.rms_norm(dirty, v, valid_rows=counts_of(numbers)).backward(
                    torch.where(rows[..., None], d, nan))
                torch.testing.assert_close(v.grad, w.grad)
                self.assertTrue(torch.equal(dirty.grad[rows], few.grad))
                self.assertFalse(dirty.grad[~rows].any())

    def test_a_backward_that_is_named_gets_the_counts(self):
        exp = swage.torch.op("""
          kernel e(x: in f32, s: f32, y: out f32) { y = exp(x * s); }
          kernel b(d_y: in f32, y: in f32, s: f32, d_x: out f32) { d_x = d_y * y * s; }
        """, "e", backward="b")
        x = torch.randn(2, 4, 8, device=DEVICE, requires_grad=True)
        y = exp(x, 0.5, valid_rows=counts_of([1, 3]))
        y.backward(torch.full_like(y, 2))
        self.assertTrue(torch.equal(x.grad, y.detach()))
        self.assertFalse(x.grad[0, 1:].any() or x.grad[1, 3:].any())
        self.assertTrue(x.grad[1, :3].all())

    def test_counts_that_changed_are_noticed(self):
        x, counts = torch.randn(4, 8, device=DEVICE, requires_grad=True), counts_of([2])
        y = swage.torch.swiglu(x, x, valid_rows=counts)
        counts += 1
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            y.sum().backward()

    def test_transforms(self):
        x = torch.randn(BATCHES, 4, 8, device=DEVICE)
        counts = counts_of([1, 0, 3])
        expected = swage.torch.swiglu(x, x, valid_rows=counts)
        self.assertTrue(torch.equal(
            torch.vmap(lambda a, n: swage.torch.swiglu(a, a, valid_rows=n))(x, counts), expected))
        self.assertTrue(torch.equal(
            torch.vmap(lambda n: swage.torch.swiglu(x[0], x[0], valid_rows=n))(counts),
            torch.stack([swage.torch.swiglu(x[0], x[0], valid_rows=n) for n in counts])))
        slopes = torch.func.grad(lambda a: swage.torch.swiglu(a, a, valid_rows=counts).sum())(x)
        leaf = x.clone().requires_grad_()
        swage.torch.swiglu(leaf, leaf, valid_rows=counts).sum().backward()
        self.assertTrue(torch.equal(slopes, leaf.grad))


class Compiled(Seeded):
    def test_schema_fake_tensors_and_tracing_agree(self):
        for name, types in SAMPLE:
            operator = getattr(swage.torch, name)
            floats = operator.is_differentiable and "Q" not in types and "fp4" not in name and "int8" not in name
            given, named = arguments(operator, torch.float64 if floats else torch.bfloat16)
            given = [t.requires_grad_() if floats and torch.is_tensor(t) else t for t in given]
            tests = ["test_schema", "test_faketensor"]
            if "fp4" in name:  # PyTorch compares none of float4_e2m1fn_x2
                tests.remove("test_schema")
            if floats and not name.endswith("_backward"):
                tests += ["test_autograd_registration", "test_aot_dispatch_dynamic"]
            for numbers in ([70], [3, 0, 64]):
                with self.subTest(name=name, counts=numbers):
                    library.opcheck(operator.counted.overload, (*given, counts_of(numbers)), named, test_utils=tests)

    def test_whole_from_the_first_call_on_and_for_counts_that_change(self):
        # Strings of their own: nothing has called these operators with counts before.
        text = "kernel k%d<T>(x: in T, w: in T [col], y: out T) { y = x * rsqrt(row_mean(x * x) + 1) * w; }"
        for i, dynamic in enumerate((False, True)):
            operator = swage.torch.op(text % i)
            function = torch.compile(lambda x, w, n: operator(x * 1, w, valid_rows=n), fullgraph=True,
                                     backend="aot_eager", dynamic=dynamic)
            for numbers in COUNTS:
                x = torch.randn(BATCHES, ROWS, 8, device=DEVICE, requires_grad=True)
                w = torch.randn(8, device=DEVICE, requires_grad=True)
                d, counts = torch.randn_like(x), counts_of(numbers)
                found = function(x, w, counts)
                slopes = torch.autograd.grad(found, (x, w), d)
                expected = operator(x, w, valid_rows=counts)
                self.assertTrue(torch.equal(found, expected))
                for a, b in zip(slopes, torch.autograd.grad(expected, (x, w), d)):
                    self.assertTrue(torch.equal(a, b))

    def test_results_that_are_given(self):
        function = torch.compile(lambda x, n, y: swage.torch.geglu(x, x, valid_rows=n, out=y), fullgraph=True,
                                 backend="aot_eager")
        x, y = torch.randn(4, 8, device=DEVICE), torch.full((4, 8), 7., device=DEVICE)
        function(x, counts_of([3]), y)
        self.assertTrue(torch.equal(y[:3], swage.torch.geglu(x, x)[:3]))
        self.assertTrue((y[3] == 7).all())

    def test_modules(self):
        x, counts = torch.randn(BATCHES, 4, 16, device=DEVICE), counts_of([3, 0, 4])
        norm = swage.torch.RMSNorm(16, device=DEVICE)
        for module, inputs, expected in (
                (swage.torch.SwiGLU(), (x, x), swage.torch.swiglu(x, x, valid_rows=counts)),
                (swage.torch.GeGLU("tanh"), (x,), swage.torch.geglu_tanh_packed(x, valid_rows=counts)),
                (norm, (x,), swage.torch.rms_norm(x, norm.weight, eps=norm.eps, valid_rows=counts))):
            for call in (module, torch.compile(module, fullgraph=True, backend="aot_eager")):
                self.assertTrue(torch.equal(call(*inputs, valid_rows=counts), expected))
                self.assertFalse(torch.equal(call(*inputs), expected))

    def test_exported(self):
        class Module(torch.nn.Module):
            def forward(self, x, counts):
                return swage.torch.relu(x, valid_rows=counts)

        x, counts = torch.randn(4, 8, device=DEVICE), counts_of([3])
        exported = torch.export.export(Module(), (x, counts)).module()
        self.assertTrue(torch.equal(exported(x, counts), swage.torch.relu(x, valid_rows=counts)))


    def test_traced_symbolically(self):
        traced = torch.fx.symbolic_trace(lambda x, counts: swage.torch.relu(x, valid_rows=counts))
        x, counts = torch.randn(4, 8, device=DEVICE), counts_of([3])
        self.assertTrue(torch.equal(traced(x, counts), swage.torch.relu(x, valid_rows=counts)))


class Errors(Seeded):
    def test_torch_script_would_write_to_the_counts(self):
        x = torch.ones(1, 1, dtype=torch.int32, device=DEVICE)
        double = swage.torch.op("kernel double(x: in i32, y: out i32) { y = 2 * x; }")
        for operator in (lambda x, n: double(x, valid_rows=n), double.counted):
            with self.assertRaisesRegex(RuntimeError, "use torch.export"):
                torch.jit.trace(operator, (x, counts_of([1])), check_trace=False)

    def test_they_say_what_was_found_and_expected(self):
        x = torch.randn(2, 4, 8, device=DEVICE)
        for counts, kind, message in (
                (3, TypeError, "valid_rows of swiglu is int, expected a tensor of int32 or int64"),
                ([3], TypeError, "valid_rows of swiglu is list"),
                (torch.ones(1, device=DEVICE), RuntimeError, "valid_rows holds f32, expected i32 or i64"),
                (torch.ones(1, dtype=torch.int16, device=DEVICE), RuntimeError, "valid_rows holds i16, expected"),
                (torch.ones(1, dtype=torch.complex64, device=DEVICE), RuntimeError, "valid_rows"),
                (counts_of([1, 2, 3]), RuntimeError, r"valid_rows has shape \[3\], but .* one for each batch: \[2\]"),
                (counts_of([1, 2, 3, 4])[::2], RuntimeError, "valid_rows has strides"),
                (counts_of([1]).to("meta"), RuntimeError, "valid_rows.*move one of them")):
            with self.subTest(message), self.assertRaisesRegex(kind, message):
                swage.torch.swiglu(x, x, valid_rows=counts)
        with self.assertRaisesRegex(RuntimeError, "valid_rows counts rows, and 'gate' has shape .* which has none"):
            swage.torch.swiglu(x[0, 0], x[0, 0], valid_rows=counts_of([1]))
        with self.assertRaisesRegex(RuntimeError, "shares memory with valid_rows"):
            y = torch.zeros(2, 4, 8, dtype=torch.int32, device=DEVICE)
            swage.torch.op("kernel n(x: in f32, y: out i32) { y = i32(x); }")(x, out=y, valid_rows=y[0, 0, :1])

    def test_fake_tensors_say_it_too(self):
        x = torch.randn(2, 4, 8, device="meta")
        with self.assertRaisesRegex(RuntimeError, "holds torch.float32, expected torch.int32 or torch.int64"):
            swage.torch.swiglu(x, x, valid_rows=torch.ones(1, device="meta"))
        with self.assertRaisesRegex(RuntimeError, "is on cpu and 'gate' on meta: move one of them"):
            swage.torch.swiglu(x, x, valid_rows=torch.ones(1, dtype=torch.int32))


if __name__ == "__main__":
    unittest.main()
