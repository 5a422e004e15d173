"""Files that are whole or not there: written aside, flushed to disk, renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opbench.errors import DataError


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Failures to write, as a DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}; mend that and write again") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` where the block ends well and is gone otherwise; raises DataError."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    with on_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield aside
        with on_disk(path):
            _sync(aside)
            os.replace(aside, path)
            _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Give `path` this content in one step, or leave it as it was; raises DataError."""
    with replacing(path) as aside, on_disk(path):
        aside.write_bytes(content)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
