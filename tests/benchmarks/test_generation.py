"""How fast samples become files: few of them beside sixteen times as many, and one process beside two; figures only."""

import shutil
from statistics import median
from time import perf_counter, process_time

import pytest
from tiny_plan import tiny

from opbench.data.generation import make
from opbench.data.recipe import Plan
from opbench.workers import cores

FEW, MANY = 64, 64 * 16


def samples(chosen: Plan) -> int:
    """Of all splits."""
    return sum(chosen.samples.values())


def test_few_samples_beside_many(benchmark, tmp_path):
    """In CPU time, files and error floors included; in turns, so that a busy machine slows both."""
    plans = {n: tiny(n, block=16, grid=64, frames=11, tolerance=1e-6, final=0.2) for n in (FEW, MANY)}
    seconds = {n: [] for n in plans}

    def turn():
        for n, chosen in plans.items():
            begun = process_time()
            make(chosen, tmp_path, workers=1)
            seconds[n].append(process_time() - begun)
        shutil.rmtree(tmp_path)

    benchmark.pedantic(turn, rounds=5, warmup_rounds=1)
    benchmark.extra_info |= {f"samples a cpu second, {n} for training": samples(plans[n]) / median(seconds[n][-5:]) for n in plans}
    more = median(many - few for few, many in zip(seconds[FEW][-5:], seconds[MANY][-5:], strict=True))
    benchmark.extra_info["samples a cpu second, those that are more"] = (samples(plans[MANY]) - samples(plans[FEW])) / more


@pytest.mark.slow
@pytest.mark.skipif(cores() < 2, reason="there is one core")
def test_one_worker_beside_two(benchmark, tmp_path):
    """In wall time, the start of a process included."""
    chosen = tiny(1024, block=32, grid=128, frames=11, tolerance=1e-7, final=1.0)
    seconds = {1: [], 2: []}

    def turn():
        for workers, times in seconds.items():
            begun = perf_counter()
            make(chosen, tmp_path, workers=workers)
            times.append(perf_counter() - begun)
            shutil.rmtree(tmp_path)

    benchmark.pedantic(turn, rounds=3)
    for workers, times in seconds.items():
        benchmark.extra_info[f"samples a second, {workers} workers"] = samples(chosen) / median(times)
    benchmark.extra_info["ratio"] = median(one / two for one, two in zip(seconds[1], seconds[2], strict=True))
