"""Recipe -> HDF5: inputs are sampled, solved in blocks, restricted to the stored grid, and written once all blocks are there.

Finished blocks survive an interruption and are not solved again. Several processes, on one machine or on several that share the folder,
take what nobody has claimed; what they leave is the same to the bit.
"""

import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from opbench.atomic import locked, sweep
from opbench.data.dataset import SPLITS
from opbench.data.layout import Header
from opbench.data.parts import Job, Parts, blocks_of, floor_of, jobs
from opbench.data.recipe import Plan, Recipe, load_recipe, plan
from opbench.data.samples import STEPS, draw, error_floor, laws, solve_block, stored_grid
from opbench.data.store import Stored, write
from opbench.data.well_stats import write_stats
from opbench.errors import ConfigError, DataError, OpbenchError
from opbench.provenance import commit, resolve_device, total_memory, versions
from opbench.threads import one_thread
from opbench.version import __version__
from opbench.workers import cores, processes

FLOOR = "opbench floor"  # instead of a block's fields; no field's name holds a blank
PATIENCE = 2.0  # seconds of solving before other processes are started, which takes them about as long
Report = Callable[[str, int, int], None]  # (what, blocks done, blocks in all)


def data_root() -> Path:
    """Where generated files lie: $OPBENCH_DATA, or datasets/ in the working folder."""
    return Path(os.environ.get("OPBENCH_DATA", "datasets"))


def generate(
    dataset: str,
    scale: str = "mini",
    *,
    samples: int | None = None,
    grid: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    device: str = "cpu",
    report: Report | None = None,
    workers: int | None = None,
    shard: str = "1/1",
) -> Path:
    """Make a dataset's files where they are missing and return their folder, out/dataset/scale, which The Well's reader takes too.

    samples: of the training split; the others keep theirs, at most as many.
    grid: stored points on every axis. seed: instead of the recipe's.
    workers: processes; by default one for every core on a CPU, and one in all on a GPU. The files do not depend on it.
    shard: "i/N" solves the i-th of N equal parts only and leaves its blocks in out/dataset/scale/parts. The shard that finds all blocks
    there writes the files; where shards ran on separate machines, a call without `shard` does, once their folders are copied into one.
    The files are those of an undivided run; their provenance names the versions and the commit of the process that wrote them.
    Raises OpbenchError (unknown names), DataError (files of another recipe there, a full disk), SolverError.
    """
    recipe = load_recipe(dataset)
    if not isinstance(recipe, Recipe):
        raise OpbenchError(f"{dataset}: is made of files that come with it; there is nothing to generate")
    return make(plan(recipe, scale, samples, grid, seed), out, resolve_device(device), report, workers, shard)


def make(
    chosen: Plan,
    out: str | Path | None = None,
    device: str = "cpu",
    report: Report | None = None,
    workers: int | None = None,
    shard: str = "1/1",
) -> Path:
    """A plan's files, made where they are missing; their folder."""
    folder = Path(out if out is not None else data_root()) / chosen.folder
    mine = Shard(chosen, folder, device, *_numbers(shard))
    if workers is not None and workers < 1:
        raise ConfigError(f"workers: expected a whole number, 1 or more, got {workers}")
    if not _missing(folder, chosen) and complete(folder):  # also where the folder cannot be written to
        return folder
    require_memory(chosen)
    _require_disk(chosen, folder, mine.of)
    mine.parts.drop_damaged(mine.jobs)
    _solve_all(mine, report, workers or (cores() if device == "cpu" else 1))
    with locked(folder / ".lock"):
        _write_files(replace(mine, number=1, of=1))
    return folder


def complete(folder: Path) -> bool:
    """Whether all files of a dataset are there: The Well's statistics come last."""
    return (folder / "stats.yaml").is_file()


def require_memory(chosen: Plan) -> None:
    """Refuse a block whose solution alone is larger than this machine's memory, before anything of that size is made."""
    block = 8 * _frames(chosen) * math.prod(chosen.solve_grid.shape) * chosen.recipe.solving.block
    if block > (whole := total_memory()):
        raise DataError(
            f"{chosen.recipe.name}: a block's solution takes {block / 1e9:,.1f} GB, and this machine has {whole / 1e9:,.1f}; lower the "
            "points, refine, frames or block"
        )


def _require_disk(chosen: Plan, folder: Path, parts: int) -> None:
    files = 4 * _frames(chosen) * math.prod(chosen.points) * sum(chosen.samples.values()) // parts
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    if files > free > 0:  # file systems that cannot be written to have none
        raise DataError(
            f"{chosen.recipe.name}: the files take {files / 1e9:,.1f} GB, and {free / 1e9:,.1f} are free at {place}; lower the samples, "
            "points or frames, or put the data elsewhere (evaluate --data, generate --out)"
        )


def _frames(chosen: Plan) -> int:
    """Fields of unknowns that a sample has."""
    return len(chosen.recipe.unknowns) * (chosen.settings.frames or 1)


def _numbers(shard: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", shard)
    number, of = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= of:
        raise ConfigError(f"shard: expected i/N with i from 1 to N, such as 3/10, got '{shard}'")
    return number, of


def _missing(folder: Path, chosen: Plan) -> list[str]:
    return [split for split in SPLITS if split in chosen.samples and not _present(file(folder, chosen, split), chosen, split)]


def file(folder: Path, chosen: Plan, split: str) -> Path:
    """The file of one split, where The Well's reader looks for it."""
    return folder / "data" / split / f"{chosen.recipe.name}.hdf5"


def _present(path: Path, chosen: Plan, split: str) -> bool:
    if not path.exists():
        return False
    stored = Stored(path)
    provenance = stored.header.provenance
    made = provenance.get("fingerprint")
    if provenance.get("split") != split or len(stored) != chosen.samples[split]:
        raise DataError(f"{path}: is not the {split} split of {chosen.samples[split]} samples; delete it, and it is generated again")
    if made != chosen.fingerprint:
        raise DataError(
            f"{path}: was made by another recipe or version ({made}); move its folder away, or put the data elsewhere (evaluate --data, "
            "generate --out)"
        )
    return True


@dataclass(frozen=True)
class Shard:
    """The number-th of `of` equal parts of a plan's jobs; 1 of 1 is all of them."""

    chosen: Plan
    folder: Path
    device: str
    number: int = 1
    of: int = 1

    @cached_property
    def jobs(self) -> list[Job]:
        return jobs(self.chosen, self.number, self.of)

    @cached_property
    def parts(self) -> Parts:
        return Parts(self.folder / "parts" / f"{self.chosen.fingerprint[:16]}-{self.device}")

    def left(self) -> list[Job]:
        """The jobs that are still to be done."""
        there = self.parts.names()  # looked up first: a part goes only once the file is there that it is for
        without = {split for split in self.chosen.samples if not file(self.folder, self.chosen, split).exists()}
        return [job for job in self.jobs if self.parts.path(job).name not in there and not without.isdisjoint(job.serves)]


def _solve_all(shard: Shard, report: Report | None, workers: int) -> None:
    """Do what is left of a shard, with the help of other processes where it takes long."""
    begun, helped, told = monotonic(), workers == 1, Counter()
    with processes() as start:
        while left := shard.left():
            _tell(shard, left, told, report)
            if not helped and len(left) > 1 and monotonic() - begun > PATIENCE:
                start(min(workers, len(left)) - 1, _help, shard, os.getpid())
                helped = True
            _do_one(shard, left)
    _tell(shard, [], told, report)


def _help(shard: Shard, helped: int) -> None:
    """Do jobs for the process `helped`, while it lives. What fails is left to that one, which comes to it and tells why."""
    try:
        while os.getppid() == helped and (left := shard.left()):
            _do_one(shard, left)
    except OpbenchError:
        pass


def _do_one(shard: Shard, left: list[Job]) -> None:
    """Do the first job that nobody is at; where somebody is at every one, wait until the first is done or given up."""
    for job in left:
        with shard.parts.claimed(job) as mine:
            if mine:
                if job in shard.left():  # it may have been done since
                    shard.parts.save(job, _solved(shard, job))
                return
    with shard.parts.claimed(left[0], wait=True):
        pass


def _solved(shard: Shard, job: Job) -> dict[str, np.ndarray]:
    with one_thread():
        if job.block is None:
            return {FLOOR: np.array(json.dumps(error_floor(shard.chosen, job.split, shard.device)))}
        return solve_block(shard.chosen, job.split, job.block, shard.device)


def _tell(shard: Shard, left: list[Job], told: Counter[str], report: Report | None) -> None:
    """Report what has more done than when it was told last."""
    kinds, open_ = (Counter("error floor" if job.block is None else job.split for job in some) for some in (shard.jobs, left))
    for kind, total in kinds.items():
        done = total - open_[kind]
        if report is not None and done > told[kind]:
            report(kind, done, total)
        told[kind] = done


def _write_files(shard: Shard) -> None:
    """All files from their parts, where every part is there. No other process writes files meanwhile."""
    if shard.left():
        return
    folder, chosen, stats = shard.folder, shard.chosen, shard.folder / "stats.yaml"
    for path in (stats, *(file(folder, chosen, split) for split in chosen.samples)):
        sweep(path)
    missing = _missing(folder, chosen)
    if missing:
        stats.unlink(missing_ok=True)  # of files that are gone
    for split in missing:
        _assemble(shard, split)
    shutil.rmtree(folder / "parts", ignore_errors=True)  # with other recipes' and stopped runs'; another process may clear them too
    if not complete(folder):
        write_stats(folder)


def _assemble(shard: Shard, split: str) -> None:
    """All blocks of a split as one file; the blocks are then no longer needed."""
    chosen, parts, whole = shard.chosen, shard.parts, blocks_of(shard.chosen, split)
    measured = {"error_floor": _floor(shard, split), "steps": [_steps(parts, job) for job in whole], "device": shard.device}
    header = _header(chosen, split, measured)

    def runs() -> Iterator[dict[str, np.ndarray]]:
        left = chosen.samples[split]
        for job in whole:
            with parts.opened(job) as arrays:
                run = {name: arrays[name][:left] for name in header.shapes}
            yield run
            left -= chosen.recipe.solving.block

    write(file(shard.folder, chosen, split), header, chosen.samples[split], runs())
    for job in whole:
        parts.path(job).unlink(missing_ok=True)


def _floor(shard: Shard, split: str) -> dict[str, Any]:
    with shard.parts.opened(floor_of(shard.chosen, split)) as arrays:
        return json.loads(str(arrays[FLOOR]))


def _steps(parts: Parts, job: Job) -> int:
    """Time steps taken in a block."""
    with parts.opened(job) as arrays:
        return int(arrays[STEPS])


def _header(chosen: Plan, split: str, measured: dict[str, Any]) -> Header:
    recipe, inputs = chosen.recipe, laws(chosen, split)
    probe = draw(chosen, split, range(1), chosen.grid.refine(chosen.settings.refine))
    given = [field for field in recipe.pde.inputs_on(chosen.grid.axes) if field.name in inputs]
    scalars = [field for field in given if probe[field.name].ndim == 1]
    head, dirty = commit()
    return Header(
        name=recipe.name,
        grid=stored_grid(chosen, split),
        times=chosen.times,
        boundary=recipe.conditions if recipe.boundary else {},
        evolving=recipe.unknowns,
        constant=tuple(field for field in given if field not in scalars),
        parameters=tuple(field for field in scalars if inputs[field.name].random),
        fixed={field.name: float(probe[field.name][0]) for field in scalars if not inputs[field.name].random},
        provenance={
            "recipe": recipe.model_dump(mode="json"),
            "fingerprint": chosen.fingerprint,
            "scale": chosen.scale,
            "split": split,
            "seed": chosen.seed,
            "opbench": __version__,
            "commit": head,
            "dirty": dirty,
            "versions": versions(),
            "scheme": measured["error_floor"]["scheme"],
            "tolerance": recipe.solving.tolerance,
            "solve_points": list(chosen.solve_grid.shape),
            **measured,
        },
    )
