# abi_layout_test.py -- abi_layout.py lets structs grow at their end and nothing else.
#   abi_layout_test.py INCLUDE_DIR CC LIST
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

INCLUDE, CC, LIST = sys.argv[1:4]
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "abi_layout.py")


class Layout(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.include = os.path.join(self.folder.name, "include")
        shutil.copytree(INCLUDE, self.include)
        self.list = shutil.copy(LIST, self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def run_script(self, *more):
        return subprocess.run(
            [sys.executable, SCRIPT, self.include, CC, self.list, *more],
            capture_output=True, text=True, check=False,
        )

    def edit(self, old, new, header="swage.h"):
        path = os.path.join(self.include, "swage", header)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))

    def refuses(self, *parts):
        for more in ((), ("--write",)):
            outcome = self.run_script(*more)
            self.assertNotEqual(outcome.returncode, 0)
            for part in parts:
                self.assertIn(part, outcome.stdout)

    def test_the_headers_are_as_promised(self):
        outcome = self.run_script()
        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)

    def test_a_struct_that_begins_with_its_size_may_grow_and_is_then_listed(self):
        self.edit("} swage_options;", "  int32_t more;\n  double last;\n} swage_options;")
        outcome = self.run_script()
        self.assertNotEqual(outcome.returncode, 0)
        self.assertIn("not in the list yet:    struct swage_options: last at", outcome.stdout)
        self.assertNotIn("promised", outcome.stdout)
        self.assertEqual(self.run_script("--write").returncode, 0)
        self.assertEqual(self.run_script().returncode, 0)

    def test_no_field_moves_goes_or_changes_its_type(self):
        for old, new in (
            ("  int32_t index; ", "  int32_t before;\n  int32_t index; "),
            ("  int32_t index; ", ""),
            ("  int32_t index; ", "  float index; "),
        ):
            with self.subTest(new=new):
                self.tearDown()
                self.setUp()
                self.edit(old, new)
                self.refuses("promised and changed:   struct swage_device_info: index at 12")

    def test_padding_is_no_place_for_a_field(self):
        self.edit("  int32_t math; ", "  int32_t math;\n  int32_t hidden; ")
        self.refuses("new, and not at the end: struct swage_options: hidden at 12")

    def test_a_struct_without_a_size_cannot_grow(self):
        self.edit("} swage_arg;", "  int64_t more;\n} swage_arg;")
        self.refuses("promised and changed:   struct swage_arg: size 16", "cannot grow:")

    def test_values_of_enums_stay_and_may_become_more(self):
        self.edit("SWAGE_MATH_TRITON = 1", "SWAGE_MATH_TRITON = 9")
        self.refuses("promised and changed:   enum swage_math: SWAGE_MATH_TRITON = 1")
        self.tearDown()
        self.setUp()
        self.edit("SWAGE_ARG_INTEGER = 2", "SWAGE_ARG_INTEGER = 2,\n  SWAGE_ARG_MORE = 3")
        self.assertIn("not in the list yet:", self.run_script().stdout)
        self.assertEqual(self.run_script("--write").returncode, 0)

    def test_what_cannot_be_read_is_an_error(self):
        self.edit("  int32_t math; ", "  int32_t math, other; ")
        outcome = self.run_script()
        self.assertNotEqual(outcome.returncode, 0)
        self.assertIn("cannot read the field 'int32_t math, other'", outcome.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
