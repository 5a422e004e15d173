"""The Well's own reader opens our files, and what it gives is what we wrote. Run by `tox -e well`, since The Well pins its dependencies."""

import numpy as np
import pytest
import yaml

from opbench.boundary import Dirichlet, Outflow, resolve
from opbench.data.store import Header, write
from opbench.data.well_stats import write_stats
from opbench.field import Field
from opbench.grid import Grid

pytest.importorskip("the_well", reason="The Well's reader has an environment of its own: tox -e well")

from the_well.data import WellDataset
from the_well.data.datasets import BoundaryCondition
from the_well.data.normalization import RMSNormalization, ZScoreNormalization
from torch.utils.data import DataLoader

SAMPLES = 3


def make(folder, dims: int, steady: bool):
    """Two training files of different parameters, with odd, unequal sizes and a bounded axis after a periodic one."""
    rng = np.random.default_rng(0)
    files = []
    for density in (0.1, 0.2):
        header = Header(
            name="example",
            grid=Grid(
                ("x", "y", "z")[:dims], (8, 5, 3)[:dims], (0.0, -1.0, 0.0)[:dims], (1.0, 1.0, 0.3)[:dims], (True, False, True)[:dims]
            ),
            times=None if steady else (0.0, 0.5, 1.0, 1.5),
            evolving=(Field("velocity", "m/s"), Field("pressure", "Pa")),
            constant=(Field("permeability", "m^2/(Pa s)"),),
            parameters=(Field("viscosity", "m^2/s"),),
            fixed={"density": density},
        )
        values = {name: 3 + rng.standard_normal((SAMPLES, *shape)).astype(np.float32) for name, shape in header.shapes.items()}
        path = folder / "data" / "train" / f"example_density_{density}.hdf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, header, SAMPLES, [values])
        files.append((header, values))
    write_stats(folder)
    return files


def dataset(folder, **settings) -> WellDataset:
    return WellDataset(path=str(folder), well_split_name="train", **settings)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_window_of_a_trajectory_is_what_was_written(tmp_path, dims):
    files = make(tmp_path, dims, steady=False)
    windows = dataset(tmp_path, n_steps_input=2, n_steps_output=1)
    assert len(windows) == 2 * SAMPLES * 2
    header, values = files[1]
    sample = windows[len(windows) - 1]  # the last window of the last sample of the second file
    expected = np.stack([values["velocity"][-1, 1:], values["pressure"][-1, 1:]], axis=-1)
    np.testing.assert_array_equal(sample["input_fields"], expected[:2])
    np.testing.assert_array_equal(sample["output_fields"], expected[2:])
    np.testing.assert_array_equal(sample["constant_fields"], values["permeability"][-1, ..., None])
    np.testing.assert_array_equal(sample["constant_scalars"], np.float32([0.2, values["viscosity"][-1]]))
    np.testing.assert_array_equal(sample["space_grid"], np.stack(header.grid.mesh(), axis=-1).astype(np.float32))
    np.testing.assert_array_equal(sample["input_time_grid"], [0.0, 0.5])  # it counts from the window's start
    walls = [BoundaryCondition.PERIODIC if wraps else BoundaryCondition.WALL for wraps in header.grid.periodic]
    np.testing.assert_array_equal(sample["boundary_conditions"], [[wall.value] * 2 for wall in walls])
    assert windows.metadata.constant_scalar_names == ["density", "viscosity"]
    assert windows.metadata.field_names[0] == ["velocity", "pressure"]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_steady_problem_is_read_as_coefficient_to_solution(tmp_path, dims):
    files = make(tmp_path, dims, steady=True)
    pairs = dataset(tmp_path, n_steps_input=0, n_steps_output=1)
    assert len(pairs) == 2 * SAMPLES
    header, values = files[0]
    sample = pairs[1]
    expected = np.stack([values["velocity"][1], values["pressure"][1]], axis=-1)
    np.testing.assert_array_equal(sample["output_fields"], expected[None])
    np.testing.assert_array_equal(sample["constant_fields"], values["permeability"][1, ..., None])
    assert "input_fields" not in sample
    assert tuple(sample["space_grid"].shape) == (*header.grid.shape, dims)


@pytest.mark.parametrize("steady", [False, True])
@pytest.mark.parametrize("kind", [ZScoreNormalization, RMSNormalization])
def test_its_normalisation_works_with_our_statistics(tmp_path, kind, steady):
    files = make(tmp_path, 2, steady)
    steps = {"n_steps_input": 0, "n_steps_output": 1} if steady else {"n_steps_input": 3, "n_steps_output": 1}
    normalised = dataset(tmp_path, use_normalization=True, normalization_type=kind, **steps)
    read = np.concatenate([normalised[index]["output_fields"].numpy() for index in range(len(normalised))])
    last = [np.stack([values["velocity"], values["pressure"]], axis=-1) for _, values in files]
    last = np.concatenate([array if steady else array[:, -1] for array in last]).astype(np.float64)
    stats = yaml.safe_load((tmp_path / "stats.yaml").read_text())

    def channels(entry):
        return np.array([stats[entry]["velocity"], stats[entry]["pressure"]])

    expected = (last - channels("mean")) / channels("std") if kind is ZScoreNormalization else last / channels("rms")
    np.testing.assert_allclose(read, expected, rtol=1e-4, atol=1e-5)


def test_its_loader_gives_batches(tmp_path):
    make(tmp_path, 2, steady=False)
    (batch,) = DataLoader(dataset(tmp_path, full_trajectory_mode=True), batch_size=2 * SAMPLES)
    assert tuple(batch["output_fields"].shape) == (2 * SAMPLES, 3, 8, 5, 2)
    assert batch["space_grid"].dtype == batch["output_fields"].dtype


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of xarray, at the way in which The Well calls it
def test_it_exports_our_files_to_xarray(tmp_path):
    files = make(tmp_path, 2, steady=False)
    exported = dataset(tmp_path).to_xarray("numpy")
    assert exported["velocity"].dims == ("sample", "time", "x", "y")
    np.testing.assert_array_equal(exported["velocity"], np.concatenate([values["velocity"] for _, values in files]))


def test_it_sees_walls_and_open_ends_side_by_side(tmp_path):
    grid = Grid(("x", "y"), (4, 5), (0.0, 0.0), (1.0, 1.0), (False, False))
    density = Field("density", "kg/m^3")
    boundary = resolve({"x": (Dirichlet(1.0), Outflow()), "y": Outflow()}, grid, (density,), "example")
    header = Header("example", grid, (0.0, 1.0), (density,), boundary=boundary)
    path = tmp_path / "data" / "train" / "example.hdf5"
    path.parent.mkdir(parents=True)
    write(path, header, SAMPLES, [{"density": np.ones((SAMPLES, 2, 4, 5), np.float32)}])
    seen = dataset(tmp_path, n_steps_input=1, n_steps_output=1)[0]["boundary_conditions"]
    wall, open_ = BoundaryCondition.WALL.value, BoundaryCondition.OPEN.value
    np.testing.assert_array_equal(seen, [[wall, open_], [open_, open_]])
