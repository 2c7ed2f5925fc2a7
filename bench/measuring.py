"""measuring.py -- what the benchmarks of the GPU share: the calls they time, and how rivals are held
against each other."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kernel of the catalogue over tensors of one shape, or of one row of it (`col`)."""
    kernel: str
    tensors: tuple  # by parameter: in, out or inout; "in col" and "out col" have one row
    packed: tuple = ()  # tensors that are the halves of one of twice the columns

    @property
    def moved(self):
        """Tensors read and written: what a launch moves, in whole tensors."""
        return sum(1 + (tensor == "inout") for tensor in self.tensors if not is_col(tensor))

    @property
    def whole(self):
        """Tensors of all rows."""
        return sum(not is_col(tensor) for tensor in self.tensors)

    @property
    def in_place(self):
        return "inout" in self.tensors

    @property
    def outputs(self):
        return [i for i, tensor in enumerate(self.tensors) if tensor.startswith("out")]


def is_col(tensor):
    return tensor.endswith(" col")


ELEMENT_KINDS = {
    "forward": Kind("swiglu", ("in", "in", "out")),
    "packed": Kind("swiglu", ("in", "in", "out"), packed=(0, 1)),
    "backward": Kind("swiglu_backward_inplace", ("inout",) * 3),
}
ROW_KINDS = {
    "rms_norm": Kind("rms_norm", ("in", "in col", "out")),
    "residual": Kind("rms_norm_residual", ("in", "in", "in col", "out", "out")),
    "layer_norm": Kind("layer_norm", ("in", "in col", "in col", "out")),
    "softmax": Kind("softmax", ("in", "out")),
    "rms_norm_backward": Kind("rms_norm_backward", ("in", "in", "in col", "out", "out col")),
}
KINDS = ELEMENT_KINDS | ROW_KINDS
WARM_SETS = 64  # of buffers, at most, where inputs are to be found in the cache


def warm_sets(cache_bytes, set_bytes):
    """How many buffer sets fit a quarter of the cache, so that a launch finds its inputs there; 0 where
    two do not. A quarter, because the cache of a Hopper GPU has two halves and a line may lie in both."""
    sets = min(WARM_SETS, cache_bytes // 4 // set_bytes)
    return sets if sets >= 2 else 0


def in_turns(names, passes, sample, random, middle=statistics.median):
    """`sample(name)` for every name, `passes` times over, in another order each time, because the
    place in the order counts. Returns per name the median, or what `middle` makes of its samples."""
    times = {name: [] for name in names}
    for _ in range(passes):
        for name in random.sample(list(names), len(names)):
            times[name].append(sample(name))
    return {name: middle(samples) for name, samples in times.items()}


def trimmed_mean(values):
    """The geometric mean without the tenth part at either end, and without one at either end from five on.
    Launches that wait behind each other may settle in a fast or a slow order, from sample to sample: a program
    pays the mean of both, and a median tells only which is the more frequent."""
    cut = max(len(values) // 10, len(values) >= 5)
    return statistics.geometric_mean(sorted(values)[cut:len(values) - cut])


def paired_ratio(times, others, middle=statistics.median):
    """The median of the ratios of times that were taken together, or what `middle` makes of them: what a
    placement of the buffers or a clock does to both drops out."""
    return middle([a / b for a, b in zip(times, others, strict=True)])
