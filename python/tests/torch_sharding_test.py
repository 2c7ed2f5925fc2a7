"""torch_sharding_test.py -- sharded tensors give the bits of whole ones, with 2 and 4 processes on the CPU.

With SWAGE_TEST_DEVICE=cuda instead over NCCL, one process a GPU, on the first two and on all of a machine.
Ends with 77, which CTest takes for skipped, where there is no PyTorch, or there are not two GPUs.
"""

import os
import sys
import tempfile
import unittest

try:
    import torch
    import torch.distributed as dist
    import torch.multiprocessing as multiprocessing
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)
DEVICE = os.environ.get("SWAGE_TEST_DEVICE", "cpu")
BACKEND = "gloo" if DEVICE == "cpu" else "nccl"
if not dist.is_available() or not dist.is_backend_available(BACKEND):
    print(f"skipped: no {BACKEND}")
    sys.exit(77)
if DEVICE == "cuda" and torch.cuda.device_count() < 2:
    print("skipped: not two GPUs")
    sys.exit(77)
SIZES = (2, 4) if DEVICE == "cpu" else sorted({2, torch.cuda.device_count()})

ROWS, COLUMNS = 8, 16


def _work(rank, size, file):
    if DEVICE == "cuda":
        torch.cuda.set_device(rank)
    torch.set_default_device(DEVICE)
    dist.init_process_group(BACKEND, init_method=f"file://{file}", rank=rank, world_size=size)
    try:
        _check(size)
    finally:
        dist.destroy_process_group()


def _check(size):
    import swage.torch
    import swage.torch.sharding  # noqa: F401
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    mesh = init_device_mesh(DEVICE, (size,))
    torch.manual_seed(5)
    gate, up, d = (torch.randn(ROWS, COLUMNS) for _ in range(3))
    weight = torch.randn(COLUMNS)

    def both(function, whole, placements, grad):
        leaves = [t.clone().requires_grad_() for t in whole]
        expected = function(*leaves)
        expected.backward(grad)
        parts = [distribute_tensor(t, mesh, [p]).requires_grad_() for t, p in zip(whole, placements)]
        found = function(*parts)
        found.backward(distribute_tensor(grad, mesh, found.placements))
        assert torch.equal(found.full_tensor(), expected)
        for part, leaf in zip(parts, leaves):
            torch.testing.assert_close(part.grad.full_tensor(), leaf.grad)
        return found

    for dimension in (0, 1):  # elementwise: rows and columns
        found = both(swage.torch.swiglu, (gate, up), (Shard(dimension),) * 2, d)
        assert found.placements[0] == Shard(dimension)
    found = both(swage.torch.rms_norm, (gate, weight), (Shard(0), Replicate()), d)
    assert found.placements[0] == Shard(0)
    # Along the columns a norm needs whole rows: they are brought together.
    both(swage.torch.rms_norm, (gate, weight), (Shard(1), Shard(0)), d)
    # What is no plain sum over rows takes whole rows.
    root = swage.torch.op("kernel root(x: in f32, y: out f32 [tensor]) {"
                          " y = sqrt(col_sum(row_sum(x * x))); }")
    total = swage.torch.op("kernel total(x: in f32, y: out f32 [col]) { y = col_sum(x); }")
    part = distribute_tensor(gate, mesh, [Shard(0)])
    torch.testing.assert_close(root(part).full_tensor(), gate.norm())
    torch.testing.assert_close(total(part).full_tensor(), gate.sum(0))
    assert total(part).placements[0].is_partial()
    both(lambda x: swage.torch.swiglu_packed(x), (torch.cat((gate, up), -1),), (Shard(0),), d)
    _check_counts(mesh, size, both)
    _check_parallel(mesh)


def _check_counts(mesh, size, both):
    """Experts are sharded with their counts; rows of one count are brought together."""
    import swage.torch
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    counts = torch.arange(2 * size, dtype=torch.int32) % 3
    x, y, d = (torch.randn(2 * size, 2, COLUMNS) for _ in range(3))
    weight = torch.randn(COLUMNS)
    for shard in (Shard(0), Replicate()):
        n = distribute_tensor(counts, mesh, [shard])

        def counted(operator):
            return lambda *a: operator(*a, valid_rows=n if hasattr(a[0], "placements") else counts)

        found = both(counted(swage.torch.swiglu), (x, y), (Shard(0),) * 2, d)
        assert found.placements[0] == Shard(0)
        found = both(counted(swage.torch.rms_norm), (x, weight), (Shard(0), Replicate()), d)
        assert found.placements[0] == Shard(0)
        both(counted(swage.torch.swiglu), (x, y), (Shard(1),) * 2, d)  # part of each one's rows
    one = torch.tensor([3], dtype=torch.int64)
    whole = distribute_tensor(one, mesh, [Replicate()])
    for operator, of in ((swage.torch.swiglu, (x, y)), (swage.torch.rms_norm, (x, weight))):
        for dimension in (0, 1):
            placements = [Shard(dimension) if t.dim() > 1 else Replicate() for t in of]
            both(lambda *a: operator(*a, valid_rows=whole if hasattr(a[0], "placements") else one), of, placements, d)


def _check_parallel(mesh):
    """A SwiGLU MLP as tensor parallel training shards it, and as FSDP does."""
    import swage.torch
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor.parallel import (ColwiseParallel, RowwiseParallel,
                                                   parallelize_module)

    class MLP(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = swage.torch.RMSNorm(16)
            self.gate, self.up = (torch.nn.Linear(16, 32, bias=False) for _ in range(2))
            self.down = torch.nn.Linear(32, 16, bias=False)

        def forward(self, x):
            x = self.norm(x)
            return self.down(swage.torch.swiglu(self.gate(x), self.up(x)))

    def gradients(model, x):
        loss = (model(x)**2).sum()
        loss.backward()
        return loss, [p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad
                      for p in model.parameters()]

    x = torch.randn(4, 16)
    torch.manual_seed(7)
    plain = MLP()
    loss, slopes = gradients(plain, x)
    for shard in ("tensor", "fsdp"):
        torch.manual_seed(7)
        model = MLP()
        if shard == "tensor":
            parallelize_module(model, mesh, {"gate": ColwiseParallel(), "up": ColwiseParallel(),
                                             "down": RowwiseParallel()})
        else:
            fully_shard(model, mesh=mesh)
        found, own = gradients(model, x)
        torch.testing.assert_close(found, loss)
        for a, b in zip(own, slopes):
            if shard == "fsdp":  # every rank had the same batch: the mean of equals
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
            elif a.shape == b.shape:
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


class Sharding(unittest.TestCase):
    def test_processes(self):
        os.environ["OMP_NUM_THREADS"] = "1"
        for size in SIZES:
            with self.subTest(processes=size), tempfile.TemporaryDirectory() as folder:
                multiprocessing.spawn(_work, args=(size, os.path.join(folder, "store")), nprocs=size)


if __name__ == "__main__":
    unittest.main()
