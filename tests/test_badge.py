"""Badges: bound to a record's bytes, given by nobody but reviewers, shown where all runs of a row have one."""

import json
import re
from pathlib import Path

import pytest

from opbench.errors import ConfigError
from opbench.leaderboard.page import render
from opbench.leaderboard.table import boards, markdown
from opbench.records.badge import award
from opbench.records.shelf import read_record, save, shelf
from records import record


def badged(folder: Path) -> list[str | None]:
    return [held.badge and held.badge.repeated for held in shelf(folder / "records").records]


def test_a_badge_is_lost_when_its_record_is_edited_and_a_repeated_training_outweighs_a_score(tmp_path):
    path = save(record(), tmp_path / "records")
    assert badged(tmp_path) == [None]
    for repeated, expected in (("scored", "scored"), ("retrained", "retrained"), ("scored", "retrained")):
        badge = award(path, repeated, "cpu", tmp_path)
        assert badged(tmp_path) == [expected]
    assert badge == tmp_path / "verified" / "burgers_1d" / path.name
    path.write_text(path.read_text().replace("test processor", "better processor"))
    assert badged(tmp_path) == [None]
    path.unlink()
    assert shelf(tmp_path / "records") == ([], [])


def test_a_badge_with_more_than_it_may_say_is_a_fault_and_its_record_unverified(tmp_path):
    path = save(record(), tmp_path / "records")
    badge = award(path, "scored", "cpu", tmp_path)
    badge.write_text(json.dumps(json.loads(badge.read_text()) | {"trust": "me"}))
    records, faults = shelf(tmp_path / "records")
    assert [held.badge for held in records] == [None]
    assert [type(fault) for fault in faults] == [ConfigError]
    assert f"{badge}: trust" in str(faults[0])


def test_no_record_says_itself_that_it_is_verified(tmp_path):
    path = save(record(), tmp_path / "records")
    for key in ("badge", "_badge"):
        path.write_text(json.dumps(json.loads(record().to_json()) | {key: {"repeated": "scored"}}))
        with pytest.raises(ConfigError, match=key):
            read_record(path)


def test_a_row_is_verified_when_all_of_its_runs_are_and_only_then_is_there_a_column(tmp_path):
    paths = [save(record(seed=seed, model=model), tmp_path / "records") for model in ("fno", "ifno") for seed in (0, 1)]
    (board,) = boards(shelf(tmp_path / "records").records)
    assert "verified" not in board.table[0]
    assert "verified" not in render(board.records).partition("<tbody>")[2].lower()
    for path, repeated in zip(paths, ("scored", "retrained", "retrained"), strict=False):
        award(path, repeated, "cpu", tmp_path)
    (board,) = boards(shelf(tmp_path / "records").records)
    heads, rows, _ = board.table
    assert [(row[0], row[heads.index("verified")]) for row in rows] == [("fno", "scored"), ("ifno", "-")]
    assert "- is unverified" in markdown(board, "command")
    assert re.findall(r"<small>(scored|retrained|unverified)</small>", render(board.records)) == ["scored", "unverified"]
