"""How long 2,000 records take from their files to the page and the tables: CPU seconds, to be under 2."""

from time import process_time

import pytest

from opbench.leaderboard.overview import write_overview
from opbench.leaderboard.page import write
from opbench.leaderboard.table import boards
from opbench.leaderboard.table import write as write_tables
from opbench.record import save
from opbench.shelf import shelf
from records import record

TASKS, SEEDS, MODELS = 25, 4, 20
EPOCHS, SAMPLES = 100, 40  # those of the mini tasks


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    per_sample = {split: dict.fromkeys(("relative_l2", "rmse", "max_error", "h1"), [0.1] * SAMPLES) for split in ("test", "ood", "finer")}
    scores = {split: dict.fromkeys(metrics, 0.1) for split, metrics in per_sample.items()}
    rest = {"per_sample": per_sample, "scores": scores, "curve": [(epoch + 1, 0.123456789, 0.123456789) for epoch in range(EPOCHS)]}
    for task in range(TASKS):
        for model in range(MODELS):
            for seed in range(SEEDS):
                about = {"dataset": f"d{task}", "task": f"d{task}/final", "model": f"m{model}", "seed": seed}
                save(record(**about, **rest), folder / "records")
    return folder


def test_2000_records_are_read_and_rendered(benchmark, many):
    def render() -> int:
        records = shelf(many / "records").records
        found = boards(records)
        write(records, many)
        write_tables(found, many)
        write_overview(found, many)
        return len(records)

    benchmark.pedantic(render, rounds=5)
    begun = process_time()
    assert render() == TASKS * MODELS * SEEDS
    benchmark.extra_info["cpu_seconds"] = process_time() - begun
