"""Files of The Well and of PDEBench come as their suites mean them: right axes, times, components and samples."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import opbench
from opbench.data.store import Stored
from opbench.errors import DataError
from opbench.readers import Selection, reader_of

DATA = Path(__file__).parent / "data"
WELL = DATA / "thewell_mixed2d"
PDEBENCH = DATA / "pdebench"
N, T, X, Y, Z = 4, 3, 6, 5, 7


def values(*shape):
    """Every entry another number, exact in float32."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def coordinates(file, place, **lengths):
    for axis, n in lengths.items():
        file[place.format(axis)] = ((np.arange(n) + 0.5) / n).astype(np.float32)


def line(file):
    """u (sample, time, x); one entry more of the times than there are frames."""
    file["tensor"] = values(N, T, X)
    coordinates(file, "{}-coordinate", x=X)
    file["t-coordinate"] = np.arange(T + 1, dtype=np.float32) / 10
    file.attrs["beta"] = 0.4
    return {"u": values(N, T, X)}, {"beta": 0.4}


def darcy(file):
    file["tensor"], file["nu"] = values(N, 1, X, Y), -values(N, X, Y)
    coordinates(file, "{}-coordinate", x=X, y=Y)
    return {"pressure": values(N, X, Y), "permeability": -values(N, X, Y)}, {}


def flow_3d(file):
    for sign, name in ((1, "density"), (2, "pressure"), (3, "Vx"), (4, "Vy"), (5, "Vz")):
        file[name] = sign * values(N, T, X, Y, Z)
    coordinates(file, "{}-coordinate", x=X, y=Y, z=Z)
    file["t-coordinate"] = np.arange(T + 1, dtype=np.float32) / 10
    names = ("density", "pressure", "velocity_x", "velocity_y", "velocity_z")
    return {name: sign * values(N, T, X, Y, Z) for sign, name in enumerate(names, start=1)}, {}


def _seeds(file, all_values):
    for seed, one in enumerate(all_values):
        group = file.create_group(f"{seed:04d}")
        group["data"] = one
        group["grid/t"] = np.arange(T, dtype=np.float32) / 10
        coordinates(group, "grid/{}", x=X, **({} if one.ndim < 4 else {"y": Y}))
        group.attrs["config"] = "sim:\n  D: 0.0005\n"


def seeds(file):
    _seeds(file, values(N, T, X, 1))
    return {"u": values(N, T, X)}, {}


def reaction_diffusion(file):
    """Written (time, y, x, channel), as the generator reshapes it."""
    u, v = values(N, T, X, Y), -values(N, T, X, Y)
    _seeds(file, np.stack([u, v], -1).swapaxes(2, 3))
    return {"u": u, "v": v}, {}


def dam_break(file):
    """Written (time, x, y, channel)."""
    _seeds(file, values(N, T, X, Y, 1))
    return {"u": values(N, T, X, Y)}, {}


def incompressible(file):
    velocity, force = values(N, T, X, Y, 2), -values(N, X, Y, 2)
    file["velocity"], file["force"], file["particles"] = velocity, force, 2 * values(N, T, X, Y, 1)
    file["t"] = np.tile(np.arange(T, dtype=np.float32) / 10, (N, 1))
    told = {"force_x": force[..., 0], "force_y": force[..., 1], "particles": 2 * values(N, T, X, Y)}
    return {"velocity_x": velocity[..., 0], "velocity_y": velocity[..., 1], **told}, {}


LAYOUTS = [line, darcy, flow_3d, seeds, reaction_diffusion, dam_break, incompressible]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_each_layout_of_pdebench_gives_its_fields_with_axes_in_order(layout, tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        expected, numbers = layout(file)
    reader = reader_of("pdebench")
    found = reader.look(path)
    keys = {**found.asked, **found.given}
    assert set(keys) == set(expected)
    dims = len(found.coordinates)
    assert [len(x) for x in found.coordinates.values()] == [X, Y, Z][:dims]
    assert list(found.coordinates) == ["x", "y", "z"][:dims]
    assert found.samples == N
    assert {key: value for key, (_, value) in found.scalars.items()} == numbers
    if found.times is not None:
        np.testing.assert_allclose(found.times, np.arange(T) / 10, atol=1e-7)
    for name, key in keys.items():
        evolves = expected[name].ndim == 2 + dims
        chosen = Selection(slice(1, 4), slice(None, None, 2) if evolves else None, 2)
        (read,) = reader.read(path, [key], chosen).values()
        thinned = expected[name][1:4, ::2] if evolves else expected[name][1:4]
        for axis in range(thinned.ndim - dims, thinned.ndim):
            thinned = thinned.take(range(0, thinned.shape[axis], 2), axis)
        np.testing.assert_array_equal(read, thinned, err_msg=name)
    for name, (key, value) in found.scalars.items():
        np.testing.assert_array_equal(reader.read(path, [key], Selection(slice(0, 3)))[key], np.float32([value] * 3), err_msg=name)


def test_points_that_are_square_are_read_along_y_first_in_reaction_diffusion_only(tmp_path):
    """Where the lengths do not tell, the number of channels does."""
    for channels, flipped in ((2, True), (1, False)):
        path = tmp_path / f"{channels}.h5"
        data = values(T, X, X, channels)
        with h5py.File(path, "w") as file:
            file["0000/data"], file["0000/grid/t"] = data, np.arange(T)
            file["0000/grid/x"] = file["0000/grid/y"] = np.arange(X)
        read = reader_of("pdebench").read(path, ["data[0]"], Selection(times=slice(None)))["data[0]"][0]
        np.testing.assert_array_equal(read, data[..., 0].swapaxes(1, 2) if flipped else data[..., 0])


@pytest.mark.parametrize(
    ("name", "asked", "given", "periodic", "frames"),
    [
        ("1D_Burgers_Sols_Nu0.01.hdf5", {"u"}, set(), (True,), 11),
        ("1D_diff-sorp_NA_NA.h5", {"u"}, set(), (False,), 11),
        ("2D_DarcyFlow_beta1.0_Train.hdf5", {"pressure"}, {"permeability"}, (False, False), None),
        (
            "2D_CFD_rand_Eta1e-08_Zeta1e-08_M0.1_periodic_Train.hdf5",
            {"density", "pressure", "velocity_x", "velocity_y"},
            set(),
            (True, True),
            5,
        ),
    ],
)
def test_what_pdebenchs_own_generators_wrote_is_told_apart(name, asked, given, periodic, frames):
    found = reader_of("pdebench").look(PDEBENCH / name)
    assert (set(found.asked), set(found.given), found.periodic) == (asked, given, periodic)
    assert (None if found.times is None else len(found.times)) == frames
    times = None if frames is None else slice(None)
    for key in found.asked.values():
        shape = reader_of("pdebench").read(PDEBENCH / name, [key], Selection(times=times))[key].shape
        assert shape == (found.samples, *([frames] if frames else []), *map(len, found.coordinates.values()))


def test_a_pair_of_frames_of_the_well_is_what_its_own_dataset_gives():
    own = np.load(WELL / "item0_raw.npz")
    path, reader = WELL / "data" / "train" / "mixed2d_Re_10_train.hdf5", reader_of("the_well")
    found = reader.look(path)
    fields = reader.read(path, list(found.asked.values()), Selection(slice(0, 1), slice(0, 2)))
    frames = np.stack([fields[key][0] for key in found.asked.values()], -1)
    np.testing.assert_array_equal(frames[:1], own["input_fields"])
    np.testing.assert_array_equal(frames[1:], own["output_fields"])
    constant = reader.read(path, list(found.given.values()), Selection(slice(0, 1)))
    np.testing.assert_array_equal(np.stack([field[0] for field in constant.values()], -1), own["constant_fields"])
    numbers = reader.read(path, [key for key, _ in found.scalars.values()], Selection(slice(0, 1)))
    np.testing.assert_allclose(np.concatenate(list(numbers.values())), own["constant_scalars"])
    places = np.stack(np.meshgrid(*found.coordinates.values(), indexing="ij"), -1)
    np.testing.assert_array_equal(places, own["space_grid"])
    assert found.periodic == tuple((own["boundary_conditions"] == 2).all(1))


def test_what_the_well_writes_once_is_repeated(tmp_path):
    """Fields that no sample changes, and axes along which nothing does."""
    path = tmp_path / "one.hdf5"
    shutil.copy(WELL / "data" / "train" / "mixed2d_Re_10_train.hdf5", path)
    flat = values(3, 10)
    with h5py.File(path, "r+") as file:
        field = file["t0_fields"].create_dataset("profile", data=flat)
        field.attrs.update({"sample_varying": True, "time_varying": False, "dim_varying": [False, True]})
        file["t0_fields"].attrs["field_names"] = ["density", "mask_field", "profile"]
    read = reader_of("the_well").read(path, ["t0_fields/profile", "t0_fields/mask_field"], Selection(slice(1, 3), None, 2))
    np.testing.assert_array_equal(read["t0_fields/profile"], np.repeat(flat[1:, None, ::2], 6, axis=1))
    assert read["t0_fields/mask_field"].shape == (2, 6, 5)
    np.testing.assert_array_equal(*read["t0_fields/mask_field"])


def test_opbenchs_own_files_read_by_the_wells_layout_are_the_same(tmp_path):
    opbench.generate("burgers_1d", samples=2, grid=32, out=tmp_path)
    (path,) = tmp_path.rglob("train/*.hdf5")
    own, reader = Stored(path), reader_of("the_well")
    found = reader.look(path)
    np.testing.assert_allclose(found.times, own.header.times, rtol=1e-6)
    (key,) = found.asked.values()
    np.testing.assert_array_equal(reader.read(path, [key], Selection(times=slice(None)))[key], own.read("velocity"))
    assert found.scalars["viscosity"] == ("scalars/viscosity", pytest.approx(own.header.fixed["viscosity"], rel=1e-7))


def not_hdf5(path):
    path.write_text("x,y\n1,2\n")


def cut_short(path):
    path.write_bytes((PDEBENCH / "1D_Burgers_Sols_Nu0.01.hdf5").read_bytes()[:3000])


def other_layout(path):
    with h5py.File(path, "w") as file:
        file["data"] = values(3)


def too_few_coordinates(path):
    with h5py.File(path, "w") as file:
        line(file)
        del file["x-coordinate"]
        file["x-coordinate"] = np.arange(X - 1)


def no_coordinates(path):
    with h5py.File(path, "w") as file:
        file["tensor"] = values(N, T, X)


def no_yaml(path):
    with h5py.File(path, "w") as file:
        incompressible(file)
        file.attrs["config"] = "a: [1"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file; generate it first, or put it there"),
        (Path.mkdir, "is a folder; give a file"),
        (not_hdf5, "cannot be opened: .*expected HDF5"),
        (cut_short, "cannot be opened: .*expected HDF5"),
        (other_layout, "none of PDEBench's layouts; expected tensor, density"),
        (too_few_coordinates, r"x-coordinate has shape \(5,\) for 6 points; write one entry for each"),
        (no_coordinates, "no array 'x-coordinate'; its own are tensor"),
        (no_yaml, "its config is no YAML; mend it"),
    ],
)
def test_what_is_no_file_of_pdebench_is_told_in_a_line(make, message, tmp_path):
    make(tmp_path / "file.h5")
    with pytest.raises(DataError, match=message) as told:
        reader_of("pdebench").look(tmp_path / "file.h5")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("key", "times", "message"),
    [
        ("t0_fields/nothing", None, "no field 't0_fields/nothing'"),
        ("density", None, "no field 'density'; name one that the file has, as t0_fields/NAME"),
        ("t0_fields/density", None, "t0_fields/density evolves"),
        ("t0_fields/mask_field", slice(None), "t0_fields/mask_field does not evolve"),
        ("t1_fields/velocity", slice(None), "is of rank 1; name as many components"),
        ("t1_fields/velocity[2]", slice(None), "not a file of this format"),
        ("t1_fields/velocity[a]", slice(None), "no field 't1_fields/velocity.a.'"),
    ],
)
def test_a_key_that_names_nothing_is_told(key, times, message):
    with pytest.raises(DataError, match=message):
        reader_of("the_well").read(WELL / "data" / "train" / "mixed2d_Re_10_train.hdf5", [key], Selection(times=times))


def test_values_that_are_not_finite_are_refused(tmp_path):
    with h5py.File(tmp_path / "file.h5", "w") as file:
        line(file)
        file["tensor"][2, 1, 3] = np.nan
    with pytest.raises(DataError, match="tensor has values that are not finite in float32; leave those samples out"):
        reader_of("pdebench").read(tmp_path / "file.h5", ["tensor"], Selection(times=slice(None)))
    assert reader_of("pdebench").read(tmp_path / "file.h5", ["tensor"], Selection(slice(0, 2), slice(None)))
