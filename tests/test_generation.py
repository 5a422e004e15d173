"""Generated files: every split with its grid, times and provenance; interruptions and full disks leave no half file."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_plan import tiny
from work import command, contents, small

import opbench
from opbench.boundary import Neumann, Outflow
from opbench.data.check import check
from opbench.data.generation import file, generate, make
from opbench.data.recipe import load_recipe, plan
from opbench.data.samples import solve_block
from opbench.data.store import Stored
from opbench.errors import DataError, OpbenchError

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny data set of 5 samples, once for this module."""
    return make(small(), tmp_path_factory.mktemp("data"))


def values(folder, split: str) -> np.ndarray:
    return Stored(file(folder, small(), split)).read("velocity", slice(None))


def test_every_split_is_there_with_its_grid_times_and_provenance(made):
    for split in ("train", "valid", "test", "ood", "finer"):
        stored = Stored(made / "data" / split / "burgers_1d.hdf5")
        assert len(stored) == 5
        assert stored.header.grid.shape == ((64,) if split == "finer" else (32,))
        assert np.allclose(stored.header.times, np.linspace(0, 1, 11))
        provenance = stored.header.provenance
        assert provenance["fingerprint"] == small().fingerprint
        assert provenance["split"] == split
        assert 0 < provenance["error_floor"]["fields"]["velocity"]["relative_l2"]["mean"] < 1e-3
        assert provenance["versions"]["torch"]


def test_fewer_samples_are_the_first_of_more(made, tmp_path):
    fewer = make(small(samples=3), tmp_path)
    assert np.array_equal(values(fewer, "train"), values(made, "train")[:3])


def test_splits_share_no_sample_except_that_finer_is_test_on_a_finer_grid(made):
    test, finer = values(made, "test"), values(made, "finer")
    assert np.array_equal(finer[..., ::2], test)
    for split in ("train", "valid", "ood"):
        distances = np.abs(values(made, split)[:, None, 0] - test[None, :, 0]).max(-1)
        assert distances.min() > 0.01, split


def test_an_interrupted_generation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    chosen = small(samples=40)
    solved = []

    def counting(*arguments):
        solved.append(arguments[1:3])
        if len(solved) == 2:
            raise KeyboardInterrupt
        return solve_block(*arguments)

    monkeypatch.setattr("opbench.data.generation.solve_block", counting)
    with pytest.raises(KeyboardInterrupt):
        make(chosen, tmp_path, workers=1)
    assert not list(tmp_path.rglob("*.hdf5"))
    folder = make(chosen, tmp_path, workers=1)
    assert solved.count(("train", 0)) == 1
    assert solved.count(("train", 1)) == 2
    assert sorted(path.name for path in folder.rglob("*") if path.suffix in (".hdf5", ".npz", ".part")) == ["burgers_1d.hdf5"] * 5


def test_files_of_another_recipe_are_neither_used_nor_overwritten(made):
    path = file(made, small(), "train")
    before = path.read_bytes()
    other = small().model_copy(update={"seed": 77})
    target = made.parent / other.folder.split("/")[1]
    target.mkdir()
    (target / "data" / "train").mkdir(parents=True)
    (target / "data" / "train" / path.name).write_bytes(before)
    with pytest.raises(DataError, match=r"was made by another recipe.*elsewhere \(evaluate --data, generate --out\)$"):
        make(other, made.parent.parent)
    assert path.read_bytes() == before


def test_two_dimensional_datasets_are_made_too(tmp_path):
    darcy = generate("darcy_2d", samples=2, grid=25, out=tmp_path)
    stored = Stored(darcy / "data" / "train" / "darcy_2d.hdf5")
    assert set(np.unique(stored.read("permeability", slice(None)))) == {3.0, 12.0}
    assert stored.header.fixed == {"source": 1.0}
    flow = generate("navier_stokes_2d", samples=1, grid=20, out=tmp_path)
    stored = Stored(flow / "data" / "ood" / "navier_stokes_2d.hdf5")
    assert stored.header.fixed == {"viscosity": 1e-3}
    assert stored.read("vorticity", [0]).shape == (1, 11, 20, 20)


def test_files_tell_what_holds_at_the_ends(tmp_path):
    recipe = load_recipe("burgers_1d")
    rightward = recipe.given["velocity"].model_copy(update={"mean": 4.0})
    short = recipe.scales["mini"].model_copy(update={"final": 0.05, "frames": 3})
    changes = {
        "domain": recipe.domain.model_copy(update={"periodic": (False,)}),
        "boundary": {"x": (Neumann(), Outflow())},
        "given": recipe.given | {"velocity": rightward},
        "ood": {"velocity": rightward},
        "solving": recipe.solving.model_copy(update={"order": 4, "block": 1, "tolerance": 1e-4}),
        "scales": recipe.scales | {"mini": short},
    }
    chosen = plan(recipe.model_copy(update=changes), "mini", samples=1, grid=33)
    folder = make(chosen, tmp_path)
    for split in chosen.samples:
        stored = Stored(file(folder, chosen, split))
        assert check(stored.path) == []
        assert stored.header.boundary == {"x": {"velocity": (Neumann(), Outflow())}}
        assert stored.header.ends("x") == ("WALL", "OPEN")


def test_foreign_data_are_not_generated():
    with pytest.raises(OpbenchError, match="nothing to generate"):
        opbench.generate("darcy_neuralop")


@pytest.mark.parametrize("room", [1000, 30_000])  # a block has 23 kB at most, a file 34 kB
def test_a_full_disk_is_told_in_one_line_and_leaves_no_half_file(tmp_path, room):
    arguments = ("generate", "burgers_1d", "--samples", "64", "--grid", "8", "--out", str(tmp_path))
    untouched = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # Python would leave a cut-off .pyc, which breaks every later import
    run = command(*arguments, env=untouched, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    _, told = run.communicate(timeout=120)
    assert run.returncode == 2, told
    assert told.startswith(f"opbench: {tmp_path}/burgers_1d/mini-n64-grid8/{'parts' if room == 1000 else 'data'}"), told
    assert told.endswith("cannot be written: File too large; mend that and write again\n"), told
    assert told.count("\n") == 1, told
    assert [name for name in contents(tmp_path) if name.endswith((".hdf5", ".part"))] == []


@pytest.mark.parametrize(
    ("samples", "grid", "message"),
    [
        (10**12, 32, "the files take .* GB, and .* are free at .*; lower the samples"),
        (5, 10**11, "a block's solution takes .* GB, and this"),
    ],
)
def test_sizes_that_nothing_holds_are_refused_at_once(tmp_path, samples, grid, message):
    with pytest.raises(DataError, match=message):
        make(small(samples, grid=grid), tmp_path)


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_a_run_killed_at_any_moment_is_completed_to_the_bits_of_an_unbroken_one(tmp_path, kills):
    one = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, HERE / "killed.py", tmp_path, str(kills), "0"], capture_output=True, text=True, env=one)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert [kill for kill in found if kill["wrong"]] == []
    among_blocks = [kill for kill in found if not any("/data/" in name for name in kill["left"])]
    among_files = [kill for kill in found if kill not in among_blocks]
    assert len(among_blocks) >= kills / 5, found
    assert len(among_files) >= kills / 4, found


@pytest.mark.parametrize(("few", "many"), [(32, 3200), pytest.param(100, 10_000, marks=pytest.mark.slow)])
def test_memory_is_that_of_a_block_however_many_samples(tmp_path, few, many):
    code = (
        "import resource, sys; from tiny_plan import tiny; from opbench.data.generation import make\n"
        "for samples in map(int, sys.argv[2:]):\n"
        "    make(tiny(samples, 32, 256, 11, final=0.01), sys.argv[1], workers=1)\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    path = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code, tmp_path, str(few), str(many)], capture_output=True, text=True, env=path)
    assert done.returncode == 0, done.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    before, after = (int(line) * unit for line in done.stdout.split())
    size = file(tmp_path / f"burgers_1d/mini-n{many}-grid256", tiny(), "train").stat().st_size
    assert size > 30e6
    assert after - before < 8e6, f"{before / 1e6:.0f} MB for {few} samples, {after / 1e6:.0f} MB for {many} of {size / 1e6:.0f} MB"


def test_complete_files_in_a_read_only_folder_are_used(made):
    lock = made / ".lock"
    lock.unlink(missing_ok=True)
    assert make(small(), made.parent.parent) == made
    assert not lock.exists()
