#!/usr/bin/env python3
"""train_block.py -- trains one block of a LLaMA's shape with PyTorch's operators and with Swage's.

    python3 examples/train_block.py [--steps 20] [--device cuda] [--dtype bfloat16]

Both start from the same weights and see the same tokens; the losses of every step and their largest
difference are printed.
"""
import argparse

import torch
import torch.nn.functional as F

import swage.torch


class Norm(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight, 1e-6)


class Block(torch.nn.Module):
    """Attention and a SwiGLU MLP, each behind a norm, and logits."""

    def __init__(self, norm, activate, size=64, hidden=172, heads=4, vocabulary=128):
        super().__init__()
        self.heads, self.activate = heads, activate
        self.embed = torch.nn.Embedding(vocabulary, size)
        self.before_attention, self.before_mlp, self.last = norm(size), norm(size), norm(size)
        self.qkv = torch.nn.Linear(size, 3 * size, bias=False)
        self.out = torch.nn.Linear(size, size, bias=False)
        self.gate, self.up = (torch.nn.Linear(size, hidden, bias=False) for _ in range(2))
        self.down = torch.nn.Linear(hidden, size, bias=False)

    def forward(self, tokens):
        x = self.embed(tokens)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for part in self.qkv(self.before_attention(x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True)
                         .transpose(1, 2).flatten(2))
        y = self.before_mlp(x)
        x = x + self.down(self.activate(self.gate(y), self.up(y)))
        return self.last(x) @ self.embed.weight.t()


def losses(norm, activate, options):
    torch.manual_seed(1)
    model = Block(norm, activate).to(options.device, getattr(torch, options.dtype))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(2)
    found = []
    for _ in range(options.steps):
        tokens = torch.randint(0, 128, (4, 33), generator=generator).to(options.device)
        logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    plain = losses(Norm, lambda gate, up: F.silu(gate) * up, options)
    ours = losses(swage.torch.RMSNorm, swage.torch.SwiGLU(), options)
    for step, (a, b) in enumerate(zip(plain, ours)):
        print(f"step {step:3}  PyTorch {a:.6f}  Swage {b:.6f}")
    print(f"largest difference of the losses {max(abs(a - b) for a, b in zip(plain, ours)):.2g}")


if __name__ == "__main__":
    main()
