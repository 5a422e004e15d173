"""A made-up record, for tests of what is built from records."""

from opbench.records.ladder import Ladder, Rung
from opbench.records.record import Cost, Record, Speed, Spread


def record(**changes) -> Record:
    """A valid record; `error` sets the test error, the rest replaces fields."""
    error = changes.pop("error", 0.1)
    scores = {"test": {"relative_l2": error}, "ood": {"relative_l2": 2 * error if error is not None else None}}
    content = {
        "date": "2026-11-23T00:00:00+00:00",
        "command": "opbench evaluate --model fno",
        "dataset": "burgers_1d",
        "task": "burgers_1d/trajectory",
        "task_version": 1,
        "scale": "mini",
        "data_fingerprint": "d" * 64,
        "data_sha256": {"test": "0" * 64},
        "error_floor": {"test": {"velocity": {"relative_l2": {"mean": 1e-6, "max": 2e-6}}}},
        "model": "fno",
        "settings": {"width": 32},
        "changes": {},
        "source_sha256": "0" * 64,
        "provenance": {},
        "parameters": 12345,
        "loss": "data",
        "training": {"epochs": 1},
        "seed": 0,
        "status": "trained",
        "best_epoch": 1,
        "curve": [(1, 0.2, 0.1)],
        "scores": scores,
        "per_sample": {"test": {"relative_l2": [error]}},
        "not_scored": {"finer": "fitted to one grid"},
        "samples_per_second": 100.0,
        "seconds": {"training_wall": 1.25, "training_cpu": 1.0},
        "opbench": "0.1.0",
        "commit": None,
        "dirty": None,
        "versions": {"torch": "2.13.0"},
        "machine": {"device": "cpu", "name": "test processor", "threads": 2, "tf32": False},
        "weights_sha256": None,
    }
    return Record(**(content | changes))


def cost(latency: float = 1e-3, throughput: float = 2000.0, noisy: bool = False) -> Cost:
    """Of a model that was timed without compiling it."""
    speed = Speed(latency=spread(latency), throughput=spread(throughput), batch_size=64)
    return Cost(
        inference={"eager": speed}, not_compiled="not asked for", clock="processor", noisy=noisy, flops=100, memory=10, dtype="float32"
    )


def spread(median: float, scatter: float = 0.0) -> Spread:
    return Spread(median=median, lower=median * (1 - scatter), upper=median * (1 + scatter))


def rung(error: float, alone: float, batched: float = 1e-4, scatter: float = 0.0, points: int = 16, noisy: bool = False) -> Rung:
    return Rung(
        scheme="finite_difference",
        order=8,
        points=(points,),
        tolerance=0.1,
        words="by finite differences",
        steps=10,
        error=error,
        own_error=None,
        alone=spread(alone, scatter),
        batched=spread(batched, scatter),
        batch_size=64,
        noisy=noisy,
    )


def ladder(*rungs: Rung, **changes) -> Ladder:
    """Of the task and the machine of `record`."""
    about = record()
    content = {
        "date": about.date,
        "task": about.task,
        "task_version": about.task_version,
        "scale": about.scale,
        "data_fingerprint": about.data_fingerprint,
        "machine": about.machine,
        "clock": "processor",
        "samples": 64,
        "interpolation": "trigonometric",
        "rungs": rungs,
        "left_out": {},
        "generation_seconds": 7.0,
        "generation": "counted",
        "opbench": "0.1.0",
        "commit": None,
        "versions": {},
    }
    return Ladder(**(content | changes))
