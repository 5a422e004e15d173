"""Is a file what it claims to be? The Well's rules for every file, and opbench's own for a file that carries the attribute `opbench`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from opbench.data.layout import FIELD_GROUPS, OPEN, PERIODIC, WALL, Header, Node, header_of
from opbench.errors import DataError, OpbenchError
from opbench.readers import opened

BOUNDARIES = (WALL, OPEN, PERIODIC)  # The Well's reader knows no others, though its checker takes any text
BLOCK = 1 << 24  # values held at once

KINDS: dict[str, Callable[[Node], bool]] = {
    "text": lambda value: isinstance(value, str),
    "a whole number": lambda value: isinstance(value, (int, np.integer)),
    "true or false": lambda value: isinstance(value, (bool, np.bool_)),
    "a list of names": lambda value: isinstance(value, (list, np.ndarray)) and all(isinstance(entry, str) for entry in value),
    "a list of booleans": lambda value: (
        isinstance(value, (list, np.ndarray)) and all(isinstance(entry, (bool, np.bool_)) for entry in value)
    ),
}
VARYING = {"sample_varying": "true or false", "time_varying": "true or false"}
ROOT = {
    "dataset_name": "text",
    "grid_type": "text",
    "n_spatial_dims": "a whole number",
    "n_trajectories": "a whole number",
    "simulation_parameters": "a list of names",
}
GROUPS = {"dimensions": "spatial_dims", "scalars": "field_names", **dict.fromkeys(FIELD_GROUPS, "field_names")}


def check(path: Path | str) -> list[str]:
    """Faults of a file, one line each; none where it is valid.

    The Well's rules are those of its scripts/check_thewell_formatting.py. Where they hold and the file has the attribute `opbench`, its
    provenance, coordinates, dimension scales, types and values are looked at too; other suites' files may differ from us in these.
    """
    try:
        with opened(Path(path)) as file:
            faults = list(_well(file))
            if not faults and "opbench" in file.attrs:
                faults = list(_ours(file))
    except (DataError, OSError, RuntimeError) as error:
        return [" ".join(str(error).split())]
    return faults


def _well(file: Node) -> Iterator[str]:
    """The Well's rules. Attributes and groups that everything else is judged by come first, and end it where they are wrong."""
    first = list(_attributes(file, ROOT))
    for group, names in GROUPS.items():
        first += _attributes(file[group], {names: "a list of names"}) if _is_group(file, group) else [f"/{group}: there is no such group"]
    if not _is_group(file, "boundary_conditions"):
        first.append("/boundary_conditions: there is no such group")
    if first:
        yield from first
        return
    axes = list(file["dimensions"].attrs["spatial_dims"])
    if len(axes) != file.attrs["n_spatial_dims"]:
        yield f"/dimensions: spatial_dims has {len(axes)} names, expected n_spatial_dims, {file.attrs['n_spatial_dims']}"
        return
    missing = [f"/dimensions/{name}: there is no such dataset" for name in ("time", *axes) if not _is_array(file["dimensions"], name)]
    missing += [
        f"/dimensions/{name}: expected at least one axis" for name in ("time", *axes) if not missing and not file["dimensions"][name].ndim
    ]
    if missing:
        yield from missing
        return
    sizes = {"sample": int(file.attrs["n_trajectories"])} | {name: file["dimensions"][name].shape[-1] for name in ("time", *axes)}
    for axis in axes:
        yield from _array(file["dimensions"], axis, sizes, [axis], {})
    yield from _array(file["dimensions"], "time", sizes, [], {})
    for rank, group in enumerate(FIELD_GROUPS):
        for name in file[group].attrs["field_names"]:
            yield from _field(file[group], name, sizes, axes, rank)
    for name in file["scalars"].attrs["field_names"]:
        yield from _array(file["scalars"], name, sizes, [], {})
    for name in file.attrs["simulation_parameters"]:
        if name not in file.attrs or name not in file["scalars"]:
            yield f"/: simulation parameter '{name}' is not both a root attribute and a dataset in /scalars"
    for name in file["boundary_conditions"]:
        yield from _boundary(file["boundary_conditions"][name], sizes, axes)


def _is_group(node: Node, name: str) -> bool:
    return isinstance(node.get(name), h5py.Group)


def _is_array(node: Node, name: str) -> bool:
    return isinstance(node.get(name), h5py.Dataset)  # None for a broken link


def _attributes(node: Node, expected: dict[str, str]) -> Iterator[str]:
    for name, kind in expected.items():
        if name not in node.attrs:
            yield f"{node.name}: attribute '{name}' is missing; expected {kind}"
        elif not KINDS[kind](node.attrs[name]):
            yield f"{node.name}: attribute '{name}' is {node.attrs[name]!r}, expected {kind}"


def _array(group: Node, name: str, sizes: dict[str, int], space: Sequence[str], more: dict[str, str], components: int = 0) -> Iterator[str]:
    """Flags of an array and, where they can be read, its shape: (sample, time, *space, *components) as the flags have it."""
    if not _is_array(group, name):
        yield f"{group.name}/{name}: there is no such dataset"
        return
    faults = list(_attributes(group[name], VARYING | more))
    yield from faults
    if not faults:
        leading = [dim for dim in ("sample", "time") if group[name].attrs[f"{dim}_varying"]]
        expected = (*(sizes[dim] for dim in (*leading, *space)), *[len(sizes) - 2] * components)
        if group[name].shape != expected:
            yield f"{group.name}/{name}: shape {group[name].shape}, expected {expected} by its flags"


def _field(group: Node, name: str, sizes: dict[str, int], axes: list[str], rank: int) -> Iterator[str]:
    kinds = {"dim_varying": "a list of booleans"}
    varying = group[name].attrs.get("dim_varying", ()) if _is_array(group, name) else axes
    if KINDS["a list of booleans"](varying) and len(varying) != len(axes):
        yield f"{group.name}/{name}: dim_varying has {len(varying)} entries, expected one an axis, {len(axes)}"
        return
    space = [axis for axis, varies in zip(axes, varying, strict=False) if varies]
    yield from _array(group, name, sizes, space, kinds, components=rank)


def _boundary(group: Node, sizes: dict[str, int], axes: list[str]) -> Iterator[str]:
    lists = {"associated_dims": "a list of names", "associated_fields": "a list of names"}
    faults = list(_attributes(group, {"bc_type": "text", **lists, **VARYING}))
    if not faults and group.attrs["bc_type"].upper() not in BOUNDARIES:
        faults.append(f"{group.name}: bc_type is '{group.attrs['bc_type']}', expected one of {', '.join(BOUNDARIES)}")
    if not faults and not set(group.attrs["associated_dims"]) <= set(axes):
        faults.append(f"{group.name}: associated_dims {list(group.attrs['associated_dims'])} are not all among the axes {axes}")
    if not faults and not _is_array(group, "mask"):
        faults.append(f"{group.name}/mask: there is no such dataset")
    if not faults:
        leading = [dim for dim in ("sample", "time") if group.attrs[f"{dim}_varying"]]
        expected = tuple(sizes[dim] for dim in (*leading, *(axis for axis in axes if axis in group.attrs["associated_dims"])))
        if group["mask"].shape != expected:
            faults.append(f"{group.name}/mask: shape {group['mask'].shape}, expected {expected}")
    yield from faults


def _ours(file: Node) -> Iterator[str]:
    try:
        header = header_of(file)
    except (KeyError, ValueError, TypeError, AttributeError, OpbenchError) as error:
        yield f"/: attribute 'opbench' does not describe the file: {type(error).__name__}: {error}"
        return
    if not isinstance(header.provenance, dict) or not header.provenance:
        yield "/: attribute 'opbench' says nothing of provenance"
    if header.grid.axes != tuple(file["dimensions"].attrs["spatial_dims"]):
        yield f"/dimensions: spatial_dims are not the axes of the recorded grid, {header.grid.axes}"
        return
    yield from _coordinates(file, header)
    yield from _ends(file, header)
    for name, value in header.fixed.items():
        if file[f"scalars/{name}"][()] != np.float32(value):
            yield f"/scalars/{name}: {file[f'scalars/{name}'][()]}, expected the root attribute, {value}"
    axes = ["time", *header.grid.axes]
    for group, names in [("dimensions", axes), *((kind, file[kind].attrs["field_names"]) for kind in ("t0_fields", "scalars"))]:
        for name in names:
            yield from _values(file[group][name])
    arrays: list[Node] = []
    file.visititems(lambda _, node: arrays.append(node) if isinstance(node, h5py.Dataset) else None)
    for array in arrays:
        yield from _scales(file, array)


def _coordinates(file: Node, header: Header) -> Iterator[str]:
    expected = {"sample": np.arange(file.attrs["n_trajectories"]), "time": np.array(header.times or (0.0,), dtype=np.float32)}
    expected |= {axis: points.astype(np.float32) for axis, points in zip(header.grid.axes, header.grid.coordinates(), strict=True)}
    for name, points in expected.items():
        if not _is_array(file, name) or not file[name].is_scale:
            yield f"/{name}: there is no such dimension scale"
        elif not np.array_equal(file[name][()], points):
            yield f"/{name}: the coordinates are not those of the recorded grid, times or samples"
        elif not np.all(np.diff(file[name][()]) > 0):
            yield f"/{name}: the coordinates do not increase strictly in float32"
        if name != "sample" and _is_array(file, name) and file["dimensions"][name] != file[name]:
            yield f"/dimensions/{name}: not a link to /{name}"


def _ends(file: Node, header: Header) -> Iterator[str]:
    """Both ends of every axis are told, as The Well's reader sees them: the kind of the group whose mask holds there."""
    for axis in header.grid.axes:
        groups = [group for group in file["boundary_conditions"].values() if list(group.attrs["associated_dims"]) == [axis]]
        for end, expected in zip((0, -1), header.ends(axis), strict=True):
            told = [group.attrs["bc_type"].upper() for group in groups if group["mask"][..., end].all()]
            if told != [expected]:
                side = "lower" if end == 0 else "upper"
                yield f"/boundary_conditions: the {side} end of {axis} is {expected}, told is {', '.join(told) or 'nothing'}"


def _values(array: Node) -> Iterator[str]:
    if array.dtype != np.float32:
        yield f"{array.name}: type {array.dtype}, expected float32"
    zero, run = array.name.startswith("/t0_fields/"), max(1, BLOCK * len(array) // max(array.size, 1)) if array.ndim else 1
    for start in range(0, len(array) if array.ndim else 1, run):
        values = array[start : start + run] if array.ndim else array[()]
        if not np.all(np.isfinite(values)):
            yield f"{array.name}: not finite at one or more of the entries {start} to {start + run - 1} of the first axis"
        zero = zero and not np.any(values)
    if zero:
        yield f"{array.name}: zero everywhere"


def _scales(file: Node, array: Node) -> Iterator[str]:
    """Faults of the names that xarray would give to the axes."""
    if array.is_scale:
        return
    flags, space = (array.parent.attrs, array.parent.attrs["associated_dims"]) if array.name.endswith("/mask") else (array.attrs, ())
    space = file["dimensions"].attrs["spatial_dims"] if "dim_varying" in array.attrs else space
    expected = [f"/{name}" for name in (*(dim for dim in ("sample", "time") if flags[f"{dim}_varying"]), *space)]
    attached = [axis[0].name if len(axis) else None for axis in array.dims]
    if attached != expected:
        yield f"{array.name}: dimension scales {attached}, expected {expected}"
