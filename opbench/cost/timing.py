"""How long a call takes: repeated and synchronised, with its spread, and whether the processor was taken away meanwhile."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from opbench.errors import OpbenchError, out_of_memory
from opbench.records import record
from opbench.records.record import Clock, Spread

SECONDS = 0.2  # that a call is repeated for
FEWEST, MOST = 5, 50  # windows
TRIES = 3  # measurements, as long as they are noisy
SLOW = 0.5  # seconds of a call that is repeated in three windows only
WINDOW = SECONDS / 20  # a window holds as many calls as fill it, so that the clock's own cost does not count
STOLEN = 1.1  # wall time over processor time, from which on a core was not ours
SCATTER = 0.1  # interquartile range over the median, from which on torch.utils.benchmark warns too

BATCHES = (1, 4, 16, 64, 256)
GPU_BATCHES = (1024, 4096)  # a GPU fills later
LONGEST = 1.0  # seconds of a call, beyond which no larger batch is tried
WORSE = 0.9  # of the best throughput, below which neither


@dataclass(frozen=True)
class Timing:
    """Seconds of a call by `clock`; noisy: whether they would be others at another time."""

    seconds: Spread
    clock: Clock
    noisy: bool

    def of(self, parts: int) -> "Timing":
        """Seconds of one of so many parts that a call does."""
        lower, median, upper = (value / parts for value in (self.seconds.lower, self.seconds.median, self.seconds.upper))
        return Timing(Spread(median=median, lower=lower, upper=upper), self.clock, self.noisy)


def clock_of(device: str) -> Clock:
    """By which seconds are told here."""
    return record.clock_of(device, torch.get_num_threads())


def timed(work: Callable[[], object], device: str, seconds: float = SECONDS) -> Timing:
    """Call `work` until its time is known, in at most TRIES measurements: the first quiet one, or else that of least spread."""
    work()  # which may plan transforms or fill caches
    tried: list[Timing] = []
    while len(tried) < TRIES and all(found.noisy for found in tried):
        tried.append(_timed(work, device, seconds))
    return min(tried, key=lambda found: (found.noisy, (found.seconds.upper - found.seconds.lower) / found.seconds.median))


def _timed(work: Callable[[], object], device: str, seconds: float) -> Timing:
    """In windows of equally many calls, about `seconds` in all."""
    once, _ = _window(work, device, 1)
    calls = max(1, round(WINDOW / max(once, 1e-9)))
    fewest = 3 if once > SLOW else FEWEST
    walls, processors = [], []
    with _no_collection():
        while len(walls) < fewest or (sum(walls) * calls < seconds and len(walls) < MOST):
            wall, processor = _window(work, device, calls)
            walls.append(wall)
            processors.append(processor)
    clock = clock_of(device)
    spread = spread_of(processors if clock == "processor" else walls)
    stolen = device == "cpu" and sum(walls) > STOLEN * sum(processors)  # waiting for a GPU takes no processor time
    return Timing(spread, clock, stolen or spread.upper - spread.lower > SCATTER * spread.median)


def rough(work: Callable[[], object], device: str) -> float:
    """Seconds of a call, the least of two; the first one's where that is slow."""
    found: list[float] = []
    while len(found) < 2 and all(seconds < SLOW for seconds in found):
        wall, processor = _window(work, device, 1)
        found.append(processor if clock_of(device) == "processor" else wall)
    return min(found)


def fastest(batched: Callable[[int], Callable[[], object]], device: str, sizes: Sequence[int] = BATCHES) -> tuple[Timing, int]:
    """How long a call takes with a batch of the size that gets most samples done, and that size; batched: a size -> what to call."""
    tried: list[tuple[Timing, int]] = []
    for size in (*sizes, *(GPU_BATCHES if device != "cpu" else ())):
        try:
            tried.append((timed(batched(size), device), size))
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            break
        each = [found.seconds.median / size for found, size in tried]
        if tried[-1][0].seconds.median > LONGEST or WORSE * each[-1] > min(each):
            break
    if not tried:
        raise OpbenchError(f"timing: a batch of {sizes[0]} does not fit the memory of {device}; free it")
    return min(tried, key=lambda found: found[0].seconds.median / found[1])


def spread_of(values: list[float]) -> Spread:
    """Median and quartiles."""
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median=median, lower=lower, upper=upper)


def _window(work: Callable[[], object], device: str, calls: int) -> tuple[float, float]:
    """Wall and processor seconds of a call, the mean of some."""
    synchronize(device)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(calls):
        work()
    synchronize(device)
    return (time.perf_counter() - wall) / calls, (time.process_time() - processor) / calls


def synchronize(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


@contextmanager
def _no_collection() -> Iterator[None]:
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
