"""Run by test_generation.py: generates a tiny dataset in processes that are killed, completes it each time, prints what was there as JSON.

The processes are forked from one that has torch loaded and runs no other thread, since twenty imports would take a minute.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from tiny_plan import tiny

from opbench.data.generation import make


def start(root: Path) -> int:
    pid = os.fork()
    if pid == 0:
        make(tiny(), root, workers=1)
        os._exit(0)
    return pid


def timed(root: Path) -> tuple[float, float]:
    """Seconds of an unbroken run until it writes files, and in all."""
    begun, pid, writing = time.monotonic(), start(root), None
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if writing is None and list(root.glob("*/*/data")):
            writing = time.monotonic() - begun
        time.sleep(0.001)
    return writing or 0.0, time.monotonic() - begun


def killed(root: Path, share: float, writing: bool, seconds: float) -> bool:
    """Whether a run was alive when it was killed: `share * seconds` after its start, or after it began to write files."""
    pid = start(root)
    while writing and not list(root.glob("*/*/data")):
        time.sleep(0.0005)
    time.sleep(share * seconds)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def main(scratch: Path, kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    make(tiny(), scratch / "warm", workers=1)
    until_writing, in_all = timed(scratch / "whole")
    expected, chance, found = contents(scratch / "whole"), random.Random(seed), []
    for number in range(kills):
        writing = number % 3 == 2
        seconds, share, attempt = (in_all - until_writing if writing else in_all), chance.random(), 0
        while not killed(root := scratch / f"{number}-{attempt}", share, writing, seconds):
            seconds, attempt = seconds * 0.8, attempt + 1  # it had ended before
        left = sorted(contents(root))
        os.waitpid(start(root), 0)
        ended = contents(root)
        wrong = sorted(name for name in expected.keys() | ended.keys() if expected.get(name) != ended.get(name))
        found.append({"left": left, "wrong": wrong})
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
