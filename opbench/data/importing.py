"""Files of another suite -> a recipe that makes a dataset of them: what the files say, written where a person can read and change it."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opbench.atomic import write_bytes
from opbench.config import LONGEST, printable, validate
from opbench.data.dataset import REQUIRED, Named
from opbench.data.foreign import Foreign
from opbench.data.task import first_samples
from opbench.errors import ConfigError, DataError
from opbench.find import known, names
from opbench.provenance import sha256
from opbench.readers import Contents, opened, reader_of

EVEN = 1e-3  # of the spacing, beside rounding to float32: what coordinates may be off
PART = 10  # a tenth tests, as in PDEBench, the next tenth validates
SUFFIXES = (".hdf5", ".h5")
BATCH = 20
FEWEST = 4  # points of an axis
ON_DISK = "as its suite wrote it; splits as they are on disk"
Piece = tuple[str, Path, int, int]  # split, file, first, last


def import_files(
    path: str | Path,
    *others: str | Path,
    name: str | None = None,
    reader: str = "auto",
    every: int = 1,
    every_time: int = 1,
    epochs: int = 50,
    out: str | Path | None = None,
    report: Callable[..., None] = lambda *_: None,
) -> tuple[Path, list[str]]:
    """Write the recipe of files of PDEBench, PDEArena or The Well, or of the folder of a dataset of The Well.

    Returns the recipe's path, and what of the files no model can be told. The splits of The Well's folders and PDEArena's files are theirs;
    of each other file the first tenth of the samples tests, the next validates, the rest trains, and so of the files where one of several
    has fewer than ten samples. A number that differs between files is told to models.
    name: of the dataset, by default that of the file or folder, required for several files. reader: "auto" tells them by what a file
    holds. every, every_time: every N-th point and frame is taken. epochs: the budget of every model. out: folder, by default the data's
    own. report: called with what is done, how much of it, how much there is, and a note.
    Raises DataError for files that cannot be a dataset, ConfigError for a name or number that cannot be, or a recipe that is there already.
    """
    for option, number in (("every", every), ("every_time", every_time), ("epochs", epochs)):
        if number < 1:
            raise ConfigError(f"{option}: expected 1 or more, got {number}")
    path = Path(path)
    files = _files(path, list(map(Path, others)))  # each with the split that its folder says
    if others and name is None:
        raise ConfigError(f"{1 + len(others)} files make one dataset; give it a --name")
    folder = Path(out) if out is not None else path if path.is_dir() else path.parent
    recipe = folder / f"{_name(path, name)}.toml"
    if recipe.exists():
        raise ConfigError(f"{recipe}: exists already; remove it, or give another --name")
    kind = known("reader", reader, ["auto", *names("readers")])
    kind = _kind(path) if kind == "auto" else kind
    looked = {file: reader_of(kind).look(file) for file in files}
    first, found = next(iter(looked.items()))
    for file, other in looked.items():
        _check_grid(file, other, every)
        _check_alike(file, other, first, found)
    pieces, source = _pieces({file: split or looked[file].split for file, split in files.items()}, looked)
    sums = _sums(list(looked), report)
    lines = [
        f"name = {_toml(recipe.stem)}",
        "version = 1",
        *_head(kind, looked, source, every, every_time),
        *_splits(recipe, pieces, sums, [len(x[::every]) for x in found.coordinates.values()]),
        *_tasks(("static",) if found.times is None else ("step", "trajectory"), epochs),
    ]
    text = "\n".join(lines) + "\n"
    first_samples(validate(Foreign, tomllib.loads(text), str(recipe)).placed(folder))
    write_bytes(recipe, text.encode())
    left_out = {line for found in looked.values() for line in found.left_out}
    if others and source != ON_DISK and not _told(looked):  # a suite may have written it in the files' names alone
        left_out.add(f"what the {len(looked)} files differ by, if not by chance: none of their numbers does")
    return recipe, sorted(left_out)


def _files(path: Path, others: Sequence[Path]) -> dict[Path, str | None]:
    if others or path.is_file():
        for file in (path, *others):
            if not file.is_file():
                raise DataError(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}; give one folder, or files")
        return dict.fromkeys(sorted({path, *others}))
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder; give a file of PDEBench's, or the folder of a dataset of The Well")
    found = {split: sorted(p for p in (path / "data" / split).glob("*") if p.suffix in SUFFIXES) for split in REQUIRED}
    if missing := [split for split, files in found.items() if not files]:
        raise DataError(f"{path}: no HDF5 files in data/{missing[0]}; give the folder that holds data/train, data/valid and data/test")
    return {file: split for split, files in found.items() for file in files}


def _name(path: Path, name: str | None) -> str:
    """A dataset's; raises ConfigError."""
    own = re.sub(r"[^\w.+-]+", "_", path.resolve().name if path.is_dir() else path.stem).lstrip(".+-")[:LONGEST]
    chosen = own if name is None else name
    try:
        return validate(Named, {"name": chosen}, str(path)).name
    except ConfigError as error:
        raise ConfigError(f"{error}; give another --name") from error


def _kind(path: Path) -> str:
    if path.is_dir():
        return "the_well"
    with opened(path) as file:
        if "dimensions" in file and "t0_fields" in file:
            return "the_well"
        return "pdearena" if {*REQUIRED} & {*file} else "pdebench"


def _check_grid(file: Path, found: Contents, every: int) -> None:
    """Raises DataError where a file's grid is none of opbench's."""
    for (axis, values), wraps in zip(found.coordinates.items(), found.periodic, strict=True):
        _even(file, axis, values)
        if wraps and len(values) % every:
            raise DataError(f"{file}: {axis} has {len(values)} points and is periodic; take a divisor of that for --every, got {every}")
        if len(values[::every]) < FEWEST:
            raise DataError(f"{file}: {axis} has {len(values[::every])} points of those that are taken; a task needs {FEWEST} or more")
    if found.times is not None:
        if len(found.times) < 2:
            raise DataError(f"{file}: has one frame, so that nothing evolves; take another file")
        _even(file, "time", found.times)


def _even(file: Path, axis: str, values: np.ndarray) -> None:
    steps = np.diff(values.astype(np.float64))
    rounding = 4 * np.finfo(np.float32).eps * np.abs(values).max() if values.dtype == np.float32 else 0.0
    if len(steps) and not (steps[0] > 0 and np.ptp(steps) < EVEN * steps.mean() + rounding):
        raise DataError(f"{file}: {axis} is not evenly spaced and increasing; interpolate it to even distances")


def _check_alike(file: Path, found: Contents, first: Path, other: Contents) -> None:
    """Raises DataError where two files are of different grids or fields; the number of frames and of samples may differ."""
    for what, mine, theirs in (
        ("axes", list(found.coordinates), list(other.coordinates)),
        ("boundary", found.periodic, other.periodic),
        ("fields", (found.asked, found.given), (other.asked, other.given)),
        ("numbers", set(found.scalars), set(other.scalars)),
        ("frames", found.times is None, other.times is None),
    ):
        if mine != theirs:
            raise DataError(f"{file}: its {what} are not those of {first}; import them one by one")
    rows = [(axis, values, other.coordinates[axis], True) for axis, values in found.coordinates.items()]
    if found.times is not None and other.times is not None:
        rows.append(("time", found.times, other.times, False))
    for axis, mine, theirs, whole in rows:
        shared = min(len(mine), len(theirs))
        near = EVEN * (theirs[1] - theirs[0])
        if (whole and len(mine) != len(theirs)) or not np.allclose(mine[:shared], theirs[:shared], rtol=0, atol=near):
            raise DataError(f"{file}: its {axis} is not that of {first}; import them one by one")


def _sums(files: Sequence[Path], report: Callable[..., None]) -> dict[Path, str]:
    """Of each file; raises DataError for two that are one."""
    sums: dict[Path, str] = {}
    for done, file in enumerate(files):
        report("checksums", done, len(files), f"{file.name}, {file.stat().st_size / 1e9:.1f} GB")
        found = sha256(file)
        if found in sums.values():
            twin = next(other for other, sum in sums.items() if sum == found)
            raise DataError(f"{file}: is the same as {twin}; give each file once")
        sums[file] = found
    report("checksums", len(files), len(files))
    return sums


def _head(reader: str, looked: Mapping[Path, Contents], source: str, every: int, every_time: int) -> Iterator[str]:
    """What all files have in common."""
    one, told = next(iter(looked.values())), _told(looked)
    fixed = [f"{key} = {value:g}" for key, (_, value) in one.scalars.items() if key not in told]
    ends = [_ends(x[::every], wraps) for x, wraps in zip(one.coordinates.values(), one.periodic, strict=True)]
    lower, upper = zip(*ends, strict=True)
    about = one.about if len({found.about for found in looked.values()}) == 1 else f"{len(looked)} files as {one.about}"
    yield f"summary = {_toml(printable(', '.join([about, *fixed])))}"
    yield f"source = {_toml(source)}"
    yield f"reader = {_toml(reader)}"
    yield f"asked = {_table(one.asked)}"
    if one.given or told:
        yield f"given = {_table({**one.given, **told})}"
    if every > 1:
        yield f"every = {every}"
    yield from _times([found.times for found in looked.values()], every_time)
    yield "\n[domain]"
    yield f"axes = {_toml(list(one.coordinates))}"
    yield f"lower = {_toml(lower)}"
    yield f"upper = {_toml(upper)}"
    yield f"periodic = {_toml(one.periodic)}"


def _told(looked: Mapping[Path, Contents]) -> dict[str, str]:
    """The numbers that differ between files or samples, and where they are."""
    one = next(iter(looked.values()))
    values = {key: {found.scalars[key][1] for found in looked.values()} for key in one.scalars}
    return {key: place for key, (place, _) in one.scalars.items() if len(values[key]) > 1 or None in values[key]}


def _splits(recipe: Path, parts: Iterable[Piece], sums: Mapping[Path, str], points: Sequence[int]) -> Iterator[str]:
    for split, file, start, stop in parts:
        yield f"\n[[splits.{split}]]"
        yield f"file = {_toml(_beside(recipe, file))}"
        yield f"sha256 = {_toml(sums[file])}"
        yield f"points = {_toml(points)}"
        yield f"first = {start}"
        yield f"last = {stop}"


def _tasks(kinds: Iterable[str], epochs: int) -> Iterator[str]:
    for kind in kinds:
        yield f'\n[[tasks]]\nkind = "{kind}"\nversion = 1\nepochs = {{ full = {epochs} }}\nbatch_size = {BATCH}'


def _beside(recipe: Path, file: Path) -> str:
    """A file's path as the recipe names it; raises DataError for a name that is no text."""
    try:
        near = file.absolute().relative_to(recipe.parent.absolute())
    except ValueError:
        near = file.absolute()
    try:
        return near.as_posix().encode().decode()
    except UnicodeError as error:
        raise DataError(f"{printable(str(file))}: its name is no UTF-8; rename it") from error


def _pieces(said: Mapping[Path, str | None], looked: Mapping[Path, Contents]) -> tuple[list[Piece], str]:
    """What each split takes of which file, and by what rule; said: the split that a file is of. Raises DataError where one has nothing."""
    counts = {file: found.samples for file, found in looked.items()}
    if any(said.values()):
        if missing := [split for split in REQUIRED if split not in said.values()]:
            first, split = next(iter(said.items()))
            raise DataError(f"{first}: is of {split} alone; give the files of {' and '.join(missing)} too")
        return [(split, file, 0, counts[file]) for split in REQUIRED for file, own in said.items() if own == split], ON_DISK
    rule = "as its suite wrote it; of the {} the first tenth tests, the next validates"
    if len(counts) > 1 and min(counts.values()) < PART:  # as in PDEBench's incompressible flow
        whole = list(counts)
        tenths = _tenths(whole[0].parent, len(whole), "files")
        return [(split, file, 0, counts[file]) for split, start, stop in tenths for file in whole[start:stop]], rule.format("files")
    each = {file: _tenths(file, count, "samples") for file, count in counts.items()}
    return [(split, file, start, stop) for file, tenths in each.items() for split, start, stop in tenths], rule.format(
        "samples of each file"
    )


def _tenths(place: Path, count: int, things: str) -> list[tuple[str, int, int]]:
    """(split, first, last); raises DataError for fewer than three things."""
    tenth = max(1, count // PART)
    if count < 3:
        raise DataError(f"{place}: has {count} of the {things} that it takes to train, to validate and to test, one each at the least")
    return [("train", 2 * tenth, count), ("valid", tenth, 2 * tenth), ("test", 0, tenth)]


def _times(rows: Iterable[np.ndarray | None], every: int) -> list[str]:
    """Those that all files have."""
    known_rows = [row for row in rows if row is not None]
    if not known_rows:
        return []
    times = min(known_rows, key=len)
    taken = times[::every]
    if len(taken) < 2:
        raise ConfigError(f"every_time: {len(times)} frames hold no two that are {every} apart; take a smaller one")
    step = f", every = {every}" if every > 1 else ""
    return [f"times = {{ first = {_short(taken, 0)}, last = {_short(taken, -1)}, frames = {len(taken)}{step} }}"]


def _ends(values: np.ndarray, wraps: bool) -> tuple[float, float]:
    """Where a grid with these points begins and ends."""
    first, last = _short(values, 0), _short(values, -1)
    return first, float(f"{last + (last - first) / (len(values) - 1):.12g}") if wraps else last


def _short(values: np.ndarray, place: int) -> float:
    """One of them, without what rounding left of it."""
    return float(f"{values[place]:.{7 if values.dtype == np.float32 else 12}g}")


def _table(entries: Mapping[str, str]) -> str:
    return (
        "{ "
        + ", ".join(f"{key if re.fullmatch('[A-Za-z0-9_]+', key) else _toml(key)} = {_toml(place)}" for key, place in entries.items())
        + " }"
    )


def _toml(value: Any) -> str:
    """Strings, numbers, truth values and lists of them are written alike in JSON and TOML, but for one control sign."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
