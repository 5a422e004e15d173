"""A recipe in words: what a person asks of a dataset before using it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from opbench.boundary import Dirichlet, Neumann, Outflow, at_zero, resolve
from opbench.data.dataset import Task
from opbench.data.foreign import Foreign
from opbench.data.recipe import AnyRecipe, Plan, Recipe, folder, plan
from opbench.data.samples import draw, stored_grid
from opbench.field import Field
from opbench.find import summary
from opbench.samplers import Sampler

MEASURED = "measured.json"  # beside the recipes: what `python -m opbench.data.catalogue` measured
UNKNOWN = "not known: others made these data"
Facts = dict[str, str]  # label -> words
Floors = Mapping[str, Mapping[str, Any]]  # split -> unknown -> {"relative_l2": {"mean": ..., "max": ...}}


def facts(recipe: AnyRecipe, scheme: str | None = None) -> Facts:
    """What holds at every scale. scheme: the solver's own words for what it did, where they are known."""
    tasks = "; ".join(f"{task.kind} (version {task.version}; {_budget(task)})" for task in recipe.tasks)
    if isinstance(recipe, Foreign):
        return {
            "source": recipe.source,
            "domain": _domain(recipe),
            "given": ", ".join([*(["the initial state"] if recipe.times else []), *recipe.given]),
            "asked": ", ".join(recipe.asked),
            **({"times": f"{recipe.times.frames} from {recipe.times.first:g} to {recipe.times.last:g}"} if recipe.times else {}),
            "splits": "; ".join(
                f"{split}: {recipe.samples(split)} samples of {_by(recipe.grid(split).shape)} points from "
                + ", ".join(part.file for part in recipe.parts(split))
                for split in recipe.splits
            ),
            "tasks": tasks,
        }
    shifted = {"ood": "; ".join(_laws(recipe.ood, recipe.fields))} if recipe.ood else {}
    return {
        "equation": f"{summary('pdes', recipe.equation)} ({recipe.equation})",
        "source": recipe.source,
        "domain": _domain(recipe),
        "boundary": "; ".join(_boundary(recipe)),
        "given": "; ".join([*_laws(recipe.given, recipe.fields), *_defaults(recipe)]),
        **shifted,
        "solver": f"{scheme or f'finite differences of order {recipe.solving.order}'}; tolerance {recipe.solving.tolerance:g}",
        "tasks": tasks,
    }


def _budget(task: Task) -> str:
    epochs = ", ".join(f"{count} ({scale})" for scale, count in task.epochs.items())
    return f"epochs {epochs}, batches of {task.batch_size}"


def size(chosen: Plan) -> str:
    """Points, times, samples and bytes of a plan's files."""
    times = chosen.times
    frames = "" if times is None else f"; {len(times)} times from {times[0]:g} to {times[-1]:g} s"
    samples = ", ".join(f"{split} {count}" for split, count in chosen.samples.items())
    points = f"{_by(chosen.points)} points, solved on {_by(chosen.solve_grid.shape)}"
    return f"{points}{frames}; samples: {samples}; about {megabytes(stored_bytes(chosen))}"


def floor(floors: Floors) -> str:
    """The error floor of every split and unknown, mean and largest; `floors` as generation measures them."""

    def words(unknown: str, error: Mapping[str, float]) -> str:
        return f"{unknown} {error['mean']:.1e} (at most {error['max']:.1e})"

    return "; ".join(
        f"{split}: {', '.join(words(name, field['relative_l2']) for name, field in unknowns.items())}" for split, unknowns in floors.items()
    )


def all_measured() -> dict[str, Any]:
    """What was measured of the recipes that come with opbench, by name; see `measured`."""
    path = folder() / MEASURED
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def measured(recipe: AnyRecipe) -> dict[str, Any]:
    """The "scheme" and the "floors" at the mini scale that were measured of exactly this recipe; empty where none were."""
    if not isinstance(recipe, Recipe) or "mini" not in recipe.scales:
        return {}
    entry = all_measured().get(recipe.name, {})
    return entry if entry.get("fingerprint") == plan(recipe, "mini").fingerprint else {}


def _domain(recipe: AnyRecipe) -> str:
    domain, unit = recipe.domain, "" if isinstance(recipe, Foreign) else " m"
    ends = zip(domain.axes, domain.lower, domain.upper, strict=True)
    return ", ".join(f"{axis} from {low:g} to {high:g}{unit}" for axis, low, high in ends)


def _boundary(recipe: Recipe) -> Iterator[str]:
    domain = recipe.domain
    conditions = recipe.conditions if recipe.boundary or recipe.evolves else _default(recipe)
    places: dict[str, list[str]] = {}
    for axis, low, high, wraps in zip(domain.axes, domain.lower, domain.upper, domain.periodic, strict=True):
        if wraps:
            places.setdefault("periodic", []).append(axis)
            continue
        for end, position in enumerate((low, high)):
            words = ", ".join(_condition(unknown, ends[end]) for unknown, ends in conditions[axis].items())
            places.setdefault(words, []).append(f"{axis} = {position:g}")
    for words, where in places.items():
        yield f"{words} {'in' if words == 'periodic' else 'at'} {', '.join(where)}"


def _default(recipe: Recipe):
    """What a steady equation has where a recipe says nothing."""
    grid = recipe.domain.grid(tuple(9 for _ in recipe.domain.axes))
    return resolve(at_zero(grid), grid, recipe.unknowns, recipe.equation)


def _condition(unknown: str, condition: Any) -> str:
    if isinstance(condition, Outflow):
        return f"{unknown} flows out"
    left = unknown if isinstance(condition, Dirichlet) else f"d {unknown}/dn"
    left = left if isinstance(condition, (Dirichlet, Neumann)) else f"{condition.factor:g} {unknown} + {left}"
    return f"{left} = {_number(condition.value)}"


def _laws(laws: Mapping[str, Sampler], fields: Iterable[Field]) -> Iterator[str]:
    units = {field.name: f" [{field.unit}]" for field in fields}  # a value at an end has no field, and its unknown's unit
    for name, law in laws.items():
        settings = law.model_dump()
        kind = settings.pop("sampler")
        words = ", ".join(f"{key} = {_number(value)}" for key, value in settings.items() if value is not None)
        yield f"{name}{units.get(name, '')} {kind}({words})"


def _defaults(recipe: Recipe) -> Iterator[str]:
    for field in recipe.fields:
        if field.name not in recipe.given and field.default is not None:
            yield f"{field.name} [{field.unit}] {field.default:g}"


def stored_bytes(chosen: Plan) -> int:
    """What the arrays of all files take, in float32."""
    unknowns, given = [field.name for field in chosen.recipe.unknowns], chosen.recipe.given
    drawn = {name: values for name, values in draw(chosen, "train", range(1), chosen.solve_grid).items() if name not in unknowns}
    fields = sum(values.ndim > 1 for values in drawn.values())
    numbers = sum(values.ndim == 1 and given[name].random for name, values in drawn.items())
    frames = len(unknowns) * len(chosen.times or (0,)) + fields
    points = {split: int(np.prod(stored_grid(chosen, split).shape)) for split in chosen.samples}
    return sum(4 * count * (points[split] * frames + numbers) for split, count in chosen.samples.items())


def megabytes(count: int) -> str:
    return f"{count / 1e6:.{0 if count >= 1e7 else 1}f} MB"


def _by(points: Sequence[int]) -> str:
    return " x ".join(map(str, points))


def _number(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(_number, value))})"
    return f"{value:g}" if isinstance(value, float) else str(value)
