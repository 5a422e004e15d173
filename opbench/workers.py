"""Further processes for work that is shared out on disk.

Each is a fresh interpreter, since neither torch's threads nor open HDF5 files survive a fork. They are not multiprocessing's, whose fresh
processes import the user's script again and so need a guard in it.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

CODE = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); work, given = pickle.load(sys.stdin.buffer); work(*given)"

Start = Callable[..., None]  # (how many, work, *what it is given)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def processes() -> Iterator[Start]:
    """Gives a function that starts processes which run `work(*given)`; those that are left when the block ends are killed."""
    started: list[subprocess.Popen] = []

    def start(count: int, work: Callable[..., None], *given: object) -> None:
        for _ in range(count):
            with TemporaryFile() as letter:
                pickle.dump(sys.path, letter)
                pickle.dump((work, given), letter)
                letter.seek(0)
                one = {**os.environ, "OMP_NUM_THREADS": "1"}
                # A group of its own: Ctrl-C is for the process that started it, which ends it.
                started.append(
                    subprocess.Popen([sys.executable, "-c", CODE], stdin=letter, stdout=subprocess.DEVNULL, env=one, process_group=0)
                )

    try:
        yield start
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
