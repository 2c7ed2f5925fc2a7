#!/usr/bin/env python3
"""regret.py -- does tuning ever make a call slower? Measured independently of the tuner.

For each case (kernel, type, shape, layout) it tunes once, then times three kinds of contestants: what launches
use after tuning, the default, and a fixed set of schedules. In every round all work on the same buffer sets, at
places drawn anew, in an order drawn anew, three times; its time of the round is the geometric mean. What counts
is the same over the rounds of the ratios within a round, from five on without the odd ones at either end. A sample
is a graph of many launches over buffer sets with outputs of their own, behind a copy that drains the cache and
launches on other sets that leave there what launches do; in warm cases the cache holds all sets. A case past a bound
is measured again in more rounds, the tuned, the default and the best schedule alone, and that measurement counts: the
best of many is partly luck. Where the best is ahead, it is measured once more with inputs in the cache (in memory, if
the case is warm): one that loses there what it gains here is no better, and does not count.

  python3 bench/regret.py --library build/release/libswage.so --json regret.json
  python3 bench/regret.py --cases 'packed bf16 *' --budget 60
  python3 bench/regret.py --self-test        the machinery alone, on whatever driver there is

Exit status 1 if a bound does not hold.
"""

import argparse
import dataclasses
import fnmatch
import json
import os
import random as random_module
import statistics
import sys
import tempfile
import time

from buffer_sets import BufferSets, Layout, Tile
from cuda_driver import CudaDriver
from measuring import KINDS, in_turns, paired_ratio, trimmed_mean, warm_sets
from regret_cases import fixed, grid
from swage_capi import Swage

TUNED_OVER_DEFAULT, TUNED_OVER_BEST = 1.01, 1.02  # the bounds
POOL_BYTES = 600 << 20  # all buffer sets of a cold case together
LAUNCHES = 256  # in a graph, at most
PASSES = 3  # in a round
DRAINS = 4  # copies as large as the cache: some 100 us
ROUNDS = (3, 21)  # at least and at most, as the budget allows
ROUNDS_AGAIN = (11, 31)


class Contest:
    """One case's contestants and the rounds that they run."""

    def __init__(self, bench, case):
        self.bench, self.case = bench, case
        self.layout = Layout(case.kind, case.dtype, case.rows, case.columns, case.pitch, case.offset)
        if case.warm:
            self.sets = warm_sets(bench.cache_bytes, self.layout.bytes)
            if self.sets == 0:
                raise RuntimeError(f"two sets of {case.name()} do not fit a quarter of the cache")
            self.launches = bench.launches
        else:
            self.sets = max(2, min(bench.launches, -(-bench.pool_bytes // self.layout.bytes)))
            self.launches = max(4, self.sets)
        fill = -(-bench.cache_bytes // self.layout.bytes)
        self.before = 0 if case.warm else min(fill, self.launches)
        self.buffers = self.place()
        self.kernels, self.left_out = {}, {}

    def place(self):
        bench = self.bench
        return BufferSets(bench.driver, bench.tile(self.case.dtype), self.layout,
                          self.sets + self.before, bench.random)

    def enter(self, fixed_schedules=None):
        """Tunes, and makes the contestants; returns what the tuner found and how long it took."""
        swage, kernel = self.bench.swage, KINDS[self.case.kind].kernel
        arguments = swage.arguments(self.buffers.sets[0])
        self.kernels["tuned"] = swage.kernel(kernel, self.case.dtype)
        start = time.perf_counter()
        found = swage.tune(self.kernels["tuned"], arguments, **self.bench.tune_options)
        seconds = time.perf_counter() - start
        schedules = {"default": found.default_schedule.decode()} | {
            text: text
            for text in (fixed(self.case) if fixed_schedules is None else fixed_schedules)}
        for name, schedule in schedules.items():
            made = None
            try:
                made = swage.kernel(kernel, self.case.dtype, schedule=schedule)
                swage.prepare(made, arguments)
                self.kernels[name] = made
            except RuntimeError as error:
                self.left_out[name] = str(error)
                if made:
                    swage.destroy(made)
        return found, seconds

    def round(self, names):
        """Per contestant the seconds of a launch, on buffers at places of their own."""
        driver, swage, random = self.bench.driver, self.bench.swage, self.bench.random
        old, self.buffers = self.buffers, self.place()  # while the old still has its memory
        old.free()
        arguments = [swage.arguments(tensors) for tensors in self.buffers.sets]

        def capture(name, launches, sets):
            kernel = self.kernels[name]

            def work():
                for i in range(launches):
                    swage.launch(kernel, sets[i % len(sets)], driver.stream)

            swage.prepare(kernel, arguments[0])
            return driver.capture(work)

        def sample(name):
            if KINDS[self.case.kind].in_place:
                self.buffers.fill()
            if self.case.warm:
                driver.launch(graphs[name])
            else:
                self.bench.drain()
                driver.launch(before[name])
            return driver.time(graphs[name]) / self.launches

        order = random.sample(names, len(names))
        timed, others = arguments[:self.sets], arguments[self.sets:]
        graphs = {name: capture(name, self.launches, timed) for name in order}
        before = {name: capture(name, self.before, others) for name in order if others}
        in_turns(graphs, 1, sample, random)  # the first launch of a graph uploads it
        times = in_turns(graphs, PASSES, sample, random, trimmed_mean)
        for graph in [*graphs.values(), *before.values()]:
            driver.destroy(graph)
        return times

    def run(self, names, rounds, until):
        """Per contestant its times by round: until the clock says `until`, within `rounds`."""
        times = {name: [] for name in names}
        least, most = rounds
        for i in range(most):
            if i >= least and time.perf_counter() >= until:
                break
            for name, seconds in self.round(names).items():
                times[name].append(seconds)
        return times

    def close(self):
        self.bench.driver.synchronize()
        self.buffers.free()
        for kernel in self.kernels.values():
            self.bench.swage.destroy(kernel)


def rank(times):
    """The ratios of one measurement, and the fastest contestant besides the tuned."""
    over = {name: paired_ratio(times["tuned"], others, trimmed_mean)
            for name, others in times.items() if name != "tuned"}
    best = max(over, key=over.get)
    return {"tuned_over_default": over["default"], "tuned_over_best": over[best], "best": best,
            "rounds": len(times["tuned"]), "times": times,
            "seconds": {name: trimmed_mean(samples) for name, samples in times.items()}}


def is_regret(measured):
    return (measured["tuned_over_default"] > TUNED_OVER_DEFAULT or
            measured["tuned_over_best"] > TUNED_OVER_BEST)


def keys_changed(schedule, default):
    """The words of a schedule that the default does not have."""
    return [word for word in schedule.split() if word not in default.split()]


def measure(bench, case, seconds):
    """One case in about `seconds`, tuning included."""
    start = time.perf_counter()
    contest = Contest(bench, case)
    try:
        found, tune_seconds = contest.enter()
        until = max(start + 0.8 * seconds, time.perf_counter() + 0.2 * seconds)
        measured = first = rank(contest.run(list(contest.kernels), ROUNDS, until))
        if is_regret(first):
            names = list(dict.fromkeys(["tuned", "default", first["best"]]))
            measured = rank(contest.run(names, ROUNDS_AGAIN, time.perf_counter() + seconds))
    finally:
        contest.close()
    elsewhere = None
    if measured["tuned_over_best"] > TUNED_OVER_BEST:
        elsewhere = measure_elsewhere(bench, case, measured["best"], seconds)
    schedule, default = found.schedule.decode(), found.default_schedule.decode()
    return {"case": case.name(), **dataclasses.asdict(case), "bytes_of_set": contest.layout.bytes,
            "sets": contest.sets, "launches": contest.launches, "schedule": schedule,
            "default_schedule": default, "keys": keys_changed(schedule, default),
            "tune_seconds": tune_seconds, "tuner_said": {
                "seconds": found.seconds, "default_seconds": found.default_seconds,
                "candidates": found.candidates, "improved": bool(found.improved)},
            "left_out": contest.left_out, "measured": measured, "elsewhere": elsewhere,
            "first": None if measured is first else first}


def measure_elsewhere(bench, case, best, seconds):
    """Tuned/best where the cache holds the inputs if the case is cold, and the other way round: a
    tuned schedule has to be good in both. None where both cannot be had."""
    case = dataclasses.replace(case, warm=not case.warm)
    try:
        contest = Contest(bench, case)
    except RuntimeError:
        return None
    try:
        contest.enter([] if best == "default" else [best])
        times = contest.run(["tuned", best], ROUNDS_AGAIN, time.perf_counter() + seconds)
    finally:
        contest.close()
    return paired_ratio(times["tuned"], times[best], trimmed_mean)


def is_trade(result):
    """Whether the best loses as much elsewhere as it gains here, so that neither is the better one."""
    elsewhere = result.get("elsewhere")
    return elsewhere is not None and elsewhere * result["measured"]["tuned_over_best"] <= 1


def line(result):
    measured, first = result["measured"], result["first"]
    seconds = measured["seconds"]
    again = "" if first is None else (f"  (again; first {first['tuned_over_default']:.3f} and "
                                      f"{first['tuned_over_best']:.3f} in {first['rounds']} rounds)")
    return (f"{result['case']:36} {1e6 * seconds['tuned']:>8.2f} {1e6 * seconds['default']:>8.2f} "
            f"{1e6 * seconds[measured['best']]:>8.2f} {measured['tuned_over_default']:>7.3f} "
            f"{measured['tuned_over_best']:>7.3f} {measured['rounds']:>6} "
            f"{result['tune_seconds']:>6.2f}  {' '.join(result['keys']) or 'the default'}"
            f"{'' if measured['tuned_over_best'] < 1.001 else '  best: ' + measured['best']}{again}")


def summarise(results, refused):
    """The lines that tell how it went, and whether the bounds hold."""
    if not results:
        return ["no case was measured"], False
    lines, holds = [], not refused
    for key, label, bound in (("tuned_over_default", "tuned/default", TUNED_OVER_DEFAULT),
                              ("tuned_over_best", "tuned/best", TUNED_OVER_BEST)):
        ratios = {result["case"]: result["measured"][key] for result in results}
        above = [name for name, ratio in ratios.items() if ratio > bound]
        if key == "tuned_over_best":
            trades = [result for result in results if result["case"] in above and is_trade(result)]
            above = [name for name in above if name not in [each["case"] for each in trades]]
        worst = max(ratios, key=ratios.get)
        lines.append(f"{label}: mean {statistics.mean(ratios.values()):.4f}, worst "
                     f"{ratios[worst]:.4f} ({worst}), above {bound}: {len(above)} of {len(ratios)}")
        lines += [f"  {name}: {ratios[name]:.4f}" for name in above]
        if key == "tuned_over_best":
            lines += [f"  {each['case']}: {ratios[each['case']]:.4f}, but {each['elsewhere']:.4f} "
                      f"{'in memory' if each['warm'] else 'in the cache'}: a trade, not counted"
                      for each in trades]
        holds = holds and not above
    mean = statistics.mean(result["measured"]["tuned_over_default"] for result in results)
    if mean >= 1:
        lines.append(f"the mean tuned/default is {mean:.4f}, where less than 1 was expected")
    again = sum(result["first"] is not None for result in results)
    tuning = [result["tune_seconds"] for result in results]
    lines.append(f"{len(results)} cases, {again} of them measured again, {len(refused)} not "
                 f"measured; tuning took {statistics.median(tuning):.2f} s in the median, "
                 f"{max(tuning):.2f} s at most")
    lines += [f"  {name}: {why}" for name, why in refused.items()]
    holds = holds and mean < 1
    lines.append("the bounds hold" if holds else "the bounds do not hold")
    return lines, holds


class Bench:
    """The GPU, the library and what all cases share."""

    def __init__(self, library, seed, launches=LAUNCHES, pool_bytes=POOL_BYTES, cache_bytes=None,
                 **tune_options):
        self.driver = CudaDriver()
        self.swage = Swage(library, "cuda:0")
        self.info = self.swage.describe()
        self.cache_bytes = cache_bytes or self.info.cache_bytes
        self.launches, self.pool_bytes, self.tune_options = launches, pool_bytes, tune_options
        self.random = random_module.Random(seed)
        self._tiles = {}
        self._drain = [self.driver.allocate(self.cache_bytes) for _ in range(2)]

    def tile(self, dtype):
        if dtype not in self._tiles:
            self._tiles[dtype] = Tile(self.driver, dtype)
        return self._tiles[dtype]

    def drain(self):
        """Fills the cache with something else, and keeps the GPU busy while the host queues what comes after:
        launches that find it at rest may settle in another order than those of a program."""
        for _ in range(DRAINS):
            self.driver.copy(*self._drain, self.cache_bytes)


def survey(bench, cases, budget):
    """Every case within `budget` seconds; also what could not be measured, and why."""
    print(f"{'case':36} {'tuned us':>8} {'default':>8} {'best':>8} {'/deflt':>7} {'/best':>7} "
          f"{'rounds':>6} {'tune s':>6}  keys that tuning changed")
    results, refused = [], {}
    end = time.perf_counter() + budget
    for i, case in enumerate(cases):
        share = max(end - time.perf_counter(), 0) / (len(cases) - i)
        try:
            results.append(measure(bench, case, share))
            print(line(results[-1]), flush=True)
        except RuntimeError as error:
            refused[case.name()] = str(error)
            print(f"{case.name():36} not measured: {error}", flush=True)
    return results, refused


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--library", dest="libswage",
                        default=os.path.join(here, "../build/release/libswage.so"),
                        help="libswage.so to load")
    parser.add_argument("--cases", nargs="+", metavar="PATTERN", default=["*"],
                        help="those of the grid whose names fit one of these, as a shell's do files'")
    parser.add_argument("--list", action="store_true", help="name the cases and do nothing")
    parser.add_argument("--budget", type=float, default=230, metavar="SECONDS",
                        help="for all cases: more seconds, more rounds")
    parser.add_argument("--seed", type=int, default=int(time.time()),
                        help="of the placements and orders; the default is the time")
    parser.add_argument("--json", metavar="FILE", help="write every number to a file")
    parser.add_argument("--self-test", action="store_true",
                        help="test the machinery on small cases, on a GPU or a stand-in for its driver")
    options = parser.parse_args()
    cases = [case for case in grid()
             if any(fnmatch.fnmatchcase(case.name(), pattern) for pattern in options.cases)]
    if not cases:
        parser.error(f"no case is named like {' or '.join(options.cases)}; --list names them all")
    if options.list:
        print("\n".join(case.name() for case in cases))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SWAGE_TUNING_DIR"] = folder  # nobody else's records, and none left behind
        if options.self_test:
            from regret_self_test import self_test
            return self_test(options.libswage)
        bench = Bench(options.libswage, options.seed)
        print(f"{bench.info.name.decode()}, driver {bench.info.driver_version}, Swage "
              f"{bench.swage.version()}, {len(cases)} cases, seed {options.seed}\n"
              f"a case with tuned/default above {TUNED_OVER_DEFAULT} or tuned/best above "
              f"{TUNED_OVER_BEST} is measured again: tuned, default and best alone, at least "
              f"{ROUNDS_AGAIN[0]} rounds, which count")
        results, refused = survey(bench, cases, options.budget)
    lines, holds = summarise(results, refused)
    print("\n".join(lines))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": bench.info.name.decode(), "swage": bench.swage.version(),
                       "seed": options.seed, "bounds": {"tuned_over_default": TUNED_OVER_DEFAULT,
                                                        "tuned_over_best": TUNED_OVER_BEST},
                       "hold": holds, "cases": results, "not_measured": refused}, file, indent=1)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
