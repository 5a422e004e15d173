"""Files that are whole or not there: written aside, flushed to disk, renamed; and locks that go with their process."""

import fcntl
import os
import secrets
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
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")  # not the process id: machines that share a folder share those
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


def sweep(path: Path) -> None:
    """Remove what writers of `path` that were killed left beside it; no other may be at work."""
    for aside in path.parent.glob(f"{path.name}.*.part"):
        aside.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Whether this process has the lock `path` while the block runs; without `wait`, it may not get it.

    The lock goes with the process, however it ends; the file that stays holds nobody up. Raises DataError where there are no locks.
    """
    with on_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    with handle:
        yield _lock(path, handle.fileno(), wait)


def _lock(path: Path, handle: int, wait: bool) -> bool:
    with on_disk(path):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
