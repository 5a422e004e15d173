"""How long 2,000 records, as large as the committed ones, take from their files to the page and to the tables: CPU seconds."""

import math
import random

import pytest

from opbench.leaderboard.overview import write_overview
from opbench.leaderboard.page import write
from opbench.leaderboard.table import boards
from opbench.leaderboard.table import write as write_tables
from opbench.records.shelf import save, shelf
from records import record

TASKS, SEEDS, MODELS = 50, 4, 10
EPOCHS, SAMPLES = 40, 64  # those of the mini tasks
METRICS = ("relative_l2", *(f"metric_{i}" for i in range(15)))
SPLITS = ("test", "ood", "finer", "coarser", "noise_1", "noise_5")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("many"), random.Random(0)
    for task in range(TASKS):
        for model in range(MODELS):
            for seed in range(SEEDS):
                about = {"dataset": f"d{task}", "task": f"d{task}/final", "model": "fno" if model == 0 else f"m{model}", "seed": seed}
                save(record(**about, **measured(rng)), folder / "records")
    return folder


def measured(rng: random.Random) -> dict:
    """What makes a record large: all metrics of every test sample, the first one elsewhere."""
    kept = {split: METRICS if split == "test" else METRICS[:1] for split in SPLITS}
    per_sample = {split: {m: [float(f"{rng.lognormvariate(-3, 1):.8g}") for _ in range(SAMPLES)] for m in kept[split]} for split in SPLITS}
    scores = {split: {m: math.fsum(values) / SAMPLES for m, values in per_sample[split].items()} for split in SPLITS}
    for split in SPLITS[1:]:
        scores[split] |= {m: rng.lognormvariate(-3, 1) for m in METRICS[1:]}
    return {"per_sample": per_sample, "scores": scores, "curve": [(epoch + 1, rng.random(), rng.random()) for epoch in range(EPOCHS)]}


def test_2000_records_are_read(benchmark, many):
    assert len(benchmark.pedantic(lambda: shelf(many / "records").records, rounds=5)) == TASKS * MODELS * SEEDS


def test_2000_records_are_rendered_as_a_page(benchmark, many):
    records = shelf(many / "records").records
    assert benchmark.pedantic(lambda: write(records, many), rounds=5).stat().st_size > 1e6


def test_2000_records_are_rendered_as_tables(benchmark, many):
    records = shelf(many / "records").records

    def render() -> None:
        found = boards(records)
        write_tables(found, many)
        write_overview(found, many)

    benchmark.pedantic(render, rounds=5, warmup_rounds=1)
    assert len(list(many.glob("*.md"))) == TASKS + 1
