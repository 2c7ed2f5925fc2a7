"""torch_direct_test.py -- the short way to operators: the bits of the dispatcher's, and declined when anything looks on.

On the CPU, or on the device that SWAGE_TEST_DEVICE names. Ends with 77, which CTest takes for skipped, where there is
no PyTorch.
"""

import gc
import itertools
import os
import subprocess
import sys
import threading
import unittest

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

from seeded import Seeded  # noqa: E402
import swage.torch  # noqa: E402
from torch.autograd import forward_ad  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

DEVICE = os.environ.get("SWAGE_TEST_DEVICE", "cpu")
if not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
    print("skipped: this PyTorch has no DLPack exchange")
    sys.exit(77)


def tensors(count, *shape, dtype=torch.float32, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(DEVICE, dtype) for _ in range(count)]


def is_direct(operator, *args, **named):
    """Whether a call goes the short way, after one that did not need to."""
    operator.op(*args, **named)
    return operator._direct(*args, **named) is not NotImplemented


def each(results):
    return results if isinstance(results, tuple) else (results,)


class Bits(Seeded):
    def check(self, operator, *args, **named):
        wanted = each(operator.op(*args, **named))
        found = operator._direct(*args, **named)
        self.assertIsNot(found, NotImplemented, operator)
        for one, other in zip(each(found), wanted, strict=True):
            self.assertIs(type(one), torch.Tensor)
            self.assertEqual((one.shape, one.stride(), one.dtype, one.device),
                             (other.shape, other.stride(), other.dtype, other.device))
            self.assertTrue(torch.equal(one.contiguous().view(torch.uint8), other.contiguous().view(torch.uint8))
                            if one.dim() else torch.equal(one, other), operator)

    def test_shapes_strides_and_types_are_those_of_the_dispatcher(self):
        shapes = [(8,), (3, 8), (2, 3, 8), (1, 4096), (1, 1)]
        for dtype, shape in itertools.product((torch.float32, torch.bfloat16, torch.float16), shapes):
            gate, up = tensors(2, *shape, dtype=dtype)
            self.check(swage.torch.swiglu, gate, up)
            self.check(swage.torch.swiglu_backward, gate, gate, up)
            self.check(swage.torch.softmax, gate)
            if shape[-1] > 1:
                self.check(swage.torch.swiglu_packed, gate)
        gate, up = tensors(2, 4, 16)
        for view in (lambda t: t[:, ::2], lambda t: t.t(), lambda t: t[:1].expand(4, 16), lambda t: t[1:, 8:]):
            self.check(swage.torch.swiglu, view(gate), view(up))
        self.check(swage.torch.swiglu_packed, gate[:, 2:14])

    def test_results_of_every_space_and_named_arguments(self):
        x, weight = tensors(1, 4, 256)[0], tensors(1, 256)[0]
        for named in ({}, {"eps": 1e-5}, {"eps": 0.5}):
            self.check(swage.torch.rms_norm, x, weight, **named)
            self.check(swage.torch.rms_norm_backward, x, x, weight, **named)  # a sum over rows
        narrow = torch.float8_e4m3fn
        self.check(swage.torch.swiglu_quantised_group, x, x, Q=narrow)
        self.check(swage.torch.swiglu_quantised_row, x, x, Q=narrow)

    def test_scalars_of_every_kind(self):
        scaled = swage.torch.op("""kernel direct_scaled(x: in f32, s: f32, n: i32, flip: bool, y: out f32) {
            y = (flip ? -x : x) * s + f32(n); }""")
        x = tensors(1, 3, 8)[0]
        for flip in (True, False):
            self.check(scaled, x, 0.5, 3, flip)
            self.check(scaled, x, 0.25, -7, flip)
        for others in ((1, 3, True), (0.5, 3.0, True), (0.5, 2**70, True), (0.5, 3, 1)):
            self.assertIs(scaled._direct(x, *others), NotImplemented)

    def test_gradients_are_those_of_the_dispatcher(self):
        x, weight = tensors(1, 4, 64)[0], tensors(1, 64)[0]
        cases = ((swage.torch.swiglu, (x, x + 1), {}), (swage.torch.swiglu_packed, (x,), {}),
                 (swage.torch.rms_norm, (x, weight), {"eps": 1e-3}), (swage.torch.softmax, (x,), {}))
        for operator, args, named in cases:
            args = [a.clone().requires_grad_() for a in args]
            wanted = operator.op(*args, **named)
            found = operator._direct(*args, **named)
            self.assertTrue(found.requires_grad and not found.is_leaf)
            grads = [torch.autograd.grad(y, args, torch.ones_like(y), create_graph=True) for y in (found, wanted)]
            twice = [torch.autograd.grad(sum(g.sin().sum() for g in each), args) for each in grads]
            for one, other in zip(itertools.chain(grads[0], twice[0]), itertools.chain(grads[1], twice[1])):
                self.assertTrue(torch.equal(one, other), operator)
            rest = [a.detach() for a in args[1:]]
            only = [torch.autograd.grad(way(args[0], *rest, **named).sum(), args[0])[0]
                    for way in (operator._direct, operator.op)]
            self.assertTrue(torch.equal(*only), operator)

    def test_what_was_changed_since_is_refused_by_the_backward(self):
        gate, up = (t.requires_grad_() for t in tensors(2, 3, 8))
        swage.torch.swiglu(gate, up)
        h = swage.torch.swiglu._direct(gate, up)
        with torch.no_grad():
            gate.add_(1)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            h.sum().backward()

    def test_nothing_is_kept_of_a_call(self):
        gate, up = tensors(2, 3, 8)
        gate.requires_grad_()
        swage.torch.rms_norm(gate, up[0], eps=1e-4)
        objects = (gate, up, NotImplemented, None)
        for call in (lambda: swage.torch.swiglu(gate, up), lambda: swage.torch.swiglu._direct(gate, 1),
                     lambda: swage.torch.rms_norm._direct(gate, up[0], eps=1e-4)):
            call()
            gc.collect()
            before, made = [sys.getrefcount(o) for o in objects], len(gc.get_objects())
            for _ in range(1000):
                call()
            gc.collect()
            for old, new in zip(before, [sys.getrefcount(o) for o in objects]):
                self.assertLess(abs(new - old), 100)
            self.assertLess(len(gc.get_objects()) - made, 100)

    def test_many_threads_call(self):
        gate, up = tensors(2, 64, 64)
        wanted, wrong = swage.torch.swiglu.op(gate, up), []

        def work():
            for _ in range(200):
                if not torch.equal(swage.torch.swiglu._direct(gate, up), wanted):
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_inference_mode_makes_tensors_of_it(self):
        gate, up = tensors(2, 3, 8)
        swage.torch.swiglu(gate, up)
        with torch.inference_mode():
            self.assertTrue(swage.torch.swiglu._direct(gate, up).is_inference())
        self.assertFalse(swage.torch.swiglu._direct(gate, up).is_inference())

    def test_autocast_casts_nothing_on_either_way(self):
        gate, up = tensors(2, 3, 8)
        with torch.autocast(DEVICE.partition(":")[0], torch.bfloat16):
            self.check(swage.torch.swiglu, gate, up)


class Subclass(torch.Tensor):
    pass


class Nothing(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


class NoFunction(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


class Declined(Seeded):
    def setUp(self):
        super().setUp()
        self.gate, self.up = tensors(2, 3, 8)
        self.operator = swage.torch.swiglu
        self.assertTrue(is_direct(self.operator, self.gate, self.up))

    def declines(self, *args, **named):
        self.assertIs(self.operator._direct(*args, **named), NotImplemented)

    def test_other_classes(self):
        self.declines(self.gate.as_subclass(Subclass), self.up)
        self.declines(self.gate, self.up.as_subclass(Subclass))
        self.declines(self.gate, 1.0)
        self.declines(self.gate, None)
        with torch._subclasses.FakeTensorMode() as mode:
            fake = [mode.from_tensor(t) for t in (self.gate, self.up)]
        self.declines(*fake)
        self.assertTrue(is_direct(self.operator, torch.nn.Parameter(self.gate), self.up))

    def test_tensors_that_are_not_what_their_memory_holds(self):
        self.declines(torch._neg_view(self.gate), self.up)
        complex_ = torch.complex(self.gate, self.up).conj()
        self.declines(complex_.imag, self.up)
        self.assertTrue(torch.equal(self.operator(complex_.imag, self.up), self.operator(-self.up, self.up)))
        self.declines(torch._to_functional_tensor(self.gate), self.up)
        self.declines(self.gate.to("meta"), self.up.to("meta"))
        self.declines(self.gate, self.up.to("meta"))
        self.declines(self.gate.to_sparse(), self.up)

    def test_modes_and_transforms(self):
        for around in (Nothing, NoFunction, torch.autograd.profiler.profile, forward_ad.dual_level):
            with around():
                self.declines(self.gate, self.up)
        self.assertTrue(is_direct(self.operator, self.gate, self.up))
        seen = []

        def watched(gate):
            seen.append(self.operator._direct(self.gate, self.up))  # no tensors of the transform, but within it
            seen.append(self.operator._direct(gate, gate))
            return self.operator(gate, gate)

        torch.vmap(watched)(self.gate)
        torch.func.grad(lambda gate: watched(gate).sum())(self.gate)
        torch.jit.trace(watched, self.gate, check_trace=False)
        make_fx(watched)(self.gate)
        self.assertEqual(len(seen), 8)
        self.assertTrue(all(each is NotImplemented for each in seen), seen)

    def test_a_tensor_that_a_transform_left_behind(self):
        left = []
        torch.func.grad(lambda gate: left.append(gate) or gate.sum())(self.gate)
        self.declines(left[0], self.up)
        self.assertTrue(torch.equal(self.operator(left[0], self.up), self.operator(self.gate, self.up)))

    def test_compiled_whole(self):
        compiled = torch.compile(lambda gate, up: self.operator(gate, up) * 2, fullgraph=True, backend="aot_eager")
        self.assertTrue(torch.equal(compiled(self.gate, self.up), self.operator(self.gate, self.up) * 2))

    def test_gradients_that_no_kernel_has(self):
        self.operator = swage.torch.swiglu_int8_row
        self.assertFalse(self.operator.is_differentiable)
        args = self.gate, self.up, torch.ones_like(self.gate[0])
        self.assertTrue(is_direct(self.operator, *args))
        self.gate.requires_grad_()
        self.declines(*args)
        with torch.no_grad():
            self.assertTrue(is_direct(self.operator, *args))

    def test_other_arguments_have_the_errors_of_the_dispatcher(self):
        other = tensors(1, 3, 7)[0]
        for args, named in (((self.gate,), {}), ((self.gate, self.up, self.up), {}), ((self.gate, self.up.double()), {}),
                            ((self.gate.to(torch.complex64),) * 2, {}), ((self.gate, self.up), {"eps": 1.0}),
                            ((self.gate, other), {}), ((self.gate, "up"), {})):
            self.declines(*args, **named)
            messages = []
            for call in (self.operator, self.operator.op):
                with self.assertRaises(Exception) as raised:
                    call(*args, **named)
                messages.append(f"{type(raised.exception).__name__}: {raised.exception}")
            self.assertEqual(*messages)
        self.assertTrue(is_direct(self.operator, self.gate.double(), self.up.double()))
        self.declines(self.gate, self.up.double())  # kernels of both types are there
        self.declines(self.gate.double(), self.up)
        odd = tensors(1, 3, 7)[0]
        self.operator = swage.torch.swiglu_packed
        self.declines(odd)

    def test_what_no_call_took_before_and_what_has_to_be_copied(self):
        fresh = swage.torch.op("kernel direct_fresh<T>(x: in T, y: out T, const by: f32 = 2) { y = x * by; }")
        self.operator = fresh
        self.declines(self.gate)
        fresh(self.gate)
        self.assertIsNot(fresh._direct(self.gate), NotImplemented)
        self.declines(self.gate.half())
        self.declines(self.gate, by=3.0)
        self.declines(self.gate, by=2)  # no float to Python
        scattered = tensors(1, 4, 6, 8)[0][::2, ::2, ::2]
        self.declines(scattered)
        self.assertTrue(torch.equal(fresh(scattered), fresh(scattered.contiguous())))
        self.declines(torch.empty(0, 8, device=DEVICE))

    def test_what_changes_its_arguments(self):
        for name in ("swiglu_backward_inplace", "relu_backward_inplace"):
            self.assertIs(getattr(swage.torch, name)._direct(self.gate, self.gate, self.up), NotImplemented)
        self.declines(self.gate, self.up, out=self.gate)

    def test_the_setting_turns_it_off_and_so_does_an_older_pytorch(self):
        program = ("import torch, swage.torch as s; x = torch.ones(2); s.relu(x); "
                   "print(s.relu._direct(x) is NotImplemented, s.relu(x).sum().item())")
        older = "import torch; {} torch.Tensor.__dlpack_c_exchange_api__ {};"
        for before, value, wanted in (("", "1", "False 2.0"), ("", "0", "True 2.0"),
                                      (older.format("del", ""), "1", "True 2.0"),
                                      (older.format("", "= 12345"), "1", "True 2.0")):
            run = subprocess.run([sys.executable, "-c", before + program], env={**os.environ, "SWAGE_TORCH_FAST": value},
                                 capture_output=True, text=True)
            self.assertEqual(run.stdout.strip(), wanted, run.stderr)


@unittest.skipUnless(DEVICE.startswith("cuda"), "needs a GPU")
class Gpu(Seeded):
    def setUp(self):
        super().setUp()
        self.gate, self.up = tensors(2, 64, 4096, dtype=torch.bfloat16)
        self.wanted = swage.torch.swiglu(self.gate, self.up)
        torch.cuda.synchronize()

    def test_the_current_stream_orders_the_launch(self):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(50_000_000)
            late = self.gate.clone().zero_().add_(self.gate)  # written after the sleep
            found = swage.torch.swiglu._direct(late, self.up)
        stream.synchronize()
        self.assertTrue(torch.equal(found, self.wanted))

    def test_graphs_capture_the_launch_and_its_memory(self):
        graph = torch.cuda.CUDAGraph()
        gate = self.gate.clone()
        with torch.cuda.graph(graph):
            found = swage.torch.swiglu._direct(gate, self.up)
        self.assertIsNot(found, NotImplemented)
        gate.copy_(self.up)
        graph.replay()
        torch.cuda.synchronize()
        self.assertTrue(torch.equal(found, swage.torch.swiglu.op(self.up, self.up)))

    def test_results_know_streams(self):
        found = swage.torch.swiglu._direct(self.gate, self.up)
        found.record_stream(torch.cuda.Stream())  # PyTorch's own memory, not a stranger's
        self.assertEqual(found.untyped_storage().nbytes(), found.numel() * 2)
        before = torch.cuda.memory_allocated()
        del found
        torch.cuda.synchronize()
        self.assertLessEqual(torch.cuda.memory_allocated(), before)

    def test_tensors_of_two_devices_are_declined(self):
        self.assertIs(swage.torch.swiglu._direct(self.gate, self.up.cpu()), NotImplemented)


if __name__ == "__main__":
    unittest.main()
