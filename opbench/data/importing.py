"""Files of another suite -> a recipe that makes a dataset of them: what the files say, written where a person can read and change it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opbench.atomic import write_bytes
from opbench.data.recipe import load_recipe
from opbench.errors import ConfigError, DataError
from opbench.find import known, names
from opbench.provenance import sha256
from opbench.readers import Contents, hdf5, reader_of

EVEN = 1e-3  # of the spacing, beside rounding to float32: what coordinates may be off
PART = 10  # a tenth tests, as in PDEBench, the next tenth validates
ON_DISK = ("train", "valid", "test")  # The Well's folders below data/
SUFFIXES = (".hdf5", ".h5")
BATCH = 20


def import_files(
    path: str | Path, name: str | None = None, reader: str = "auto", every: int = 1, every_time: int = 1, epochs: int = 50
) -> tuple[Path, list[str]]:
    """Write the recipe of a file of PDEBench, or of the folder of a dataset of The Well, beside it.

    Returns the recipe's path, and what of the files no model can be told. Splits are those on disk; of a single file the first tenth of
    the samples tests, the next validates, the rest trains.
    name: of the dataset, by default that of the file or folder. reader: "auto" tells the two by what a file holds.
    every, every_time: every how manieth point and frame is taken. epochs: the budget of every model.
    Raises DataError for files that cannot be a dataset, ConfigError for a recipe that is there already.
    """
    path = Path(path)
    files = _files(path)
    kind = known("reader", reader, ["auto", *names("readers")])
    if kind == "auto":
        kind = _kind(path)
    looked = {file: reader_of(kind).look(file) for group in files.values() for file in group}
    first = next(iter(looked.values()))
    for file, found in looked.items():
        _check(file, found, first, every)
    name = re.sub(r"[^\w.+-]+", "_", name or (path.resolve().name if path.is_dir() else path.stem))
    recipe = (path if path.is_dir() else path.parent) / f"{name}.toml"
    if recipe.exists():
        raise ConfigError(f"{recipe}: exists already; remove it, or give another --name")
    text = _recipe(name, kind, recipe.parent, files, looked, every, every_time, epochs)
    write_bytes(recipe, text.encode())
    try:
        load_recipe(str(recipe))
    except ConfigError:
        recipe.unlink()  # what the files say makes no dataset
        raise
    return recipe, sorted({line for found in looked.values() for line in found.left_out})


def _kind(path: Path) -> str:
    if path.is_dir():
        return "the_well"
    with hdf5(path) as file:
        return "the_well" if "dimensions" in file and "t0_fields" in file else "pdebench"


def _files(path: Path) -> dict[str, list[Path]]:
    """By split; under "" where one file holds them all."""
    if path.is_file():
        return {"": [path]}
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder; give a file of PDEBench's, or the folder of a dataset of The Well")
    found = {split: sorted(p for p in (path / "data" / split).glob("*") if p.suffix in SUFFIXES) for split in ON_DISK}
    if missing := [split for split, files in found.items() if not files]:
        raise DataError(f"{path}: no HDF5 files in data/{missing[0]}; give the folder that holds data/train, data/valid and data/test")
    return found


def _check(file: Path, found: Contents, first: Contents, every: int) -> None:
    """Raises DataError where a file's grid is none of opbench's, or unlike the others'."""
    if list(found.coordinates) != list(first.coordinates) or any(
        len(x) != len(y) for x, y in zip(found.coordinates.values(), first.coordinates.values(), strict=False)
    ):
        raise DataError(f"{file}: its grid is not that of the other files; import them one by one")
    if set(found.asked) != set(first.asked) or (found.times is None) != (first.times is None):
        raise DataError(f"{file}: its fields are not those of the other files; import them one by one")
    for (axis, values), wraps in zip(found.coordinates.items(), found.periodic, strict=True):
        _even(file, axis, values)
        if wraps and len(values) % every:
            raise DataError(f"{file}: {axis} has {len(values)} points and is periodic; take a divisor of that for --every, got {every}")
        if len(values[::every]) < 4:
            raise DataError(f"{file}: {axis} has {len(values[::every])} points of those that are taken; a task needs 4 or more")
    if found.times is not None:
        _even(file, "time", found.times)


def _even(file: Path, axis: str, values: np.ndarray) -> None:
    steps, rounding = np.diff(values), 4 * np.finfo(np.float32).eps * np.abs(values).max()
    if len(steps) and not (steps[0] > 0 and np.ptp(steps) < EVEN * steps.mean() + rounding):
        raise DataError(f"{file}: {axis} is not evenly spaced and increasing; interpolate it to even distances")


def _recipe(
    name: str,
    reader: str,
    folder: Path,
    files: Mapping[str, Sequence[Path]],
    looked: Mapping[Path, Contents],
    every: int,
    every_time: int,
    epochs: int,
) -> str:
    first = next(iter(looked.values()))
    values = {key: {found.scalars[key][1] for found in looked.values()} for key in first.scalars}
    told = {key: place for key, (place, _) in first.scalars.items() if len(values[key]) > 1 or None in values[key]}
    fixed = {key: value for key, (_, value) in first.scalars.items() if key not in told}
    words = ", ".join([first.about, *(f"{key} = {value:g}" for key, value in fixed.items())])
    ends = [_ends(x[::every], wraps) for x, wraps in zip(first.coordinates.values(), first.periodic, strict=True)]
    lower, upper = zip(*ends, strict=True)
    lines = [
        f"name = {_toml(name)}",
        "version = 1",
        f"summary = {_toml(words)}",
        f"source = {_toml('read as its suite wrote it; ' + _splits_in_words(files))}",
        f"reader = {_toml(reader)}",
        f"asked = {_table(first.asked)}",
        *([f"given = {_table({**first.given, **told})}"] if first.given or told else []),
        *([f"every = {every}"] if every > 1 else []),
        *_times(looked.values(), every_time),
        "",
        "[domain]",
        f"axes = {_toml(list(first.coordinates))}",
        f"lower = {_toml(lower)}",
        f"upper = {_toml(upper)}",
        f"periodic = {_toml(first.periodic)}",
    ]
    sums = {file: sha256(file) for file in looked}
    points = [len(x[::every]) for x in first.coordinates.values()]
    for split, parts in _parts(files, looked).items():
        for file, start, stop in parts:
            lines += ["", f"[[splits.{split}]]", f"file = {_toml(file.relative_to(folder).as_posix())}", f"sha256 = {_toml(sums[file])}"]
            lines += [f"points = {_toml(points)}", f"first = {start}", f"last = {stop}"]
    for kind in ("static",) if first.times is None else ("step", "trajectory"):
        lines += ["", "[[tasks]]", f"kind = {_toml(kind)}", "version = 1", f"epochs = {{ full = {epochs} }}"]
        lines += [f"batch_size = {BATCH}"]
    return "\n".join(lines) + "\n"


def _splits_in_words(files: Mapping[str, Sequence[Path]]) -> str:
    return "first tenth tests, next tenth validates" if "" in files else "splits as they are on disk"


def _parts(files: Mapping[str, Sequence[Path]], looked: Mapping[Path, Contents]) -> dict[str, list[tuple[Path, int, int]]]:
    """Split -> (file, first, last)."""
    if "" not in files:
        return {split: [(file, 0, looked[file].samples) for file in group] for split, group in files.items()}
    (file,) = files[""]
    count = looked[file].samples
    tenth = max(1, count // PART)
    if count < 3:
        raise DataError(f"{file}: has {count} samples; a dataset needs one each to train, to validate and to test")
    return {"train": [(file, 2 * tenth, count)], "valid": [(file, tenth, 2 * tenth)], "test": [(file, 0, tenth)]}


def _times(looked: Any, every: int) -> list[str]:
    times = min((found.times for found in looked), key=lambda times: 0 if times is None else len(times))
    if times is None:
        return []
    taken = times[::every]
    if len(taken) < 2:
        raise ConfigError(f"{len(times)} frames hold no two that are {every} apart; take a smaller --every-time")
    step = f", every = {every}" if every > 1 else ""
    return [f"times = {{ first = {_short(taken[0])}, last = {_short(taken[-1])}, frames = {len(taken)}{step} }}"]


def _ends(values: np.ndarray, wraps: bool) -> tuple[float, float]:
    """Where a grid with these points begins and ends."""
    last = values[-1] + (values[-1] - values[0]) / (len(values) - 1) if wraps else values[-1]
    return _short(values[0]), _short(last)


def _short(value: float) -> float:
    """Without what float32 left of it."""
    return float(f"{value:.7g}")


def _table(entries: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{key} = {_toml(value)}" for key, value in entries.items()) + " }"


def _toml(value: Any) -> str:
    """Strings, numbers, truth values and lists of them are written alike in JSON and TOML."""
    return json.dumps(value, ensure_ascii=False)
