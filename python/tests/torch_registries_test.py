"""torch_registries_test.py -- Swage in the registries of other projects, and out of them again.

Ends with 77, which CTest takes for skipped, where there is no PyTorch. Liger Kernel, vLLM and `kernels` are tried
where they are.
"""

import os
import subprocess
import sys
import unittest

try:
    import torch
    from torch import library
    import torch.nn.functional as F
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

from seeded import Seeded  # noqa: E402
import swage.torch  # noqa: E402, F401
from swage.compat import vllm  # noqa: E402


def needs(test, module):
    try:
        return __import__(module, fromlist=["_"])
    except ImportError as error:
        test.skipTest(f"{module} is not there: {error}")


class Names(Seeded):
    """torch.ops.SPACE.NAME, with vLLM's names."""

    def test_names_are_there_until_they_are_undone(self):
        with vllm.register_ops("swage_names") as patched:
            self.assertEqual(patched.count, 9)
            x, out = torch.randn(3, 16), torch.empty(3, 8)
            torch.ops.swage_names.silu_and_mul(out, x)
            torch.testing.assert_close(out, F.silu(x[:, :8]) * x[:, 8:])
            torch.ops.swage_names.fatrelu_and_mul(out, x, 0.25)
            torch.testing.assert_close(out, F.threshold(x[:, :8], 0.25, 0) * x[:, 8:])
        self.assertFalse(hasattr(torch.ops.swage_names, "silu_and_mul"))

    def test_they_have_the_schemas_and_behave_as_operators_do(self):
        with vllm.register_ops("swage_checked"):
            space, x = torch.ops.swage_checked, torch.randn(3, 16)
            self.assertEqual(str(space.swigluoai_and_mul.default._schema),
                             "swage_checked::swigluoai_and_mul(Tensor($0! -> ) out, Tensor input, float alpha="
                             "1.702, float limit=7.) -> ()")
            for name, more in (("silu_and_mul", ()), ("mul_and_silu", ()), ("gelu_and_mul", ()),
                               ("gelu_tanh_and_mul", ()), ("fatrelu_and_mul", (0.5,)),
                               ("swigluoai_and_mul", (1.702, 7.0))):
                library.opcheck(getattr(space, name).default, (torch.empty(3, 8), x, *more))
            for name in ("gelu_new", "gelu_fast", "gelu_quick"):
                library.opcheck(getattr(space, name).default, (torch.empty(3, 16), x))

    def test_kernels_that_were_there_come_back(self):
        fragment = library.Library("swage_defined", "FRAGMENT")
        fragment.define("silu_and_mul(Tensor! out, Tensor input) -> ()")
        fragment.impl("silu_and_mul", lambda out, x: None if out.fill_(7) is out else None, "CPU")
        x, out = torch.ones(1, 4), torch.empty(1, 2)
        with vllm.register_ops("swage_defined"):
            torch.ops.swage_defined.silu_and_mul(out, x)
            torch.testing.assert_close(out, F.silu(x[:, :2]) * x[:, 2:])
        torch.ops.swage_defined.silu_and_mul(out, x)
        self.assertTrue(torch.equal(out, torch.full((1, 2), 7.0)))


class Providers(Seeded):
    def test_vllm_takes_the_provider_and_loses_it(self):
        ir = needs(self, "vllm.ir")
        operator = ir.ops.rms_norm
        x, weight = torch.randn(5, 64).bfloat16(), torch.randn(64).bfloat16()
        native = operator.impls["native"].impl_fn
        with vllm.register_providers() as patched:
            self.assertEqual(patched.count, 2)
            with operator.set_priority(["swage", "native"]):
                self.assertEqual(operator.dispatch(x, weight, 1e-5).provider, "swage")
                self.assertEqual(operator.dispatch(x, weight, 1e-5, 32).provider, "native")
                self.assertEqual(operator.dispatch(x, weight.float(), 1e-5).provider, "native")
                torch.testing.assert_close(operator(x, weight, 1e-5), native(x, weight, 1e-5))
            both = ir.ops.fused_add_rms_norm
            with both.set_priority(["swage", "native"]):
                for found, expected in zip(both(x, x * 2, weight, 1e-5),
                                           both.impls["native"].impl_fn(x, x * 2, weight, 1e-5)):
                    torch.testing.assert_close(found, expected)
        self.assertNotIn("swage", operator.impls)

    def test_norms_are_rounded_before_the_weight(self):
        from swage.compat import _norms
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            x, other = torch.randn(7, 512).to(dtype), torch.randn(7, 512).to(dtype)
            weight = torch.randn(512).to(dtype)

            def norm(wide):
                return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(dtype) * weight
            # Where the sum has another order, the first rounding may differ by an ulp, and then the second.
            near = {"rtol": max(2 * torch.finfo(dtype).eps, 1.3e-6), "atol": 1e-5}
            torch.testing.assert_close(_norms.rms_norm()(x, weight, eps=1e-5), norm(x.float()), **near)
            y, total = _norms.rms_norm_residual()(x, other, weight, eps=1e-5)
            torch.testing.assert_close(y, norm(x.float() + other.float()), **near)
            self.assertTrue(torch.equal(total, x + other))


class Liger(Seeded):
    """Each in a process of its own: Liger chooses when it is imported."""

    def run_with(self, code, **environment):
        needs(self, "liger_kernel.ops")
        code = "import torch\nfrom swage.compat import liger\n" + code
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)

    def test_the_variable_chooses(self):
        self.run_with("""
with liger.register():
    import liger_kernel.transformers.swiglu as modules
    import liger_kernel.ops
    assert modules.LigerSiLUMulFunction is liger.LigerSiLUMulFunction
assert liger_kernel.ops.LigerSiLUMulFunction is not liger.LigerSiLUMulFunction
""", LIGER_KERNEL_IMPL="swage")

    def test_without_it_registering_changes_nothing(self):
        self.run_with("""
from liger_kernel.ops.backends.registry import IMPL_REGISTRY
import liger_kernel.ops as ops
before = ops.LigerSiLUMulFunction
with liger.register() as patched:
    assert "swage" in IMPL_REGISTRY and patched.count == 0
    assert ops.LigerSiLUMulFunction is before
assert "swage" not in IMPL_REGISTRY
""", LIGER_KERNEL_IMPL="")

    def test_patch_reaches_what_was_imported_before(self):
        self.run_with("""
import liger_kernel.ops as ops
import liger_kernel.ops.swiglu as default
import liger_kernel.transformers.swiglu as modules
before = ops.LigerSiLUMulFunction
with liger.patch():
    for holder in (ops, default, modules):
        assert holder.LigerSiLUMulFunction is liger.LigerSiLUMulFunction
    with liger.patch() as again:  # nothing is left
        pass
    assert ops.LigerSiLUMulFunction is liger.LigerSiLUMulFunction
for holder in (ops, default, modules):
    assert holder.LigerSiLUMulFunction is before
""", LIGER_KERNEL_IMPL="")


class Kernels(Seeded):
    def test_layers_take_the_forward_of_a_model(self):
        kernels = needs(self, "kernels")
        from swage.compat.kernels import mapping, register

        @kernels.use_kernel_forward_from_hub("SiluAndMul")
        class SiluAndMul(torch.nn.Module):
            def forward(self, x):
                d = x.shape[-1] // 2
                return F.silu(x[..., :d]) * x[..., d:]

        model = torch.nn.Sequential(torch.nn.Linear(8, 32), SiluAndMul(), torch.nn.Linear(16, 4))
        x = torch.randn(5, 8)
        expected = model(x)
        for mode in (kernels.Mode.TRAINING | kernels.Mode.TORCH_COMPILE, kernels.Mode.INFERENCE):
            with kernels.use_kernel_mapping(mapping("SiluAndMul")):
                kernels.kernelize(model, mode=mode, device="cpu", use_fallback=kernels.KernelizeFallback(0))
            self.assertIn("SwigluUnsloth".lower(), str(model(x).grad_fn.next_functions).lower().replace("_", ""))
            torch.testing.assert_close(model(x), expected)
        with register() as patched:
            self.assertEqual(patched.count, 8)
            kernels.kernelize(model, mode=kernels.Mode.INFERENCE, device="cpu",
                              use_fallback=kernels.KernelizeFallback(0))
        with self.assertRaisesRegex(ValueError, "No layer mapping"):
            kernels.kernelize(model, mode=kernels.Mode.INFERENCE, device="cpu",
                              use_fallback=kernels.KernelizeFallback(0))

    def test_a_model_of_transformers(self):
        kernels = needs(self, "kernels")
        transformers = needs(self, "transformers")
        from swage.compat.kernels import RMSNorm, mapping
        config = transformers.LlamaConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)
        model = transformers.AutoModelForCausalLM.from_config(config)
        marked = type(model.model.norm)
        if not hasattr(marked, "kernel_layer_name"):  # Transformers does so with the version of kernels it wants
            kernels.replace_kernel_forward_from_hub(marked, "RMSNorm")
        ids = torch.arange(12).reshape(2, 6)
        expected = model(ids).logits
        with kernels.use_kernel_mapping(mapping()):
            kernels.kernelize(model, mode=kernels.Mode.TRAINING, device="cpu")
        self.assertIs(model.model.norm.forward.__func__, RMSNorm.forward)
        torch.testing.assert_close(model(ids).logits, expected)
        model(ids, labels=ids).loss.backward()
        self.assertIsNotNone(model.model.norm.weight.grad)

    def test_every_layer_is_what_its_name_says(self):
        from swage.compat import kernels as layers
        x = torch.randn(3, 16)
        a, b = x.chunk(2, -1)

        def tanh(t):
            return F.gelu(t, approximate="tanh")
        for layer, expected in ((layers.SiluAndMul, F.silu(a) * b), (layers.MulAndSilu, a * F.silu(b)),
                                (layers.GeluAndMul, F.gelu(a) * b), (layers.GeluTanhAndMul, tanh(a) * b),
                                (layers.SiLU, F.silu(x)), (layers.GeLU, F.gelu(x)), (layers.GeluTanh, tanh(x))):
            torch.testing.assert_close(layer()(x), expected, rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
    unittest.main()
