"""regret_self_test.py -- tests of regret.py: the whole way on small cases, and what its verdict says
of times that are known."""

import array
import math

from regret import Bench, Contest, rank, summarise, survey
from regret_cases import Case, fixed

CASES = [
    Case("packed", "f16", 2, 41),
    Case("backward", "f32", 3, 17, offset=1),
    Case("forward", "bf16", 3, 40, warm=True),
    Case("rms_norm", "f32", 3, 1000, pitch=8),
]


def expect(holds, what):
    if not holds:
        raise SystemExit(f"regret.py: the self-test fails: {what}")


def read_f32(driver, contest, tensor):
    """Rows of an f32 tensor of the first buffer set."""
    address, _, (rows, columns), (stride, _), _, _ = contest.buffers.sets[0][tensor]
    values = []
    for row in range(rows):
        values += array.array("f", driver.read(address + 4 * row * stride, 4 * columns))
    return values


def test_layouts_are_computed_on(bench):
    """Every contestant computes the formula on the buffers it is given, in a pitched, packed layout."""
    contest = Contest(bench, Case("packed", "f32", 2, 33, pitch=5))
    contest.enter()
    for name in contest.kernels:
        contest.round([name])
        gate, up, out = (read_f32(bench.driver, contest, tensor) for tensor in range(3))
        expect(len(set(gate)) > 60 and gate != up, "inputs are not random numbers")
        worst = max(abs(h - g / (1 + math.exp(-g)) * u) for g, u, h in zip(gate, up, out))
        expect(worst < 1e-5, f"'{name}' gives results on the buffer sets that are {worst} off")
    before = {address for tensors in contest.buffers.sets for address, *_ in tensors}
    contest.round(["tuned", "default"])
    after = {address for tensors in contest.buffers.sets for address, *_ in tensors}
    expect(before != after, "a round uses the places of the round before")
    contest.close()


def test_all_cases_are_measured(bench):
    results, refused = survey(bench, CASES, 0)
    expect(not refused, f"cases were refused: {refused}")
    for case, result in zip(CASES, results, strict=True):
        # What is below a bound on a stand-in's clock is chance, so either measurement will do.
        first = result["first"] or result["measured"]
        expect(len(first["times"]) + len(result["left_out"]) == len(fixed(case)) + 2,
               "a contestant is neither timed nor left out")
        expect(len(first["times"]) >= 10, f"contestants were left out: {result['left_out']}")
        expect(all(len(times) == first["rounds"] and min(times) > 0
                   for times in first["times"].values()), "a contestant misses a round")
        expect(result["schedule"] and result["default_schedule"], "the tuner's schedule is missing")
    summarise(results, refused)


def case_of(name, tuned, default, fixed):
    """A result whose contestants took these times in each round."""
    return {"case": name, "measured": rank({"tuned": tuned, "default": default, "fixed": fixed}),
            "first": None, "tune_seconds": 0.5}


def test_verdict():
    good = case_of("good", [0.90, 1.80, 0.91], [1.0, 2.0, 1.0], [0.91, 1.81, 0.92])
    expect(abs(good["measured"]["tuned_over_default"] - (0.9 * 0.9 * 0.91) ** (1 / 3)) < 1e-12,
           "ratios are not paired by round")
    modes = [1.0, 1.1] * 5  # of a schedule that settles in one of two orders; and one odd sample
    for odd in (9.0, 0.1):
        two = case_of("two", [1.05] * 11, [1.05] * 11, [*modes, odd])
        expect(abs(two["measured"]["tuned_over_best"] - 1) < 0.01, "one of two modes is taken for all, or an odd sample")
    against = case_of("against", modes, [1.05] * 10, modes[::-1])
    expect(abs(against["measured"]["tuned_over_best"] - 1) < 1e-12, "of equals in other orders one is better")
    expect(summarise([good], {})[1], "a case within the bounds is held against it")
    slow = case_of("slow", [1.02, 1.02, 1.02], [1.0, 1.0, 1.0], [1.01, 1.01, 1.01])
    lines, holds = summarise([good, slow], {})
    expect(not holds and "  slow: 1.0200" in lines, "a case slower than its default passes")
    missed = case_of("missed", [1.0, 1.0, 1.0], [1.1, 1.1, 1.1], [0.95, 0.95, 0.95])
    expect(missed["measured"]["best"] == "fixed", "the best is not found")
    expect(not summarise([good, missed], {})[1], "a case slower than the best passes")
    trade = missed | {"case": "trade", "elsewhere": 0.93, "warm": False}
    lines, holds = summarise([good, trade], {})
    expect(holds and any("trade, not counted" in line for line in lines), "a trade is counted")
    expect(not summarise([good, trade | {"elsewhere": 0.97}], {})[1], "half a trade is not counted")
    even = case_of("even", [1.0], [1.0], [1.0])
    expect(not summarise([even], {})[1], "tuning that gains nothing at all passes")
    expect(not summarise([good], {"other": "busy"})[1], "a case that was not measured passes")
    expect(not summarise([], {})[1], "no case at all passes")


def self_test(library):
    test_verdict()
    bench = Bench(library, 1, launches=4, pool_bytes=1 << 12, cache_bytes=1 << 20, budget=0.05,
                  force=True)
    test_layouts_are_computed_on(bench)
    test_all_cases_are_measured(bench)
    print("regret.py: the self-test passes")
    return 0
