"""test_process.py -- what goes on in a process: importing, forks, threads, settings, its end."""

import multiprocessing
import os
import subprocess
import sys
import threading
import unittest

import numpy as np

import swage

SQUARE = "kernel square(x: in f32, y: out f32) { y = x * x; }"


def run(code, **environment):
    """What a fresh interpreter prints that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})
    if done.returncode != 0:
        raise AssertionError(f"exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def square_in_worker(value):
    x = np.full(1000, value, np.float32)
    return float(swage.kernel(SQUARE)(x)[0]), float(inherited(x)[0])


inherited = swage.kernel(SQUARE)


class Process(unittest.TestCase):
    def test_importing_loads_neither_arrays_nor_the_library(self):
        runs = [self.import_swage() for _ in range(3)]  # the first one compiles
        print(min(runs, key=lambda line: float(line.split()[2])))

    def import_swage(self):
        found = run("""
import sys, time
start = time.perf_counter()
import swage
print(f"import swage: {1e3 * (time.perf_counter() - start):.1f} ms")
assert not {"numpy", "torch", "tqdm"} & set(sys.modules), sorted(sys.modules)
assert swage._library._library is None
""")
        return found.strip()

    def test_versions_of_package_and_library_agree(self):
        from swage._library import library
        self.assertEqual(library().swage_version().decode(), swage.__version__)

    def test_a_library_that_is_not_there(self):
        found = run("""
import swage
try: swage.devices()
except swage.Error as error: print(error.code, error)
""", SWAGE_LIBRARY="/nowhere/libswage.so")
        self.assertIn("io there is no library at /nowhere/libswage.so; install", found)

    def test_forked_workers_call_kernels_made_before_and_after(self):
        x = np.full(100_000, 3, np.float32)
        self.assertEqual(float(inherited(x)[0]), 9)  # its threads have run
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.assertEqual(pool.map(square_in_worker, range(8)),
                             [(float(v * v), float(v * v)) for v in range(8)])

    def test_threads_share_a_kernel(self):
        kernel, wrong = swage.kernel("swiglu", T="f32"), []

        def work(seed):
            x = np.full(257 + seed, seed, np.float32)
            for _ in range(50):
                if not np.allclose(kernel(x, x), seed * seed / (1 + np.exp(-seed)), rtol=1e-5):
                    wrong.append(seed)
                try:
                    kernel(x, **{f"up{seed}": x})
                    wrong.append("no error")
                except swage.Error as error:
                    if f"'up{seed}'" not in str(error):
                        wrong.append(str(error))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_the_errors_of_threads_are_their_own(self):
        wrong = []

        def work(letter):
            for _ in range(100):
                try:
                    swage.kernel(f"missing_{letter}")
                except swage.Error as error:
                    if f"missing_{letter}'" not in str(error):
                        wrong.append(str(error))

        threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_the_interpreter_ends_with_kernels_alive(self):
        found = run("""
import numpy, swage, sys, threading
k = swage.kernel("swiglu", T="f32")
class Cycle: pass
c = Cycle(); c.me = c; c.kernel = k; sys.kept = k
x = numpy.ones(100000, "f4"); k(x, x)
threading.Thread(target=lambda: [k(x, x) for _ in range(10**9)], daemon=True).start()
print("ends")
""")
        self.assertEqual(found, "ends\n")

    def test_settings_are_given_once_and_the_log_goes_to_a_function(self):
        found = run("""
import numpy, swage
lines = []
swage.configure(log=lines.append, log_level="info", cache_dir="")
x = numpy.ones(10, "f4")
swage.kernel("swiglu", T="f32")(x, x)
assert len(lines) == 1 and "swiglu for cpu" in lines[0] and "miss" in lines[0], lines
try: swage.configure(cache_dir="")
except swage.Error as error: print(error.code)
try: swage.configure(no_such=1)
except swage.Error as error: print(error)
""")
        self.assertIn("invalid_argument\n", found)


if __name__ == "__main__":
    unittest.main()
