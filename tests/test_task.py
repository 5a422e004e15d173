"""Tasks as torch datasets: what is given and asked by kind, and the same data with names."""

import numpy as np
import pytest
import torch

import opbench
from opbench.data.recipe import folder
from opbench.data.task import problem
from opbench.errors import ConfigError, DataError, UnknownName
from opbench.model import Channel


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def load(root, task: str, split: str = "test"):
    return opbench.load(task, split, samples=3, grid=32 if "burgers" in task else 17, root=root)


@pytest.mark.parametrize(
    ("kind", "length", "asked"),
    [("trajectory", 3, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]), ("final", 3, [1.0]), ("step", 30, [None])],
)
def test_each_kind_gives_the_state_and_asks_what_it_says(root, kind, length, asked):
    split = load(root, f"burgers_1d/{kind}")
    stored = split.to_xarray().velocity.values
    assert len(split) == length
    assert split.spec.inputs == (Channel("velocity"),)
    assert [channel.time for channel in split.spec.outputs] == asked
    given, reference = split[length - 1]
    assert given.dtype == reference.dtype == torch.float32
    frame = {"trajectory": slice(1, None), "final": slice(-1, None), "step": slice(-1, None)}[kind]
    assert np.array_equal(given[0], stored[-1, -2 if kind == "step" else 0])
    assert np.array_equal(reference, stored[-1, frame])


def test_static_tasks_give_the_coefficient_and_leave_constants_out(root):
    split = load(root, "darcy_2d")
    assert split.spec.inputs == (Channel("permeability"),)
    given, reference = split[0]
    assert set(given.unique().tolist()) <= {3.0, 12.0}
    assert np.array_equal(reference[0], split.to_xarray().pressure.values[0])


def test_the_spec_is_known_before_the_data_and_agrees_with_them(root):
    for task in ("burgers_1d/step", "darcy_2d"):
        assert problem(task, samples=3, grid=32 if "burgers" in task else 17).spec == load(root, task, "train").spec


def test_the_finer_split_differs_in_its_grid_only(root):
    coarse, fine = load(root, "burgers_1d", "test"), load(root, "burgers_1d", "finer")
    assert fine.spec.grid == coarse.spec.grid.refine(2)
    assert torch.equal(fine[1][0][:, ::2], coarse[1][0])


def test_a_dataloader_gets_what_indexing_gets(root):
    split = load(root, "burgers_1d/step", "train")
    loader = torch.utils.data.DataLoader(split, batch_size=7, shuffle=False)
    together = torch.cat([given for given, _ in loader])
    assert torch.equal(together, torch.stack([split[i][0] for i in range(len(split))]))
    assert torch.equal(split.samples().given, together)
    assert torch.equal(split[-1][0], split[29][0])
    with pytest.raises(IndexError):
        split[30]


def test_xarray_has_names_and_coordinates(root):
    data = load(root, "burgers_1d").to_xarray()
    assert data.velocity.dims == ("sample", "time", "x")
    assert float(data.velocity.sel(time=0.5, x=0.25, method="nearest").x[()]) == 0.25


def test_foreign_data_are_a_task_like_any_other():
    train, test, finer = (opbench.load("darcy_neuralop", split) for split in ("train", "test", "finer"))
    assert (len(train), len(test), len(finer)) == (900, 50, 50)
    given, reference = test[3]
    assert given.shape == reference.shape == (1, 16, 16)
    assert finer[3][0].shape == (1, 32, 32)
    assert test.to_xarray().pressure.dims == ("sample", "x", "y")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: opbench.load("burgers_1d/statik"), UnknownName, "burgers_1d offers trajectory, final, step"),
        (lambda: opbench.load("burgers_1d/static"), UnknownName, "unknown task of burgers_1d 'static'"),
        (lambda: opbench.load("darcy_neuralop", "ood"), UnknownName, "unknown split of darcy_neuralop 'ood'"),
        (lambda: opbench.load("darcy_neuralop", samples=3), ConfigError, "its files are fixed"),
    ],
)
def test_a_wrong_name_is_told_with_what_there_is(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_foreign_file_that_has_changed_is_refused(tmp_path):
    for name in ("darcy_neuralop.toml", "foreign/darcy_neuralop/darcy_test_16.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((folder() / name).read_bytes())
    arrays = dict(np.load(tmp_path / "foreign/darcy_neuralop/darcy_test_16.npz"))
    np.savez(tmp_path / "foreign/darcy_neuralop/darcy_test_16.npz", **{k: v[::-1] for k, v in arrays.items()})
    with pytest.raises(DataError, match="sha256 differs"):
        opbench.load(str(tmp_path / "darcy_neuralop.toml"), "test")
