"""Recipe -> HDF5: inputs are sampled, solved in blocks, restricted to the stored grid, and written once all blocks are there.

A sample's random numbers depend on (seed, split, index, field) alone. Finished blocks survive an interruption and are not solved again.
"""

import fcntl
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from opbench.atomic import on_disk, replacing
from opbench.errors import DataError, OpbenchError
from opbench.grid import Grid
from opbench.layout import Header
from opbench.provenance import commit, resolve_device, versions
from opbench.recipe import SPLITS, Plan, Recipe, load_recipe, plan
from opbench.samplers import Sampler
from opbench.stats import write_stats
from opbench.store import Stored, write
from opbench.version import __version__

FLOOR_SAMPLES = 4  # solved again at twice the grid and half the step, or all where a split has fewer
STEPS = "opbench steps"  # beside a block's fields; no field's name holds a blank
STREAM = {"train": 0, "valid": 1, "test": 2, "ood": 3, "finer": 2}  # finer holds the test samples
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
) -> Path:
    """Make a dataset's files where they are missing and return their folder, out/dataset/scale, which The Well's reader takes too.

    samples: of the training split; the others keep theirs, at most as many.
    grid: stored points on every axis. seed: instead of the recipe's.
    Raises OpbenchError (unknown names), DataError (files of another recipe there, a full disk), SolverError.
    """
    recipe = load_recipe(dataset)
    if not isinstance(recipe, Recipe):
        raise OpbenchError(f"{dataset}: is made of files that come with it; there is nothing to generate")
    return make(plan(recipe, scale, samples, grid, seed), out, resolve_device(device), report)


def make(chosen: Plan, out: str | Path | None = None, device: str = "cpu", report: Report | None = None) -> Path:
    """A plan's files, made where they are missing; their folder."""
    folder = Path(out if out is not None else data_root()) / chosen.folder
    if not _missing(folder, chosen) and (folder / "stats.yaml").is_file():  # also where the folder cannot be written to
        return folder
    floors: dict[str, dict[str, Any]] = {}
    with _alone(folder):
        for split in _missing(folder, chosen):
            _solve_blocks(folder, chosen, split, device, report)
            measured = "test" if split in ("train", "valid") else split  # samples of the same law on the same grid
            if measured not in floors:
                floors[measured] = error_floor(chosen, measured, device)
            provenance = {"error_floor": floors[measured], "steps": _steps(folder, chosen, split), "device": device}
            _assemble(folder, chosen, split, _header(chosen, split, provenance))
        write_stats(folder)
    return folder


def _missing(folder: Path, chosen: Plan) -> list[str]:
    return [split for split in SPLITS if split in chosen.samples and not _present(file(folder, chosen, split), chosen, split)]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process makes the same files; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
        raise DataError(f"{path}: was made by another recipe or version ({made}); move its folder away, or choose another --out")
    return True


def _part(folder: Path, chosen: Plan, split: str, index: int) -> Path:
    return file(folder, chosen, split).with_suffix(".parts") / f"{chosen.fingerprint[:16]}-{index}.npz"


def _solve_blocks(folder: Path, chosen: Plan, split: str, device: str, report: Report | None) -> None:
    total = _blocks(chosen, split)
    for index in range(total):
        part = _part(folder, chosen, split, index)
        if not _whole(part):
            _save(part, solve_block(chosen, split, index, device))
        if report is not None:
            report(split, index + 1, total)


def _whole(part: Path) -> bool:
    """Whether a block is there and readable; a damaged one is solved again."""
    try:
        with np.load(part) as arrays:
            return all(arrays[name].size for name in arrays.files)
    except (OSError, ValueError, EOFError, BadZipFile):
        return False


def _assemble(folder: Path, chosen: Plan, split: str, header: Header) -> None:
    """All blocks of a split as one file; the blocks are then no longer needed."""
    path, names = file(folder, chosen, split), [field.name for field in (*header.evolving, *header.constant, *header.parameters)]

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        for index in range(_blocks(chosen, split)):
            left = chosen.samples[split] - index * chosen.recipe.solving.block
            with np.load(_part(folder, chosen, split, index)) as arrays:
                yield {name: arrays[name][:left] for name in names}

    write(path, header, chosen.samples[split], blocks())
    shutil.rmtree(path.with_suffix(".parts"))


def _steps(folder: Path, chosen: Plan, split: str) -> list[int]:
    """Time steps taken in each block."""
    steps = []
    for index in range(_blocks(chosen, split)):
        with np.load(_part(folder, chosen, split, index)) as arrays:
            steps.append(int(arrays[STEPS]))
    return steps


def _blocks(chosen: Plan, split: str) -> int:
    return -(-chosen.samples[split] // chosen.recipe.solving.block)


def laws(chosen: Plan, split: str) -> dict[str, Sampler]:
    """The sampler of every field and parameter in a split."""
    return chosen.recipe.given | (chosen.recipe.ood if split == "ood" else {})


def stored_grid(chosen: Plan, split: str) -> Grid:
    return chosen.grid.refine(2) if split == "finer" else chosen.grid


def draw(chosen: Plan, split: str, indices: range, grid: Grid) -> dict[str, np.ndarray]:
    """Inputs of the samples `indices`, (sample, *grid.shape), or (sample,) for what is constant in space."""
    inputs = {}
    for name, law in laws(chosen, split).items():
        keys = ([chosen.seed, STREAM[split], index, zlib.crc32(name.encode())] for index in indices)
        inputs[name] = np.stack([np.asarray(law.draw(np.random.default_rng(key), grid), dtype=np.float64) for key in keys])
    return inputs


def solve_block(chosen: Plan, split: str, block: int, device: str) -> dict[str, np.ndarray]:
    """One whole block: inputs and unknowns of its samples on the stored grid, float32, and the time steps taken."""
    size = chosen.recipe.solving.block
    inputs, outputs, steps = _solve(
        chosen, split, range(block * size, (block + 1) * size), chosen.solve_grid, chosen.recipe.solving.tolerance, device
    )
    coarse = stored_grid(chosen, split)
    kept = {name: values for name, values in inputs.items() if name not in outputs}
    restricted = {name: v if v.ndim == 1 else chosen.solve_grid.restrict(v, coarse) for name, v in (kept | outputs).items()}
    return {name: values.astype(np.float32) for name, values in restricted.items()} | {STEPS: np.array(steps)}


def error_floor(chosen: Plan, split: str, device: str) -> dict[str, Any]:
    """What the data are uncertain by: a few samples solved again at twice the grid and half the step, per unknown.

    The relative L2 difference over all stored points and later times, the file's rounding included; at order p the error itself is
    1 / (1 - 2^-p) times that. The step is fourth-order and its estimate third, so half the step is a
    sixteenth of the tolerance.
    """
    indices = range(min(FLOOR_SAMPLES, chosen.samples.get(split, 1)))
    tolerance = chosen.recipe.solving.tolerance
    coarse, fine = chosen.solve_grid, chosen.solve_grid.refine(2)
    _, plain, _ = _solve(chosen, split, indices, coarse, tolerance, device)
    _, better, steps = _solve(chosen, split, indices, fine, tolerance / 16, device)
    grid, floor = stored_grid(chosen, split), {}
    frames = (slice(None), slice(1, None)) if chosen.times else slice(None)  # the initial frame is given, not solved
    for name in plain:
        reference = fine.restrict(better[name], grid)[frames].reshape(len(indices), -1)
        difference = coarse.restrict(plain[name], grid).astype(np.float32)[frames].reshape(len(indices), -1) - reference
        relative = np.linalg.norm(difference, axis=1) / np.linalg.norm(reference, axis=1)
        floor[name] = {"relative_l2": {"mean": float(relative.mean()), "max": float(relative.max())}}
    return {"fields": floor, "samples": len(indices), "points": list(fine.shape), "tolerance": tolerance / 16, "steps": steps}


def _solve(chosen: Plan, split: str, indices: range, grid: Grid, tolerance: float, device: str):
    """Inputs (numpy), unknowns (numpy, by name) and steps of some samples on `grid`."""
    import torch

    from opbench.solver import compute, prepare

    recipe, inputs = chosen.recipe, draw(chosen, split, indices, grid)
    given = {field.name: inputs[field.name] for field in (*recipe.pde.outputs, *recipe.pde.inputs) if field.name in inputs}
    for field in recipe.pde.inputs:
        if field.name in given and not field.uniform and given[field.name].ndim == 1:  # a number a sample stands for a field
            given[field.name] = np.broadcast_to(given[field.name].reshape(-1, *[1] * grid.dims), (len(indices), *grid.shape))
    with torch.no_grad():
        values, steps = compute(
            recipe.pde, grid, prepare(recipe.pde, grid, given, device)[0], chosen.times, tolerance, recipe.solving.order
        )
    return inputs, {name: value.cpu().numpy() for name, value in values.items()}, steps


def _header(chosen: Plan, split: str, measured: dict[str, Any]) -> Header:
    recipe, inputs = chosen.recipe, laws(chosen, split)
    probe = draw(chosen, split, range(1), chosen.grid.refine(chosen.settings.refine))
    given = [field for field in recipe.pde.inputs if field.name in inputs]
    scalars = [field for field in given if probe[field.name].ndim == 1]
    head, dirty = commit()
    return Header(
        name=recipe.name,
        grid=stored_grid(chosen, split),
        times=chosen.times,
        evolving=recipe.pde.outputs,
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
            "scheme": f"central finite differences of order {recipe.solving.order}, "
            + ("multigrid-preconditioned conjugate gradients" if chosen.times is None else "ETDRK4 with error-controlled steps"),
            "tolerance": recipe.solving.tolerance,
            "solve_points": list(chosen.solve_grid.shape),
            **measured,
        },
    )


def _save(part: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(part) as aside, on_disk(part), aside.open("wb") as f:
        np.savez(f, **arrays)  # pyright: ignore[reportArgumentType]
