"""A plan's samples: drawn by seed, split and index alone, solved in blocks, and some of them again for the error floor.

A sample's random numbers depend on (seed, split, index, field), those of shapes on their law's stream where it names one.
"""

import zlib
from typing import Any

import numpy as np

from opbench.data.recipe import Plan
from opbench.grid import Grid
from opbench.samplers import Placed, Sampler

FLOOR_SAMPLES = 4  # solved again at twice the grid and half the step, or all where a split has fewer
STEPS = "opbench steps"  # beside a block's fields; no field's name holds a blank
STREAM = {"train": 0, "valid": 1, "test": 2, "ood": 3, "finer": 2}  # finer holds the test samples


def laws(chosen: Plan, split: str) -> dict[str, Sampler]:
    """The sampler of every field and parameter in a split."""
    return chosen.recipe.given | (chosen.recipe.ood if split == "ood" else {})


def stored_grid(chosen: Plan, split: str) -> Grid:
    return chosen.grid.refine(2) if split == "finer" else chosen.grid


def draw(chosen: Plan, split: str, indices: range, grid: Grid) -> dict[str, np.ndarray]:
    """Inputs of the samples `indices`, (sample, *grid.shape), or (sample,) for what is constant in space."""
    return {name: _draw(chosen, split, indices, name, law, grid) for name, law in laws(chosen, split).items()}


def _draw(chosen: Plan, split: str, indices: range, name: str, law: Sampler, grid: Grid) -> np.ndarray:
    def rng(index: int, key: str) -> np.random.Generator:
        return np.random.default_rng([chosen.seed, STREAM[split], index, zlib.crc32(key.encode())])

    if isinstance(law, Placed) and law.stream is not None:
        key = f"stream {law.stream}"  # no field's name holds a blank
        samples = [law.place(rng(index, key), rng(index, name), grid) for index in indices]
    else:
        samples = [law.draw(rng(index, name), grid) for index in indices]
    return np.stack([np.asarray(sample, dtype=np.float64) for sample in samples])


def solve_block(chosen: Plan, split: str, block: int, device: str) -> dict[str, np.ndarray]:
    """One whole block: inputs and unknowns of its samples on the stored grid, float32, and the time steps taken."""
    size = chosen.recipe.solving.block
    inputs, solution = _solve(
        chosen, split, range(block * size, (block + 1) * size), chosen.solve_grid, chosen.recipe.solving.tolerance, device
    )
    outputs, coarse = {name: values.cpu().numpy() for name, values in solution.values.items()}, stored_grid(chosen, split)
    kept = {name: values for name, values in inputs.items() if name not in outputs}
    restricted = {name: v if v.ndim == 1 else chosen.solve_grid.restrict(v, coarse) for name, v in (kept | outputs).items()}
    return {name: values.astype(np.float32) for name, values in restricted.items()} | {STEPS: np.array(solution.steps)}


def error_floor(chosen: Plan, split: str, device: str) -> dict[str, Any]:
    """What the data are uncertain by: a few samples solved again at twice the grid and half the step, per unknown, and of several together.

    The relative L2 difference over all stored points and later times, the file's rounding included; at order p the error itself is
    1 / (1 - 2^-p) times that. The step is fourth-order and its estimate third, so half the step is a
    sixteenth of the tolerance.
    """
    indices = range(min(FLOOR_SAMPLES, chosen.samples.get(split, 1)))
    tolerance = chosen.recipe.solving.tolerance
    coarse, fine = chosen.solve_grid, chosen.solve_grid.refine(2)
    plain = _solve(chosen, split, indices, coarse, tolerance, device)[1].values
    finest = _solve(chosen, split, indices, fine, tolerance / 16, device)[1]
    grid, floor = stored_grid(chosen, split), {}
    frames = (slice(None), slice(1, None)) if chosen.times else slice(None)  # the initial frame is given, not solved
    differences, references = [], []
    for name in plain:
        reference = fine.restrict(finest.values[name].cpu().numpy(), grid)[frames].reshape(len(indices), -1)
        difference = coarse.restrict(plain[name].cpu().numpy(), grid).astype(np.float32)[frames].reshape(len(indices), -1) - reference
        if own := _relative(difference, reference):
            floor[name] = own
        differences.append(difference)
        references.append(reference)
    together = {"together": _relative(np.hstack(differences), np.hstack(references))} if len(differences) > 1 else {}
    solved = {"points": list(fine.shape), "tolerance": tolerance / 16, "steps": finest.steps, "scheme": finest.scheme}
    return {"fields": floor, **together, "samples": len(indices), **solved}


def _relative(difference: np.ndarray, reference: np.ndarray) -> dict[str, dict[str, float]]:
    """Of samples, (sample, value). A field that is zero, and is solved to be, has no error; empty where one is zero, and is not."""
    errors, sizes = np.linalg.norm(difference, axis=1), np.linalg.norm(reference, axis=1)
    if (errors[sizes == 0] > 0).any():
        return {}
    relative = errors / np.where(sizes > 0, sizes, 1)
    return {"relative_l2": {"mean": float(relative.mean()), "max": float(relative.max())}}


def _solve(chosen: Plan, split: str, indices: range, grid: Grid, tolerance: float, device: str):
    """Inputs (numpy) of some samples and their solution on `grid`."""
    from opbench.solver import compute, pose

    inputs = draw(chosen, split, indices, grid)
    given = as_solved(chosen, split, indices, grid, inputs)
    posed, _ = pose(chosen.recipe.pde, grid, given, chosen.recipe.boundary or None, device)
    return inputs, compute(posed, chosen.times, tolerance, chosen.recipe.solving.order)


def as_solved(chosen: Plan, split: str, indices: range, grid: Grid, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Drawn inputs as the solver takes them: fields that happen to be numbers, and what jumps between a grid's points in its cells."""
    given = dict(inputs)
    for field in chosen.recipe.fields:
        if field.name in given and not field.uniform and given[field.name].ndim == 1:  # a number a sample stands for a field
            given[field.name] = given[field.name].reshape(-1, *[1] * grid.dims)
            if field in chosen.recipe.unknowns:
                given[field.name] = np.broadcast_to(given[field.name], (len(indices), *grid.shape))
        jumps = field.cells and not any(grid.periodic) and chosen.recipe.solving.order == 2
        if jumps and field.name in given and (law := laws(chosen, split)[field.name]).borders:
            given[field.name] = _draw(chosen, split, indices, field.name, law, grid.middles())
    return given
