"""Comparing benchmarks: only on one machine, only of one source, and no change is told within the scatter."""

import baseline
import pytest

RESULTS = {
    "datetime": "2026-11-25T12:00:00",
    "benchmarks": [
        {
            "fullname": "tests/a.py::test_one",
            "stats": {"median": 1.0, "q1": 0.9, "q3": 1.1, "rounds": 5, "max": 2.0},
            "extra_info": {"ratio": 2.0, "words": "not a number"},
        }
    ],
}


@pytest.fixture
def kept(tmp_path):
    def made(median: float = 1.0, source: str = "", name: str = "tests/a.py::test_one"):
        (tmp_path / "tests").mkdir(exist_ok=True)
        (tmp_path / "tests" / "a.py").write_text(source)
        (entry,) = RESULTS["benchmarks"]
        stats = entry["stats"] | {"median": median, "q1": 0.9 * median, "q3": 1.1 * median}
        results = RESULTS | {"benchmarks": [entry | {"fullname": name, "stats": stats}]}
        return baseline.content({"machine": "m"}, results, tmp_path)

    return made


def test_a_change_is_told_in_percent_with_the_figures_beside_it(kept):
    lines = baseline.compared(kept(1.0), kept(1.5))
    assert lines[1] == "tests/a.py::test_one: 1 -> 1.5, +50.0%"
    assert lines[2] == "    ratio: 2 -> 2"
    assert baseline.compared(kept(1.0), kept(0.5))[1].endswith("-50.0%")


def test_a_change_within_the_scatter_is_told_as_none(kept):
    assert baseline.compared(kept(1.0), kept(1.1))[1].endswith("1 -> 1.1, no change beyond the scatter")


def test_a_benchmark_that_was_changed_or_is_new_or_gone_is_not_compared(kept):
    assert baseline.compared(kept(), kept(2.0, source="x = 1"))[1] == f"tests/a.py::test_one: 2, {baseline.CHANGED}"
    new, gone = baseline.compared(kept(), kept(name="tests/a.py::test_two"))[1:]
    assert new == "tests/a.py::test_two: 1, new"
    assert gone == "tests/a.py::test_one: gone"


def test_another_machine_version_or_thread_count_has_a_baseline_of_its_own(tmp_path):
    about = baseline.here()
    others = [{**about, "versions": {"torch": "0"}}, {**about, "machine": {**about["machine"], "threads": 99}}]
    assert len({baseline.path(found, tmp_path) for found in (about, *others)}) == 3
