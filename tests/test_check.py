"""Every way to break a file yields a fault that names the place."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_files import make

from opbench.data.check import check

THE_WELL = sorted((Path(__file__).parent / "data" / "thewell_mixed2d" / "data" / "train").glob("*.hdf5"))


def attribute(place: str, name: str, value=None):
    def spoil(file: h5py.File) -> None:
        del file[place].attrs[name]
        if value is not None:
            file[place].attrs[name] = value

    return spoil


def member(place: str, value=None):
    """Delete what stands at a place, or replace it and keep its attributes."""

    def spoil(file: h5py.File) -> None:
        attributes = dict(file[place].attrs)
        del file[place]
        if value is not None:
            file[place] = value
            file[place].attrs.update({key: entry for key, entry in attributes.items() if key != "DIMENSION_LIST"})

    return spoil


def entry(place: str, index, value):
    def spoil(file: h5py.File) -> None:
        file[place][index] = value

    return spoil


def described(**changes):
    def spoil(file: h5py.File) -> None:
        file.attrs["opbench"] = json.dumps(json.loads(file.attrs["opbench"]) | changes)

    return spoil


def detached(place: str):
    def spoil(file: h5py.File) -> None:
        axis = file[place].dims[0]
        axis.detach_scale(axis[0])

    return spoil


def swapped(file: h5py.File) -> None:
    axis = file["t0_fields/velocity"].dims[2]
    axis.detach_scale(file["x"])
    axis.attach_scale(file["y"])


def copied(file: h5py.File) -> None:
    values = file["x"][()]
    del file["dimensions/x"]
    file["dimensions/x"] = values
    file["dimensions/x"].attrs.update({"sample_varying": False, "time_varying": False})


def names(*values: str) -> np.ndarray:
    return np.array(values, dtype=h5py.string_dtype())


GRID = {"axes": ["x", "y"], "shape": [8, 5], "lower": [0, -1], "upper": [1, 1], "periodic": [True, False]}
TIMES = [0.0, 0.1, 1 / 3]

THE_WELLS_RULES = {
    "no name": (attribute("/", "dataset_name"), "/: attribute 'dataset_name' is missing"),
    "grid type is a number": (attribute("/", "grid_type", 1), "/: attribute 'grid_type' is"),
    "dimensions are text": (attribute("/", "n_spatial_dims", "2"), "/: attribute 'n_spatial_dims' is '2', expected a whole number"),
    "one dimension too many": (attribute("/", "n_spatial_dims", 3), "/dimensions: spatial_dims has 2 names"),
    "no sample count": (attribute("/", "n_trajectories"), "/: attribute 'n_trajectories' is missing"),
    "another sample count": (attribute("/", "n_trajectories", 4), "/t0_fields/velocity: shape (5, 3, 8, 5), expected (4, 3, 8, 5)"),
    "parameter list is text": (attribute("/", "simulation_parameters", "density"), "/: attribute 'simulation_parameters' is 'density'"),
    "parameter is no attribute": (attribute("/", "density"), "/: simulation parameter 'density'"),
    "parameter is no scalar": (attribute("/", "simulation_parameters", names("mass")), "/: simulation parameter 'mass'"),
    "no dimensions": (member("dimensions"), "/dimensions: there is no such group"),
    "no vectors group": (member("t1_fields"), "/t1_fields: there is no such group"),
    "no scalars group": (member("scalars"), "/scalars: there is no such group"),
    "no boundary conditions group": (member("boundary_conditions"), "/boundary_conditions: there is no such group"),
    "a group is a dataset": (member("t2_fields", 1.0), "/t2_fields: there is no such group"),
    "no axis names": (attribute("dimensions", "spatial_dims"), "/dimensions: attribute 'spatial_dims' is missing"),
    "untyped list": (attribute("t1_fields", "field_names", 1.0), "/t1_fields: attribute 'field_names' is"),
    "no time": (member("dimensions/time"), "/dimensions/time: there is no such dataset"),
    "broken link": (member("x"), "/dimensions/x: there is no such dataset"),
    "time is a number": (member("time", np.float32(1)), "/dimensions/time: expected at least one axis"),
    "time without flag": (attribute("time", "time_varying"), "/time: attribute 'time_varying' is missing"),
    "time flag false": (attribute("time", "time_varying", False), "/dimensions/time: shape (3,), expected () by its flags"),
    "flag is a number": (attribute("x", "sample_varying", 0), "/x: attribute 'sample_varying' is"),
    "axis varies with samples": (attribute("x", "sample_varying", True), "/dimensions/x: shape (8,), expected (5, 8)"),
    "unknown field": (attribute("t0_fields", "field_names", names("foo")), "/t0_fields/foo: there is no such dataset"),
    "unknown scalar": (attribute("scalars", "field_names", names("density", "foo")), "/scalars/foo: there is no such dataset"),
    "field without flag": (attribute("t0_fields/velocity", "sample_varying"), "/t0_fields/velocity: attribute 'sample_varying' is missing"),
    "wrong flag": (
        attribute("t0_fields/permeability", "time_varying", True),
        "/t0_fields/permeability: shape (5, 8, 5), expected (5, 3, 8",
    ),
    "no dim_varying": (attribute("t0_fields/velocity", "dim_varying"), "/t0_fields/velocity: attribute 'dim_varying' is missing"),
    "dim_varying is text": (attribute("t0_fields/velocity", "dim_varying", "xy"), "/t0_fields/velocity: attribute 'dim_varying' is 'xy'"),
    "dim_varying too long": (attribute("t0_fields/velocity", "dim_varying", [True] * 3), "/t0_fields/velocity: dim_varying has 3 entries"),
    "dim_varying with a gap": (attribute("t0_fields/velocity", "dim_varying", [True, False]), "expected (5, 3, 8) by its flags"),
    "transposed": (member("t0_fields/permeability", np.ones((5, 5, 8), "f4")), "/t0_fields/permeability: shape (5, 5, 8)"),
    "short scalar": (member("scalars/viscosity", np.ones(4, "f4")), "/scalars/viscosity: shape (4,), expected (5,)"),
    "unknown boundary": (
        attribute("boundary_conditions/y_wall", "bc_type", "DIRICHLET"),
        "/boundary_conditions/y_wall: bc_type is 'DIRICHLET'",
    ),
    "boundary without type": (attribute("boundary_conditions/y_wall", "bc_type"), "/boundary_conditions/y_wall: attribute 'bc_type'"),
    "bare axis": (
        attribute("boundary_conditions/y_wall", "associated_dims", "y"),
        "/boundary_conditions/y_wall: attribute 'associated_dims'",
    ),
    "axis unknown": (
        attribute("boundary_conditions/y_wall", "associated_dims", names("z")),
        "/boundary_conditions/y_wall: associated_dims",
    ),
    "no fields": (
        attribute("boundary_conditions/y_wall", "associated_fields"),
        "/boundary_conditions/y_wall: attribute 'associated_fields'",
    ),
    "no mask": (member("boundary_conditions/y_wall/mask"), "/boundary_conditions/y_wall/mask: there is no such dataset"),
    "short mask": (
        member("boundary_conditions/y_wall/mask", np.ones(4, bool)),
        "/boundary_conditions/y_wall/mask: shape (4,), expected (5,)",
    ),
}
OURS = {
    "provenance is no JSON": (attribute("/", "opbench", "seed: 3"), "/: attribute 'opbench' does not describe the file"),
    "provenance is a number": (attribute("/", "opbench", 3), "/: attribute 'opbench' does not describe the file"),
    "no provenance": (described(provenance={}), "/: attribute 'opbench' says nothing of provenance"),
    "no grid": (described(grid=None), "/: attribute 'opbench' does not describe the file"),
    "impossible grid": (
        described(grid=GRID | {"upper": [0, 0]}),
        "/: attribute 'opbench' does not describe the file: OpbenchError: grid: axis x",
    ),
    "other axes": (described(grid=GRID | {"axes": ["x", "z"]}), "/dimensions: spatial_dims are not the axes"),
    "other domain": (described(grid=GRID | {"upper": [2, 1]}), "/x: the coordinates are not those of the recorded grid"),
    "other boundary": (
        described(grid=GRID | {"periodic": [True, True], "upper": [1, 1.5]}),
        "/boundary_conditions: the lower end of y is PERIODIC, told is WALL",
    ),
    "an end is not told": (entry("boundary_conditions/x_periodic/mask", -1, False), "the upper end of x is PERIODIC, told is nothing"),
    "other conditions": (
        described(boundary={"y": {"velocity": [{"kind": "neumann"}, {"kind": "outflow"}]}}),
        "/boundary_conditions: the upper end of y is OPEN, told is WALL",
    ),
    "no such condition": (described(boundary={"y": {"velocity": [{"kind": "sponge"}] * 2}}), "'opbench' does not describe the file"),
    "other times": (described(times=[0.0, 0.1, 0.3]), "/time: the coordinates are not those"),
    "times fall": (described(times=[0.0, 0.1, 0.05]), "times must be finite and increase strictly"),
    "times too close": (described(times=[0.0, 0.1, 0.1 + 1e-12]), "/time: the coordinates are not those"),
    "no units": (attribute("t0_fields/pressure", "units"), "/: attribute 'opbench' does not describe the file: KeyError"),
    "an uneven axis": (entry("y", 2, 0.1), "/y: the coordinates are not those of the recorded grid"),
    "samples misnumbered": (entry("sample", 1, 7), "/sample: the coordinates are not those"),
    "no sample scale": (member("sample"), "/sample: there is no such dimension scale"),
    "not a number": (entry("t0_fields/velocity", (4, 2, 7, 4), np.nan), "/t0_fields/velocity: not finite"),
    "infinite": (entry("t0_fields/permeability", (0, 0, 0), np.inf), "/t0_fields/permeability: not finite"),
    "scalar not a number": (entry("scalars/viscosity", 1, np.nan), "/scalars/viscosity: not finite"),
    "zero field": (entry("t0_fields/pressure", ..., 0), "/t0_fields/pressure: zero everywhere"),
    "float64": (member("t0_fields/pressure", np.ones((5, 3, 8, 5))), "/t0_fields/pressure: type float64, expected float32"),
    "unnamed axes": (
        member("t0_fields/pressure", np.ones((5, 3, 8, 5), "f4")),
        "/t0_fields/pressure: dimension scales [None, None, None, None]",
    ),
    "unnamed axis": (detached("t0_fields/velocity"), "/t0_fields/velocity: dimension scales [None, '/time', '/x', '/y']"),
    "unnamed axis of a mask": (detached("boundary_conditions/y_wall/mask"), "/boundary_conditions/y_wall/mask: dimension scales [None]"),
    "unnamed axis of a scalar": (detached("scalars/viscosity"), "/scalars/viscosity: dimension scales [None]"),
    "axes swapped": (swapped, "/t0_fields/velocity: dimension scales ['/sample', '/time', '/y', '/y']"),
    "an axis twice": (copied, "/dimensions/x: not a link to /x"),
    "parameter differs": (attribute("/", "density", 0.2), "/scalars/density: 0.1"),
}


@pytest.mark.parametrize(("dims", "steady"), [(dims, steady) for dims in (1, 2, 3) for steady in (False, True)])
def test_what_write_makes_has_no_faults(tmp_path, dims, steady):
    make(tmp_path / "file.hdf5", dims, steady)
    assert check(tmp_path / "file.hdf5") == []


@pytest.mark.parametrize("path", THE_WELL, ids=lambda path: path.stem)
def test_a_valid_file_of_the_well_has_no_faults(path):
    assert check(path) == []


@pytest.mark.parametrize("name", [*THE_WELLS_RULES, *OURS])
def test_a_broken_file_has_a_fault_that_names_the_place(tmp_path, name):
    spoil, expected = {**THE_WELLS_RULES, **OURS}[name]
    make(tmp_path / "file.hdf5")
    with h5py.File(tmp_path / "file.hdf5", "r+") as file:
        spoil(file)
    faults = check(tmp_path / "file.hdf5")
    assert any(expected in fault for fault in faults), faults
    assert not any("\n" in fault for fault in faults), faults


@pytest.mark.parametrize("name", THE_WELLS_RULES)
def test_the_wells_rules_hold_for_files_that_are_not_ours(tmp_path, name):
    make(tmp_path / "file.hdf5")
    with h5py.File(tmp_path / "file.hdf5", "r+") as file:
        THE_WELLS_RULES[name][0](file)
        del file.attrs["opbench"]
    assert any(THE_WELLS_RULES[name][1] in fault for fault in check(tmp_path / "file.hdf5"))


def test_our_own_rules_are_not_held_against_other_suites(tmp_path):
    make(tmp_path / "file.hdf5")
    with h5py.File(tmp_path / "file.hdf5", "r+") as file:
        del file.attrs["opbench"]
        file["t0_fields/pressure"][...] = 0
    assert check(tmp_path / "file.hdf5") == []


def test_faults_of_one_kind_are_all_told(tmp_path):
    make(tmp_path / "file.hdf5")
    with h5py.File(tmp_path / "file.hdf5", "r+") as file:
        del file["t0_fields/velocity"].attrs["time_varying"]
        del file["scalars/viscosity"].attrs["time_varying"]
        file["boundary_conditions/x_periodic"].attrs["bc_type"] = "robin"
    assert len(check(tmp_path / "file.hdf5")) == 3


@pytest.mark.parametrize("size", [0, 100, 4000])
def test_a_truncated_file_has_one_fault(tmp_path, size):
    make(tmp_path / "file.hdf5")
    os.truncate(tmp_path / "file.hdf5", size)
    (fault,) = check(tmp_path / "file.hdf5")
    assert "cannot be opened" in fault
    assert "\n" not in fault


def test_a_missing_file_has_one_fault(tmp_path):
    assert check(tmp_path / "file.hdf5") == [f"{tmp_path / 'file.hdf5'}: no such file; generate it first, or put it there"]
