"""measuring.py -- what the benchmarks of the GPU share: the calls they time, and how rivals are held
against each other."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kernel of the catalogue over three tensors of one shape."""
    kernel: str
    moved: int  # tensors read and written: what a launch moves, in tensors
    packed: tuple = ()  # tensors that are the halves of one of twice the columns
    in_place: bool = False


KINDS = {
    "forward": Kind("swiglu", 3),
    "packed": Kind("swiglu", 3, packed=(0, 1)),
    "backward": Kind("swiglu_backward_inplace", 6, in_place=True),
}
WARM_SETS = 64  # of buffers, at most, where inputs are to be found in the cache


def warm_sets(cache_bytes, set_bytes):
    """How many buffer sets fit a quarter of the cache, so that a launch finds its inputs there; 0 where
    two do not. A quarter, because the cache of a Hopper GPU has two halves and a line may lie in both."""
    sets = min(WARM_SETS, cache_bytes // 4 // set_bytes)
    return sets if sets >= 2 else 0


def in_turns(names, passes, sample, random):
    """`sample(name)` for every name, `passes` times over, in another order each time, because the
    place in the order counts. Returns per name the median."""
    times = {name: [] for name in names}
    for _ in range(passes):
        for name in random.sample(list(names), len(names)):
            times[name].append(sample(name))
    return {name: statistics.median(samples) for name, samples in times.items()}


def paired_ratio(times, others):
    """The median of the ratios of times that were taken together: what a placement of the buffers or
    a clock does to both drops out."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))
