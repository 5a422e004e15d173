"""What lies in leaderboards/ and comes with opbench, without what its user has measured in the checkout since."""

import subprocess
from pathlib import Path

from opbench.records.ladder import Ladder, read_ladders
from opbench.records.record import Record
from opbench.records.shelf import read_record

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "leaderboards"


def listed(pattern: str) -> list[Path]:
    """Files of the project, below leaderboards/; all that are there where no git knows which are committed."""
    names = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True).stdout.split()
    return [ROOT / name for name in names] or sorted(ROOT.glob(pattern))


def records() -> list[Record]:
    return [read_record(path) for path in listed("leaderboards/records/*/*.json")]


def ladders(found: list[Record]) -> list[Ladder]:
    """Those that the records were matched with."""
    matched = {record.matched.ladder for record in found if record.matched}
    return [ladder for ladder in read_ladders(FOLDER / "solvers") if ladder.fingerprint in matched]
