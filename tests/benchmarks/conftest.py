"""`tox -e bench` keeps what it measures as this machine's baseline; `tox -e bench -- --compare` measures again and shows the change."""

import json
from collections.abc import Iterator

import baseline
import pytest
import torch


def pytest_addoption(parser):
    parser.addoption("--compare", action="store_true", help="show the change against this machine's baseline instead of replacing it")


def pytest_configure(config):
    if config.getoption("--compare", default=False) and not baseline.path(baseline.here()).is_file():
        raise pytest.UsageError(
            "no baseline of this machine, with these versions and threads, in .benchmarks/; run tox -e bench without --compare first"
        )


def pytest_benchmark_update_json(config, benchmarks, output_json):
    about = baseline.here()
    now = baseline.content(about, output_json, config.rootpath)
    place = baseline.path(about)
    if config.getoption("--compare"):
        config.stash[LINES] = baseline.compared(baseline.read(place), now)
        place = place.with_suffix(".new.json")
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    config.stash[WRITTEN] = place


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(LINES, []):
        terminalreporter.write_line(line)
    if WRITTEN in config.stash:
        terminalreporter.write_line(f"written: {config.stash[WRITTEN]}")


LINES = pytest.StashKey[list]()
WRITTEN = pytest.StashKey()


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
