"""Processes that help: they run what they are given without the caller's script, and none outlives the block."""

import subprocess
import sys
import time
from pathlib import Path

from opbench.workers import cores, processes


def test_workers_run_what_they_are_given_and_are_gone_when_the_block_ends(tmp_path):
    begun = time.monotonic()
    with processes() as start:
        start(2, time.sleep, 600)
        start(1, Path.write_text, tmp_path / "note", "done")
        while not (tmp_path / "note").exists() or (tmp_path / "note").read_text() != "done":
            assert time.monotonic() - begun < 60
            time.sleep(0.05)
    assert time.monotonic() - begun < 120


def test_a_script_without_a_guard_may_start_helpers(tmp_path):
    """multiprocessing's fresh processes would run it again, and start workers of their own."""
    script = tmp_path / "script.py"
    script.write_text(
        "import time\nfrom pathlib import Path\nfrom opbench.workers import processes\n"
        "with open('runs', 'a') as f: f.write('.')\n"
        "with processes() as start:\n    start(1, Path('note').touch)\n"
        "    while not Path('note').exists(): time.sleep(0.05)\n"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs").read_text() == "."


def test_there_is_a_core_to_run_on():
    assert cores() >= 1
