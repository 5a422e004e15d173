"""Parts on disk: any damage is seen, a job is one process's at a time, and shards share the jobs out."""

import subprocess
import sys

import numpy as np
import pytest
from tiny_plan import tiny

from opbench.data.dataset import SPLITS
from opbench.data.parts import Job, Parts, blocks_of, floor_of, jobs

JOB = Job("train", 0, ("train",))
ARRAYS = {"velocity": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "viscosity": np.ones(2, np.float32), "opbench steps": np.array(7)}


@pytest.fixture
def parts(tmp_path) -> Parts:
    made = Parts(tmp_path / "parts")
    made.save(JOB, ARRAYS)
    return made


def test_what_is_saved_is_read_again(parts):
    with parts.opened(JOB) as arrays:
        assert {name: arrays[name].tolist() for name in ARRAYS} == {name: values.tolist() for name, values in ARRAYS.items()}
    assert parts.names() == {"train-0.npz"}
    parts.drop_damaged([JOB])
    assert parts.names() == {"train-0.npz"}


def test_a_part_that_is_cut_or_has_a_wrong_bit_is_dropped_or_reads_as_it_was(parts):
    whole = parts.path(JOB).read_bytes()
    harmed = [whole[:size] for size in range(0, len(whole), 7)]
    harmed += [whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :] for i in range(len(whole))]
    dropped = 0
    for content in harmed:
        parts.path(JOB).write_bytes(content)
        parts.drop_damaged([JOB])
        if not parts.names():
            dropped += 1
            continue
        with parts.opened(JOB) as arrays:  # the bit stands for nothing, such as a date
            for name, values in ARRAYS.items():
                np.testing.assert_array_equal(arrays[name], values, strict=True)
    assert dropped > 0.7 * len(harmed), (dropped, len(harmed))


def test_a_job_is_one_claimants_at_a_time_and_goes_on_to_the_next(parts):
    with parts.claimed(JOB) as first, parts.claimed(JOB) as second, parts.claimed(Job("train", 1, ("train",))) as other:
        assert (first, second, other) == (True, False, True)
    with parts.claimed(JOB, wait=True) as again:
        assert again
    with parts.claimed(JOB) as again:
        assert again
    assert parts.names() == {"train-0.npz"}


def test_a_claim_goes_with_its_process(parts):
    code = (
        "import os, sys; from pathlib import Path; from opbench.atomic import locked; "
        "lock = locked(Path(sys.argv[1])); os._exit(9 if lock.__enter__() else 1)"
    )
    done = subprocess.run([sys.executable, "-c", code, parts.folder / "train-0.lock"], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert "train-0.lock" in parts.names()
    with parts.claimed(JOB) as mine:
        assert mine


@pytest.mark.parametrize("of", [1, 2, 3, 7, 50])
def test_shards_share_all_jobs_out_by_their_number(of):
    chosen = tiny(samples=9)
    every = [job.name for number in range(1, of + 1) for job in jobs(chosen, number, of)]
    assert len(every) == len(set(every))
    floors = {floor_of(chosen, split).name for split in SPLITS}
    assert floors == {"test-floor", "ood-floor", "finer-floor"}
    assert set(every) == floors | {job.name for split in SPLITS for job in blocks_of(chosen, split)}
    for number in range(1, of + 1):
        assert all(job.block % of == number - 1 for job in jobs(chosen, number, of) if job.block is not None)
