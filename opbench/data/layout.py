"""What stands where in a file: The Well's layout, with the coordinates as netCDF dimensions at the root.

Source: The Well, docs/data_format.md. The scales are at the root, since netCDF looks for dimensions among a group's ancestors only;
`/dimensions/*` are soft links to them. The root attribute `opbench` holds, as JSON, what float32 coordinates cannot: the exact grid, the
exact times (null for steady problems), the conditions at the ends of bounded axes (The Well has one word for them) and the provenance.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from opbench.boundary import Condition, Ends, Outflow
from opbench.config import canonical, validate
from opbench.errors import DataError
from opbench.field import Field
from opbench.grid import Grid
from opbench.readers.the_well import RANKS

Node = Any  # an h5py file, group or dataset: the layout says which, h5py's own types do not
RESERVED = {"dataset_name", "grid_type", "grid_location", "n_spatial_dims", "n_trajectories", "simulation_parameters", "opbench"}
WALL, OPEN, PERIODIC = "WALL", "OPEN", "PERIODIC"  # the kinds that The Well's reader knows
Boundary = dict[str, dict[str, tuple[Condition, Condition]]]
FIELD_GROUPS = tuple(RANKS)  # opbench stores components as scalars


@dataclass(frozen=True)
class Header:
    """What a file holds besides the numbers.

    times: stored times in s, None for steady problems, whose `evolving` fields are the solution.
    evolving: (sample, time, *space), or (sample, *space) if steady; constant: (sample, *space); parameters: (sample,).
    fixed: parameters that are equal for the whole file; provenance: JSON data.
    boundary: what `opbench.boundary.resolve` gives; where it is empty, the ends of bounded axes are walls of which no more is told.
    Raises DataError for names that clash and times that do not increase.
    """

    name: str
    grid: Grid
    times: tuple[float, ...] | None
    evolving: tuple[Field, ...]
    constant: tuple[Field, ...] = ()
    parameters: tuple[Field, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    boundary: Mapping[str, Mapping[str, Ends]] = field(default_factory=dict)

    def __post_init__(self):
        names = [entry.name for entry in (*self.evolving, *self.constant, *self.parameters)] + list(self.fixed)
        taken = {"sample", "time", *self.grid.axes, *RESERVED}
        for name in names:
            if names.count(name) > 1 or name in taken or not name.isidentifier():
                raise DataError(
                    f"{self.name}: '{name}' cannot name a field or parameter; use an identifier that nothing else in the file has"
                )
        if not self.evolving:
            raise DataError(f"{self.name}: no field to store; name at least one in `evolving`")
        if self.times is not None and not (self.times and np.all(np.isfinite(self.times)) and np.all(np.diff(self.times) > 0)):
            raise DataError(f"{self.name}: times must be finite and increase strictly, got {self.times}")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample of every array that varies between samples, by name."""
        time = () if self.times is None else (len(self.times),)
        kinds = ((self.evolving, (*time, *self.grid.shape)), (self.constant, self.grid.shape), (self.parameters, ()))
        return {entry.name: shape for fields, shape in kinds for entry in fields}

    def ends(self, axis: str) -> tuple[str, str]:
        """The Well's words for the lower and the upper end of an axis: it is open where any unknown flows out."""
        if self.grid.periodic[self.grid.axes.index(axis)]:
            return PERIODIC, PERIODIC
        sides = zip(*self.boundary[axis].values(), strict=True) if axis in self.boundary else ((), ())
        lower, upper = (OPEN if any(isinstance(condition, Outflow) for condition in side) else WALL for side in sides)
        return lower, upper

    def place(self, name: str) -> str:
        """Path of an array inside the file."""
        return f"scalars/{name}" if self.shapes[name] == () else f"t0_fields/{name}"


def exact(header: Header) -> str:
    """The JSON text of grid, times, boundary and provenance; raises DataError where provenance is not JSON data."""
    told = {"grid": header.grid, "times": header.times, "provenance": header.provenance}
    told |= {"boundary": header.boundary} if header.boundary else {}
    try:
        return json.dumps(canonical(told), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"{header.name}: provenance is not JSON data ({error}); give text, finite numbers, lists and mappings") from error


def header_of(file: Node) -> Header:
    """The header that `lay_out` laid down, less the fields' defaults; raises KeyError, ValueError, TypeError or OpbenchError if foreign."""
    known = json.loads(file.attrs["opbench"])

    def fields(group: str, flag: str, value: bool) -> tuple[Field, ...]:
        members = {name: file[group][name].attrs for name in file[group].attrs["field_names"]}
        return tuple(Field(name, attributes["units"]) for name, attributes in members.items() if attributes[flag] == value)

    return Header(
        name=file.attrs["dataset_name"],
        grid=Grid(**known["grid"]),
        times=None if known["times"] is None else tuple(known["times"]),
        evolving=fields("t0_fields", "time_varying", True),
        constant=fields("t0_fields", "time_varying", False),
        parameters=fields("scalars", "sample_varying", True),
        fixed={name: float(file.attrs[name]) for name in file.attrs["simulation_parameters"]},
        provenance=known["provenance"],
        boundary=validate(Boundary, known.get("boundary", {}), "boundary"),
    )


def lay_out(file: Node, header: Header, samples: int) -> dict[str, Node]:
    """Everything but the samples' numbers; returns the arrays to fill, by name."""
    grid = header.grid
    file.attrs["opbench"] = exact(header)
    file.attrs["dataset_name"] = header.name
    file.attrs["grid_type"] = "cartesian"
    file.attrs["grid_location"] = "node"
    file.attrs["n_spatial_dims"] = grid.dims
    file.attrs["n_trajectories"] = samples
    file.attrs["simulation_parameters"] = _texts(header.fixed)
    _dimensions(file, header, samples)
    for axis in grid.axes:
        _boundary(file, header, axis)
    for name, value in header.fixed.items():
        file.attrs[name] = float(value)
        file[f"scalars/{name}"] = np.float32(value)
        file[f"scalars/{name}"].attrs.update({"sample_varying": False, "time_varying": False})
    arrays = {name: _array(file, header, name) for name in header.shapes}
    _list_names(file, header)
    return arrays


def _dimensions(file: Node, header: Header, samples: int) -> None:
    # A steady solution has the single time 0. The Well's reader then gives it as `output_fields` (n_steps_input=0, n_steps_output=1) and
    # the coefficients as `constant_fields`; were the solution constant too, it would come mixed with what it is to be predicted from.
    # The unit of time is "s": "seconds" would be turned into timedelta64 by older versions of xarray.
    scales = {"time": (np.array(header.times or (0.0,)), "s")}
    scales |= {axis: (points, "m") for axis, points in zip(header.grid.axes, header.grid.coordinates(), strict=True)}
    file["sample"] = np.arange(samples, dtype=np.int32)
    file["sample"].make_scale("sample")
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = _texts(header.grid.axes)
    for name, (values, unit) in scales.items():
        file[name] = values.astype(np.float32)
        file[name].make_scale(name)
        # The Well's checker takes a time axis for granted only where time is flagged as varying in time.
        file[name].attrs.update({"units": unit, "sample_varying": False, "time_varying": name == "time"})
        dimensions[name] = h5py.SoftLink(f"/{name}")


def _boundary(file: Node, header: Header, axis: str) -> None:
    """A group for every kind of end that an axis has, with a mask of the ends that are of that kind."""
    ends = header.ends(axis)
    for kind in dict.fromkeys(ends):
        group = file.create_group(f"boundary_conditions/{axis}_{kind.lower()}")
        group.attrs.update({"bc_type": kind, "associated_dims": _texts([axis]), "associated_fields": _texts([])})
        group.attrs.update({"sample_varying": False, "time_varying": False})
        mask = np.zeros(len(file[axis]), dtype=bool)
        mask[[0, -1]] = [end == kind for end in ends]
        group["mask"] = mask
        _attach(group["mask"], [axis])


def _array(file: Node, header: Header, name: str) -> Node:
    """An array to fill. It is contiguous: chunks of one snapshot read slower and make 1-D files larger."""
    entry = next(entry for entry in (*header.evolving, *header.constant, *header.parameters) if entry.name == name)
    time, space = ["time"] * (entry in header.evolving), header.grid.axes if header.shapes[name] else ()
    dims = ["sample", *time, *space]
    array = file.create_dataset(header.place(name), [len(file[dim]) for dim in dims], np.float32)
    array.attrs.update({"units": entry.unit, "sample_varying": True, "time_varying": bool(time)})
    if space:
        array.attrs["dim_varying"] = np.ones(len(space), dtype=bool)
    _attach(array, dims)
    return array


def _list_names(file: Node, header: Header) -> None:
    fields = [entry.name for entry in (*header.evolving, *header.constant)]
    scalars = [*header.fixed, *(entry.name for entry in header.parameters)]
    for group, names in zip((*FIELD_GROUPS, "scalars"), (fields, (), (), scalars), strict=True):
        file.require_group(group).attrs["field_names"] = _texts(names)


def _attach(dataset: Node, dims: Sequence[str]) -> None:
    """Name every axis: xarray refuses a file in which some axes are named and others are not."""
    for axis, name in enumerate(dims):
        dataset.dims[axis].attach_scale(dataset.file[name])


def _texts(names: Iterable[str]) -> np.ndarray:
    return np.array(list(names), dtype=h5py.string_dtype())  # typed, since an empty list would become floats
