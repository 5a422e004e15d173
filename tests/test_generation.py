"""Generated files: samples depend on seed, split and index alone; interruptions lose nothing; the floor is the difference it claims."""

import subprocess
import sys

import numpy as np
import pytest

import opbench
from opbench.errors import DataError, OpbenchError
from opbench.generation import draw, error_floor, file, generate, make, solve_block
from opbench.recipe import load_recipe, plan
from opbench.store import Stored


def small(samples: int = 5, dataset: str = "burgers_1d", grid: int = 32, **changes):
    return plan(load_recipe(dataset), "mini", samples=samples, grid=grid, **changes)


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


def test_another_seed_gives_other_samples():
    one, other = (draw(small(seed=seed), "train", range(1), small().solve_grid) for seed in (1, 2))
    assert np.abs(one["velocity"] - other["velocity"]).max() > 0.1


def test_a_sample_is_drawn_alike_in_any_company():
    grid = small().solve_grid
    together = draw(small(), "train", range(4), grid)["velocity"]
    assert np.array_equal(draw(small(), "train", range(2, 3), grid)["velocity"][0], together[2])


def test_an_interrupted_generation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    chosen = small(samples=40)
    solved = []

    def counting(*arguments):
        solved.append(arguments[1:3])
        if len(solved) == 2:
            raise KeyboardInterrupt
        return solve_block(*arguments)

    monkeypatch.setattr("opbench.generation.solve_block", counting)
    with pytest.raises(KeyboardInterrupt):
        make(chosen, tmp_path)
    assert not list(tmp_path.rglob("*.hdf5"))
    folder = make(chosen, tmp_path)
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
    with pytest.raises(DataError, match="was made by another recipe"):
        make(other, made.parent.parent)
    assert path.read_bytes() == before


def test_the_error_floor_is_what_two_solves_of_ones_own_say():
    chosen = small()
    drawn = draw(chosen, "test", range(4), chosen.solve_grid.refine(2))
    times, law = chosen.times, chosen.recipe.solving
    answers = []
    for grid, tolerance in ((chosen.solve_grid, law.tolerance), (chosen.solve_grid.refine(2), law.tolerance / 16)):
        velocity = chosen.solve_grid.refine(2).restrict(drawn["velocity"], grid)
        data = opbench.solve("burgers", grid, {"velocity": velocity, "viscosity": drawn["viscosity"]}, times=times, tolerance=tolerance)
        answers.append(grid.restrict(data.velocity.values, chosen.grid)[:, 1:].reshape(4, -1))
    expected = np.linalg.norm(answers[0] - answers[1], axis=1) / np.linalg.norm(answers[1], axis=1)
    floor = error_floor(chosen, "test", "cpu")["fields"]["velocity"]["relative_l2"]
    assert floor["mean"] == pytest.approx(expected.mean(), rel=0.01, abs=5e-8)  # the floor holds float32's rounding too
    assert floor["max"] == pytest.approx(expected.max(), rel=0.01, abs=5e-8)


def test_the_error_floor_is_the_distance_to_a_better_solve():
    coarse = small(grid=17, dataset="darcy_2d")
    floor = error_floor(coarse, "test", "cpu")
    assert floor["points"] == [129, 129]
    assert 1e-4 < floor["fields"]["pressure"]["relative_l2"]["mean"] < 5e-2


def test_two_dimensional_datasets_are_made_too(tmp_path):
    darcy = generate("darcy_2d", samples=2, grid=25, out=tmp_path)
    stored = Stored(darcy / "data" / "train" / "darcy_2d.hdf5")
    assert set(np.unique(stored.read("permeability", slice(None)))) == {3.0, 12.0}
    assert stored.header.fixed == {"source": 1.0}
    flow = generate("navier_stokes_2d", samples=1, grid=20, out=tmp_path)
    stored = Stored(flow / "data" / "ood" / "navier_stokes_2d.hdf5")
    assert stored.header.fixed == {"viscosity": 1e-3}
    assert stored.read("vorticity", [0]).shape == (1, 11, 20, 20)


def test_foreign_data_are_not_generated():
    with pytest.raises(OpbenchError, match="nothing to generate"):
        opbench.generate("darcy_neuralop")


def test_a_full_disk_is_told_in_one_line_and_leaves_no_half_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        make(small(), tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def test_two_processes_make_the_same_files_once(tmp_path):
    code = "import sys; from opbench import generate; generate('burgers_1d', samples=2, grid=32, out=sys.argv[1])"
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    assert len(list(tmp_path.rglob("*.hdf5"))) == 5


def test_complete_files_in_a_read_only_folder_are_used(made):
    lock = made / ".lock"
    lock.unlink(missing_ok=True)
    assert make(small(), made.parent.parent) == made
    assert not lock.exists()
