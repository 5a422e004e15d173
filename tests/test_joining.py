"""Several files as one dataset: PDEBench's by parameter or a few samples each, PDEArena's by split."""

import shutil

import h5py
import numpy as np
import pytest
import torch
from foreign_files import FRAMES, waves

import opbench
from opbench.data.importing import import_files
from opbench.data.recipe import load_recipe
from opbench.data.task import problem
from opbench.errors import DataError


def test_files_are_joined_and_what_differs_between_them_is_told_to_models(tmp_path):
    speeds = (1.0, 2.0, 4.0)
    files = [waves(tmp_path / f"1D_Advection_Sols_beta{beta}.hdf5", beta=beta, seed=int(beta)) for beta in speeds]
    told = []
    recipe, left_out = import_files(*reversed(files), name="speeds", report=lambda *progress: told.append(progress))
    assert not left_out
    assert [done for _, done, *_ in told] == [0, 1, 2, 3]
    found = load_recipe(str(recipe))
    assert found.summary == "3 files as PDEBench's 1D_Advection_Sols_beta1.0"
    assert found.source == "as its suite wrote it; of the samples of each file the first tenth tests, the next validates"
    assert {split: found.samples(split) for split in found.splits} == {"train": 72, "valid": 9, "test": 9}
    test = problem(f"{recipe}/trajectory").split("test").samples()
    assert test.given[:, 1, 0].tolist() == [1.0] * 3 + [2.0] * 3 + [4.0] * 3
    for place, path in enumerate(files):
        with h5py.File(path) as file:
            assert torch.equal(test.given[3 * place : 3 * place + 3, 0], torch.from_numpy(file["tensor"][:3, 0]))


def test_files_of_few_samples_are_split_whole(tmp_path):
    """PDEBench's incompressible flow has four samples a file."""
    files = [waves(tmp_path / f"flow-{seed:02d}.h5", samples=4, seed=seed) for seed in range(20)]
    recipe, left_out = import_files(*files, name="flow")
    assert left_out == ["what the 20 files differ by, if not by chance: none of their numbers does"]
    found = load_recipe(str(recipe))
    assert found.source == "as its suite wrote it; of the files the first tenth tests, the next validates"
    parts = {split: [(part.file, part.first, part.last) for part in found.parts(split)] for split in found.splits}
    assert parts["test"] == [("flow-00.h5", 0, 4), ("flow-01.h5", 0, 4)]
    assert parts["valid"] == [("flow-02.h5", 0, 4), ("flow-03.h5", 0, 4)]
    assert parts["train"] == [(f"flow-{seed:02d}.h5", 0, 4) for seed in range(4, 20)]


def test_files_that_cannot_be_joined_are_told(tmp_path):
    one, other = waves(tmp_path / "one.hdf5"), waves(tmp_path / "other.hdf5", seed=1)
    twin, few = shutil.copy(one, tmp_path / "twin.hdf5"), waves(tmp_path / "few.hdf5", samples=4, seed=2)
    for paths, name, message in (
        ((one, other), None, "2 files make one dataset; give it a --name"),
        ((one, tmp_path), "joined", "is a folder; give one folder, or files"),
        ((tmp_path, one), "joined", "is a folder; give one folder, or files"),
        ((one, tmp_path / "none.hdf5"), "joined", "no such file; give one folder, or files"),
        ((one, twin), "joined", "twin.hdf5: is the same as .*one.hdf5; give each file once"),
        ((one, few), "joined", "has 2 of the files that it takes to train, to validate and to test"),
    ):
        with pytest.raises(opbench.OpbenchError, match=message):
            import_files(*paths, name=name)
    assert not list(tmp_path.glob("*.toml"))
    assert len(opbench.load(str(import_files(one, one, name="once")[0]), "test")) == 3 * (FRAMES - 1), "a path named twice is one file"


def smoke(path, split, samples, buoyancy):
    """A file as PDEArena's generator writes it: x, y and t are evenly spaced from end to end, dt is the solver's."""
    n, frames, length, end = 8, 5, 32.0, 10.0
    values = np.random.default_rng(samples).standard_normal((3, samples, frames, n, n + 2))
    with h5py.File(path, "w") as file:
        group = file.create_group(split)
        for name, array in zip(("u", "vx", "vy"), values, strict=True):
            group[name] = array
        group["t"], group["dt"] = np.tile(np.linspace(0, end, frames), (samples, 1)), np.full(samples, end / frames)
        for axis, points in (("x", n), ("y", n + 2)):
            group[axis] = np.tile(np.linspace(0, length, points), (samples, 1))
            group[f"d{axis}"] = np.full(samples, length / (points - 1))
        group["buo_y"] = np.full(samples, buoyancy)
    return path


def test_pdearenas_files_keep_their_splits_and_have_the_solvers_points_and_times(tmp_path):
    files = [
        smoke(tmp_path / f"NavierStokes2D_{split}_{seed}_{buoyancy:.5f}.h5", split, seed, buoyancy)
        for split, seed, buoyancy in (("train", 6, 0.2), ("train", 7, 0.5), ("valid", 3, 0.2), ("test", 2, 0.4))
    ]
    recipe, left_out = import_files(*files, name="smoke")
    assert not left_out
    found = problem(f"{recipe}/step")
    assert (found.recipe.summary, found.recipe.source) == ("PDEArena's smoke", "as its suite wrote it; splits as they are on disk")
    assert {split: found.recipe.samples(split) for split in found.recipe.splits} == {"train": 13, "valid": 3, "test": 2}
    x, y = found.spec.grid.coordinates()
    np.testing.assert_allclose(x, 4 * (np.arange(8) + 0.5))
    np.testing.assert_allclose(y, 3.2 * (np.arange(10) + 0.5))
    assert found.times == pytest.approx((2, 4, 6, 8, 10))
    test = found.split("test").samples()
    assert [channel.field for channel in found.spec.inputs] == ["smoke", "velocity_x", "velocity_y", "buoyancy"]
    with h5py.File(files[-1]) as file:
        torch.testing.assert_close(test.reference[:4, 1], torch.from_numpy(file["test/vx"][0, 1:]).float())
    assert test.given[:, 3].unique().tolist() == pytest.approx([0.4])
    with pytest.raises(DataError, match="is of train alone; give the files of valid and test too"):
        import_files(*files[:2], name="half")
