"""Submissions: a record, its checkpoint, its model's and loss' files and its recipe in one archive; strangers', read without trust.

Members are stored uncompressed: an archive is the same bytes wherever it is packed, and none unpacks to more than its own size.
"""

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from opbench.atomic import on_disk, replacing
from opbench.config import printable
from opbench.errors import DataError, OpbenchError
from opbench.find import find
from opbench.provenance import sha256
from opbench.records.record import Record
from opbench.records.shelf import read_record
from opbench.submission.reproduce import ROOMS, checked, checkpoint, foreign
from opbench.train import WEIGHTS

LARGEST = 1 << 30  # bytes of an archive; the mini tasks' checkpoints have at most a few MB
MOST = 64  # files
DIRECTORY = 1 << 16  # bytes of an archive's list of files
MODEL, LOSS, RECIPE = "model", "loss", "recipe"
PART = r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*"  # a file's name below a folder, and never a path out of it
MEMBER = re.compile(
    rf"records/{PART}/{PART}\.json|runs/{PART}/{PART}/{re.escape(WEIGHTS)}|(?:{MODEL}|{LOSS})/(?:{PART}/)*{PART}\.py|{RECIPE}/{PART}\.toml"
)
END, LOCATOR = b"PK\x05\x06", b"PK\x06\x07"  # APPNOTE.TXT 4.3.16 and 4.3.15: the end of the list, and that a longer one is elsewhere


class Submission(NamedTuple):
    """What was packed: the archive, the bytes of each of its files by name, and its record."""

    archive: Path
    sizes: dict[str, int]
    record: Record


def submit(
    path: Path,
    *,
    model: str | None = None,
    loss: str | None = None,
    weights: Path | None = None,
    task: str | None = None,
    out: Path = Path(),
) -> Submission:
    """Pack the record at `path` into out/<its name>.zip, after all of `verify` that computes nothing.

    model, loss: the class of a record whose model or loss is none of opbench's, as "file.py:Class"; its file and those beside it that it
    imports are packed. weights: the checkpoint, where it does not lie where the run left it. task: where the data are of a recipe of the
    user's own, as "recipe.toml" or "recipe.toml/kind"; that file is packed, and none that it reads.
    Raises DataError, also where another archive has that name, OpbenchError and its kinds.
    """
    record, archive = read_record(path), out / f"{path.stem}.zip"
    weights = weights or checkpoint(path, record)
    run = checked(record, weights, model=model, loss=loss, task=task, device="cpu")
    members = {f"records/{record.dataset}/{path.name}": path, f"runs/{record.dataset}/{path.stem}/{WEIGHTS}": weights}
    for kind, label, place, files in ((MODEL, record.model, model, run.files), (LOSS, record.loss, loss, run.loss_files)):
        if foreign(kind, label):
            _require_complete(kind, files, str(place), archive)
            members |= {f"{kind}/{name}": file for name, file in files.items()}
    if task is not None and ".toml" in task:
        members[f"{RECIPE}/{record.dataset}.toml"] = Path(task.rpartition(".toml")[0] + ".toml")
    sizes = {name: file.stat().st_size for name, file in sorted(members.items())}
    if fault := _fault([*sizes], sum(sizes.values())):
        raise DataError(f"{archive}: cannot be packed: {fault}")
    _write(archive, {name: members[name] for name in sizes})
    return Submission(archive, sizes, record)


def _require_complete(kind: str, files: Mapping[str, Path], place: str, archive: Path) -> None:
    """Raises OpbenchError where the class cannot be imported from its files alone."""
    with TemporaryDirectory() as scratch:
        for name, file in files.items():
            (Path(scratch) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / name).write_bytes(file.read_bytes())
        try:
            find(ROOMS[kind], f"{scratch}/{next(iter(files))}:{place.rpartition(':')[2]}", object)
        except OpbenchError as error:
            told = str(error).replace(f"{scratch}/", "")
            raise OpbenchError(
                f"{archive}: cannot be packed: with {', '.join(files)} alone, {told}; put what it imports into its folder or below"
            ) from error


def _write(path: Path, members: Mapping[str, Path]) -> None:
    with replacing(path) as aside, on_disk(path):
        with ZipFile(aside, "w") as archive:
            for name, file in members.items():
                info = ZipInfo(name)  # of 1 January 1980
                info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
                with file.open("rb") as source, archive.open(info, "w") as target:
                    copyfileobj(source, target)
        if path.exists() and sha256(path) != sha256(aside):
            raise DataError(f"{path}: is there with other content; move it away, or choose another --out")


@contextmanager
def opened(archive: Path, model: str | None = None, loss: str | None = None) -> Iterator[Path]:
    """The path of an archive's record, with its checkpoint where `checkpoint` looks for it, in a folder that is gone afterwards.

    model, loss: as in `submit`. Code that an archive brings is not unpacked, let alone run, nor is a recipe, which may name code.
    Raises DataError for what `submit` does not write, OpbenchError where the model or loss is none of opbench's and not named.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        try:
            path = _unpacked(archive, folder)
            record = read_record(path)
            if not checkpoint(path, record).is_file():
                raise DataError(f"{archive}: expected the checkpoint of {record.stem}, got another; pack it with opbench submit")
            for kind, name, given in ((MODEL, record.model, model), (LOSS, record.loss, loss)):
                if given is None and foreign(kind, name):
                    raise OpbenchError(
                        f"{archive}: its {kind} '{printable(name)}' is code of others, and was not run: unpack it with "
                        f"python -m zipfile -e {quote(str(archive))} FOLDER, read FOLDER/{kind}/, then name it with --{kind} "
                        f"FOLDER/{kind}/file.py:Class"
                    )
            yield path
        except OpbenchError as error:
            raise type(error)(str(error).replace(str(folder), str(archive))) from error


def _unpacked(archive: Path, folder: Path) -> Path:
    """The record's path below `folder`; its checkpoint is there too, and nothing else."""
    try:
        _require_short(archive)
        with ZipFile(archive) as stored:
            members = stored.infolist()
            fault = _fault([info.filename for info in members], sum(info.file_size for info in members))
            if fault := fault or next(filter(None, map(_strange, members)), None):
                raise DataError(f"{archive}: is no archive of opbench submit: {fault}")
            kept = {info.filename: info for info in members if info.filename.startswith(("records/", "runs/"))}
            for name, info in kept.items():
                (folder / name).parent.mkdir(parents=True)
                with stored.open(info) as source, (folder / name).open("wb") as target:
                    copyfileobj(source, target)
    except FileNotFoundError as error:
        raise DataError(f"{archive}: no such file; give a record or an archive of opbench submit") from error
    except (BadZipFile, OSError, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"{archive}: cannot be read as an archive ({printable(str(error))}); pack it anew with opbench submit") from error
    return folder / min(kept)


def _require_short(archive: Path) -> None:
    """Raises ValueError for what `ZipFile` had better not begin to read."""
    if archive.exists() and not archive.is_file():  # a pipe would be waited for
        raise ValueError("it is another kind of thing than a file")
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 42))
        tail = file.read()
    end = tail[-22:]
    if size > LARGEST or end[:4] != END or tail.startswith(LOCATOR) or int.from_bytes(end[12:16], "little") > DIRECTORY:
        raise ValueError(f"expected a zip file of at most {LARGEST >> 20} MiB and {MOST} files, whole and without a comment")


def _fault(members: Sequence[str], size: int) -> str | None:
    """What is wrong with an archive's files; it has one record, one checkpoint, files of a model and a loss, and at most one recipe."""
    kinds = [name.partition("/")[0] for name in members]
    strange = [name for name in members if not MEMBER.fullmatch(name)]
    if strange:
        return f"expected a record, {WEIGHTS}, .py files of a model or loss and a recipe, got {printable(repr(strange[0]))}"
    if len(set(members)) < len(members) or kinds.count("records") != 1 or kinds.count("runs") != 1 or kinds.count(RECIPE) > 1:
        few = f"one record, one {WEIGHTS}, .py files of a model or loss and at most one recipe"
        return f"expected {few}, got {len(members)} files, some twice or missing"
    if len(members) > MOST or size > LARGEST:
        return f"expected at most {MOST} files and {LARGEST >> 20} MiB, got {len(members)} and {size >> 20} MiB"
    return None


def _strange(info: ZipInfo) -> str | None:
    if info.compress_type != ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
        return f"{printable(info.filename)} is compressed or encrypted"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return f"{printable(info.filename)} is no plain file"
    return None
