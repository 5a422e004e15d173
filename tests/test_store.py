"""Files are whole or absent, and say the same to us, to The Well's rules and to xarray."""

import importlib.util
import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from small_files import SAMPLES, arrays, blocks, header, make
from torch.utils.data import DataLoader

from opbench.boundary import Dirichlet, Neumann, Outflow, Robin, resolve
from opbench.data.check import check
from opbench.data.store import Header, Stored, to_xarray, write
from opbench.errors import DataError, UnknownName
from opbench.field import Field
from opbench.grid import Grid

ROOT = Path(__file__).parents[1]
EVERY_KIND = pytest.mark.parametrize(("dims", "steady"), [(dims, steady) for dims in (1, 2, 3) for steady in (False, True)])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "example.hdf5"
    make(path)
    return path


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message, message
    return message


@EVERY_KIND
def test_what_is_written_is_read_bit_by_bit(tmp_path, dims, steady):
    expected_header, expected = make(tmp_path / "file.hdf5", dims, steady)
    stored = Stored(tmp_path / "file.hdf5")
    assert stored.header == expected_header
    assert len(stored) == SAMPLES
    for name, values in expected.items():
        read = stored.read(name)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, values, err_msg=name)


def test_each_end_has_the_wells_word_and_the_exact_condition_and_a_file_without_conditions_has_walls(tmp_path):
    grid = Grid(("x", "y", "z"), (4, 5, 3), (0.0,) * 3, (1.0,) * 3, (False, False, True))
    velocity, pressure = Field("velocity", "m/s"), Field("pressure", "Pa")
    told = {
        "x": ({"velocity": Dirichlet("inflow"), "pressure": Neumann()}, {"velocity": Outflow(), "pressure": Robin(2.0, 0.1)}),
        "y": Outflow(),
    }
    boundary = resolve(told, grid, (velocity, pressure), "example")
    for name, conditions in (("told", boundary), ("plain", {})):
        written = Header(name, grid, None, (velocity, pressure), provenance={"seed": 1}, boundary=conditions)
        write(tmp_path / name, written, 2, [arrays(written, 2)])
        assert Stored(tmp_path / name).header == written
        assert check(tmp_path / name) == []
    with h5py.File(tmp_path / "told") as file:
        masks = {key: np.flatnonzero(group["mask"]).tolist() for key, group in file["boundary_conditions"].items()}
    assert masks == {"x_wall": [0], "x_open": [3], "y_open": [0, 4], "z_periodic": [0, 2]}
    with h5py.File(tmp_path / "plain") as file:
        assert set(file["boundary_conditions"]) == {"x_wall", "y_wall", "z_periodic"}
        assert "boundary" not in json.loads(file.attrs["opbench"])


@EVERY_KIND
def test_xarray_sees_named_axes_with_coordinates(tmp_path, dims, steady):
    expected_header, expected = make(tmp_path / "file.hdf5", dims, steady)
    axes = expected_header.grid.axes
    with xarray.open_datatree(tmp_path / "file.hdf5", engine="h5netcdf") as tree:
        fields = tree["t0_fields"].to_dataset()
        assert fields["velocity"].dims == ("sample", "time", *axes)
        assert fields["permeability"].dims == ("sample", *axes)
        assert tree["scalars/viscosity"].dims == ("sample",)
        assert set(fields.coords) == {"sample", "time", *axes}
        assert fields["velocity"].attrs["units"] == "m/s"
        middle = fields["velocity"].sel(x=0.51, method="nearest").to_numpy()
    np.testing.assert_array_equal(middle, expected["velocity"].reshape(SAMPLES, -1, *expected_header.grid.shape)[:, :, 4])


@EVERY_KIND
def test_to_xarray_gives_the_same_dataset_with_and_without_h5netcdf(tmp_path, monkeypatch, dims, steady):
    expected_header, expected = make(tmp_path / "file.hdf5", dims, steady)
    lazy = to_xarray(tmp_path / "file.hdf5")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with lazy, to_xarray(tmp_path / "file.hdf5") as loaded:
        xarray.testing.assert_identical(lazy.load(), loaded)
        assert loaded["velocity"].dims == ("sample", *(() if steady else ("time",)), *expected_header.grid.axes)
        np.testing.assert_array_equal(loaded["velocity"], expected["velocity"])
        assert loaded["density"] == np.float32(0.1)
        assert json.loads(loaded.attrs["provenance"]) == expected_header.provenance


def test_to_xarray_reads_nothing_before_it_is_used(path):
    with to_xarray(path) as dataset:
        assert not dataset["velocity"].variable._in_memory


def test_a_dataset_from_to_xarray_can_be_saved_as_netcdf(path, tmp_path):
    with to_xarray(path) as dataset:
        dataset.to_netcdf(tmp_path / "copy.nc", engine="h5netcdf")
        with xarray.open_dataset(tmp_path / "copy.nc", engine="h5netcdf") as copy:
            xarray.testing.assert_identical(copy.load(), dataset.load())


def test_importing_the_store_imports_neither_xarray_nor_torch():
    code = "import sys, opbench.data.store; print([name for name in ('xarray', 'torch', 'h5netcdf') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


INDICES = st.one_of(
    st.lists(st.integers(-SAMPLES, SAMPLES - 1), max_size=8),
    st.builds(slice, st.integers(-6, 6), st.integers(-6, 6), st.sampled_from([None, 1, 2, -1])),
)
TIMES = st.one_of(st.none(), st.lists(st.integers(-3, 2), max_size=5), st.builds(slice, st.integers(-3, 3), st.none()))


@settings(max_examples=60, deadline=None)
@given(samples=INDICES, times=TIMES)
def test_reading_in_any_order_agrees_with_numpy(path, samples, times):
    stored = Stored(path)
    expected = arrays(header(2))["velocity"][samples][:, slice(None) if times is None else times]
    np.testing.assert_array_equal(stored.read("velocity", samples, times), expected)
    stored.close()


def test_reading_what_is_not_there_is_told_in_one_line(path):
    stored = Stored(path)
    with pytest.raises(DataError, match="out of bounds") as error:
        stored.read("velocity", [SAMPLES])
    one_line(error)
    with pytest.raises(DataError, match="permeability has no times"):
        stored.read("permeability", times=[0])
    with pytest.raises(UnknownName, match="did you mean 'velocity'"):
        stored.read("velocty")
    stored.close()


def test_a_stored_file_may_be_pickled_while_it_is_open(path):
    stored = Stored(path)
    values = stored.read("velocity")
    copy = pickle.loads(pickle.dumps(stored))
    assert copy.header == stored.header
    np.testing.assert_array_equal(copy.read("velocity", [3]), values[[3]])


class Velocities:
    def __init__(self, path):
        self.stored = Stored(path)
        self.stored.read("velocity", [0])  # the parent's handle is open when the workers start

    def __len__(self):
        return len(self.stored)

    def __getitem__(self, index):
        return self.stored.read("velocity", [index])[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of any fork beside torch's threads
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_two_workers_read_the_same_file_rightly(path, start):
    loader = DataLoader(Velocities(path), batch_size=2, num_workers=2, multiprocessing_context=start)
    read = np.concatenate([batch.numpy() for batch in loader])
    np.testing.assert_array_equal(read, arrays(header(2))["velocity"])


def spoilt(name: str):
    """Blocks with one thing wrong."""
    values = arrays(header(2))
    if name == "too few samples":
        return list(blocks(values))[:-1]
    if name == "too many samples":
        return [*blocks(values), *blocks(values)]
    if name == "a field is missing":
        return [{key: array for key, array in block.items() if key != "pressure"} for block in blocks(values)]
    if name == "a field is unknown":
        return [{**block, "foo": block["pressure"]} for block in blocks(values)]
    if name == "a shape is wrong":
        return [{**block, "pressure": block["pressure"][:, 0]} for block in blocks(values)]
    if name == "runs differ":
        return [{**block, "pressure": block["pressure"][:-1]} for block in blocks(values)]
    values = {key: array.astype(np.float64) for key, array in values.items()}
    values["pressure"][3, 1, 2, 2] = {"not a number": np.nan, "too large for float32": 1e39}[name]
    return list(blocks(values))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("too few samples", "expected 5 samples, got 4"),
        ("too many samples", "expected 5 samples, got 7"),
        ("a field is missing", "a block holds"),
        ("a field is unknown", "a block holds .*foo"),
        ("a shape is wrong", r"pressure has shape \(2, 8, 5\), expected \(2, 3, 8, 5\)"),
        ("runs differ", r"pressure has shape \(1, 3, 8, 5\), expected \(2, 3, 8, 5\)"),
        ("not a number", "pressure of sample 3 is not finite"),
        ("too large for float32", "pressure of sample 3 is not finite"),
    ],
)
def test_a_faulty_write_leaves_no_file_and_is_told_in_one_line(tmp_path, fault, message):
    with pytest.raises(DataError, match=message) as error:
        write(tmp_path / "file.hdf5", header(2), SAMPLES, spoilt(fault))
    one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_no_samples_adds_nothing(tmp_path):
    values = arrays(header(2))
    empty = {name: array[:0] for name, array in values.items()}
    write(tmp_path / "file.hdf5", header(2), SAMPLES, [empty, values, empty])
    np.testing.assert_array_equal(Stored(tmp_path / "file.hdf5").read("pressure"), values["pressure"])


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "none").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot be written: File exists") as error:
        write(tmp_path / "none" / "file.hdf5", header(2), SAMPLES, [])
    one_line(error)


def test_a_solver_that_fails_is_heard_and_leaves_no_file(tmp_path):
    def failing():
        yield from list(blocks(arrays(header(2))))[:1]
        raise RuntimeError("the solver ran out of memory")

    with pytest.raises(RuntimeError, match="the solver ran out of memory"):
        write(tmp_path / "file.hdf5", header(2), SAMPLES, failing())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_never_replaced(tmp_path):
    path = tmp_path / "file.hdf5"
    make(path)
    before = path.read_bytes()
    values = {name: 2 * array for name, array in arrays(header(2)).items()}
    with pytest.raises(DataError, match="exists already"):
        write(path, header(2), SAMPLES, blocks(values))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": (0.0, 0.2, 0.2)}, "times must be finite and increase strictly"),
        ({"times": (0.0, float("inf"))}, "times must be finite and increase strictly"),
        ({"evolving": ()}, "no field to store"),
        ({"constant": (Field("velocity"),)}, "'velocity' cannot name a field"),
        ({"constant": (Field("x"),)}, "'x' cannot name a field"),
        ({"fixed": {"n_trajectories": 1.0}}, "'n_trajectories' cannot name a field"),
        ({"constant": (Field("a/b"),)}, "'a/b' cannot name a field"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(change, message):
    with pytest.raises(DataError, match=message) as error:
        replace(header(2), **change)
    one_line(error)


@pytest.mark.parametrize("value", [float("nan"), np.float32(1.0), {1, 2}])
def test_provenance_that_is_not_json_is_refused_before_anything_is_solved(tmp_path, value):
    def unsolved():
        raise AssertionError("solved")
        yield

    with pytest.raises(DataError, match="provenance is not JSON data"):
        write(tmp_path / "file.hdf5", replace(header(2), provenance={"floor": value}), SAMPLES, unsolved())


def test_provenance_may_be_long(tmp_path):
    long = replace(header(2), provenance={"note": "x" * 200_000})  # beyond the 64 kB of HDF5's compact attributes
    write(tmp_path / "file.hdf5", long, SAMPLES, blocks(arrays(long)))
    assert Stored(tmp_path / "file.hdf5").header == long


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["tensor"] = np.ones(3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, "no such file"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "cannot be opened: .*truncated"),
        (lambda path: os.truncate(path, 0), "cannot be opened"),
        (lambda path: path.write_text("x,y\n1,2\n"), "cannot be opened"),
        (foreign, "not a file that opbench wrote"),
    ],
    ids=["missing", "truncated", "empty", "text", "foreign"],
)
def test_a_file_that_is_not_ours_is_told_in_one_line(tmp_path, spoil, message):
    path = tmp_path / "file.hdf5"
    make(path)
    spoil(path)
    with pytest.raises(DataError, match=message) as error:
        Stored(path)
    one_line(error)


WRITER = """
import signal, sys, time
sys.path[:0] = [{tests!r}]
from small_files import *
values = arrays(header(2))
{before}
def slowly():
    for block in blocks(values):
        yield block
        {between}
try:
    write({path!r}, header(2), SAMPLES, slowly())
except Exception as error:
    print(type(error).__name__, error)
"""


def writer(path: Path, before: str = "", between: str = "pass") -> subprocess.Popen:
    code = WRITER.format(tests=str(ROOT / "tests"), path=str(path), before=before, between=between)
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_no_file_under_the_final_name(tmp_path):
    path = tmp_path / "file.hdf5"
    with writer(path, between="print('one block', flush=True); time.sleep(60)") as process:
        assert process.stdout.readline() == "one block\n"
        process.send_signal(signal.SIGKILL)
    assert [found.suffix for found in tmp_path.iterdir()] == [".part"]
    make(path)
    assert len(Stored(path)) == SAMPLES


@pytest.mark.parametrize("room", [1, 3000, 17_000])  # at the first bytes, in the layout, in the numbers (a whole file has 20 kB)
def test_a_full_disk_leaves_no_file_and_is_told_in_one_line(tmp_path, room):
    # Python would leave a cut-off .pyc of what it imports, which breaks every later import
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    with writer(tmp_path / "file.hdf5", before=f"sys.dont_write_bytecode = True; {limit}") as process:
        told, noise = process.communicate()
    assert told == f"DataError {tmp_path / 'file.hdf5'}: cannot be written: File too large; mend that and write again\n", told + noise
    assert noise == ""
    assert list(tmp_path.iterdir()) == []
