"""torch_docs_test.py -- the Python of docs/pytorch.md and the example run and print what they say.

Ends with 77, which CTest takes for skipped, where there is no PyTorch.
"""

import pathlib
import subprocess
import sys
import unittest

try:
    import torch  # noqa: F401
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import test_docs  # noqa: E402


class Docs(test_docs.Docs):
    def test_the_page_of_the_package(self):
        self.check("docs/pytorch.md", 3)

    def test_the_page_of_quantisation(self):
        self.check("docs/quantisation.md", 1)

    def test_the_readme(self):
        example = test_docs.ROOT / "examples" / "train_block.py"
        said = subprocess.run([sys.executable, str(example), "--steps", "3"], capture_output=True,
                              text=True, check=True).stdout
        self.assertIn("largest difference of the losses", said)


if __name__ == "__main__":
    unittest.main()
