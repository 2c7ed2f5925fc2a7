"""_tune.py -- tuning, with a bar that shows how much of the budget is spent."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import time
from typing import Any, Callable, Iterator, NamedTuple, Optional

from swage._library import library
from swage._structs import TuneOptions, TuneResult

_USUAL_SECONDS = {"cpu": 2.0, "cuda": 0.4}  # what a budget of 0 stands for


class Tuned(NamedTuple):
    """What tuning found."""

    schedule: str  #: the winner, as `swage.kernel` takes it
    default_schedule: str  #: what calls use without tuning
    seconds: float  #: of one launch of the winner; on a GPU the mean without odd samples, on the CPU the median
    default_seconds: float
    spread: float  #: of its times: between the quartiles over the median
    bytes: int  #: that one launch reads and writes
    bytes_per_second: float  #: that memory gave in the same run; 0 if not known
    candidates: int  #: schedules measured
    improved: bool  #: the winner beat the default by more than the noise


def tune(handle: Any, call: Any, budget: float, force: bool, private: bool, progress: Any,
         name: str, check: Callable[[int], None]) -> Tuned:
    options = TuneOptions(float(budget), int(force), int(private))
    result = TuneResult()
    seconds = budget or _USUAL_SECONDS[handle.device.partition(":")[0]]
    with _shown(_bar_class(progress), seconds, f"tuning {name}"):
        status = library().swage_kernel_tune(handle, call.args, call.count, ctypes.byref(options),
                                             ctypes.byref(result))
        check(status)
    return Tuned(result.schedule.decode(), result.default_schedule.decode(), result.seconds,
                 result.default_seconds, result.spread, result.bytes, result.bytes_per_second,
                 result.candidates, bool(result.improved))


def _bar_class(progress: Any) -> Optional[Callable[..., Any]]:
    if progress is False:
        return None
    if callable(progress):
        return progress
    if progress is None and not (sys.stderr and sys.stderr.isatty()):
        return None
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return None
    return tqdm


@contextlib.contextmanager
def _shown(bar_class: Optional[Callable[..., Any]], seconds: float, what: str) -> Iterator[None]:
    if bar_class is None:
        yield
        return
    bar = bar_class(total=round(seconds, 3), desc=what, unit="s")
    done = threading.Event()

    def advance() -> None:  # the measuring itself is one call, which lets other threads run
        shown, start = 0.0, time.monotonic()
        while not done.wait(0.1):
            spent = min(time.monotonic() - start, seconds)
            bar.update(spent - shown)
            shown = spent

    thread = threading.Thread(target=advance, name="swage-tune-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        bar.close()
