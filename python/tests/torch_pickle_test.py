"""torch_pickle_test.py -- operators in copies of models, files and other processes.

Ends with 77, which CTest takes for skipped, where there is no PyTorch.
"""

import copy
import io
import pickle
import subprocess
import sys
import unittest

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

import swage.torch
from swage.torch._signature import signature

TEXT = """
kernel twice<T>(x: in T, y: out T) { y = x + x; }
kernel back<T>(d_y: in T, d_x: out T) { d_x = d_y + d_y; }
"""


class Block(torch.nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.up, self.activation = torch.nn.Linear(8, 16), activation

    def forward(self, x):
        return self.activation(*self.up(x).chunk(2, -1))


def operators():
    yield swage.torch.swiglu
    yield swage.torch.swiglu_packed
    yield swage.torch.rms_norm.counted
    yield swage.torch.rms_norm.gradient(("x", "weight")).operator
    yield swage.torch.swiglu.counted.gradient(("up",)).operator
    for math in (None, "fast"):
        yield swage.torch.op(TEXT, "twice", math=math, backward="back")
    yield swage.torch.op(TEXT, "twice").gradient(("x",)).operator


class Pickles(unittest.TestCase):
    def test_an_operator_is_read_and_copied_as_the_one_of_its_name(self):
        for operator in operators():
            with self.subTest(operator.name):
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                    self.assertIs(pickle.loads(pickle.dumps(operator, protocol)), operator)
                self.assertIs(copy.copy(operator), operator)
                self.assertIs(copy.deepcopy([operator])[0], operator)

    def test_an_operator_that_does_not_say_how_it_was_made_is_refused(self):
        by_hand = swage.torch.Operator(signature(TEXT, "twice"), "swage", "made_by_hand")
        with self.assertRaisesRegex(pickle.PicklingError, "made_by_hand.*swage.torch.op"):
            pickle.dumps(by_hand)

    def test_a_model_is_copied_and_saved_with_its_operators(self):
        x = torch.randn(3, 8)
        for model in (Block(swage.torch.swiglu), torch.nn.Sequential(swage.torch.RMSNorm(8), Block(swage.torch.geglu))):
            file = io.BytesIO()
            torch.save(model, file)
            file.seek(0)
            for other in (copy.deepcopy(model), torch.load(file, weights_only=False)):
                self.assertTrue(torch.equal(other(x), model(x)))
                other(x).sum().backward()
                self.assertIsNotNone(next(other.parameters()).grad)
                self.assertIsNone(next(model.parameters()).grad)

    def test_another_process_reads_operators_that_it_has_not_made(self):
        x = torch.randn(4, 8)
        calls = [(swage.torch.swiglu, (x, x)), (swage.torch.op(TEXT, "twice", backward="back"), (x,)),
                 (swage.torch.rms_norm.counted, (x, torch.ones(8), torch.tensor([2]))),
                 (swage.torch.op(TEXT, "twice").gradient(("x",)).operator, (x, x))]
        program = ("import pickle, sys; calls = pickle.load(sys.stdin.buffer); "
                   "sys.stdout.buffer.write(pickle.dumps([f(*inputs) for f, inputs in calls]))")
        done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(calls), capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        for (operator, inputs), found in zip(calls, pickle.loads(done.stdout)):
            self.assertTrue(torch.equal(found, operator(*inputs)), operator.name)


if __name__ == "__main__":
    unittest.main()
