"""What lies in leaderboards/ and comes with opbench, without what its user has measured in the checkout since."""

import subprocess
from pathlib import Path

from opbench.ladder import Ladder, read_ladders
from opbench.record import Record, read_record

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "leaderboards"


def records() -> list[Record]:
    listed = subprocess.run(["git", "ls-files", "leaderboards/records/*.json"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    return [read_record(path) for path in [ROOT / name for name in listed] or sorted((FOLDER / "records").glob("*/*.json"))]


def ladders(found: list[Record]) -> list[Ladder]:
    """Those that the records were matched with."""
    matched = {record.matched.ladder for record in found if record.matched}
    return [ladder for ladder in read_ladders(FOLDER / "solvers") if ladder.fingerprint in matched]
