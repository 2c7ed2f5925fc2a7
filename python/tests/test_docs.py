"""test_docs.py -- the Python of docs/python.md and of the README runs and prints what it says.

Blocks of a page are one program: each ```python block runs after those above it, and a ```text block
that follows is what it prints. Blocks marked ```python (not run) need what a machine may lack.
"""

import contextlib
import io
import os
import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<prints>.*?)^```\n)?",
                   re.MULTILINE | re.DOTALL)


def run_page(page):
    """(code, what the page says that it prints, what it printed) of every block."""
    text, names, found = page.read_text(), {"__name__": "page"}, []
    for block in BLOCK.finditer(text):
        printed = io.StringIO()
        line = text.count("\n", 0, block.start("code"))
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + block["code"], str(page), "exec"), names)
        found.append((block["code"], block["prints"] or "", printed.getvalue()))
    return found


class Docs(unittest.TestCase):
    def check(self, page, least):
        here = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                found = run_page(ROOT / page)
            finally:
                os.chdir(here)
        self.assertGreaterEqual(len(found), least)
        for code, prints, printed in found:
            self.assertEqual(printed, prints, code)

    def test_the_page_of_the_package(self):
        self.check("docs/python.md", 6)

    def test_the_readme(self):
        self.check("README.md", 1)


if __name__ == "__main__":
    unittest.main()
