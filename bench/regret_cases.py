"""regret_cases.py -- the calls that regret.py tunes, and the schedules that it holds the tuner against."""

import dataclasses
import itertools

from measuring import KINDS

# Keys that are not named are the default's. What the GPU or the kernel cannot do is left out.
FIXED = [
    "threads=64 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=128 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=256 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=512 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=1024 bytes=16 accesses=1 load=auto store=auto dependent=1",
    "threads=128 bytes=16 accesses=2 load=auto store=auto dependent=1",
    "threads=128 bytes=8 accesses=1 load=auto store=auto dependent=1",
    "threads=256 bytes=8 accesses=2 load=auto store=auto dependent=1",
    "threads=256 bytes=4 accesses=1 load=auto store=auto dependent=1",
    "threads=256 bytes=16 accesses=1 load=noalloc store=streaming dependent=1",
    "threads=512 bytes=16 accesses=1 load=streaming store=streaming dependent=1",
    "threads=256 bytes=16 accesses=1 load=auto store=auto dependent=0",
    "threads=512 bytes=16 accesses=1 load=readonly store=auto dependent=0",
]


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
        KINDS, ("bf16", "f32"), (64, 512, 2048, 8192), (4096, 11008, 14336))]
    for kind in KINDS:
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
    ]
    return cases
