"""Timing against made-up clocks: windows, spread, which clock, when it is called noisy, which batch is the best."""

import pytest

from opbench.cost import timing
from opbench.cost.timing import Timing, clock_of, fastest, spread_of, timed
from opbench.records.record import Spread


class Clocks:
    """Clocks that advance only when work is done."""

    def __init__(self, monkeypatch):
        self.wall = self.processor = 0.0
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(timing.time, "process_time", lambda: self.processor)
        monkeypatch.setattr(timing.torch, "get_num_threads", lambda: 1)

    def work(self, wall: float, processor: float) -> None:
        self.wall += wall
        self.processor += processor


@pytest.fixture
def clocks(monkeypatch) -> Clocks:
    return Clocks(monkeypatch)


def test_one_thread_is_timed_by_the_processors_clock_and_several_by_the_walls(clocks, monkeypatch):
    assert clock_of("cpu") == "processor"
    assert clock_of("cuda") == "wall"
    assert timed(lambda: clocks.work(0.02, 0.01), "cpu").seconds.median == pytest.approx(0.01)
    monkeypatch.setattr(timing.torch, "get_num_threads", lambda: 2)
    assert clock_of("cpu") == "wall"
    assert timed(lambda: clocks.work(0.02, 0.03), "cpu").seconds.median == pytest.approx(0.02)


@pytest.mark.parametrize(("wall", "noisy"), [(1.0, False), (1.09, False), (1.11, True), (3.0, True)])
def test_a_core_that_was_taken_away_is_told(clocks, wall, noisy):
    found = timed(lambda: clocks.work(0.01 * wall, 0.01), "cpu")
    assert found.noisy is noisy
    assert found.seconds.median == pytest.approx(0.01)


@pytest.mark.parametrize(("scatter", "noisy"), [(0.0, False), (0.08, False), (0.25, True)])
def test_timings_that_scatter_are_told(clocks, scatter, noisy):
    calls = iter(range(10**9))

    def work():
        took = 0.02 * (1 + scatter * (next(calls) % 2))
        clocks.work(took, took)

    assert timed(work, "cpu").noisy is noisy


def test_what_a_burst_disturbed_is_measured_again(clocks):
    calls = iter(range(10**9))

    def work():
        number = next(calls)
        took = 0.02 * (2 if number < 10 and number % 2 else 1)
        clocks.work(took, took)

    found = timed(work, "cpu")
    assert not found.noisy
    assert found.seconds.upper == pytest.approx(0.02)
    assert next(calls) < 30


def test_short_calls_are_repeated_within_a_window_and_long_ones_three_times_only(clocks):
    calls = []
    timed(lambda: (calls.append(1), clocks.work(1e-5, 1e-5)), "cpu")
    assert timing.SECONDS / 1e-5 <= len(calls) < 1.2 * timing.SECONDS / 1e-5
    calls.clear()
    timed(lambda: (calls.append(1), clocks.work(1.0, 1.0)), "cpu")
    assert len(calls) == 2 + 3


def test_the_spread_holds_median_and_quartiles():
    assert spread_of([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(lower=2.0, median=3.0, upper=4.0)
    assert Timing(spread_of([2.0, 4.0, 6.0]), "wall", True).of(2) == Timing(Spread(lower=1.5, median=2.0, upper=2.5), "wall", True)


def test_the_best_batch_is_the_one_that_gets_most_samples_done(clocks):
    tried = []

    def batched(size: int):
        tried.append(size)
        took = 0.01 + 1e-4 * size + 2e-6 * size**2  # least a sample at about 70
        return lambda: clocks.work(took, took)

    found, size = fastest(batched, "cpu")
    assert size == 64
    assert found.seconds.median == pytest.approx(0.01 + 1e-4 * 64 + 2e-6 * 64**2)
    assert tried == [1, 4, 16, 64, 256]


def test_no_larger_batch_is_tried_once_one_is_worse_or_takes_long(clocks):
    tried = []

    def worse(size: int):
        tried.append(size)
        return lambda: clocks.work(0.01 * size**1.5, 0.01 * size**1.5)

    assert fastest(worse, "cpu")[1] == 1
    assert tried == [1, 4]
    tried.clear()

    def slow(size: int):
        tried.append(size)
        return lambda: clocks.work(2.0, 2.0)

    assert fastest(slow, "cpu")[1] == 1
    assert tried == [1]


def test_a_batch_that_does_not_fit_ends_the_search_whatever_ran_out(monkeypatch):
    def batched(size):
        if size > 4:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory")
        return lambda: None

    _, size = fastest(batched, "cpu", (1, 4, 16))
    assert size <= 4
    with pytest.raises(RuntimeError, match="another"):
        fastest(lambda size: (_ for _ in ()).throw(RuntimeError("another")), "cpu", (1,))
