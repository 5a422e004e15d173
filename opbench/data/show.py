"""A dataset before one's eyes: a summary in words, a picture of a few samples and, where they evolve, an animation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opbench.atomic import write_bytes
from opbench.data.describe import UNKNOWN, Facts, facts, floor, measured, megabytes, size
from opbench.data.foreign import Foreign
from opbench.data.generation import data_root, file, require_memory
from opbench.data.parts import MEASURED
from opbench.data.recipe import Plan
from opbench.data.samples import STEPS, laws, solve_block, stored_grid
from opbench.data.store import Stored
from opbench.data.task import ForeignSplit, Problem, problem
from opbench.errors import ConfigError
from opbench.field import Field
from opbench.find import known
from opbench.pictures import Scene, animation, picture
from opbench.threads import one_thread

FLOOR = "relative L2 difference of a few samples to the same ones at twice the grid and half the step, mean and largest"


@dataclass(frozen=True)
class Shown:
    """What `show` found and made: the summary, label by label, and the files."""

    summary: Facts
    files: tuple[Path, ...]


def show(dataset: str, scale: str = "mini", split: str = "test", samples: int = 3, out: str | Path = "pictures") -> Shown:
    """Summarise a dataset and draw its first samples: out/dataset.png and, where they evolve, out/dataset.gif.

    Samples are read from the dataset's files; where these are missing, as many blocks as the picture needs are solved, and nothing but the
    pictures is written. Raises UnknownName, ConfigError, SolverError, DataError.
    """
    chosen = problem(dataset, scale)
    scene = look(chosen, split, samples)
    name = chosen.recipe.name
    drawn = {f"{name}.png": picture(scene)} | ({f"{name}.gif": animation(scene)} if scene.times else {})
    for path, content in drawn.items():
        write_bytes(Path(out) / path, content)
    return Shown(summary(chosen, split), tuple(Path(out) / path for path in drawn))


def look(chosen: Problem, split: str, samples: int) -> Scene:
    """The first samples of a split, as many as it has of them."""
    known(f"split of {chosen.recipe.name}", split, chosen.splits)
    if samples < 1:
        raise ConfigError(f"{chosen.recipe.name}: samples: expected 1 or more, got {samples}")
    title = f"{chosen.recipe.name}, {chosen.scale}, {split}"
    if isinstance(chosen.recipe, Foreign):
        return _foreign(chosen.recipe, split, title, samples)
    require_memory(chosen.plan)
    count, held = min(samples, chosen.plan.samples[split]), stored(chosen.plan, split)
    return _solved(chosen.plan, split, title, count) if held is None else _read(held, title, count)


def stored(chosen: Plan, split: str) -> Stored | None:
    """A split's file, if it is there and of this recipe."""
    path = file(data_root() / chosen.folder, chosen, split)
    held = Stored(path) if path.exists() else None
    return held if held and held.header.provenance.get("fingerprint") == chosen.fingerprint else None


def _read(held: Stored, title: str, count: int) -> Scene:
    header, first = held.header, slice(count)
    return Scene(
        title,
        header.grid,
        header.times,
        given={field: held.read(field.name, first) for field in header.constant},
        parameters={field: held.read(field.name, first) for field in header.parameters},
        unknowns={field: held.read(field.name, first) for field in header.evolving},
    )


def _solved(chosen: Plan, split: str, title: str, count: int) -> Scene:
    """Samples as the files would hold them: whole blocks are solved."""
    with one_thread():  # as the files are made, to the bit
        blocks = [solve_block(chosen, split, index, "cpu") for index in range(-(-count // chosen.recipe.solving.block))]
    arrays = {name: np.concatenate([block[name] for block in blocks])[:count] for name in blocks[0] if name != STEPS}
    grid = stored_grid(chosen, split)
    fields = {field.name: field for field in chosen.recipe.pde.inputs_on(grid.axes)}
    unknowns = {field: arrays.pop(field.name) for field in chosen.recipe.unknowns}
    given = {fields[name]: values for name, values in arrays.items() if name in fields and values.shape[1:] == grid.shape}
    random = [name for name, law in laws(chosen, split).items() if law.random]
    parameters = {fields[name]: values for name, values in arrays.items() if name in random and name in fields and values.ndim == 1}
    return Scene(title, grid, chosen.times, given, parameters, unknowns)


def _foreign(recipe: Foreign, split: str, title: str, count: int) -> Scene:
    read = ForeignSplit(recipe, split, recipe.tasks[0].kind)
    arrays = {name: values[:count].numpy() for name, values in read.fields.items()}
    unknowns = {Field(name): arrays.pop(name) for name in recipe.asked}
    given = {Field(name): values for name, values in arrays.items() if values.ndim > 1}
    numbers = {Field(name): values for name, values in arrays.items() if values.ndim == 1}
    return Scene(title, read.spec.grid, read.stored_times, given, numbers, unknowns)


def summary(chosen: Problem, split: str) -> Facts:
    """What is known of a dataset at one scale, label by label."""
    recipe, head = chosen.recipe, {"dataset": f"{chosen.recipe.name} ({chosen.scale}): {chosen.recipe.summary}"}
    if isinstance(recipe, Foreign):
        return head | facts(recipe) | _channels(chosen) | {"error floor": UNKNOWN, "fingerprint": chosen.data_fingerprint}
    held = {name: found for name in chosen.splits if (found := stored(chosen.plan, name))}
    told, entry = [found.header.provenance for found in held.values()], measured(recipe)
    floors = _floors(held) or (entry["floors"] if entry.get("fingerprint") == chosen.plan.fingerprint else None)
    return {
        **head,
        **facts(recipe, told[0]["scheme"] if told else entry.get("scheme")),
        **_channels(chosen),
        "size": size(chosen.plan),
        "error floor": f"{floor(floors)}; {FLOOR}" if floors else "not measured yet; opbench generate measures it",
        "fingerprint": chosen.plan.fingerprint,
        "files": _files(chosen.plan, held, split),
    }


def _channels(chosen: Problem) -> Facts:
    """What a model of the task is given and asked, channel by channel."""
    given, asked = ([channel.field for channel in channels] for channels in (chosen.spec.inputs, chosen.spec.outputs))
    counted = {name: asked.count(name) for name in asked}
    words = [name if count == 1 else f"{name} at {count} times" for name, count in counted.items()]
    return {f"{chosen.task.kind}": f"{', '.join(given)} -> {', '.join(words)}"}


def _floors(held: dict[str, Stored]) -> dict[str, Any]:
    """By split, as the files have them; train and valid have that of test."""
    return {name: found.header.provenance["error_floor"]["fields"] for name, found in held.items() if name not in MEASURED}


def _files(chosen: Plan, held: dict[str, Stored], split: str) -> str:
    place, total = data_root() / chosen.folder, sum(found.path.stat().st_size for found in held.values())
    words = f"{len(held)} of {len(chosen.samples)} in {place}" + (f", {megabytes(total)}" if held else "")
    return words if split in held else f"{words}; the samples of the picture were solved for it and are those that the file would hold"
