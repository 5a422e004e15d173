"""Several processes or shards make the files of one, to the bit; what stops or damages one loses nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_plan import tiny
from work import command, contents, different, small

from opbench.data.generation import Shard, _help, _solved, file, make
from opbench.data.parts import Job, jobs
from opbench.data.samples import _solve, solve_block
from opbench.errors import ConfigError, DataError, SolverError

HERE = Path(__file__).parent


def test_processes_at_work_at_once_solve_no_block_twice_and_make_the_same_files(tmp_path):
    code = (
        "import sys, opbench.data.generation as g; from tiny_plan import tiny; solve, n = g._solved, []; "
        "g._solved = lambda *job: n.append(job) or solve(*job); g.make(tiny(samples=8), sys.argv[1], workers=1); print(len(n))"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    both = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(tmp_path / "both")],  # the same opbench as here, be it installed or the checkout
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=path,
        )
        for _ in range(2)
    ]
    solved = []
    for process in both:
        count, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        solved.append(int(count))
    assert sum(solved) == len(jobs(tiny(samples=8), 1, 1)), solved
    make(tiny(samples=8), tmp_path / "one", workers=1)
    assert different(tmp_path / "both", tmp_path / "one") == []


def test_workers_solve_a_share_and_the_files_are_those_of_one_process(tmp_path, monkeypatch):
    chosen, solved = tiny(samples=8), []

    def slow(*arguments):
        solved.append(arguments)
        time.sleep(0.5)  # workers take seconds to start
        return solve_block(*arguments)

    make(chosen, tmp_path / "one", workers=1)
    monkeypatch.setattr("opbench.data.generation.solve_block", slow)
    monkeypatch.setattr("opbench.data.generation.PATIENCE", 0.0)
    reported = []
    make(chosen, tmp_path / "three", workers=3, report=lambda *step: reported.append(step))
    assert len(solved) < 20, len(solved)  # blocks in all
    assert different(tmp_path / "one", tmp_path / "three") == []
    for kind, total in {"train": 4, "finer": 4, "error floor": 3}.items():
        counts = [(done, of) for label, done, of in reported if label == kind]
        assert counts == sorted(set(counts)), counts
        assert counts[-1] == (total, total), reported


def test_thread_counts_move_no_bit(monkeypatch):
    """Not even of the float64 values that are rounded for the file; this flow's differ on two threads where they are let."""

    def unrounded(chosen, split, _, device):
        return {"vorticity": _solve(chosen, split, range(2), chosen.solve_grid, 1e-6, device)[1].values["vorticity"].numpy()}

    monkeypatch.setattr("opbench.data.generation.solve_block", unrounded)
    flow = Shard(small(dataset="navier_stokes_2d"), Path(), "cpu")
    before, seen = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            seen.append(_solved(flow, Job("test", 0, ("test",)))["vorticity"])
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*seen), np.abs(seen[0] - seen[1]).max()


def test_shards_solve_disjoint_parts_that_together_are_the_whole(tmp_path):
    chosen, names = tiny(samples=6), []
    make(chosen, tmp_path / "whole", workers=1)
    for number in (1, 2, 3):
        folder = make(chosen, tmp_path / f"machine{number}", workers=1, shard=f"{number}/3")
        assert not list(folder.rglob("*.hdf5"))
        names.append({path.name for path in folder.rglob("*.npz")})
        shutil.copytree(tmp_path / f"machine{number}", tmp_path / "merged", dirs_exist_ok=True)
    assert not names[0] & names[1] | names[1] & names[2] | names[0] & names[2]
    assert {name.removesuffix(".npz") for name in set.union(*names)} == {job.name for job in jobs(chosen, 1, 1)}
    make(chosen, tmp_path / "merged", workers=1)
    assert different(tmp_path / "merged", tmp_path / "whole") == []


def test_the_last_shard_in_a_shared_folder_writes_the_files(tmp_path):
    chosen = tiny(samples=6)
    make(chosen, tmp_path / "whole", workers=1)
    for number in (2, 3, 1):
        assert not list(tmp_path.glob("shared/*/*/data"))
        make(chosen, tmp_path / "shared", workers=1, shard=f"{number}/3")
    assert different(tmp_path / "shared", tmp_path / "whole") == []


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1/0", "3", "a/b", "1/2/3", "-1/2", "1.0/2"])
def test_a_shard_that_cannot_be_is_refused(tmp_path, shard):
    with pytest.raises(ConfigError, match="expected i/N with i from 1 to N"):
        make(tiny(), tmp_path, shard=shard)


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="workers: expected a whole number, 1 or more, got 0"):
        make(tiny(), tmp_path, workers=0)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(child) for child in found.stdout.split() if int(child) != pid]


def alive(pid: int) -> bool:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()[:1] not in ("", "Z")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_they_help(tmp_path, stop):
    arguments = ("generate", "burgers_1d", "--samples", "10000", "--workers", "3", "--out", str(tmp_path))
    run = command(*arguments, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # background jobs ignore it
    until = time.monotonic() + 60
    while len(helping := children(run.pid)) < 2:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(3 if stop == signal.SIGKILL else 0)  # while they load torch, and while they solve
    run.send_signal(stop)
    _, told = run.communicate(timeout=60)
    if stop != signal.SIGKILL:
        assert (run.returncode, told.strip()) == (130, "opbench: stopped; run the same command again to go on")
        assert not any(map(alive, helping))
    until = time.monotonic() + 60  # nobody can be told by SIGKILL: workers finish the block that they are at
    while any(map(alive, helping)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_helper_cannot_solve_is_left_to_the_process_it_helps(tmp_path, monkeypatch):
    def unstable(_, split, block, __):
        if (split, block) == ("train", 1):
            raise SolverError("unstable")
        return solve_block(chosen, split, block, "cpu")

    chosen = tiny()
    shard = Shard(chosen, tmp_path / chosen.folder, "cpu")
    monkeypatch.setattr("opbench.data.generation.solve_block", unstable)
    _help(shard, os.getppid())
    assert shard.left()[0].name == "train-1"
    with pytest.raises(SolverError, match="unstable"):
        make(chosen, tmp_path, workers=1)
    monkeypatch.undo()
    make(chosen, tmp_path, workers=1)
    assert shard.left() == []


def test_a_helper_whose_process_is_gone_begins_nothing(tmp_path):
    shard = Shard(tiny(), tmp_path, "cpu")
    _help(shard, helped=-1)
    assert shard.left() == shard.jobs


@pytest.mark.parametrize("harm", [b"", b"cut", None], ids=["empty", "cut", "one bit"])
@pytest.mark.parametrize("name", ["train-1", "test-floor"])
def test_a_damaged_part_is_solved_again(tmp_path, name, harm):
    chosen = tiny()
    make(chosen, tmp_path / "whole", workers=1)
    folder = make(chosen, tmp_path / "mended", workers=1, shard="1/2")
    folder = make(chosen, tmp_path / "other", workers=1, shard="2/2")
    shutil.copytree(tmp_path / "other", tmp_path / "mended", dirs_exist_ok=True)
    path = next((tmp_path / "mended").rglob(f"{name}.npz"))
    good = path.read_bytes()
    path.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:] if harm is None else good[: 500 * len(harm) // 3])
    assert folder.is_dir()
    make(chosen, tmp_path / "mended", workers=1)
    assert different(tmp_path / "mended", tmp_path / "whole") == []


def test_a_part_that_is_damaged_on_its_way_from_another_shard_is_named(tmp_path):
    chosen = tiny()
    folder = make(chosen, tmp_path, workers=1, shard="1/2")
    for job in jobs(chosen, 2, 2):
        shard = Shard(chosen, folder, "cpu")
        shard.parts.save(job, _solved(shard, job))
    path = shard.parts.path(jobs(chosen, 2, 2)[-1])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=f"{path.name}: is damaged .*; delete it, and it is solved again"):
        make(chosen, tmp_path, workers=1, shard="1/2")
    make(chosen, tmp_path, workers=1)


def test_what_stopped_runs_left_behind_holds_nobody_up_and_is_cleared(tmp_path):
    chosen = tiny()
    make(chosen, tmp_path / "clean", workers=1)
    folder = tmp_path / "littered" / chosen.folder
    mine = Shard(chosen, folder, "cpu").parts.folder
    litter = [
        folder / ".lock",
        mine / "train-0.lock",
        mine / "train-0.npz.01234567.part",
        mine.parent / "feedfeedfeedfeed-cpu" / "train-0.npz",
    ]
    litter += [file(folder, chosen, "test").with_suffix(".hdf5.01234567.part"), folder / "stats.yaml.01234567.part", folder / "stats.yaml"]
    for path in litter:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    make(chosen, tmp_path / "littered", workers=1)
    assert different(tmp_path / "littered", tmp_path / "clean") == []
    assert not (folder / "parts").exists()


def test_parts_of_another_recipe_or_device_are_neither_used_nor_lost_before_the_files_are_there(tmp_path):
    chosen, other = tiny(), tiny(tolerance=1e-5)
    assert chosen.folder == other.folder
    make(other, tmp_path, workers=1, shard="1/2")
    theirs = contents(tmp_path)
    make(chosen, tmp_path, workers=1, shard="1/2")
    assert theirs.items() <= contents(tmp_path).items()
    assert Shard(chosen, tmp_path / chosen.folder, "cuda").left() == jobs(chosen, 1, 1)
