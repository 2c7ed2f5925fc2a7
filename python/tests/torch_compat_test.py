"""torch_compat_test.py -- the functions of other projects, held to their formulas in PyTorch.

Ends with 77, which CTest takes for skipped, where there is no PyTorch. Transformers is tried where it is. On
the CPU, or on the device that SWAGE_TEST_DEVICE names.
"""

import os
import sys
import unittest

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

from seeded import Seeded  # noqa: E402
from swage.compat import unsloth, vllm  # noqa: E402

DEVICE = os.environ.get("SWAGE_TEST_DEVICE", "cpu")
torch.set_default_device(DEVICE)
GELU = {"exact": "none", "approx": "tanh"}


def tensors(count, *shape, dtype=torch.bfloat16):
    generator = torch.Generator(DEVICE).manual_seed(3)
    return [torch.randn(shape, generator=generator).to(dtype) for _ in range(count)]


def close(found, expected):
    torch.testing.assert_close(found.float(), expected.float(), rtol=2e-2, atol=1e-3)


class Unsloth(Seeded):
    def check(self, forward, backward, activation):
        d_h, gate, up = tensors(3, 2, 5, 64)
        h = forward(gate, up)
        self.assertEqual((h.shape, h.dtype), (gate.shape, gate.dtype))
        close(h, activation(gate.float()).bfloat16() * up)
        wide = [t.double().requires_grad_() for t in (gate, up)]
        (activation(wide[0]) * wide[1]).backward(d_h.double())
        buffers = [t.clone() for t in (d_h, gate, up)]
        returned = backward(*buffers)
        for buffer, same in zip(buffers, returned):
            self.assertIs(buffer, same)
        self.assertTrue(torch.equal(buffers[0], h))
        close(buffers[1], wide[1].grad)  # the gradient of up, in the buffer of gate
        close(buffers[2], wide[0].grad)

    def test_swiglu(self):
        self.check(unsloth.swiglu_fg_kernel, unsloth.swiglu_DWf_DW_dfg_kernel, F.silu)

    def test_functions_compile_whole(self):
        gate, up = tensors(2, 4, 8)
        found = torch.compile(lambda a, b: unsloth.swiglu_fg_kernel(a, b) + 1, fullgraph=True,
                              backend="aot_eager")(gate, up)
        self.assertTrue(torch.equal(found, unsloth.swiglu_fg_kernel(gate, up) + 1))

    def test_geglu(self):
        self.check(unsloth.geglu_exact_forward_kernel, unsloth.geglu_exact_backward_kernel, F.gelu)
        self.check(unsloth.geglu_approx_forward_kernel, unsloth.geglu_approx_backward_kernel,
                   lambda x: F.gelu(x, approximate="tanh"))


class VLLM(Seeded):
    """The cases of vLLM's tests of these operators: its shapes, its types, and its tolerances (absolute, and relative
    by type). On a GPU its gated functions have to be exact there, except swigluoai's."""

    # Tokens 7, 83, 2048; d 512, 13824. The largest of both together shows nothing more.
    SHAPES = ((7, 512), (83, 512), (2048, 512), (7, 13824), (83, 13824))
    ABSOLUTE = {torch.float16: 1e-3, torch.bfloat16: 1e-3, torch.float32: 1e-5}
    RELATIVE = {torch.float16: 1e-3, torch.bfloat16: 1.6e-2, torch.float32: 1.3e-6}
    DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()

    def check(self, function, expected, *, halves=2, is_exact=False, relative=RELATIVE, **options):
        for device in self.DEVICES:
            for dtype in self.ABSOLUTE:
                for tokens, d in self.SHAPES:
                    x = tensors(1, tokens, halves * d, dtype=dtype)[0].to(device)
                    out = torch.empty(tokens, d, dtype=dtype, device=device)
                    self.assertIsNone(function(out, x, **options))
                    exact = is_exact and device == "cuda"
                    torch.testing.assert_close(out, expected(x, d), rtol=0 if exact else relative[dtype],
                                               atol=0 if exact else self.ABSOLUTE[dtype])

    def test_gated_activations(self):
        self.check(vllm.silu_and_mul, lambda x, d: F.silu(x[:, :d]) * x[:, d:], is_exact=True)
        self.check(vllm.mul_and_silu, lambda x, d: x[:, :d] * F.silu(x[:, d:]), is_exact=True)
        self.check(vllm.gelu_and_mul, lambda x, d: F.gelu(x[:, :d]) * x[:, d:], is_exact=True)
        self.check(vllm.gelu_tanh_and_mul,
                   lambda x, d: F.gelu(x[:, :d], approximate="tanh") * x[:, d:], is_exact=True)
        self.check(vllm.fatrelu_and_mul, lambda x, d: F.threshold(x[:, :d], 0.25, 0) * x[:, d:],
                   is_exact=True, threshold=0.25)

    def test_swigluoai(self):
        def expected(x, d):
            gate, up = x[:, ::2].float().clamp(max=7.0), x[:, 1::2].float().clamp(-7.0, 7.0)
            return ((up + 1) * (gate * torch.sigmoid(gate * 1.702))).to(x.dtype)
        self.check(vllm.swigluoai_and_mul, expected,
                   relative={torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 1.3e-6})

    def test_plain_activations(self):
        """Against the formulas in f32: vLLM's own references round each of their steps to the type."""
        def tanh(x, d):
            return F.gelu(x.float(), approximate="tanh").to(x.dtype)
        self.check(vllm.gelu_new, tanh, halves=1)
        self.check(vllm.gelu_fast, tanh, halves=1)
        self.check(vllm.gelu_quick, lambda x, d: (x.float() * torch.sigmoid(1.702 * x.float())).to(x.dtype),
                   halves=1)

    def test_an_out_of_another_size_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected half of the columns"):
            vllm.silu_and_mul(torch.empty(3, 5), torch.empty(3, 8))


class Liger(Seeded):
    def test_gradients(self):
        from swage.compat import liger
        for function, activation in (
                (liger.LigerSiLUMulFunction, F.silu),
                (liger.LigerGELUMulFunction, lambda x: F.gelu(x, approximate="tanh"))):
            a, b = (t.requires_grad_() for t in tensors(2, 6, 16, dtype=torch.float64))
            torch.testing.assert_close(function.apply(a, b), activation(a) * b)
            self.assertTrue(torch.autograd.gradcheck(function.apply, (a, b)))
        self.assertTrue(torch.autograd.gradcheck(
            lambda a, b: liger.LigerSiLUMulFunction.apply(a, b, 0.5), (a, b)))
        self.assertTrue(torch.autograd.gradcheck(
            lambda a, b: liger.LigerSiLUMulFunction.apply(a, b, 1.0, 3.0), (a, b)))
        torch.testing.assert_close(liger.LigerSiLUMulFunction.apply(a, b, 0.5, 3.0),
                                   F.silu(a * 0.5) * b * 3)

    def test_gate_and_up_in_one_tensor(self):
        from swage.compat import liger
        y, = tensors(1, 2, 3, 16)
        d, = tensors(1, 2, 3, 8)
        leaves = [y.clone().requires_grad_() for _ in range(3)]
        split = liger.LigerSiLUMulFunction.apply(*leaves[0].chunk(2, -1))
        split.backward(d)
        fused = liger.LigerFusedGateUpSiLUMulFunction.apply(leaves[1])
        fused.backward(d, retain_graph=True)
        self.assertTrue(torch.equal(fused, split))
        self.assertTrue(torch.equal(leaves[1].grad, leaves[0].grad))
        buffer = leaves[2] * 1
        fused = liger.LigerFusedGateUpSiLUMulFunction.apply(buffer, True)
        fused.backward(d, retain_graph=True)
        self.assertTrue(torch.equal(leaves[2].grad, leaves[0].grad))
        self.assertTrue(torch.equal(buffer, leaves[0].grad))
        with self.assertRaisesRegex(RuntimeError, "in_place=True"):
            fused.backward(d)


class Transformers(Seeded):
    def test_models_compute_the_same_and_come_back(self):
        try:
            import transformers
        except ImportError:
            self.skipTest("Transformers is not there")
        from swage.compat.transformers import patch
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                 "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
                 "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        for config in (transformers.LlamaConfig(**sizes), transformers.MistralConfig(**sizes),
                       transformers.Qwen2Config(**sizes), transformers.GemmaConfig(head_dim=8, **sizes),
                       transformers.Phi3Config(**sizes)):
            with self.subTest(type(config).__name__):
                model = transformers.AutoModelForCausalLM.from_config(config)
                ids = torch.arange(12).reshape(2, 6)
                expected = model(ids, labels=ids)
                expected.loss.backward()
                slopes = [p.grad.clone() for p in model.parameters()]
                model.zero_grad()
                with patch(model) as patched:
                    self.assertEqual(patched.count, 2)
                    found = model(ids, labels=ids)
                    found.loss.backward()
                torch.testing.assert_close(found.logits, expected.logits)
                for p, slope in zip(model.parameters(), slopes):
                    torch.testing.assert_close(p.grad, slope, rtol=1e-4, atol=1e-6)
                self.assertNotIn("forward", vars(model.model.layers[0].mlp))

    def test_modules_that_compute_something_else_are_left_alone(self):
        from swage.compat.transformers import patch

        class Scaled(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.gate_proj, self.up_proj = (torch.nn.Linear(8, 16) for _ in range(2))
                self.down_proj, self.act_fn = torch.nn.Linear(16, 8), torch.nn.SiLU()

            def forward(self, x):
                return self.down_proj(self.act_fn(self.gate_proj(x) * 0.5) * self.up_proj(x))

        self.assertEqual(patch(Scaled()).count, 0)


if __name__ == "__main__":
    unittest.main()
