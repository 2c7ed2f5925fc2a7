"""regret_cases.py -- the calls that regret.py tunes, and the schedules that it holds the tuner against."""

import dataclasses
import itertools

from measuring import ELEMENT_KINDS, ROW_KINDS
from swage_capi import DLPACK_CODE

# For kernels that work element by element. Keys that are not named are the default's. What the GPU or
# the kernel cannot do is left out.
FIXED = [
    "threads=64 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=128 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=256 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=512 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=1024 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=128 bytes=16 accesses=2 load=auto store=auto dependent=1",
    "threads=128 bytes=8 accesses=1 load=auto store=auto dependent=1 fetch=1",
    "threads=128 bytes=16 accesses=1 load=auto store=auto dependent=2 fetch=1",
    "threads=256 bytes=16 accesses=1 load=auto store=auto dependent=1 fetch=1",
    "threads=128 bytes=8 accesses=1 load=auto store=auto dependent=1",
    "threads=256 bytes=8 accesses=2 load=auto store=auto dependent=1",
    "threads=256 bytes=4 accesses=1 load=auto store=auto dependent=1",
    "threads=256 bytes=4 accesses=4 load=auto store=auto dependent=1",
    "threads=256 bytes=2 accesses=4 load=auto store=auto dependent=1",
    "threads=128 bytes=16 accesses=1 load=evict_last store=auto dependent=1",
    "threads=256 bytes=16 accesses=1 load=evict_last store=auto dependent=1",
    "threads=256 bytes=16 accesses=1 load=noalloc store=streaming dependent=1",
    "threads=512 bytes=16 accesses=1 load=streaming store=streaming dependent=1",
    "threads=256 bytes=16 accesses=1 load=auto store=auto dependent=0",
    "threads=512 bytes=16 accesses=1 load=readonly store=auto dependent=0",
]

MUCH = 8 << 20  # bytes read; of more, what is fetched early may come from memory sooner, but not from the cache
LONG = 32768  # columns of rows that are split over blocks


@dataclasses.dataclass(frozen=True)
class Case:
    kind: str
    dtype: str
    rows: int
    columns: int
    pitch: int = 0
    offset: int = 0
    warm: bool = False

    def name(self):
        return (f"{self.kind} {self.dtype} {self.rows}x{self.columns}" +
                (f" pitch+{self.pitch}" if self.pitch else "") +
                (f" offset+{self.offset}" if self.offset else "") + (" warm" if self.warm else ""))


def grid():
    cases = [Case(*key) for key in itertools.product(
        ELEMENT_KINDS, ("bf16", "f32"), (64, 512, 2048, 8192), (4096, 11008, 14336))]
    for kind in ELEMENT_KINDS:
        cases += [Case(kind, "bf16", rows, 14336) for rows in (1, 16)]
        cases += [Case(kind, "f16", 512, 14336), Case(kind, "bf16", 2048, 4097)]
        cases += [Case(kind, "bf16", rows, 14336, warm=True) for rows in (1, 16, 64)]
    cases += [
        Case("forward", "bf16", 16384, 14336),
        Case("packed", "f32", 2048, 4097),
        Case("forward", "bf16", 333, 5001),
        Case("forward", "bf16", 2048, 4096, offset=1),
        Case("backward", "f32", 512, 11008, offset=1),
        Case("forward", "bf16", 2048, 4096, pitch=64),
        Case("backward", "bf16", 2048, 14336, pitch=64),
        Case("forward", "f16", 2048, 4096, pitch=1),
        Case("forward", "bf16", 64, 14336, pitch=1),
        Case("backward", "bf16", 2048, 4096, pitch=1),
        Case("backward", "f32", 2048, 4096, pitch=2),
    ]
    return cases + row_grid()


def row_grid():
    cases = [Case(*key) for key in itertools.product(
        ("rms_norm", "softmax"), ("bf16",), (1, 16, 128, 2048, 8192), (4096, 8192, 14336))]
    cases += [Case(*key) for key in itertools.product(
        ("residual", "layer_norm"), ("bf16",), (16, 128, 2048), (4096, 14336))]
    cases += [Case(kind, "bf16", rows, columns) for kind in ("rms_norm", "softmax")
              for rows, columns in ((1, 131072), (8, 131072), (32, 131072), (64, 131072), (128, 131072),
                                    (16, 65536), (64, 65536), (1, 262144), (16, 262144), (64, 262144))]
    return cases + [
        Case("residual", "bf16", 16, 131072),
        Case("layer_norm", "bf16", 64, 131072),
        Case("softmax", "f32", 64, 131072),
        Case("rms_norm", "f32", 2048, 4096),
        Case("softmax", "f32", 2048, 8192),
        Case("rms_norm", "bf16", 65536, 256),
        Case("softmax", "bf16", 65536, 64),
        Case("softmax", "f16", 4096, 1000),
        Case("rms_norm", "bf16", 2048, 4096, pitch=64),
        Case("rms_norm", "bf16", 2048, 4096, pitch=1),
        Case("softmax", "bf16", 2048, 14336, pitch=1),
        Case("rms_norm", "bf16", 16, 4096, warm=True),
        Case("softmax", "bf16", 16, 14336, warm=True),
    ]


def clusters(columns, size):
    """Blocks that have a long row together, and hold it."""
    return [f"threads={row} row={row} bytes={size_of_access} accesses={accesses} grid={blocks} "
            f"dependent={dependent} resident={768 if row == 256 else 1024}"
            for row, blocks, size_of_access, dependent in itertools.product(
                (128, 256, 512, 1024), (4, 8, 16), (8, 16), ("1", "3", "2 fetch=1"))
            if (accesses := -(-columns * size // (row * blocks * size_of_access))) <= 16 and
            16 <= accesses * size_of_access // size <= 64]


def fixed(case):
    """The schedules that a case is held against."""
    size = DLPACK_CODE[case.dtype][1] // 8
    if case.kind not in ROW_KINDS:
        read = sum(role != "out" for role in ELEMENT_KINDS[case.kind].tensors)
        few = read * size * case.rows * case.columns < MUCH
        return [schedule for schedule in FIXED if few or "fetch=1" not in schedule]
    if case.columns >= LONG:
        return clusters(case.columns, size)
    schedules = []
    for size_of_access, policies in ((16, "load=auto store=auto"), (8, "load=auto store=auto"),
                                     (8, "load=auto store=auto fetch=1"),
                                     *([(4, "load=auto store=auto")] if case.pitch % 4 else []),
                                     (8, "load=evict_last store=auto"),
                                     (16, "load=streaming store=streaming")):
        for row in (32, 64, 128, 256, 512, 1024):
            accesses = -(-case.columns // (row * (size_of_access // size)))
            accesses = 1 << (accesses - 1).bit_length()  # so that a row is read once
            if accesses <= 16:
                many = accesses * size_of_access // size >= 64  # elements of each tensor in registers
                schedules.append(f"threads={max(row, 128)} row={row} bytes={size_of_access} "
                                 f"accesses={accesses} {policies} dependent=1 "
                                 f"resident={512 if many else 1024}")
    return schedules
