"""torch_operators_test.py -- every operator of the catalogue: schema, fake tensors, gradients, torch.compile.

A sample of them, and all where SWAGE_TEST_EVERY_OPERATOR is set; on the CPU, or on the device that
SWAGE_TEST_DEVICE names. Ends with 77, which CTest takes for skipped, where there is no PyTorch.
"""

import os
import shutil
import sys
import sysconfig
import threading
import unittest

try:
    import torch
    from torch import library
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

from seeded import Seeded  # noqa: E402
import swage.torch  # noqa: E402

DEVICE = os.environ.get("SWAGE_TEST_DEVICE", "cpu")
if DEVICE != "cpu":  # a mode, which keeps calls from the short way to an operator
    torch.set_default_device(DEVICE)
ROWS, COLUMNS = 3, 8
# What PyTorch's compiler makes code with.
HAS_INDUCTOR = DEVICE != "cpu" or (shutil.which("g++") is not None and os.path.exists(
    os.path.join(sysconfig.get_path("include"), "Python.h")))
INTEGERS = {"i8", "u8", "i16", "i32", "i64"}


def make(operator, name, dtype, generator):
    parameter = operator.parameter(name)
    if not parameter.is_tensor:
        return 0.8 if parameter.may_be_float else 1
    columns = max([COLUMNS] + [p.group for p in operator.signature.parameters])
    if columns > COLUMNS:
        columns *= 2
    rows = max([ROWS] + [2 * p.group for p in operator.signature.parameters if p.space == "col group"])
    shape = {"element": [rows, columns], "row": [rows], "col": [columns], "tensor": [], "table": [4],
             "group": [rows, columns // max(parameter.group, 1)],
             "col group": [rows // max(parameter.group, 1), columns]}[parameter.space]
    if operator.half(parameter.name):
        shape[-1] *= 2
    if parameter.type == "f4e2m1":
        shape[-1] //= 2
        pairs = torch.randint(0, 256, shape, generator=generator).to(torch.uint8)
        return pairs.view(torch.float4_e2m1fn_x2)
    if parameter.type in INTEGERS:
        return torch.randint(0, 4, shape, generator=generator).to(getattr(torch, {
            "i8": "int8", "u8": "uint8", "i16": "int16", "i32": "int32", "i64": "int64"}[parameter.type]))
    if parameter.type == "bool":
        return torch.randint(0, 2, shape, generator=generator).bool()
    value = torch.randn(shape, generator=generator, dtype=torch.float64)
    fixed = swage.torch._shapes.DTYPES[parameter.type] if parameter.type else dtype
    return (value.abs() if fixed == torch.float8_e8m0fnu else value).to(fixed)


def call(operator, dtype=torch.float64, seed=1, requires_grad=False):
    """Arguments by place and by name."""
    generator = torch.Generator(DEVICE).manual_seed(seed)
    arguments = [make(operator, name, dtype, generator) for name in operator.inputs]
    if requires_grad:
        for value in arguments:
            if torch.is_tensor(value) and value.is_floating_point():
                value.requires_grad_()
    named = {c.name: 0.5 for c in operator.signature.constants if c.default is None}
    for name in operator.signature.asked:
        named[name] = torch.float8_e4m3fn if name == "Q" else dtype
    return arguments, named


def bits(tensor):
    """What can be compared whatever the type: the numbers, or the bits of those of one byte."""
    if tensor.element_size() == 1:
        return tensor.view(torch.uint8)
    return tensor.nan_to_num() if tensor.is_floating_point() else tensor


# One of each kind: two inputs and their halves, rows, weights, results of rows, types that are asked for, groups,
# scalars, constants, several results, gradients, in place.
SAMPLE = ("swiglu", "swiglu_packed", "swiglu_backward", "swiglu_backward_inplace", "swiglu_gpt_oss", "swiglu_scaled",
          "swiglu_quantised_row", "swiglu_quantised_group_e8m0", "dequantise_group", "swiglu_nvfp4", "dequantise_nvfp4",
          "rms_norm",
          "rms_norm_residual", "softmax", "softmax_masked", "cross_entropy", "xielu")
EVERY = os.environ.get("SWAGE_TEST_EVERY_OPERATOR")
HAS_E2M1 = hasattr(torch, "float4_e2m1fn_x2")
HAS_E8M0 = torch.torch_version.TorchVersion(torch.__version__) >= "2.11"


def operators(differentiable=None):
    for name in swage.torch._catalogue.names() if EVERY else SAMPLE:
        if "e8m0" in name and not HAS_E8M0:
            continue
        if "fp4" in name and not HAS_E2M1:
            continue
        operator = getattr(swage.torch, name)
        if differentiable is None or operator.is_differentiable == differentiable:
            yield operator


def has_differences(operator):
    """Gradients are reached through what they are gradients of, what is quantised has steps, and kernels
    of 4 bits compute in f32, too coarse for differences."""
    if DEVICE != "cpu" and "torch" in operator.name:  # of f64 that mode offers nothing on CUDA
        return False
    return not operator.name.endswith(("_backward", "_grad", "_gradient", "_saved")) and \
        "quantised" not in operator.name and "fp4" not in operator.name


class EveryOperator(Seeded):
    def test_schema_fake_tensors_and_tracing_agree_with_the_kernel(self):
        for operator in operators():
            with self.subTest(operator.name):
                arguments, named = call(operator, torch.float32,
                                        requires_grad=operator.is_differentiable)
                tests = ["test_schema", "test_faketensor"]
                if "fp4" in operator.name:  # PyTorch compares none of float4_e2m1fn_x2
                    tests.remove("test_schema")
                if has_differences(operator):
                    tests += ["test_autograd_registration", "test_aot_dispatch_dynamic"]
                library.opcheck(operator.op.default, tuple(arguments), named, test_utils=tests)

    def test_out_gives_the_bits_of_the_functional_form(self):
        for operator in operators():
            if not operator.results or operator.signature.names("inout"):
                continue
            with self.subTest(operator.name):
                arguments, named = call(operator, torch.float32)
                results = operator(*arguments, **named)
                results = results if isinstance(results, tuple) else (results,)
                out = tuple(torch.empty_like(r) for r in results)
                operator(*arguments, **named, out=out)
                for result, given in zip(results, out):
                    self.assertTrue(torch.equal(bits(result), bits(given)))

    def test_gradients_are_those_of_differences(self):
        for operator in operators(differentiable=True):
            if not has_differences(operator):
                continue
            with self.subTest(operator.name):
                arguments, named = call(operator, requires_grad=True)
                self.assertTrue(torch.autograd.gradcheck(lambda *a: operator(*a, **named), arguments))

    def test_gradients_of_gradients_are_those_of_differences(self):
        for operator in operators(differentiable=True):
            if not has_differences(operator):
                continue
            with self.subTest(operator.name):
                arguments, named = call(operator, requires_grad=True)
                self.assertTrue(
                    torch.autograd.gradgradcheck(lambda *a: operator(*a, **named), arguments))

    def test_compiled_equals_eager_to_the_bit(self):
        for name in ("swiglu", "swiglu_packed", "geglu_tanh", "rms_norm", "rms_norm_residual", "softmax"):
            with self.subTest(name):
                torch._dynamo.reset()
                operator = getattr(swage.torch, name)
                compiled = torch.compile(lambda *a: operator(*a), fullgraph=True, dynamic=True,
                                         backend="aot_eager")
                for dtype in (torch.float32, torch.bfloat16):
                    both = []
                    for run in (operator, compiled):
                        arguments, _ = call(operator, dtype, requires_grad=True)
                        result = run(*arguments)
                        for r in result if isinstance(result, tuple) else (result,):
                            both.append(r.detach())
                        first = result[-1] if isinstance(result, tuple) else result
                        first.backward(torch.ones_like(first))
                        both += [a.grad for a in arguments]
                    half = len(both) // 2
                    for a, b in zip(both[:half], both[half:]):
                        self.assertTrue(torch.equal(a, b))

    @unittest.skipUnless(HAS_INDUCTOR, "no compiler or no headers of Python, which PyTorch's needs")
    def test_inductor_equals_eager_to_the_bit(self):
        """Through PyTorch's own compiler, with code of its own around, sizes that change and gradients."""
        blend = swage.torch.op("kernel blend<T>(x: in T, y: in T, o: out T) { o = x * tanh(log1p(exp(y))); }")

        def block(a, b, weight):
            return blend(swage.torch.swiglu(a, b) * 2, swage.torch.rms_norm(a, weight))

        torch._dynamo.reset()
        compiled = torch.compile(block, fullgraph=True, dynamic=True)
        for rows in (3, 5):
            leaves = [torch.randn(rows, 64).bfloat16().requires_grad_() for _ in range(2)]
            leaves.append(torch.randn(64).bfloat16().requires_grad_())
            both = []
            for run in (block, compiled):
                result = run(*leaves)
                both.append((result, *torch.autograd.grad(result.float().square().sum(), leaves)))
            for a, b in zip(*both):
                self.assertTrue(torch.equal(a, b))


class Tensors(Seeded):
    @unittest.skipUnless(HAS_E2M1, "a PyTorch without float4_e2m1fn_x2")
    def test_pairs_of_four_bits_are_those_of_the_kernel(self):
        gate, up = torch.randn(2, 3, 64).bfloat16()
        one = torch.ones([])
        q, scale = swage.torch.swiglu_nvfp4(gate, up, one)
        self.assertEqual((q.dtype, q.shape, scale.shape),
                         (torch.float4_e2m1fn_x2, (3, 32), (3, 4)))
        expected, _ = swage.kernel("swiglu_nvfp4", T="bf16")(gate, up, one)
        self.assertTrue(torch.equal(bits(q), bits(expected)))
        y = swage.torch.dequantise_nvfp4(q, scale, one, T=torch.bfloat16)
        self.assertEqual((y.dtype, y.shape), (torch.bfloat16, (3, 64)))
        back = swage.kernel("dequantise_nvfp4", T="bf16", S="f8e4m3")(q, scale, one)
        self.assertTrue(torch.equal(y, back))
        with self.assertRaisesRegex(RuntimeError, "two elements a byte"):
            swage.torch.swiglu_nvfp4(gate[:, :5], up[:, :5], one)

    def test_any_strides_give_the_bits_of_contiguous_tensors(self):
        x = torch.randn(6, 20)
        for gate, up in ((x.t(), x.t().flip(0).contiguous()), (x[:, ::2], x[:, 1::2]),
                         (x[:, :10], x[:, 10:]), (x[:1, :10].expand(6, 10), x[:, 10:])):
            self.assertTrue(torch.equal(swage.torch.swiglu(gate, up),
                                        swage.torch.swiglu(gate.contiguous(), up.contiguous())))

    def test_dimensions_that_do_not_merge_are_copied(self):
        x = torch.randn(4, 5, 6, 7)
        for gate, up in ((x.permute(3, 1, 0, 2), x.permute(3, 1, 0, 2) * 2),
                         (x[:, ::2, ::2], x[:, ::2, ::2].clone())):
            expected = swage.torch.swiglu(gate.contiguous(), up.contiguous())
            self.assertTrue(torch.equal(swage.torch.swiglu(gate, up), expected))
            out = torch.zeros(*gate.shape[:-1], 2 * gate.shape[-1])[..., ::2].transpose(0, 1)
            swage.torch.swiglu(gate.transpose(0, 1), up.transpose(0, 1), out=out)
            self.assertTrue(torch.equal(out, expected.transpose(0, 1)))
            d, a, b = (t.clone(memory_format=torch.preserve_format) for t in (up, gate, up))
            swage.torch.swiglu_backward_inplace(d, a, b)
            self.assertTrue(torch.equal(d, expected))

    def test_halves_of_one_tensor_and_their_gradient_are_those_of_two(self):
        whole = torch.randn(5, 2, 24, dtype=torch.bfloat16, requires_grad=True)
        gate, up = (half.detach().clone().requires_grad_() for half in whole.chunk(2, -1))
        packed, split = swage.torch.swiglu_packed(whole), swage.torch.swiglu(gate, up)
        d = torch.randn_like(split)
        packed.backward(d)
        split.backward(d)
        self.assertTrue(torch.equal(packed, split))
        self.assertTrue(torch.equal(whole.grad, torch.cat((gate.grad, up.grad), -1)))

    def test_only_what_needs_a_gradient_gets_one(self):
        gate, up = torch.randn(4, 8, requires_grad=True), torch.randn(4, 8)
        swage.torch.swiglu(gate, up).sum().backward()
        self.assertIsNotNone(gate.grad)
        self.assertIsNone(up.grad)

    def test_the_forward_keeps_its_inputs_and_nothing_else(self):
        kept = []
        gate, up = (torch.randn(4, 8, requires_grad=True) for _ in range(2))
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            swage.torch.swiglu(gate, up)
        self.assertEqual([t.data_ptr() for t in kept], [gate.data_ptr(), up.data_ptr()])

    def test_a_wrong_call_names_the_parameter(self):
        x = torch.ones(3, 4)
        for arguments, words in (((x, x.bfloat16()), "'up' is bf16, expected f32 as 'gate' is"),
                                 ((x, torch.ones(3, 5)), "tensor 'up' has shape"),
                                 ((x,), "up"), ((x, x, x), "swiglu"),
                                 ((x, x.to(torch.complex64)), "'up' has a type")):
            with self.assertRaisesRegex((RuntimeError, TypeError), words):
                swage.torch.swiglu(*arguments)

    def test_what_is_written_counts_as_changed(self):
        x, y = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4)
        product = x * y  # keeps y
        swage.torch.silu(x.detach(), out=y)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            product.sum().backward()
        d, gate, up = (torch.randn(3, 4) for _ in range(3))
        before = [t._version for t in (d, gate, up)]
        swage.torch.swiglu_backward_inplace(d, gate, up)
        self.assertEqual([t._version for t in (d, gate, up)], [v + 1 for v in before])

    def test_out_refuses_what_needs_a_gradient(self):
        x = torch.randn(3, requires_grad=True)
        with self.assertRaisesRegex(RuntimeError, "has no gradient"):
            swage.torch.silu(x, out=torch.empty(3))
        with torch.no_grad():
            swage.torch.silu(x, out=torch.empty(3))

        for call in (lambda: swage.torch.silu(torch.ones(3), out=x),
                     lambda: torch.ops.swage.silu.out(x, y=torch.empty(3)),
                     lambda: swage.torch.silu_backward_inplace(torch.ones(3), x * 1)):
            with self.assertRaisesRegex(RuntimeError, "has no gradient"):
                call()

    def test_what_is_written_compiles(self):
        def both(a, b, out):
            swage.torch.swiglu(a, b, out=out)
            return out + 1
        a, b, out = (torch.randn(3, 4) for _ in range(3))
        found = torch.compile(both, fullgraph=True, backend="aot_eager")(a, b, out)
        self.assertTrue(torch.equal(found, swage.torch.swiglu(a, b) + 1))

    def test_values_of_rows_have_any_strides(self):
        op = swage.torch.op("kernel rows(x: in f32, s: in f32 [row], y: out f32) { y = x * s; }")
        x, s = torch.randn(4, 3, 8, requires_grad=True), torch.randn(3, 4, requires_grad=True)
        found = op(x, s.t())
        self.assertTrue(torch.equal(found, x * s.t()[..., None]))
        found.sum().backward()
        torch.testing.assert_close(s.grad, x.detach().sum(-1).t())

    def test_kernels_in_steps_have_gradients_and_compile(self):
        norm = swage.torch.op("""
            kernel batch_norm<T>(x: in T, w: in T [col], b: in T [col], y: out T) {
              let n = col_sum(T(1)); let m = col_sum(x) / n; let v = col_sum((x - m) * (x - m)) / n;
              y = (x - m) * rsqrt(v + 1e-5) * w + b;
            }""")
        generator = torch.Generator(DEVICE).manual_seed(3)
        inputs = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
                  for shape in ([40, 6], [6], [6])]
        d_y = torch.randn([40, 6], generator=generator, dtype=torch.float64)
        peer = torch.nn.functional.batch_norm(inputs[0], None, None, *inputs[1:], training=True)
        expected = torch.autograd.grad(peer, inputs, d_y)
        for call in (norm, torch.compile(norm, fullgraph=True, backend="aot_eager")):
            y = call(*inputs)
            torch.testing.assert_close(y, peer, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(torch.autograd.grad(y, inputs, d_y), expected, rtol=1e-10, atol=1e-12)
        self.assertTrue(torch.autograd.gradcheck(norm, inputs))

    def test_groups_of_another_size(self):
        x = torch.randn(2, 256)
        for size in (32, 128):
            q, scale = swage.torch.swiglu_quantised_group(x, x, Q=torch.float8_e4m3fn, size=size)
            self.assertEqual((q.dtype, scale.shape), (torch.float8_e4m3fn, (2, 256 // size)))

    def test_first_calls_come_from_many_threads(self):
        texts = [f"kernel many{i}(x: in f32, y: out f32) {{ y = x * {i}; }}" for i in range(6)]
        wrong = []

        def work():
            for i, text in enumerate(texts):
                x = torch.ones(3, requires_grad=True)
                swage.torch.op(text)(x).sum().backward()
                if not torch.equal(x.grad, torch.full((3,), float(i))):
                    wrong.append(i)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_no_elements(self):
        self.assertEqual(swage.torch.swiglu(torch.ones(0, 4), torch.ones(0, 4)).shape, (0, 4))
        self.assertEqual(swage.torch.rms_norm(torch.ones(0, 4), torch.ones(4)).shape, (0, 4))


def swiglu(gate, up):
    return torch.nn.functional.silu(gate) * up


class Transforms(Seeded):
    def setUp(self):
        super().setUp()
        generator = torch.Generator(DEVICE).manual_seed(2)
        self.gate, self.up = (torch.randn(3, 8, dtype=torch.float64, generator=generator) for _ in range(2))

    def check(self, transform):
        """Both ways to the operator give what PyTorch's own operators do."""
        for function in (swage.torch.swiglu, torch.ops.swage.swiglu):
            torch.testing.assert_close(transform(function), transform(swiglu))

    def test_vmap_is_a_loop(self):
        gate, up = torch.randn(5, 3, 8), torch.randn(3, 5, 8)
        found = torch.vmap(swage.torch.swiglu, in_dims=(0, 1))(gate, up)
        self.assertTrue(torch.equal(found, swage.torch.swiglu(gate, up.transpose(0, 1))))
        weight = torch.randn(8)
        found = torch.vmap(swage.torch.rms_norm, in_dims=(0, None))(gate, weight)
        self.assertTrue(torch.equal(found, swage.torch.rms_norm(gate, weight)))
        weight = torch.randn(5, 8)
        found = torch.vmap(swage.torch.rms_norm)(gate, weight)
        for i in range(5):
            self.assertTrue(torch.equal(found[i], swage.torch.rms_norm(gate[i], weight[i])))
        found = torch.vmap(swage.torch.swiglu)(gate[:, 0, 0], up[0, :, 0])
        self.assertTrue(torch.equal(found, swage.torch.swiglu(gate[:, 0, 0], up[0, :, 0])))

    def test_grad_vjp_and_jacrev(self):
        func, gate, up = torch.func, self.gate, self.up
        self.check(lambda f: func.grad(lambda a, b: f(a, b).sum(), argnums=(0, 1))(gate, up))
        self.check(lambda f: func.vjp(f, gate, up)[1](up))
        self.check(lambda f: func.jacrev(f)(gate, up))
        self.check(lambda f: func.grad(lambda a: func.grad(lambda b: f(b, up).sum())(a).pow(2).sum())(gate))
        self.check(lambda f: func.jacrev(func.jacrev(lambda a: f(a, up).sum()))(gate))

    def test_grad_and_vmap_in_either_order(self):
        func, gate, up = torch.func, self.gate, self.up
        self.check(lambda f: func.vmap(func.grad(lambda a, b: f(a, b).sum()))(gate, up))
        self.check(lambda f: func.grad(lambda a: func.vmap(f)(a, up).sum())(gate))

    def test_a_gradient_of_weights_for_each_of_a_batch(self):
        def slopes(norm):
            return torch.func.vmap(torch.func.grad(lambda x, w: norm(x, w).pow(2).sum(), argnums=(0, 1)),
                                   in_dims=(0, None))(self.gate[:, None], self.up[0])
        torch.testing.assert_close(slopes(lambda x, w: swage.torch.rms_norm(x, w, eps=1e-3)),
                                   slopes(lambda x, w: torch.nn.functional.rms_norm(x, (8,), w, eps=1e-3)))

    def test_forward_mode_is_refused_and_not_left_out(self):
        forward_ad = torch.autograd.forward_ad
        for function in (swage.torch.swiglu, torch.ops.swage.swiglu):
            with self.assertRaisesRegex(NotImplementedError, "swiglu has no forward-mode derivative"):
                torch.func.jvp(function, (self.gate, self.up), (self.up, self.gate))
            with forward_ad.dual_level():
                with self.assertRaisesRegex(NotImplementedError, "forward-mode"):
                    function(forward_ad.make_dual(self.gate, self.up), self.up)
                self.assertTrue(torch.equal(function(self.gate, self.up), swage.torch.swiglu(self.gate, self.up)))


class Ways(Seeded):
    """swage.torch.NAME takes a shorter way than torch.ops.swage.NAME."""

    def test_both_give_the_same_bits_and_gradients(self):
        for name in ("swiglu", "rms_norm", "cross_entropy", "swiglu_gpt_oss"):
            operator = getattr(swage.torch, name)
            found = []
            for function in (operator, operator.op.default):
                arguments, named = call(operator, torch.float32, requires_grad=True)
                if operator.signature.constants:
                    constant = operator.signature.constants[0]
                    if constant.kind == "float":
                        named[constant.name] = 0.25
                results = function(*arguments, **named)
                results = results if isinstance(results, tuple) else (results,)
                sum(r.sum() for r in results if r.requires_grad).backward()
                found.append([*results, *(a.grad for a in arguments
                                          if torch.is_tensor(a) and a.grad is not None)])
            self.assertGreater(len(found[0]), 1)
            for a, b in zip(*found):
                self.assertTrue(torch.equal(a, b), name)

    def test_what_looks_on_sees_the_operator(self):
        from torch.overrides import TorchFunctionMode
        from torch.utils._python_dispatch import TorchDispatchMode
        seen = []

        class Functions(TorchFunctionMode):
            def __torch_function__(self, function, types, args=(), kwargs=None):
                seen.append(function)
                return function(*args, **(kwargs or {}))

        class Dispatch(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                seen.append(function)
                return function(*args, **(kwargs or {}))

        for mode in (Functions, Dispatch):
            for needs in (False, True):
                gate, up = (torch.randn(2, 8, requires_grad=needs) for _ in range(2))
                seen.clear()
                with mode():
                    swage.torch.swiglu(gate, up)
                self.assertEqual(seen, [torch.ops.swage.swiglu.default])

    def test_a_gradient_for_the_same_input_again(self):
        gate, up = torch.randn(2, 8, requires_grad=True), torch.randn(2, 8)
        slopes = []
        for function in (swage.torch.swiglu, swiglu):
            slope, = torch.autograd.grad(function(gate, up).sum(), gate, create_graph=True)
            slopes.append(torch.autograd.grad(slope.pow(2).sum(), gate)[0])
        torch.testing.assert_close(*slopes)

    def test_views_that_are_negated_when_they_are_read(self):
        z = torch.view_as_complex(torch.randn(2, 8, 2))
        negative = torch.imag(z.conj())
        self.assertTrue(negative.is_neg())
        with torch.no_grad():
            self.assertTrue(torch.equal(swage.torch.swiglu(negative, negative),
                                        swage.torch.swiglu(negative.clone(), negative.clone())))
        leaf = negative.detach().requires_grad_()
        self.assertTrue(torch.equal(swage.torch.swiglu(leaf, leaf), swage.torch.swiglu(-z.imag, -z.imag)))


class Strings(Seeded):
    def test_an_operator_of_a_string_differentiates_and_takes_scalars(self):
        operator = swage.torch.op("""
          kernel cube<T>(x: in T, k: f32, y: out T, s: out f32 [row], const shift: f32 = 1) {
            y = x * x * x * k + shift;
            s = row_sum(f32(x));
          }""")
        x = torch.randn(3, 5, requires_grad=True)
        y, s = operator(x, 2.0, shift=3.0)
        self.assertTrue(torch.allclose(y, x**3 * 2 + 3, atol=1e-6) and torch.allclose(s, x.sum(-1), atol=1e-6))
        (y.sum() + s.sum()).backward()
        self.assertTrue(torch.allclose(x.grad, 6 * x.detach()**2 + 1, atol=1e-6))

    def test_a_backward_that_is_named_gets_the_results_that_it_asks_for(self):
        operator = swage.torch.op("""
          kernel smooth<T>(x: in T, y: out T) { let e = exp(x - row_max(x)); y = e / row_sum(e); }
          kernel smooth_back<T>(d_y: in T, y: in T, d_x: out T) { d_x = y * (d_y - row_sum(d_y * y)); }
        """, "smooth", backward="smooth_back")
        x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            y = operator(x)
        self.assertEqual([t.data_ptr() for t in kept], [y.data_ptr()])
        self.assertTrue(torch.autograd.gradcheck(operator, (x,)))

    def test_rows_that_are_skipped_are_0_and_have_gradient_0(self):
        op = swage.torch.op("""kernel routed<T>(x: in T, id: in i32 [row], y: out T) {
            skip where id < 0; y = x + x; }""")
        x = torch.randn(4, 8, requires_grad=True)
        for _ in range(3):
            torch.full((4, 8), float("nan"))  # what fresh memory may hold
            y = op(x, torch.tensor([0, -1, 2, -1], dtype=torch.int32))
            self.assertTrue(torch.equal(y, x * torch.tensor([2.0, 0, 2, 0])[:, None]))
            x.grad = None
            y.sum().backward()
            self.assertTrue(torch.equal(x.grad[:, 0], torch.tensor([2.0, 0, 2, 0])))

    def test_scalars_and_constants_of_every_kind(self):
        op = swage.torch.op("kernel kinds<T>(x: in T, s: T, y: out T, const lambda: f32 = 1) {"
                            "  y = x * s; }")
        self.assertTrue(torch.equal(op(torch.arange(3), 2.0), torch.arange(3) * 2))
        with self.assertRaisesRegex(RuntimeError, "'s' is 0.5"):
            op(torch.arange(3), 0.5)
        op = swage.torch.op("kernel key(x: in f32, y: out f32, const lambda: f32 = 1) { y = x * lambda; }")
        x = torch.ones(3, requires_grad=True)
        op(x, lambda_=3.0).sum().backward()
        self.assertTrue(torch.equal(x.grad, torch.full((3,), 3.0)))
        many = ", ".join(f"y{i}: out f32" for i in range(30))
        op = swage.torch.op(f"kernel many(x: in f32, {many}) {{ "
                            + " ".join(f"y{i} = x;" for i in range(30)) + " }")
        self.assertEqual(len(op(torch.ones(2))), 30)

    def test_a_wrong_backward_is_refused_when_it_is_named(self):
        text = """kernel f(x: in f32, z: in f32, y: out f32) { y = x * z; }
                  kernel f_backward(d_y: in f32, x: in f32, z: in f32, d_x: out f32, d_z: out f32) {
                    d_x = 7; d_z = 7; }
                  kernel half(d_y: in f32, z: in f32, d_x: out f32) { d_x = d_y * z; }
                  kernel odd(d_y: in f32, q: in f32, d_x: out f32) { d_x = d_y * q; }"""
        with self.assertRaisesRegex(ValueError, "no kernel 'none'"):
            swage.torch.op(text, "f", backward="none")
        with self.assertRaisesRegex(ValueError, "'q' of the backward 'odd'"):
            swage.torch.op(text, "f", backward="odd")
        x, z = (torch.full((2,), 3.0, requires_grad=True) for _ in range(2))
        with self.assertRaisesRegex(RuntimeError, "no output d_z"):
            swage.torch.op(text, "f", backward="half")(x, z).sum().backward()
        swage.torch.op(text, "f")(x, z).sum().backward()  # derived, whatever others are called
        self.assertTrue(torch.equal(x.grad, torch.full((2,), 3.0)))
        with self.assertRaisesRegex(ValueError, "math is 'bogus'"):
            swage.torch.op(text, "f", math="bogus")

    def test_one_text_is_one_operator(self):
        text = "kernel twice(x: in f32, y: out f32) { y = x + x; }"
        self.assertIs(swage.torch.op(text), swage.torch.op(text))

    def test_wrong_text_is_shown_with_its_place(self):
        with self.assertRaisesRegex(swage.Error, ":1:39: error: unknown name 'z'"):
            swage.torch.op("kernel k(x: in f32, y: out f32) { y = z; }")


class Modules(Seeded):
    def test_modules_compute_what_their_functions_do(self):
        gate, up = torch.randn(4, 8), torch.randn(4, 8)
        F = torch.nn.functional
        packed = torch.cat((gate, up), -1)
        self.assertTrue(torch.allclose(swage.torch.SwiGLU()(gate, up), F.silu(gate) * up, atol=1e-6))
        self.assertTrue(torch.allclose(swage.torch.SwiGLU()(packed), F.silu(gate) * up, atol=1e-6))
        for approximate in ("none", "tanh"):
            self.assertTrue(torch.allclose(swage.torch.GeGLU(approximate)(gate, up),
                                           F.gelu(gate, approximate=approximate) * up, atol=1e-6))
        norm = swage.torch.RMSNorm(8)
        self.assertTrue(torch.allclose(norm(gate), F.rms_norm(gate, (8,), eps=1e-6), atol=1e-6))

    def test_modules_compile_whole(self):
        for module, arguments in ((swage.torch.SwiGLU(), 2), (swage.torch.SwiGLU(), 1),
                                  (swage.torch.GeGLU("tanh"), 2), (swage.torch.RMSNorm(8), 1)):
            torch._dynamo.reset()
            inputs = [torch.randn(4, 8) for _ in range(arguments)]
            found = torch.compile(module, fullgraph=True, backend="aot_eager")(*inputs)
            self.assertTrue(torch.equal(found, module(*inputs)))

    def test_autocast_leaves_types_to_the_products_before(self):
        linear = torch.nn.Linear(8, 16)
        with torch.autocast(torch.device(DEVICE).type, torch.bfloat16):
            y = swage.torch.SwiGLU()(swage.torch.RMSNorm(16)(linear(torch.randn(4, 8))))
        self.assertEqual(y.dtype, torch.bfloat16)
        y.sum().backward()
        self.assertEqual(linear.weight.grad.dtype, torch.float32)


if __name__ == "__main__":
    unittest.main()
